"""Keeps the core told which addresses stand behind trunks that are named by host."""

import asyncio
import socket
from collections.abc import Callable

import structlog

from softswitch.shell.endpoint import ip_literal
from softswitch.switch.events import Resolved
from softswitch.switch.settings import Settings
from softswitch.wire.sip import Uri

_AGAIN = 60.0

log = structlog.get_logger()


class TrunkNames:
    """Asks at start, each minute and after a reload; says only what changed. A name that cannot be resolved keeps its
    last addresses."""

    def __init__(self, settings: Settings, give: Callable[[Resolved], None]) -> None:
        self._give = give
        self._known: dict[str, tuple[str, ...]] = {}
        self._again = asyncio.Event()
        self._names = _named(settings)
        self._task = asyncio.create_task(self._keep_asking(), name="trunk-names")

    def reload(self, settings: Settings) -> None:
        """Other trunks may be named now."""
        self._names = _named(settings)
        self._known.clear()
        self._again.set()

    async def close(self) -> None:
        """Ask no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_asking(self) -> None:
        while True:
            self._again.clear()
            for trunk, host in self._names.items():
                await self._ask(trunk, host)
            try:
                await asyncio.wait_for(self._again.wait(), _AGAIN)
            except TimeoutError:
                continue

    async def _ask(self, trunk: str, host: str) -> None:
        try:
            rows = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            log.warning("trunk.unresolved", trunk=trunk, host=host, reason=str(error))
            return
        addresses = tuple(sorted({str(row[4][0]) for row in rows}))
        if self._known.get(trunk) != addresses:
            self._known[trunk] = addresses
            self._give(Resolved(trunk, addresses))


def _named(settings: Settings) -> dict[str, str]:
    hosts = {name: Uri.parse(trunk.address).host.strip("[]") for name, trunk in settings.trunks.items()}
    return {name: host for name, host in hosts.items() if ip_literal(host) is None}
