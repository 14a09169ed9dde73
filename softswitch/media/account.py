"""Received packets in bulk, once a tick or when the memory is needed: statistics, decoding, and the jitter buffers,
which nobody reads before the tick."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.kernel.clock import Instant
from softswitch.media import columns
from softswitch.media.arena import BLOCK, SIZE, SPARE, Arena, Floats, Ints, Octets, Times, Words
from softswitch.media.codecs import CODED, L16_NARROW, L16_WIDE, LINEAR
from softswitch.media.legs import Legs
from softswitch.media.relay import Relay
from softswitch_codecs import g711, l16

_FEW: Final = SPARE // 2  # packets that may be put off
_DROPOUT: Final = 3000  # RFC 3550 A.1
_MISORDER: Final = 100
_LEAP: Final = 2  # seconds
_ONE = np.uint64(1)


class Account:
    """`recent` is what was accounted for since the memory was last given away; its owner clears it.

    Packets are logged as they come: `open` are lists that grow one by one (row, slot, end, word), which `close` turns
    into a chunk; `log` takes a chunk as it is. `end` is where the packet ends within its slot, its `word` holds where
    the payload begins there (16 bits), the sequence number (16), and the timestamp (32)."""

    __slots__ = ("_arena", "_chunks", "_first", "_half", "_legs", "_relay", "open", "recent")

    def __init__(self, legs: Legs, relay: Relay, arena: Arena) -> None:
        self._legs = legs
        self._relay = relay
        self._arena = arena
        self._chunks: list[tuple[Ints, Ints, Ints, Words, Times]] = []
        self._first: Ints = np.zeros(legs.capacity, np.int64)  # of each row: its first packet among those at hand
        self._half = 0  # of the arena's spare slots that is written next
        self.recent: list[tuple[Ints, Ints, Ints, Words]] = []
        self.open: tuple[list[int], ...] = ([], [], [], [])

    def close(self, now: Instant) -> None:
        """The packets in `open` came at `now`."""
        if self.open[0]:
            rows, slots, ends = (np.array(some, np.int64) for some in self.open[:3])
            self.log(rows, slots, ends, np.array(self.open[3], np.uint64), now)
            for some in self.open:
                some.clear()

    def log(self, rows: Ints, slots: Ints, ends: Ints, words: Words, now: Instant) -> None:
        """These packets came at `now`."""
        at = np.empty(len(rows))
        at.fill(now)
        self._chunks.append((rows, slots, ends, words, at))

    @property
    def waiting(self) -> bool:
        """Whether anything waits to be accounted for."""
        return bool(self._chunks)

    def awaits(self, row: int) -> bool:
        """Whether packets of `row` wait to be accounted for."""
        return any((chunk[0] == row).any() for chunk in self._chunks) or row in self.open[0]

    def last_of(self, row: int) -> Octets | None:
        """The payload of the row's last packet in `recent`."""
        for rows, slots, ends, words in reversed(self.recent):
            if len(found := np.flatnonzero(rows == row)):
                last = found[-1]
                return self._arena.octets[slots[last], int(words[last]) >> 48 : ends[last]]
        return None

    def fully(self, to_play: Instant) -> None:
        """Account for all, and nothing is put off: the routes are about to change."""
        self.close(to_play)
        self._all(to_play, put_off=False)

    def __call__(self, to_play: Instant) -> None:
        """Statistics and jitter buffers of all packets since the last time. `to_play`: when the next tick plays. The
        few second packets of rows may wait for the next time, where they are not needed before: a round costs the same
        for one packet as for a hundred."""
        self._all(to_play, put_off=True)

    def _all(self, to_play: Instant, *, put_off: bool) -> None:
        if not self._chunks:
            return
        chunks, self._chunks = self._chunks, []
        rows, slots, ends, words, at = chunks[0] if len(chunks) == 1 else map(np.concatenate, zip(*chunks, strict=True))
        self.recent.append((rows, slots, ends, words))
        first = self._firsts(rows)
        if np.count_nonzero(first) == len(rows):
            self._round(rows, slots, ends, words, at, to_play)
            return
        again: Ints = (~first).nonzero()[0]
        if put_off and len(again) <= min(_FEW, len(rows) // 2):
            again = self._put_off(again, rows, slots, ends, words, at)
        part: Ints = first.nonzero()[0]
        while True:
            self._round(rows[part], slots[part], ends[part], words[part], at[part], to_play)
            if not len(again):
                return
            first = self._firsts(rows[again])
            part, again = again[first], again[~first]

    def _firsts(self, rows: Ints) -> NDArray[np.bool_]:
        """Which packets are the first of their rows."""
        order = np.arange(len(rows))
        self._first[rows[::-1]] = order[::-1]  # of equal rows the last one written stays: the first
        firsts: NDArray[np.bool_] = self._first.take(rows) == order
        return firsts

    def _put_off(self, again: Ints, rows: Ints, slots: Ints, ends: Ints, words: Words, at: Times) -> Ints:
        """Let packets wait that the next tick does not play; their memory is given away, so their sound is kept in the
        spare slots. Returns the others."""
        received, buffer = self._legs.received, self._legs.buffer
        waits: list[int] = []
        kept: list[int] = []
        for i, row, word in zip(again.tolist(), rows[again].tolist(), words[again].tolist(), strict=True):
            if received["decode"][row]:
                if not buffer(row).later(row, word & 0xFFFFFFFF):
                    continue
                kept.append(i)
            waits.append(i)
        if not waits:
            return again
        if kept:
            first = self._arena.spare + self._half * _FEW
            self._half ^= 1
            places = slice(first, first + len(kept))
            self._arena.octets[places] = self._arena.octets[slots[kept]]
            slots = slots.copy()
            slots[kept] = np.arange(places.start, places.stop)
        self._chunks.insert(0, (rows[waits], slots[waits], ends[waits], words[waits], at[waits]))
        return np.setdiff1d(again, waits, assume_unique=True) if len(waits) < len(again) else again[:0]

    def _round(self, rows: Ints, slots: Ints, ends: Ints, words: Words, at: Times, to_play: Instant) -> None:
        """One packet of each of `rows`."""
        halves = words.view(np.uint16).reshape(-1, 4)
        starts, sequences, stamps = halves[:, 3].astype(np.int64), halves[:, 2], words.view(np.uint32)[::2]
        sizes = ends - starts
        legs = self._legs
        state = legs.received.take(rows)
        self._relay.account(state["relay"], sequences, stamps, sizes, at)
        count(state, sequences, stamps, sizes, at)
        legs.received_items[rows] = columns.items(state)
        decode = state["decode"]
        spare = (to_play - at).astype(np.float32)
        np.maximum(spare, 0.0, out=spare)
        if (decoded := np.count_nonzero(decode)) == len(rows):
            self._buffer(rows, slots, starts, ends, stamps, state["codec"], spare)
        elif decoded:
            some = decode.nonzero()[0]
            self._buffer(
                rows[some], slots[some], starts[some], ends[some], stamps[some], state["codec"][some], spare[some]
            )

    def _buffer(
        self, rows: Ints, slots: Ints, starts: Ints, ends: Ints, stamps: Ints, laws: Ints, spare: Floats
    ) -> None:
        """Decode into the jitter buffer, packets of one shape at a time; `rows` are distinct."""
        if np.count_nonzero(other := laws >= LINEAR):
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
            samples = g711.decode_rows(octets, laws[part])
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
    if np.count_nonzero((starts != starts[0]) | (ends != ends[0])) == 0:
        return [(int(starts[0]), int(ends[0]), slice(None))]
    return [
        (start, end, np.flatnonzero((starts == start) & (ends == end)))
        for start, end in sorted(set(zip(starts.tolist(), ends.tolist(), strict=True)))
    ]


def count(state: columns.Table, sequences: Ints, stamps: Ints, sizes: Ints, at: NDArray[np.float64]) -> None:
    """Statistics of RFC 3550 A.1, A.3, A.8 for one packet of each row in `state`."""
    step = (sequences - state["highest"].astype(np.uint16)).view(np.int16)
    if np.count_nonzero(step == 1) == len(step):
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
