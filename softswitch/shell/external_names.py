"""External addresses that are host names (dynamic DNS): looked up again and again."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from softswitch.shell.dns_client import DnsClient
from softswitch.sip.locating import Question

_SOONEST = 15.0
_LATEST = 300.0

log = structlog.get_logger()


class ExternalNames:
    """`found` is told all that is known, after each change. A name that cannot be resolved keeps its last address."""

    def __init__(self, names: set[str], dns: DnsClient, found: Callable[[Mapping[str, str]], None]) -> None:
        self._dns = dns
        self._found = found
        self._known: dict[str, str] = {}
        self._tasks = [asyncio.create_task(self._keep_asking(name), name=f"external {name}") for name in sorted(names)]

    async def _keep_asking(self, name: str) -> None:
        question = name.rstrip(".").lower()
        while True:
            answers = [await self._dns.ask(Question(kind, question)) for kind in ("A", "AAAA")]
            addresses = [one for answer in answers for one in answer.records if isinstance(one, str)]
            if addresses and self._known.get(name) not in addresses:
                self._known[name] = addresses[0]
                log.info("external_address.found", name=name, address=addresses[0])
                self._found(self._known)
            elif not addresses:
                log.warning("external_address.unresolved", name=name, keeps=self._known.get(name))
            await asyncio.sleep(min(max(min(answer.ttl for answer in answers), _SOONEST), _LATEST))

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
