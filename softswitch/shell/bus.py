"""Live ledger entries for whoever listens; costs one truth test an entry when nobody does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

_BEHIND = 2000


class Subscription:
    """Entries in order; ends when the bus closes, or when the reader is `_BEHIND` entries late."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._ended = False

    def put(self, entry: Any) -> None:
        """Hand over one entry."""
        if self._queue.qsize() >= _BEHIND:
            self.end()
        elif not self._ended:
            self._queue.put_nowait(entry)

    def end(self) -> None:
        """What waits is still read."""
        if not self._ended:
            self._ended = True
            self._queue.put_nowait(None)

    async def next(self, seconds: float) -> Any | None:
        """The next entry; raises `TimeoutError` after `seconds` without one; None is the end."""
        return await asyncio.wait_for(self._queue.get(), seconds)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (entry := await self._queue.get()) is not None:
            yield entry


class Bus:
    """Publishes to every subscription."""

    def __init__(self) -> None:
        self.listeners: set[Subscription] = set()

    def publish(self, entry: Any) -> None:
        """To everyone who listens now."""
        for listener in self.listeners:
            listener.put(entry)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Listen while the block runs."""
        subscription = Subscription()
        self.listeners.add(subscription)
        try:
            yield subscription
        finally:
            self.listeners.discard(subscription)

    def close(self) -> None:
        """Everyone reaches the end."""
        for listener in self.listeners:
            listener.end()
