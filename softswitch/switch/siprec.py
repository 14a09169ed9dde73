"""Recording servers (RFC 7866): which calls go to which, their sessions by SIP session, which of them failed lately."""

from typing import TYPE_CHECKING, NamedTuple

from softswitch.kernel.clock import Duration, Instant, earliest
from softswitch.kernel.deadlines import Deadlines
from softswitch.sip.events import Output
from softswitch.sip.flow import Flow
from softswitch.switch.events import Alarmed
from softswitch.switch.siprec_health import ServerHealth
from softswitch.wire.sip import Uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softswitch.call.leg import Leg
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office
    from softswitch.switch.recording_session import RecordingSession

_ADDRESSES = 3  # of one server; each that is silent costs `timeout_seconds` of a call's beginning
_LAST_FOR: Duration = 30.0  # seconds that a server which failed is tried last


class Way(NamedTuple):
    """One address of the server `name`."""

    name: str
    uri: Uri
    flow: Flow


class RecordingServers:
    """`by_session`: the recording sessions that live, by SIP session."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._failed: dict[str, Instant] = {}  # until when it is tried last
        self._down: set[str] = set()  # by what OPTIONS told
        self.health = ServerHealth(self, office)
        self.by_session: dict[int, RecordingSession] = {}
        self.deadlines: Deadlines[RecordingSession] = Deadlines()

    def wanted(self, call: "Call", others: "Iterable[Leg]") -> str:
        """The server that gets a call in which these others talk; empty: none. The queue's word goes first, then that
        of the phones, then that of the trunks."""
        settings, directory = self._office.settings, self._office.directory
        if not settings.siprec or call.route_record is False:
            return ""
        peers = [call.leg.peer, *(leg.peer for leg in others)]
        phones = [settings.phones.get(directory.seat(peer)) for peer in peers]
        trunks = [settings.trunks.get(peer[6:]) for peer in peers if peer.startswith("trunk:")]
        parties = (settings.queues.get(call.facts.queue), *phones, *trunks)
        named = (party.siprec for party in parties if party is not None and party.siprec is not None)
        everybodys = (name for name, server in settings.siprec.items() if server.all)
        return next((name for name in (*named, *everybodys) if name in settings.siprec), "")

    def ways(self, name: str, now: Instant) -> list[Way]:
        """The server and its backups, each at all its addresses; those that failed lately come last."""
        found: list[Way] = []
        seen: set[str] = set()
        next_hops, servers = self._office.next_hops, self._office.settings.siprec
        next_name: str | None = name
        while next_name is not None and next_name not in seen and next_name in servers:
            seen.add(next_name)
            server = servers[next_name]
            uri = Uri.parse(server.address)
            hops = next_hops.order(f"siprec:{next_name}", uri, now)[:_ADDRESSES]
            found += [Way(next_name, uri, next_hops.flow(hop, server.listener)) for hop in hops]
            next_name = server.backup
        return sorted(found, key=lambda way: way.name in self._down or self._failed.get(way.name, 0.0) > now)

    def at_host(self, host: str) -> bool:
        """Whether one of the servers has that address."""
        next_hops, servers = self._office.next_hops, self._office.settings.siprec
        hops = (next_hops.hops(f"siprec:{name}", Uri.parse(server.address)) for name, server in servers.items())
        return any(hop.address == host for some in hops for hop in some)

    def failed(self, way: Way, reason: str, now: Instant) -> None:
        """It did not take a call, or left one."""
        if way.name not in self._office.settings.siprec:
            return  # a reload has taken it away
        self._failed[way.name] = now + _LAST_FOR
        self._office.next_hops.failed(f"siprec:{way.name}", way.flow.remote, now)
        self._office.outbox.append(Alarmed(f"siprec.{way.name}", f"recording server {way.name}: {reason}", now))

    def well(self, way: Way, now: Instant) -> None:
        """It records a call."""
        self._office.next_hops.well(f"siprec:{way.name}", way.flow.remote)
        self._is_well(way.name, now)

    def seen(self, name: str, up: bool, status: int, now: Instant) -> None:
        """What OPTIONS told."""
        if up:
            self._is_well(name, now)
        else:
            self._down.add(name)
            self._office.outbox.append(Alarmed(f"siprec.{name}", f"recording server {name}: {status} to OPTIONS", now))

    def _is_well(self, name: str, now: Instant) -> None:
        if self._failed.pop(name, None) is not None or name in self._down:
            self._down.discard(name)
            self._office.outbox.append(Alarmed(f"siprec.{name}", "", now))

    def configure(self, now: Instant) -> None:
        """New settings: servers that are no more raise no alarm."""
        for name in (self._failed.keys() | self._down) - self._office.settings.siprec.keys():
            self._is_well(name, now)
        self.health.configure(self._office.settings, now)

    def take(self, event: Output, now: Instant) -> bool:
        """Whether the event was about a recording session."""
        session = self.by_session.get(getattr(event, "session", 0))
        if session is None:
            return False
        session.receive(event, now)
        return True

    def deadline(self) -> Instant | None:
        return earliest(self.deadlines.next(), self.health.deadline())

    def wake(self, now: Instant) -> None:
        self.health.wake(now)
        for session, _ in self.deadlines.due(now):
            session.wake(now)
