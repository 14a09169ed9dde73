"""The mix of one plane: a sparse product over all its sinks at once, made ready whenever an edge has changed.

    what speaks in rooms   parts = sources × gains; the sum of each room by `np.add.reduceat`
    what hears rooms       the room's sum less the hearer's own part: one row for each edge from a room to a sink
    what sinks hear        parts = sources and those rows × gains; the sum of each sink likewise

A sink that hears one source at unity needs none of this: its frame is the source's, sample for sample. Gains that move
ramp over the frame; all others of the same sink or plane are untouched by that.
"""

from typing import Final

import numpy as np

from softswitch.media.arena import Floats, Ints, Samples
from softswitch.media.edges import ROOMS, Edges
from softswitch.media.limiter import Limiter, fit

_NONE: Ints = np.zeros(0, np.int64)
_RANK: Final = 40
_ALL_SINKS: Final = (1 << _RANK) - 1


class Entries:
    """Slots of edges, sorted by a key: the sink's rank, then the sink. Few of many come and go at a time, which costs a
    merge and no sort of the whole (numpy's stable sort finds the runs)."""

    __slots__ = ("keys", "slots")

    def __init__(self) -> None:
        self.keys: Ints = _NONE
        self.slots: Ints = _NONE

    def __len__(self) -> int:
        return len(self.slots)

    def change(self, gone: Ints, keys: list[int], slots: list[int]) -> None:
        """Take out all entries of the sinks `gone`, and put others in."""
        if len(self.keys) and len(gone):
            keep = np.isin(self.keys & _ALL_SINKS, gone, invert=True)
            if not keep.all():
                self.keys, self.slots = self.keys[keep], self.slots[keep]
        if keys:
            merged = np.concatenate((self.keys, np.array(keys, np.int64)))
            order = np.argsort(merged, kind="stable")
            self.keys = merged[order]
            self.slots = np.concatenate((self.slots, np.array(slots, np.int64)))[order]


def key(rank: int, sink: int) -> int:
    """Where the entries of `sink` are sorted in."""
    return rank << _RANK | sink


class _Gains:
    """Gains of rows: nothing is done for those that are and stay 1."""

    __slots__ = ("_aim", "_fixed", "_fixed_at", "_moving_at", "_now", "_ramp", "_step")

    def __init__(self, now: Floats, aim: Floats, ramp: Floats) -> None:
        steady = now == aim
        self._moving_at = np.flatnonzero(~steady)
        self._fixed_at = np.flatnonzero(steady & (now != 1.0))
        self._fixed = now[self._fixed_at][:, None]
        self._now = now[self._moving_at][:, None]
        self._step = aim[self._moving_at][:, None] - self._now
        self._ramp = ramp

    def __call__(self, parts: Floats) -> None:
        if (count := len(self._fixed_at)) == len(parts):
            parts *= self._fixed
        elif count:
            parts[self._fixed_at] *= self._fixed
        if len(self._moving_at):
            parts[self._moving_at] *= self._now + self._step * self._ramp


