"""What the common packet of each row looks like, and where it goes: one comparison lets it pass without a closer look.

The same in two forms: tuples, for packets looked at one by one, and a numpy table, for many at once."""

from typing import Final, TypeAlias

import numpy as np

from softswitch.media.arena import Ints, Words

Flow: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""Source key, first two octets (marker aside), SSRC; sink row (−1: nowhere), the sink's first two octets, SSRC, and
what to add to sequence and timestamp."""

WORDS: Final = 8
"""Of 64 bits, that a row of `bulk` has: a line of the cache."""

KEY, FIRST, SECOND, FLIP_FIRST, FLIP_SECOND, _SHIFTS, SINK, _SPARE = range(WORDS)
"""Source key; the packet's first two words (as `Batch.heads` has them) under `LOOK_FIRST` and `LOOK_SECOND`; what makes
the sink's words of them, by exclusive or; what to add to timestamp (low half) and sequence; the sink."""

TIMESTAMP: Final = 2 * _SHIFTS
"""The addition to the timestamp among the half words of a row."""

SEQUENCE: Final = 4 * _SHIFTS + 2
"""The addition to the sequence number among the quarter words of a row."""

LOOK_FIRST = np.array(int.from_bytes(b"\xff\x7f", "little"), np.uint64)  # first two octets without the marker
LOOK_SECOND = np.array(0xFFFFFFFF, np.uint64)  # SSRC

_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF


class Flows:
    """`each` and `bulk` by row. A row without a common packet has None, and the key of nobody. A row whose packets have
    several sinks is not for bulk: it has the key of nobody there."""

    __slots__ = ("_items", "bulk", "each")

    def __init__(self, rows: int) -> None:
        self.each: list[Flow | None] = [None] * rows
        self.bulk: Words = np.zeros((rows, WORDS), np.uint64)
        self._items = self.bulk.view(np.dtype(("V", 8 * WORDS)))[:, 0]

    def take(self, rows: Ints) -> Words:
        """The flows of `rows` from `bulk`."""
        return self._items.take(rows).view(np.uint64).reshape(-1, WORDS)

    def set(self, row: int, flow: Flow, *, alone: bool) -> None:
        """`alone`: it has one sink or none."""
        self.each[row] = flow
        key, head, ssrc, sink, to_head, to_ssrc, seq_shift, ts_shift = flow
        if not alone:
            self.bulk[row, KEY] = 0
            return
        flips = (0, 0) if sink < 0 else (_swapped(head ^ to_head, 2), _swapped(ssrc ^ to_ssrc, 4))
        known = (key & _WORD, _swapped(head, 2), _swapped(ssrc, 4))
        self.bulk[row] = (*known, *flips, seq_shift << 32 | ts_shift, sink & _WORD, 0)

    def clear(self, row: int) -> None:
        """The next packet of the row is looked at."""
        if self.each[row] is not None:
            self.each[row] = None
            self.bulk[row, KEY] = 0


def _swapped(value: int, octets: int) -> int:
    """A number of the network's order as the machine reads it."""
    return int.from_bytes(value.to_bytes(octets, "big"), "little")
