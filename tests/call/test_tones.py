"""Call progress tones: ITU-T E.180 and its Supplement 2."""

import pytest

from softswitch.call.tones import COUNTRIES, KINDS, ToneKind, tone
from softswitch.kernel.errors import LocalError
from softswitch.wire.control import ToneItem


def test_europes_ringing_tone_is_425_hz_one_second_in_five() -> None:
    """E.180 recommends 425 Hz, 0.67 to 1.5 s on and 3 to 5 s off."""
    assert tone("ringback") == (ToneItem(frequencies=(425,), on=1000, off=4000),)


def test_north_americas_ringing_tone_is_440_and_480_hz_two_seconds_in_six() -> None:
    (item,) = tone("ringback", "US")
    assert isinstance(item, ToneItem)
    assert (item.frequencies, item.on, item.off) == ((440, 480), 2000, 4000)


def test_congestion_is_faster_than_busy() -> None:
    """E.180: busy 0.3 to 1.1 s a period, congestion 0.12 to 0.66 s."""
    for country in COUNTRIES:
        busy, congestion = tone("busy", country)[0], tone("congestion", country)[-1]
        assert isinstance(busy, ToneItem)
        assert isinstance(congestion, ToneItem)
        assert busy.on == busy.off
        assert congestion.on < busy.on


def test_a_country_without_a_row_follows_europe() -> None:
    assert tone("busy", "pl") == tone("busy")
    assert tone("ringback", "de") == tone("ringback")


def test_two_frequencies_are_no_louder_than_one() -> None:
    """E.180 recommends −10 dBm0; none of ours is above it."""
    for country in COUNTRIES:
        for kind in KINDS:
            for item in tone(kind, country):
                if isinstance(item, ToneItem):
                    assert sum(10 ** (item.level / 10) for _ in item.frequencies) <= 0.1


def test_an_unknown_tone_is_named() -> None:
    kind: ToneKind = "ringbakc"  # type: ignore[assignment]
    with pytest.raises(LocalError, match=r'"ringbakc".*ringback'):
        tone(kind)
