"""What a mode is: which codecs the phones speak, who hears whom, what is recorded.

Phones 0 … calls − 1 are one side of the calls, calls … 2·calls − 1 the other; phone p is leg p + 1 in media.
"""

from dataclasses import dataclass, field
from typing import Final

from bench.media.generator import Load
from bench.media.sealed import keys
from softswitch.wire import control

_RECORDERS: Final = 1_000_000
_ROOMS: Final = 2_000_000
_ALMOST_ONE: Final = 0.999
"""A gain that is no pass-through, and leaves numbers readable."""

MODES: Final = (
    "uvloop",
    "relay",
    "mix",
    "record",
    "mixrecord",
    "siprec",
    "transcode",
    "g722",
    "opus",
    "srtp",
    "conference-10",
    "conference-50",
    "churn",
)

CALLS: Final = {
    "uvloop": (100, 200, 500, 1000),
    "relay": (100, 200, 500, 1000),
    "record": (100, 200, 500),
    "siprec": (100, 200, 500),
    "mix": (100, 200, 500),
    "g722": (100, 200),
    "opus": (50, 100),
    "churn": (500,),
}
"""Numbers of calls that a mode is measured with unless told otherwise."""
USUAL: Final = (100, 500)


@dataclass
class Scene:
    """`codecs` and `speaker` (whom one should hear with numbers, −1 nobody) by phone; `recorded` pairs of legs,
    and `served` those whose voices go to a server; `bursts` and `keys` as in `Load`; `rooms` the members of each
    conference."""

    codecs: list[str]
    speaker: list[int]
    edges: list[control.Edge]
    numbered: list[bool]
    recorded: list[tuple[int, int]] = field(default_factory=list)
    served: list[tuple[int, int]] = field(default_factory=list)
    mixed: bool = False
    bursts: bool = False
    keys: list[tuple[bytes, bytes]] = field(default_factory=list)
    rooms: list[range] = field(default_factory=list)

    def load(self, seconds: float, cores: set[int]) -> Load:
        """What the generator plays."""
        return Load(
            seconds=seconds,
            codecs=list(self.codecs),
            speaker=list(self.speaker),
            numbered=list(self.numbered),
            judged=[True] * len(self.codecs),
            mixed=self.mixed,
            bursts=self.bursts,
            keys=self.keys,
            cores=cores,
        )

    def commands(self, folder: str) -> list[control.Command]:
        """Recorders and their edges, conferences."""
        commands: list[control.Command] = []
        for n, (a, b) in enumerate(self.recorded):
            commands.append(control.Record(_RECORDERS + n, f"{folder}/{n}.wav"))
            commands.append(control.Connect((control.Edge(a, _RECORDERS + n, 0), control.Edge(b, _RECORDERS + n, 1))))
        for n, members in enumerate(self.rooms):
            commands.append(control.OpenRoom(_ROOMS + n))
            commands += [control.JoinRoom(_ROOMS + n, member) for member in members]
        return commands


def scene(mode: str, calls: int) -> Scene:
    """The scene of `mode`; in conferences `calls` is half of the parties, so that packets compare."""
    if mode.startswith("conference-"):
        return _conference(2 * calls, int(mode.removeprefix("conference-")))
    count = 2 * calls
    gain = _ALMOST_ONE if mode in ("mix", "mixrecord") else 1.0
    pairs = [(call + 1, call + calls + 1) for call in range(calls)]
    edges = [edge for a, b in pairs for edge in (control.Edge(a, b, 0, gain), control.Edge(b, a, 0, gain))]
    other = {"transcode": "PCMA", "g722": "G722", "opus": "opus"}.get(mode, "PCMU")
    return Scene(
        codecs=["PCMU"] * calls + [other] * calls,
        speaker=[(phone + calls) % count for phone in range(count)],
        edges=edges,
        numbered=[True] * count,
        recorded=pairs if mode in ("record", "mixrecord") else [],
        served=pairs if mode == "siprec" else [],
        mixed=mode in ("mix", "mixrecord", "transcode"),
        bursts=mode in ("g722", "opus"),
        keys=keys(count) if mode == "srtp" else [],
    )


def _conference(parties: int, size: int) -> Scene:
    """Rooms of `size`; the first of each speaks numbers, the others breathe; each hears all others and not itself."""
    rooms = parties // size
    speaker = []
    for room in range(rooms):
        speaker += [-1, *[room * size] * (size - 1)]
    return Scene(
        codecs=["PCMU"] * (rooms * size),
        speaker=speaker,
        edges=[],
        numbered=[heard < 0 for heard in speaker],
        mixed=True,
        rooms=[range(room * size + 1, (room + 1) * size + 1) for room in range(rooms)],
    )
