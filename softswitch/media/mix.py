"""The mix as a sparse matrix: edges (source, sink, gain) sorted by sink, one product over all calls a tick.

Sources and sinks are numbered by the caller. A changed gain ramps over one frame; a new edge ramps in and a removed
one out, so nothing clicks.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import FRAME, Floats, Ints

_RAMP: Floats = (np.arange(1, FRAME + 1, dtype=np.float32) / np.float32(FRAME)).reshape(1, FRAME)
_FIRST_ROOM: Final = 256


class Edges:
    """The edges that exist, in parallel arrays without holes; order has no meaning."""

    __slots__ = ("_at", "_near", "aim", "count", "gain", "sink", "source")

    def __init__(self) -> None:
        self.count = 0
        self.source: Ints = np.zeros(_FIRST_ROOM, np.int64)
        self.sink: Ints = np.zeros(_FIRST_ROOM, np.int64)
        self.gain: Floats = np.zeros(_FIRST_ROOM, np.float32)  # now
        self.aim: Floats = np.zeros(_FIRST_ROOM, np.float32)  # after the next frame
        self._at: dict[tuple[int, int], int] = {}
        self._near: dict[int, set[tuple[int, int]]] = {}  # by source, and by ~sink

    def connect(self, source: int, sink: int, gain: float) -> None:
        """Add the edge or change its gain."""
        edge = (source, sink)
        at = self._at.get(edge)
        if at is None:
            at = self.count
            if at == len(self.source):
                self._grow()
            self.count += 1
            self._at[edge] = at
            self._near.setdefault(source, set()).add(edge)
            self._near.setdefault(~sink, set()).add(edge)
            self.source[at], self.sink[at], self.gain[at] = source, sink, 0.0
        self.aim[at] = gain

    def disconnect(self, source: int, sink: int) -> None:
        """Fade the edge out; it is gone after the next frame (`sweep`)."""
        at = self._at.get((source, sink))
        if at is not None:
            self.aim[at] = 0.0

    def drop_source(self, source: int) -> None:
        """Remove its edges at once: there is nothing left to fade."""
        for edge in self._near.get(source, set()).copy():
            self._remove(edge)

    def drop_sink(self, sink: int) -> None:
        """Remove its edges at once: nobody listens."""
        for edge in self._near.get(~sink, set()).copy():
            self._remove(edge)

    def sinks_of(self, source: int) -> list[int]:
        """Who hears `source`, fading ones aside."""
        return [edge[1] for edge in self._near.get(source, ()) if self.aim[self._at[edge]]]

    def sources_of(self, sink: int) -> list[int]:
        """Whom `sink` hears, fading ones included."""
        return [edge[0] for edge in self._near.get(~sink, ())]

    def settle(self) -> bool:
        """Gains reach their aims, faded edges go; whether any went."""
        n = self.count
        self.gain[:n] = self.aim[:n]
        gone = np.flatnonzero(self.aim[:n] == 0.0)
        for edge in [(int(self.source[i]), int(self.sink[i])) for i in gone]:
            self._remove(edge)
        return bool(len(gone))

    def _remove(self, edge: tuple[int, int]) -> None:
        at = self._at.pop(edge)
        for node in (edge[0], ~edge[1]):
            near = self._near[node]
            near.discard(edge)
            if not near:
                del self._near[node]
        self.count -= 1
        last = self.count
        if at != last:
            moved = (int(self.source[last]), int(self.sink[last]))
            self._at[moved] = at
            for column in (self.source, self.sink, self.gain, self.aim):
                column[at] = column[last]

    def _grow(self) -> None:
        room = 2 * len(self.source)
        self.source, self.sink = np.resize(self.source, room), np.resize(self.sink, room)
        self.gain, self.aim = np.resize(self.gain, room), np.resize(self.aim, room)


class Product:
    """The matrix made ready for a tick. `sources` and `sinks` give the order of the rows in and out; `edges` are
    indices into `Edges`, sorted by the sinks' order."""

    __slots__ = ("_from", "_gain", "_starts", "sinks", "sources")

    def __init__(self, table: Edges, chosen: Ints, rank: Ints) -> None:
        """`chosen`: the edges that take part; `rank`: for each of them, its sink's place among the sinks."""
        order = np.lexsort((table.sink[chosen], rank))
        chosen = chosen[order]
        sink = table.sink[chosen]
        first = np.ones(len(chosen), bool)
        first[1:] = sink[1:] != sink[:-1]
        self._starts = np.flatnonzero(first)
        self.sinks: Ints = sink[self._starts]
        self.sources: Ints
        self.sources, self._from = np.unique(table.source[chosen], return_inverse=True)
        self._gain = _Gains(table.gain[chosen], table.aim[chosen])

    def ramping(self) -> bool:
        """Whether this tick changes gains: the product must be made anew afterwards."""
        return self._gain.ramping

    def __call__(self, sound: Floats) -> Floats:
        """`sound` [sources, 160] to what the sinks hear [sinks, 160]."""
        parts = self._gain(sound.take(self._from, axis=0))
        if len(self._starts) == len(parts):
            return parts
        mixed: Floats = np.add.reduceat(parts, self._starts, axis=0)
        return mixed


class _Gains:
    __slots__ = ("_aim", "_now", "_unity", "ramping")

    def __init__(self, now: Floats, aim: Floats) -> None:
        self._now, self._aim = now.reshape(-1, 1), aim.reshape(-1, 1)
        self.ramping = bool((now != aim).any())
        self._unity = not self.ramping and bool((now == 1.0).all())

    def __call__(self, parts: Floats) -> Floats:
        if self.ramping:
            parts *= self._now + (self._aim - self._now) * _RAMP
        elif not self._unity:
            parts *= self._now
        return parts


def clip(mixed: Floats) -> NDArray[np.int16]:
    """To 16 bits, rounded to the nearest."""
    np.rint(mixed, out=mixed)
    np.clip(mixed, -32768.0, 32767.0, out=mixed)
    return mixed.astype(np.int16)


def members(values: Iterable[int]) -> Ints:
    """An index array of `values`."""
    return np.fromiter(values, np.int64)
