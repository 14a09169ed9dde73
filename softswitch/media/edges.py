"""Who hears whom, how loud: the edges of the mix matrix.

A node is a number. Legs are their rows, source and sink alike; players and recorder channels follow behind `capacity`,
each kind counted for itself, because no player is a sink and no recorder a source; rooms begin at `ROOMS`. A room is a
sink of those who speak in it and a source for those who hear it, so a conference of N legs is 2·N edges.

An edge has a slot in the columns, which it keeps. Its gain moves to its aim within one frame (`settle` after it); an
edge whose level is 0 is gone then. Sinks whose sum is to be looked at again gather in `touched`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from softswitch.media.arena import Floats, Ints

ROOMS: Final = 1 << 24
"""The number of the first room."""

_FIRST: Final = 256
_NOBODY: Final[Mapping[int, int]] = {}


class Edges:
    """`gain` is heard now, `aim` after the next frame, `mate` the slot of the same leg's edge the other way, to or from
    a room (−1: none)."""

    __slots__ = (
        "_capacity",
        "_free",
        "_from",
        "_into",
        "_level",
        "_moving",
        "_muted",
        "aim",
        "count",
        "gain",
        "mate",
        "sink",
        "source",
        "touched",
    )

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.count = 0
        self.source: Ints = np.zeros(_FIRST, np.int64)
        self.sink: Ints = np.zeros(_FIRST, np.int64)
        self.mate: Ints = np.full(_FIRST, -1, np.int64)
        self.gain: Floats = np.zeros(_FIRST, np.float32)
        self.aim: Floats = np.zeros(_FIRST, np.float32)
        self._level: Floats = np.zeros(_FIRST, np.float32)  # what was asked for
        self._free = list(range(_FIRST - 1, -1, -1))
        self._into: dict[int, dict[int, int]] = {}  # sink → source → slot
        self._from: dict[int, dict[int, int]] = {}  # source → sink → slot
        self._moving: set[int] = set()  # slots whose gain is not their aim
        self._muted: set[int] = set()
        self.touched: set[int] = set()

    def connect(self, source: int, sink: int, gain: float) -> None:
        """Add the edge or change its gain; 0 takes it away."""
        if not gain:
            self.disconnect(source, sink)
            return
        slot = self._into.get(sink, _NOBODY).get(source)
        if slot is None:
            slot = self._add(source, sink)
        elif self._level[slot] == np.float32(gain):
            return
        self._level[slot] = gain
        self._move(slot, 0.0 if sink in self._muted else gain)

    def disconnect(self, source: int, sink: int) -> None:
        """Fade the edge out; it is gone after the next frame."""
        slot = self._into.get(sink, _NOBODY).get(source)
        if slot is not None:
            self._level[slot] = 0.0
            self._move(slot, 0.0)

    def fade_source(self, source: int) -> None:
        """Nobody shall hear `source` any more after the next frame."""
        for slot in self._from.get(source, _NOBODY).values():
            self._level[slot] = 0.0
            self._move(slot, 0.0)

    def fade_sink(self, sink: int) -> None:
        """`sink` shall hear nobody any more after the next frame."""
        for slot in self._into.get(sink, _NOBODY).values():
            self._level[slot] = 0.0
            self._move(slot, 0.0)

    def drop_source(self, source: int) -> None:
        """Remove its edges at once: there is nothing left to fade."""
        for slot in list(self._from.get(source, _NOBODY).values()):
            self._remove(slot)

    def drop_sink(self, sink: int) -> None:
        """Remove its edges at once: nobody listens."""
        self._muted.discard(sink)
        for slot in list(self._into.get(sink, _NOBODY).values()):
            self._remove(slot)

    def mute(self, sink: int, muted: bool) -> None:
        """Fade all that `sink` hears out, or in again; the edges stay."""
        (self._muted.add if muted else self._muted.discard)(sink)
        for slot in self._into.get(sink, _NOBODY).values():
            self._move(slot, 0.0 if muted else float(self._level[slot]))

    def restart(self, slot: int) -> None:
        """What the edge carries starts from silence."""
        self.gain[slot] = 0.0
        self._move(slot, float(self.aim[slot]))

    def jump(self, slot: int) -> None:
        """The edge is at its aim without a frame of ours."""
        self.gain[slot] = self.aim[slot]
        self._moving.discard(slot)

    def into(self, sink: int) -> Mapping[int, int]:
        """Source → slot of all that `sink` hears, fading ones included."""
        return self._into.get(sink, _NOBODY)

    def sinks_of(self, source: int) -> list[int]:
        """Who hears `source`, fading ones aside."""
        return [sink for sink, slot in self._from.get(source, _NOBODY).items() if self._level[slot]]

    def has_source(self, source: int) -> bool:
        """Whether anything of `source` is left, fading or not."""
        return source in self._from

    def touch(self, node: int) -> None:
        """What `node` is has changed: it and all who hear it are to be looked at again."""
        self.touched.add(node)
        self.touched.update(self._from.get(node, _NOBODY))

    def sounds(self, slot: int) -> bool:
        """Whether anything is heard of the edge in the next frame."""
        return slot in self._moving or bool(self.gain[slot])

    @property
    def moving(self) -> bool:
        """Whether `settle` has anything to do."""
        return bool(self._moving)

    def settle(self) -> None:
        """A frame has passed: gains are at their aims, faded edges go."""
        moving, self._moving = self._moving, set()
        for slot in moving:
            self.gain[slot] = self.aim[slot]
            self.touched.add(int(self.sink[slot]))
            if not self._level[slot]:
                self._remove(slot)

    def _move(self, slot: int, aim: float) -> None:
        self.aim[slot] = aim
        self._moving.add(slot)
        self.touched.add(int(self.sink[slot]))

    def _add(self, source: int, sink: int) -> int:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.count += 1
        self._into.setdefault(sink, {})[source] = slot
        self._from.setdefault(source, {})[sink] = slot
        self.source[slot], self.sink[slot], self.gain[slot] = source, sink, 0.0
        mate = -1
        if (sink >= ROOMS and source < self._capacity) or (source >= ROOMS and sink < self._capacity):
            mate = self._into.get(source, _NOBODY).get(sink, -1)
            if mate >= 0:
                self.mate[mate] = slot
        self.mate[slot] = mate
        return slot

    def _remove(self, slot: int) -> None:
        source, sink = int(self.source[slot]), int(self.sink[slot])
        self.touched.add(sink)
        for table, node, other in ((self._into, sink, source), (self._from, source, sink)):
            near = table[node]
            del near[other]
            if not near:
                del table[node]
        if (mate := int(self.mate[slot])) >= 0:
            self.mate[mate] = self.mate[slot] = -1
        self._moving.discard(slot)
        self._free.append(slot)
        self.count -= 1

    def _grow(self) -> None:
        room = len(self.source)
        self.source, self.sink = np.resize(self.source, 2 * room), np.resize(self.sink, 2 * room)
        self.mate = np.resize(self.mate, 2 * room)
        self.gain, self.aim = np.resize(self.gain, 2 * room), np.resize(self.aim, 2 * room)
        self._level = np.resize(self._level, 2 * room)
        self._free = list(range(2 * room - 1, room - 1, -1))
