"""Host names to addresses, off the loop, with a small cache."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from softswitch.shell.endpoint import ip_literal

SocketAddress: TypeAlias = tuple[Any, ...]
Found: TypeAlias = Callable[[SocketAddress | None], None]

_GOOD_SECONDS = 60.0  # getaddrinfo hides the record's TTL
_BAD_SECONDS = 5.0
_LIMIT = 4096


class Resolver:
    """Names are asked once at a time; whoever asks meanwhile waits for the same answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._cache: dict[tuple[str, int, int], tuple[float, SocketAddress | None]] = {}
        self._waiting: dict[tuple[str, int, int], list[Found]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, host: str, port: int, family: int, found: Found) -> None:
        """Call `found` with a socket address of `family`, or None; at once when it is known."""
        key = (host, port, family)
        cached = self._cache.get(key)
        if cached is not None and cached[0] > self._loop.time():
            found(cached[1])
            return
        waiting = self._waiting.setdefault(key, [])
        waiting.append(found)
        if len(waiting) == 1:
            task = self._loop.create_task(self._ask(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, key: tuple[str, int, int]) -> None:
        host, port, family = key
        try:
            rows = await self._loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
            address: SocketAddress | None = rows[0][4]
        except (OSError, UnicodeError, IndexError):
            address = None
        if len(self._cache) >= _LIMIT:
            self._cache.clear()
        self._cache[key] = (self._loop.time() + (_BAD_SECONDS if address is None else _GOOD_SECONDS), address)
        for found in self._waiting.pop(key, ()):
            found(address)

    def close(self) -> None:
        """Whoever waits is never called."""
        for task in self._tasks:
            task.cancel()


def socket_address(host: str, port: int) -> SocketAddress | None:
    """What `sendto` takes, or None when `host` is a name. A zone (`fe80::1%2`) becomes the scope."""
    name, _, zone = host.partition("%")
    if ip_literal(name) is None:
        return None
    return (name, port, 0, int(zone)) if zone.isdecimal() else (name, port)