class Matrix:
    """`spoken` are the edges into rooms, `heard` those into other sinks. `sinks` gives the order of the frames that
    come out, `ranks` their ranks."""

    __slots__ = (
        "_first",
        "_gain",
        "_hear_at",
        "_minus",
        "_minus_at",
        "_own",
        "_plain",
        "_ramp",
        "_room",
        "_room_gain",
        "_room_starts",
        "_source",
        "_source_at",
        "_speaker",
        "_starts",
        "_summed",
        "_width",
        "heard",
        "ranks",
        "sinks",
        "spoken",
    )

    def __init__(self, width: int) -> None:
        """`width`: samples in a frame."""
        self._width = width
        self._ramp: Floats = (np.arange(1, width + 1, dtype=np.float32) / np.float32(width)).reshape(1, width)
        self.spoken = Entries()
        self.heard = Entries()
        self.sinks: Ints = _NONE
        self.ranks: Ints = _NONE

    def sources(self, edges: Edges) -> Ints:
        """The nodes that must be there, rooms aside, some of them several times."""
        source = edges.source[self.heard.slots]
        return np.concatenate((source[source < ROOMS], edges.source[self.spoken.slots]))

    def make(self, edges: Edges, place: Ints) -> None:
        """Ready for the next ticks. `place[node]`: the row of the sound in which a source will be."""
        slots, keys = self.heard.slots, self.heard.keys
        first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        self.sinks = keys[starts] & _ALL_SINKS
        self.ranks = keys[starts] >> _RANK
        source, now, aim = edges.source[slots], edges.gain[slots], edges.aim[slots]
        room = source >= ROOMS
        counts = np.diff(starts, append=len(keys))
        plain = (counts == 1) & ~room[starts] & (now[starts] == 1.0) & (aim[starts] == 1.0)
        self._first = np.where(room[starts], 0, place[np.where(room[starts], 0, source[starts])])
        self._summed = np.flatnonzero(~plain)
        self._plain = len(self._summed) == 0
        if self._plain:
            return
        if len(self._summed) < len(starts):
            chosen = np.flatnonzero(np.repeat(~plain, counts))
            source, now, aim, room, slots = source[chosen], now[chosen], aim[chosen], room[chosen], slots[chosen]
            counts = counts[self._summed]
        self._starts = np.cumsum(counts) - counts if len(counts) < len(source) else _NONE
        self._gain = _Gains(now, aim, self._ramp)
        self._hear_at = np.flatnonzero(room)
        self._source_at = np.flatnonzero(~room)
        self._source = place[source[self._source_at]]
        if len(self._hear_at):
            self._make_rooms(edges, place, slots[self._hear_at])

    def _make_rooms(self, edges: Edges, place: Ints, hearing: Ints) -> None:
        slots, keys = self.spoken.slots, self.spoken.keys
        first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        self._room_starts = np.flatnonzero(first)
        self._speaker = place[edges.source[slots]]
        self._room_gain = _Gains(edges.gain[slots], edges.aim[slots], self._ramp)
        rooms = keys[self._room_starts]
        wanted = edges.source[hearing]
        at = np.searchsorted(rooms, wanted)
        there = at < len(rooms)
        there[there] = rooms[at[there]] == wanted[there]
        self._room = np.where(there, at, len(rooms))  # a room where nobody speaks: the row of silence
        position = np.full(len(edges.source), -1)
        position[slots] = np.arange(len(slots))
        mate = edges.mate[hearing]
        own = np.where(mate >= 0, position[mate], -1)
        self._minus_at = np.flatnonzero(own >= 0)
        self._minus = own[self._minus_at]

    def __call__(self, sound: Samples, limiter: Limiter) -> Samples:
        """`sound` [sources, width] to what the sinks hear [sinks, width]."""
        if self._plain:
            return sound.take(self._first, axis=0)
        frames: Samples
        if len(self._summed) < len(self.sinks):
            frames = sound.take(self._first, axis=0)
        else:
            frames = np.empty((len(self.sinks), self._width), np.int16)
        if len(self._hear_at):
            parts = np.empty((len(self._hear_at) + len(self._source_at), self._width), np.float32)
            parts[self._hear_at] = self._rooms(sound)
            parts[self._source_at] = sound.take(self._source, axis=0)
        else:
            parts = sound.take(self._source, axis=0).astype(np.float32)
        self._gain(parts)
        if len(self._starts):
            parts = np.add.reduceat(parts, self._starts, axis=0)
        limiter(self.sinks[self._summed], parts)
        frames[self._summed] = fit(parts)
        return frames

    def _rooms(self, sound: Samples) -> Floats:
        """What each edge from a room carries: [edges, width]."""
        parts = sound.take(self._speaker, axis=0).astype(np.float32)
        self._room_gain(parts)
        sums = np.zeros((len(self._room_starts) + 1, self._width), np.float32)
        if len(parts):
            np.add.reduceat(parts, self._room_starts, axis=0, out=sums[:-1])
        heard: Floats = sums.take(self._room, axis=0)
        if len(self._minus) == len(heard):
            heard -= parts.take(self._minus, axis=0)
        elif len(self._minus):
            heard[self._minus_at] -= parts.take(self._minus, axis=0)
        return heard
