"""Call progress tones by country (ITU-T E.180/Q.35 and its Supplement 2, "Various tones used in national networks").

A tone is one cadence as a list of play items: play it with `loops=0` until somebody answers or hangs up.
"""

from typing import Final, Literal, TypeAlias

from softswitch.kernel.errors import LocalError
from softswitch.wire.control import PlayItem, SilenceItem, ToneItem

ToneKind: TypeAlias = Literal["ringback", "busy", "congestion", "waiting", "information"]

EUROPE: Final = "eu"  # 425 Hz, as E.180 recommends it for new networks


def _tone(on: int, off: int, *frequencies: float, level: float = -13.0) -> ToneItem:
    return ToneItem(frequencies=frequencies, on=on, off=off, level=level)


# Three rising tones of 330 ms, then a second of silence: the same in the whole world.
_INFORMATION: Final[tuple[PlayItem, ...]] = (
    _tone(330, 0, 950),
    _tone(330, 0, 1400),
    _tone(330, 0, 1800),
    SilenceItem(ms=1000),
)

_TONES: Final[dict[str, dict[ToneKind, tuple[PlayItem, ...]]]] = {
    EUROPE: {
        "ringback": (_tone(1000, 4000, 425),),
        "busy": (_tone(500, 500, 425),),
        "congestion": (_tone(250, 250, 425),),
        "waiting": (_tone(200, 200, 425), _tone(200, 9000, 425)),
    },
    "us": {
        "ringback": (_tone(2000, 4000, 440, 480, level=-19.0),),
        "busy": (_tone(500, 500, 480, 620, level=-24.0),),
        "congestion": (_tone(250, 250, 480, 620, level=-24.0),),
        "waiting": (_tone(300, 9700, 440),),
    },
    "gb": {
        "ringback": (_tone(400, 200, 400, 450, level=-19.0), _tone(400, 2000, 400, 450, level=-19.0)),
        "busy": (_tone(375, 375, 400),),
        "congestion": (_tone(400, 350, 400), _tone(225, 525, 400)),
        "waiting": (_tone(100, 2000, 400),),
    },
    "de": {
        "busy": (_tone(480, 480, 425),),
        "congestion": (_tone(240, 240, 425),),
        "waiting": (_tone(200, 200, 425), _tone(200, 5000, 425)),
    },
    "fr": {
        "ringback": (_tone(1500, 3500, 440),),
        "busy": (_tone(500, 500, 440),),
        "congestion": (_tone(250, 250, 440),),
        "waiting": (_tone(300, 10000, 440),),
    },
    "lt": {
        "busy": (_tone(350, 350, 425),),
        "congestion": (_tone(200, 200, 425),),
        "waiting": (_tone(150, 150, 425), _tone(150, 4000, 425)),
    },
    "ru": {
        "ringback": (_tone(800, 3200, 425),),
        "busy": (_tone(350, 350, 425),),
        "congestion": (_tone(175, 175, 425),),
        "waiting": (_tone(200, 5000, 425),),
    },
    "ua": {
        "busy": (_tone(350, 350, 425),),
        "congestion": (_tone(175, 175, 425),),
    },
}

KINDS: Final[tuple[ToneKind, ...]] = ("ringback", "busy", "congestion", "waiting", "information")
COUNTRIES: Final = tuple(sorted(_TONES))


def tone(kind: ToneKind, country: str = EUROPE) -> tuple[PlayItem, ...]:
    """One cadence of `kind` as heard in `country` (ISO 3166 two letters, or `eu`); countries without a row of their
    own, and tones that a country does not set, follow the European ones. Raises `LocalError` on an unknown kind."""
    if kind == "information":
        return _INFORMATION
    europe = _TONES[EUROPE]
    if kind not in europe:
        raise LocalError(f'unknown tone "{kind}"; known: {", ".join(KINDS)}')
    return _TONES.get(country.lower(), europe).get(kind, europe[kind])
