"""Host names in flows to socket addresses; names of the configuration are looked up ahead (`next_hops`)."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from softswitch.shell.dns_client import DnsClient
from softswitch.shell.endpoint import ip_literal
from softswitch.sip.locating import Question

SocketAddress: TypeAlias = tuple[Any, ...]
Found: TypeAlias = Callable[[SocketAddress | None], None]


class Resolver:
    """Names are asked once at a time; whoever asks meanwhile waits for the same answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dns: DnsClient | None = None) -> None:
        self._loop = loop
        self._dns = dns or DnsClient()
        self._waiting: dict[tuple[str, int, int], list[Found]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, host: str, port: int, family: int, found: Found) -> None:
        """Call `found` with a socket address of `family`, or None."""
        key = (host, port, family)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(found)
        if len(waiting) == 1:
            task = self._loop.create_task(self._ask(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, key: tuple[str, int, int]) -> None:
        host, port, family = key
        answer = await self._dns.ask(Question("AAAA" if family == socket.AF_INET6 else "A", host.rstrip(".").lower()))
        address = next(((one, port) for one in answer.records if isinstance(one, str)), None)
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
