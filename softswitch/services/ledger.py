"""The ledger: every fact once, in one order, numbered in this process and on from where the last one stopped."""

from softswitch.acd.model import Fact
from softswitch.services.writer import Writer


class Ledger:
    """Numbers facts and hands them to the writer. `last` is the highest number given."""

    __slots__ = ("_write", "last")

    def __init__(self, writer: Writer, last: int) -> None:
        self._write = writer.write
        self.last = last

    def append(self, fact: Fact) -> int:
        """Write `fact`, whose `data` must not change any more; its number."""
        self.last += 1
        self._write((self.last, fact))
        return self.last
