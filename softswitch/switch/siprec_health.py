"""Whether recording servers are there, asked by OPTIONS before a call needs them (RFC 3261 §11)."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.kernel.deadlines import Deadlines
from softswitch.sip.health import Health, HealthChanged, Output, Probe, ProbeSettings
from softswitch.switch.settings import RecordingServer, Settings
from softswitch.wire.sip import Response, Uri

if TYPE_CHECKING:
    from softswitch.switch.office import Office
    from softswitch.switch.siprec import RecordingServers


class ServerHealth:
    """Of those with `options_seconds`; nothing is asked for the others."""

    def __init__(self, servers: "RecordingServers", office: "Office") -> None:
        self._servers = servers
        self._office = office
        self._probes: dict[str, tuple[RecordingServer, Probe]] = {}
        self._asked: dict[int, str] = {}
        self._stopped = False
        self._deadlines: Deadlines[str] = Deadlines()

    def configure(self, settings: Settings, now: Instant) -> None:
        """Ask those that are new or otherwise than before; who is the same goes on undisturbed."""
        for name, (server, probe) in tuple(self._probes.items()):
            if settings.siprec.get(name) != server:
                del self._probes[name]
                self._deadlines.cancel(name)
                if probe.health is Health.DOWN:
                    self._servers.seen(name, True, 0, now)  # nobody knows any more
        for name, server in settings.siprec.items():
            if server.options_seconds > 0 and name not in self._probes and not self._stopped:
                target = str(Uri.parse(server.address))
                asks = ProbeSettings(target, f"sip:recording@{settings.sip.domain}", server.options_seconds)
                probe = Probe(asks, self._office.dice)
                self._probes[name] = server, probe
                self._said(name, probe.start(now), now)

    def stop(self) -> None:
        """No new calls are wanted."""
        self._stopped = True
        for name, (_, probe) in self._probes.items():
            probe.stop()
            self._deadlines.cancel(name)

    def answered(self, tx: int, response: Response | None, now: Instant) -> bool:
        """Whether that was an answer to us; None: there was none."""
        name = self._asked.pop(tx, None)
        if name is None:
            return False
        if name in self._probes:
            self._said(name, self._probes[name][1].responded(408 if response is None else response.status, now), now)
        return True

    def deadline(self) -> Instant | None:
        return self._deadlines.next()

    def wake(self, now: Instant) -> None:
        for name, _ in self._deadlines.due(now):
            if name in self._probes:
                self._said(name, self._probes[name][1].wake(now), now)

    def _said(self, name: str, outputs: list[Output], now: Instant) -> None:
        office = self._office
        for output in outputs:
            if isinstance(output, HealthChanged):
                self._servers.seen(name, output.health is Health.UP, output.status, now)
                continue
            server, _ = self._probes[name]
            hop = office.next_hops.order(f"siprec:{name}", Uri.parse(server.address), now)[0]
            tx, sent = office.ua.request(output.request, office.next_hops.flow(hop, server.listener), now)
            self._asked[tx] = name
            office.drive(sent)
        due = None if self._stopped else self._probes[name][1].deadline()
        if due is None:
            self._deadlines.cancel(name)
        else:
            self._deadlines.set(name, due)
