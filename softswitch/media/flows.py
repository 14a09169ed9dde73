"""What the common packet of each row looks like, and where it goes: one comparison lets it pass without a closer look.

The same in two forms: tuples, for packets looked at one by one, and a numpy table, for many at once."""

from typing import Final, TypeAlias

import numpy as np

from softswitch.media.columns import Table, table

Flow: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""Source key, first two octets (marker aside), SSRC; sink row (−1: nowhere), the sink's first two octets, SSRC, and
what to add to sequence and timestamp."""

FLOW: Final = np.dtype(
    [
        ("key", "i8"),
        ("ssrc", "u4"),
        ("to_ssrc", "u4"),
        ("ts_shift", "u4"),
        ("sink", "i4"),
        ("head", "u2"),
        ("to_head", "u2"),
        ("seq_shift", "u2"),
    ],
    align=True,
)


class Flows:
    """`each` and `bulk` by row. A row without a common packet has None, and the key of nobody. A row whose packets have
    several sinks is not for bulk: it has the key of nobody there."""

    __slots__ = ("bulk", "each")

    def __init__(self, rows: int) -> None:
        self.each: list[Flow | None] = [None] * rows
        self.bulk: Table = table(FLOW, rows)

    def set(self, row: int, flow: Flow, *, alone: bool) -> None:
        """`alone`: it has one sink or none."""
        self.each[row] = flow
        key, head, ssrc, sink, to_head, to_ssrc, seq_shift, ts_shift = flow
        if alone:
            self.bulk[row] = (key, ssrc, to_ssrc, ts_shift, sink, head, to_head, seq_shift)
        else:
            self.bulk["key"][row] = 0

    def clear(self, row: int) -> None:
        """The next packet of the row is looked at."""
        if self.each[row] is not None:
            self.each[row] = None
            self.bulk["key"][row] = 0
