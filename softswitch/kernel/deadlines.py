"""Deadlines of many cores in one heap, so that the shell arms one timer."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from softswitch.kernel.clock import Instant

Key = TypeVar("Key", bound=Hashable)

_COMPACT_FROM = 512  # below this size dead entries are cheaper than a rebuild


class Deadlines(Generic[Key]):
    """At most one deadline a key. Moving or cancelling one leaves a dead heap entry, dropped when it surfaces
    or when the dead outnumber the living."""

    __slots__ = ("_at", "_heap", "_serial")

    def __init__(self) -> None:
        self._at: dict[Key, Instant] = {}
        self._heap: list[tuple[Instant, int, Key]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: Key, at: Instant) -> None:
        """Arm or move the deadline of `key`."""
        self._serial = serial = self._serial + 1
        self._at[key] = at
        heap = self._heap
        heappush(heap, (at, serial, key))
        if len(heap) > _COMPACT_FROM and len(heap) > 4 * len(self._at):
            self._compact()

    def cancel(self, key: Key) -> None:
        """Disarm; a key without a deadline is fine."""
        self._at.pop(key, None)

    def get(self, key: Key) -> Instant | None:
        """When `key` is due, or None."""
        return self._at.get(key)

    def next(self) -> Instant | None:
        """The earliest deadline, or None when nothing is armed."""
        heap = self._heap
        while heap:
            at, _, key = heap[0]
            if self._at.get(key) == at:
                return at
            heappop(heap)
        return None

    def due(self, now: Instant) -> Iterator[tuple[Key, Instant]]:
        """Yield and disarm every (key, due time) with due time ≤ now, in order; keys armed meanwhile included."""
        while (at := self.next()) is not None and at <= now:
            _, _, key = heappop(self._heap)
            del self._at[key]
            yield key, at

    def _compact(self) -> None:
        self._heap = [(at, serial, key) for serial, (key, at) in enumerate(self._at.items())]
        heapify(self._heap)
