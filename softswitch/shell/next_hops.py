"""Keeps the core told which servers stand behind the trunks and phones that are named by host (RFC 3263)."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from softswitch.shell.dns_client import DnsClient
from softswitch.shell.endpoint import Endpoint, ip_literal
from softswitch.sip.locating import Ours, locate
from softswitch.sip.next_hop import Hop
from softswitch.sip.transports import DIALLED, port_of, transport_of
from softswitch.switch.events import HopsLocated
from softswitch.switch.settings import Settings
from softswitch.wire.sip import Uri

_SOONEST = 5.0  # seconds between two questions for the same place, whatever the time to live
_LATEST = 3600.0

log = structlog.get_logger()


class LocatedPlaces:
    """Each place is asked for at start, when its records run out, and after a reload; only what changed is said, with
    the host and port that were asked for. A name that nobody can resolve keeps its last servers. `alarm` hears of the
    names that could not be asked for, none of them when all is well again."""

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[Endpoint],
        dns: DnsClient,
        give: Callable[[HopsLocated, tuple[str, int]], None],
        alarm: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._dns = dns
        self._give = give
        self._alarm = alarm
        self._ours = speakable(listeners)
        self._known: dict[str, tuple[Hop, ...]] = {}
        self._failing: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._start(settings)

    def reload(self, settings: Settings) -> None:
        """Other places may be named now."""
        self._stop()
        self._known.clear()
        self._start(settings)

    async def close(self) -> None:
        """Ask no more."""
        tasks = tuple(self._tasks.values())
        self._stop()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, settings: Settings) -> None:
        places = named(settings)
        self._failing = {place: host for place, host in self._failing.items() if place in places}
        self._alarm(tuple(self._failing.values()))
        for place, uri in places.items():
            self._tasks[place] = asyncio.create_task(self._keep_asking(place, uri), name=f"next hops of {place}")

    def _stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _keep_asking(self, place: str, uri: Uri) -> None:
        while True:
            located = await self._dns.locate(locate(uri, self._ours))
            known = self._known.get(place)
            self._note(place, uri.host, failed=located.failed and (known is not None or not located.hops))
            if located.hops and located.hops != known and (known is None or not located.failed):
                self._known[place] = located.hops
                self._give(HopsLocated(place, located.hops), (uri.host.strip("[]"), port_of(uri, transport_of(uri))))
            elif not located.hops and not located.failed:
                log.warning("name.without_server", place=place, host=uri.host)
            await asyncio.sleep(min(max(located.ttl, _SOONEST), _LATEST))

    def _note(self, place: str, host: str, *, failed: bool) -> None:
        if failed == (place in self._failing):
            return
        if failed:
            self._failing[place] = host
            log.warning("name.unresolved", place=place, host=host, keeps=len(self._known.get(place, ())))
        else:
            del self._failing[place]
            log.info("name.resolved_again", place=place, host=host)
        self._alarm(tuple(self._failing.values()))


def named(settings: Settings) -> dict[str, Uri]:
    """The places that name servers must be asked for."""
    written = {f"trunk:{name}": trunk.address for name, trunk in settings.trunks.items()} | {
        f"phone:{name}": phone.contact for name, phone in settings.phones.items() if phone.contact is not None
    }
    written |= {f"siprec:{name}": server.address for name, server in settings.siprec.items()}
    places = {place: Uri.parse(address) for place, address in written.items()}
    return {place: uri for place, uri in places.items() if ip_literal(uri.host.strip("[]")) is None}


def speakable(listeners: Sequence[Endpoint]) -> Ours:
    """What we have listeners for; IPv6 before IPv4 (RFC 6724 §2.1, policy table)."""
    ours: dict[str, tuple[int, ...]] = {}
    for transport in DIALLED:  # in the order of our wish where a carrier leaves it to us
        versions = {6 if ":" in one.host else 4 for one in listeners if one.transport == transport}
        if versions:
            ours[transport] = tuple(sorted(versions, reverse=True))
    return ours
