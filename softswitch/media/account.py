"""Received packets in bulk, once a tick or when the memory is needed: statistics, decoding, and the jitter buffers,
which nobody reads before the tick."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.kernel.clock import Instant
from softswitch.media import columns
from softswitch.media.arena import BLOCK, SIZE, Arena, Floats, Ints, Octets
from softswitch.media.codecs import CODED, L16_NARROW, L16_WIDE, LINEAR
from softswitch.media.legs import Legs
from softswitch.media.relay import Relay
from softswitch_codecs import g711, l16

_FEW: Final = 64
_DROPOUT: Final = 3000  # RFC 3550 A.1
_MISORDER: Final = 100
_LEAP: Final = 2  # seconds
_ONE = np.uint64(1)

_COLUMNS: Final = (np.int64, np.int64, np.int64, np.int64, np.uint16, np.uint32)


class Account:
    """`recent` is what was accounted for since the memory was last given away; its owner clears it.

    Packets are logged as they come: `open` are lists that grow one by one (row, slot, start, end, sequence,
    timestamp; start and end within the slot), which `close` turns into a chunk; `log` takes a chunk as it is."""

    __slots__ = ("_arena", "_chunks", "_legs", "_relay", "open", "recent")

    def __init__(self, legs: Legs, relay: Relay, arena: Arena) -> None:
        self._legs = legs
        self._relay = relay
        self._arena = arena
        self._chunks: list[tuple[np.ndarray, ...]] = []
        self.recent: list[tuple[np.ndarray, ...]] = []
        self.open: tuple[list[int], ...] = tuple([] for _ in _COLUMNS)

    def close(self, now: Instant) -> None:
        """The packets in `open` came at `now`."""
        if self.open[0]:
            columns = [np.array(some, kind) for some, kind in zip(self.open, _COLUMNS, strict=True)]
            self._chunks.append((*columns, np.full(len(columns[0]), now)))
            for some in self.open:
                some.clear()

    def log(
        self, rows: Ints, slots: Ints, starts: Ints, ends: Ints, sequences: Ints, stamps: Ints, now: Instant
    ) -> None:
        """These packets came at `now`."""
        self._chunks.append((rows, slots, starts, ends, sequences, stamps, np.full(len(rows), now)))

    @property
    def waiting(self) -> bool:
        """Whether anything waits to be accounted for."""
        return bool(self._chunks)

    def awaits(self, row: int) -> bool:
        """Whether packets of `row` wait to be accounted for."""
        return any((chunk[0] == row).any() for chunk in self._chunks) or row in self.open[0]

    def last_of(self, row: int) -> Octets | None:
        """The payload of the row's last packet in `recent`."""
        for rows, slots, starts, ends, *_ in reversed(self.recent):
            if len(found := np.flatnonzero(rows == row)):
                last = found[-1]
                return self._arena.octets[slots[last], starts[last] : ends[last]]
        return None

    def fully(self, to_play: Instant) -> None:
        """Account for all, and nothing is put off: the routes are about to change."""
        self.close(to_play)
        while self._chunks:
            self(to_play)

    def __call__(self, to_play: Instant) -> None:
        """Statistics and jitter buffers of all packets since the last time. `to_play`: when the next tick plays."""
        if not self._chunks:
            return
        chunks, self._chunks = self._chunks, []
        merged = chunks[0] if len(chunks) == 1 else tuple(map(np.concatenate, zip(*chunks, strict=True)))
        self.recent.append(merged)
        rows, slots, starts, ends, sequences, stamps, at = merged
        rounds = _rounds(rows)
        if len(rounds) > 1:
            rounds = self._put_off(rounds, merged)
        for part in rounds:
            some = rows[part]
            sizes = ends[part] - starts[part]
            state = self._legs.received.take(some)
            self._relay.account(state["relay"], sequences[part], stamps[part], sizes, at[part])
            count(state, sequences[part], stamps[part], sizes, at[part])
            self._legs.received[some] = state
            decode = state["decode"]
            if not decode.all():
                part = part[decode] if isinstance(part, np.ndarray) else np.flatnonzero(decode)
                if not len(part):
                    continue
                some, state = rows[part], state[decode]
            spare = (to_play - at[part]).astype(np.float32)
            np.maximum(spare, 0.0, out=spare)
            self._buffer(some, slots[part], starts[part], ends[part], stamps[part], state["codec"], spare)

    def _put_off(self, rounds: list[slice | Ints], merged: tuple[np.ndarray, ...]) -> list[slice | Ints]:
        """A round costs the same for one packet as for a hundred, so the few second packets of rows that nobody
        decodes wait for the next time. Returns the rounds to be done now."""
        rows = merged[0]
        later = np.concatenate([np.arange(len(rows))[part] for part in rounds[1:]])
        if len(later) > min(_FEW, len(rows) // 2) or self._legs.received["decode"][rows[later]].any():
            return rounds
        later.sort()
        self._chunks.insert(0, tuple(column[later] for column in merged))
        return rounds[:1]

    def _buffer(
        self, rows: Ints, slots: Ints, starts: Ints, ends: Ints, stamps: Ints, laws: Ints, spare: Floats
    ) -> None:
        """Decode into the jitter buffer, packets of one shape at a time; `rows` are distinct."""
        if (other := laws >= LINEAR).any():
            at = np.flatnonzero(other)
            self._others(rows[at], slots[at], starts[at], ends[at], stamps[at], laws[at], spare[at])
            at = np.flatnonzero(~other)
            if not len(at):
                return
            rows, slots, starts, ends, stamps, laws, spare = (
                rows[at], slots[at], starts[at], ends[at], stamps[at], laws[at], spare[at],
            )  # fmt: skip
        for start, end, part in _shapes(starts, ends):
            size = (end - start) // BLOCK * BLOCK
            if not size:
                continue
            octets = self._arena.octets[slots[part], start : start + size]
            law = laws[part]
            if (law == law[0]).all():
                samples = g711.DECODE[int(law[0])].take(octets)
            else:
                samples = g711.DECODE.reshape(-1).take(octets + (law.astype(np.int64) * 256)[:, None])
            self._legs.jitter.put(rows[part], stamps[part], samples, spare[part])

    def _others(
        self, rows: Ints, slots: Ints, starts: Ints, ends: Ints, stamps: Ints, codecs: Ints, spare: Floats
    ) -> None:
        """What is not G.711: payloads that wait to be decoded, and L16."""
        coded = np.flatnonzero(codecs >= CODED)
        if len(coded):
            memory = self._arena.memory
            spans = zip((slots * SIZE + starts)[coded].tolist(), (slots * SIZE + ends)[coded].tolist(), strict=True)
            payloads = [bytes(memory[start:end]) for start, end in spans]
            self._legs.coded.put(rows[coded], payloads, stamps[coded], spare[coded])
        for codec, buffer in ((L16_NARROW, self._legs.jitter), (L16_WIDE, self._legs.wide)):
            linear = np.flatnonzero(codecs == codec)
            if not len(linear):
                continue
            for start, end, part in _shapes(starts[linear], ends[linear]):
                some = linear[part]
                size = (end - start) // (2 * buffer.block) * 2 * buffer.block
                if size:
                    samples = l16.decode(self._arena.octets[slots[some], start : start + size])
                    buffer.put(rows[some], stamps[some], samples, spare[some])


def _shapes(starts: Ints, ends: Ints) -> list[tuple[int, int, slice | Ints]]:
    """The packets by where their payloads begin and end."""
    if (starts == starts[0]).all() and (ends == ends[0]).all():
        return [(int(starts[0]), int(ends[0]), slice(None))]
    return [
        (start, end, np.flatnonzero((starts == start) & (ends == end)))
        for start, end in sorted(set(zip(starts.tolist(), ends.tolist(), strict=True)))
    ]


def _rounds(rows: Ints) -> list[slice | Ints]:
    """The packets in groups that hold each row once, in order of arrival."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return [slice(None)]
    position = np.arange(len(rows))
    first = np.concatenate(([True], ~again))
    turn = position - np.maximum.accumulate(np.where(first, position, 0))
    return [np.sort(order[turn == n]) for n in range(int(turn.max()) + 1)]


def count(state: columns.Table, sequences: Ints, stamps: Ints, sizes: Ints, at: NDArray[np.float64]) -> None:
    """Statistics of RFC 3550 A.1, A.3, A.8 for one packet of each row in `state`."""
    step = (sequences - state["highest"].astype(np.uint16)).view(np.int16)
    if (step == 1).all():
        state["highest"] += 1
        state["seen"] = state["seen"] << _ONE | _ONE
        state["packets"] += 1
    else:
        wide = step.astype(np.int64)
        leap = (wide > _DROPOUT) | (wide < -_MISORDER)  # the sequence starts anew: what lies between was never sent
        ahead = np.where(leap, wide & 0xFFFF, np.maximum(wide, 0))
        behind = np.where(leap, 0, np.clip(-wide, 0, 63)).astype(np.uint64)
        seen = np.where(ahead > 63, np.uint64(0), state["seen"] << np.minimum(ahead, 63).astype(np.uint64))
        bit = _ONE << behind
        again = ((seen & bit) != 0) | ((step < -63) & ~leap)  # what is older than that is of no use any more
        state["seen"] = seen | bit
        state["highest"] += ahead
        state["skipped"] += np.where(leap, ahead - 1, 0)
        state["losses"] += (ahead > 1) & ~leap
        state["packets"] += ~again
        state["duplicate"] += again
    state["octets"] += sizes
    state["heard"] = at
    transit = (at * state["rate"]).astype(np.int64).astype(np.uint32) - stamps
    off = np.abs((transit - state["transit"]).view(np.int32)).astype(np.float32)
    off *= off < _LEAP * state["rate"]  # timestamps of another base, or another clock: not jitter
    state["jitter"] += (off - state["jitter"]) * np.float32(1 / 16)
    state["transit"] = transit
