"""The carriers: our registrations with them, their health, and who of them may be used.

Registration and health are cores of the SIP floor; here their requests get a flow, their answers come back, and what
they tell is logged and kept. A carrier named by a domain may have several hosts (RFC 3263): each has its own health,
and registrations and calls go to the next when one does not answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Duration, Instant, is_due
from softswitch.kernel.deadlines import Deadlines
from softswitch.sip import health, registration
from softswitch.sip.dialog import next_hop
from softswitch.sip.digest import Credentials
from softswitch.sip.flow import Flow
from softswitch.sip.health import Health, HealthChanged, Probe, ProbeSettings, SendProbe
from softswitch.sip.next_hop import Hop
from softswitch.sip.registration import Registration, RegistrationChanged, RegistrationSettings, SendRegister
from softswitch.switch.events import AddressLearned
from softswitch.switch.settings import LEARN, Settings, Trunk
from softswitch.switch.views import TrunkRow
from softswitch.wire.sip import NameAddr, Response, Uri

if TYPE_CHECKING:
    from softswitch.switch.office import Office


@dataclass(slots=True)
class _Host:
    """One address of a trunk."""

    hop: Hop
    probe: Probe


@dataclass(slots=True)
class _Line:
    """One trunk at work. `hosts` by address and port; `registrar`: the flow of our last REGISTER; `tried`: the hosts
    that the one under way was sent to in vain."""

    trunk: Trunk
    uri: Uri
    contact_user: str
    hosts: dict[tuple[str, int], _Host]
    registration: Registration | None
    health: Health = Health.UNKNOWN
    registrar: Flow | None = None
    tried: set[tuple[str, int]] = field(default_factory=set)
    service_route: tuple[str, ...] = ()


class Trunks:
    """`contact_user`s are our user parts towards carriers: stable, and hard to guess where we register with a password,
    so that a call which comes to one is known to come by that registration."""

    def __init__(self, settings: Settings, office: "Office", now: Instant) -> None:
        self._office = office
        self._lines: dict[str, _Line] = {}
        self._by_contact_user: dict[str, str] = {}
        self._by_host: dict[str, str] = {}
        self._learned: dict[int, tuple[str, int]] = {}  # by listener: where carriers see us
        self._asked: dict[int, tuple[str, Callable[[int, Response | None, Instant], None]]] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._stopped = False
        for name, trunk in settings.trunks.items():
            self._add(name, trunk, settings)

    def configure(self, settings: Settings, now: Instant) -> None:
        """New settings: trunks that are the same go on undisturbed."""
        for name, line in tuple(self._lines.items()):
            if settings.trunks.get(name) != line.trunk:
                self._leave(name, line, now)
                del self._lines[name]
                del self._by_contact_user[line.contact_user]
        for name, trunk in settings.trunks.items():
            if name not in self._lines:
                self._add(name, trunk, settings)
                self._begin(name, now)

    def start(self, now: Instant) -> None:
        for name in self._lines:
            self._begin(name, now)

    def stop(self, now: Instant) -> None:
        """No new calls are wanted: take our registrations back."""
        self._stopped = True
        for name, line in self._lines.items():
            self._leave(name, line, now)

    # ------------------------------------------------------------------------------------------------- what is known

    def usable(self, name: str) -> bool:
        """False when its health says that nobody is there."""
        line = self._lines.get(name)
        return line is not None and line.health is not Health.DOWN

    def flows(self, name: str, now: Instant) -> list[Flow]:
        """The ways there, in the order to try them: hosts that are down are left out."""
        line = self._lines[name]
        return [
            self._office.next_hops.flow(hop, line.trunk.listener)
            for hop in self._office.next_hops.order(f"trunk:{name}", line.uri, now)
            if (host := line.hosts.get(hop.remote)) is None or host.probe.health is not Health.DOWN
        ]

    def way(self, name: str, flow: Flow) -> tuple[Flow, tuple[str, ...]]:
        """The flow and the Route values of a request: those that the carrier gave when it registered us (RFC 3608),
        if it did by this host."""
        line = self._lines[name]
        routes = line.service_route
        if not routes or line.registrar is None or line.registrar.remote != flow.remote:
            return flow, ()
        return next_hop(NameAddr.parse(routes[0]).uri, flow), routes

    def at(self, host: str) -> str | None:
        """The trunk that one of whose hosts has this address."""
        return self._by_host.get(host)

    def has(self, name: str, host: str) -> bool:
        """Whether one of the trunk's hosts has this address."""
        line = self._lines.get(name)
        return line is not None and any(remote[0] == host for remote in line.hosts)

    def sources(self) -> list[tuple[tuple[str, int], str]]:
        """Where each trunk's requests come from, as far as its address tells."""
        return [(remote, name) for name, line in self._lines.items() for remote in line.hosts]

    def contact_user(self, name: str) -> str:
        return self._lines[name].contact_user

    def by_contact_user(self, user: str) -> str | None:
        """The trunk that was told this contact. Whoever calls it has proved nothing; see `proved_by_contact_user`."""
        return self._by_contact_user.get(user)

    def proved_by_contact_user(self, user: str) -> str | None:
        """The trunk that a call to this contact is known to come by: only that carrier was told it when we registered,
        and without the password nobody can work it out."""
        name = self._by_contact_user.get(user)
        trunk = None if name is None else self._lines[name].trunk
        return name if trunk is not None and trunk.register and trunk.password else None

    def rows(self, now: Instant) -> list[TrunkRow]:
        parties = self._office.fabric.parties
        return [
            TrunkRow(
                name=name,
                address=line.trunk.address,
                health=line.health.value,
                registration=_registration_word(line.registration, now),
                calls=parties[f"trunk:{name}"],
                max_calls=line.trunk.max_calls,
                detail=_hosts_in_words(line),
            )
            for name, line in self._lines.items()
        ]

    # ------------------------------------------------------------------------------------------------------------ time

    def deadline(self) -> Instant | None:
        return self._deadlines.next()

    def wake(self, now: Instant) -> None:
        for name, _ in self._deadlines.due(now):
            line = self._lines.get(name)
            if line is None:
                continue
            for host in tuple(line.hosts.values()):
                if is_due(host.probe.deadline(), now):
                    self._probe_said(name, line, host, host.probe.wake(now), now)
            if line.registration is not None and is_due(line.registration.deadline(), now):
                self._registration_said(name, line, line.registration.wake(now), now)
            self._rearm(name)

    def _rearm(self, name: str) -> None:
        """The cores' deadlines may have moved."""
        line = self._lines.get(name)
        times = [] if line is None else [host.probe.deadline() for host in line.hosts.values()]
        if line is not None and line.registration is not None:
            times.append(line.registration.deadline())
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            self._deadlines.cancel(name)
        else:
            self._deadlines.set(name, due)

    def observed(self, name: str, remote: tuple[str, int], status: int, now: Instant, wait: Duration = 0.0) -> None:
        """The final status of a call at one host: evidence of its health like a probe's; 408 when nothing came, 503
        with what Retry-After says, 0 when the transport failed."""
        line = self._lines.get(name)
        if line is None:
            return
        if status in (0, 408, 503):
            self._office.next_hops.failed(f"trunk:{name}", remote, now, wait)
        else:
            self._office.next_hops.well(f"trunk:{name}", remote)
        host = line.hosts.get(remote)
        # A refusal proves that somebody is there; a 503 of its own may be about one number only and proves nothing.
        if host is not None and line.trunk.options_seconds > 0 and status != 503:
            due = host.probe.deadline()
            self._probe_said(name, line, host, host.probe.observed(status or 503, now), now)
            if host.probe.deadline() != due:
                self._rearm(name)

    def located(self, name: str, now: Instant) -> None:
        """Its address stands for other hosts now: those that stay keep their health."""
        line = self._lines.get(name)
        if line is None:
            return
        before = line.hosts
        self._find_hosts(name, line)
        for remote, host in before.items():
            if remote not in line.hosts:
                host.probe.stop()
        for remote, host in line.hosts.items():
            if remote not in before and not self._stopped:
                self._probe_said(name, line, host, host.probe.start(now), now)
        self._weigh(name, line, 0, now)
        core = line.registration
        if core is not None and not self._stopped:
            contact = self._contact(name, line.trunk, line.uri, line.contact_user)
            self._registration_said(name, line, core.moved(contact, now), now)
            if core.state in (registration.State.UNREGISTERED, registration.State.WAITING):
                self._registration_said(name, line, core.start(now), now)
        self._rearm(name)

    def readdressed(self, now: Instant) -> None:
        """Our addresses are others: carriers must know."""
        for name, line in self._lines.items():
            core = line.registration
            if core is not None and not self._stopped:
                contact = self._contact(name, line.trunk, line.uri, line.contact_user)
                self._registration_said(name, line, core.moved(contact, now), now)
                self._rearm(name)

    def _learn(self, flow: Flow, response: Response) -> None:
        """What the top Via of an answer says of where our request came from (RFC 3581 §4)."""
        settings = self._office.settings.sip
        wanted = settings.external_addresses.get(_at(settings.listen, flow.listener), settings.external_address)
        via = response.via
        if wanted != LEARN or via.received is None:
            return
        port = 0 if flow.reliable else via.rport or 0  # a connection's port is not the one that we listen on
        learned = (via.received, port)
        if self._learned.get(flow.listener) != learned:
            self._learned[flow.listener] = learned
            self._office.log("info", "external address learned", host=via.received, port=port, source=flow.remote[0])
            self._office.outbox.append(AddressLearned(flow.listener, *learned))

    def flow_failed(self, flow: Flow, now: Instant) -> None:
        """A connection broke: who registered us by it cannot reach us any more."""
        if not flow.reliable:
            return
        for name, line in self._lines.items():
            way, core = line.registrar, line.registration
            if way is None or core is None or self._stopped:
                continue
            if (way.transport, way.remote) == (flow.transport, flow.remote):
                self._registration_said(name, line, core.flow_failed(now), now)
                self._rearm(name)

    def responded(self, tx: int, response: Response, now: Instant) -> bool:
        """Whether the response was to a request of ours."""
        return self._answered(tx, response.status, response, now)

    def timed_out(self, tx: int, now: Instant) -> bool:
        return self._answered(tx, 408, None, now)

    # ---------------------------------------------------------------------------------------------------------- within

    def _add(self, name: str, trunk: Trunk, settings: Settings) -> None:
        domain = settings.sip.domain
        secret = f"{domain}|{trunk.password or ''}".encode()
        contact_user = f"{name}-{blake2b(name.encode(), key=secret[:64], digest_size=6).hexdigest()}"
        address = Uri.parse(trunk.address)
        dice = self._office.dice
        registering: Registration | None = None
        if trunk.register:
            account = Uri("sip", trunk.username, None, trunk.domain or address.host)
            contact = self._contact(name, trunk, address, contact_user)
            registrar = Uri(address.scheme, None, None, address.host, address.port, address.params)
            registering = Registration(
                RegistrationSettings(str(registrar), str(account), contact, trunk.register_expires), dice
            )
        line = self._lines[name] = _Line(trunk, address, contact_user, {}, registering)
        self._by_contact_user[contact_user] = name
        self._find_hosts(name, line)

    def _contact(self, name: str, trunk: Trunk, uri: Uri, user: str) -> str:
        """Where its first host reaches us."""
        hop = self._office.next_hops.hops(f"trunk:{name}", uri)[0]
        host, port = self._office.addressing.signalling(self._office.next_hops.flow(hop, trunk.listener))
        params: dict[str, str | None] = {} if hop.transport == "udp" else {"transport": hop.transport}
        return str(Uri(uri.scheme, user, None, host, port, params))

    def _find_hosts(self, name: str, line: _Line) -> None:
        """Those that are new get a probe of their own."""
        hops = self._office.next_hops.hops(f"trunk:{name}", line.uri)
        trunk = line.trunk
        settings = ProbeSettings(
            trunk.address, f"sip:{self._office.settings.sip.domain}", interval=trunk.options_seconds
        )
        line.hosts = {
            hop.remote: line.hosts.get(hop.remote) or _Host(hop, Probe(settings, self._office.dice)) for hop in hops
        }
        self._by_host = {remote[0]: name for name, one in self._lines.items() for remote in one.hosts}

    def _begin(self, name: str, now: Instant) -> None:
        line = self._lines[name]
        if self._office.next_hops.awaited(f"trunk:{name}", line.uri):
            return  # `located` begins
        for host in line.hosts.values():
            self._probe_said(name, line, host, host.probe.start(now), now)
        if line.registration is not None:
            self._registration_said(name, line, line.registration.start(now), now)
        self._rearm(name)

    def _leave(self, name: str, line: _Line, now: Instant) -> None:
        for host in line.hosts.values():
            host.probe.stop()
        if line.registration is not None:
            self._registration_said(name, line, line.registration.stop(now), now)
        self._rearm(name)

    def _answered(self, tx: int, status: int, response: Response | None, now: Instant) -> bool:
        name, then = self._asked.pop(tx, ("", None))
        if then is None:
            return False
        then(status, response, now)
        self._rearm(name)
        return True

    def _probe_said(self, name: str, line: _Line, host: _Host, outputs: list[health.Output], now: Instant) -> None:
        office = self._office
        for output in outputs:
            match output:
                case SendProbe(request):
                    tx, sent = office.ua.request(request, office.next_hops.flow(host.hop, line.trunk.listener), now)

                    def probed(status: int, response: Response | None, now: Instant) -> None:
                        if response is not None:
                            self._learn(self._office.next_hops.flow(host.hop, line.trunk.listener), response)
                        self._probe_said(name, line, host, host.probe.responded(status, now), now)

                    self._asked[tx] = (name, probed)
                    office.drive(sent)
                case HealthChanged(state, status):
                    if state is Health.UP:
                        office.next_hops.well(f"trunk:{name}", host.hop.remote)
                    if len(line.hosts) > 1:
                        office.log(
                            "warning" if state is Health.DOWN else "info", f"host of a trunk is {state.value}",
                            trunk=name, host=host.hop.address, port=host.hop.port, status=status,
                        )  # fmt: skip
                    self._weigh(name, line, status, now)

    def _weigh(self, name: str, line: _Line, status: int, now: Instant) -> None:
        """A trunk is up while one of its hosts is, and down when all are."""
        states = {host.probe.health for host in line.hosts.values()}
        state = next((one for one in (Health.UP, Health.UNKNOWN) if one in states), Health.DOWN)
        if state is line.health:
            return
        line.health = state
        office = self._office
        if state is not Health.UNKNOWN:
            office.log(
                "warning" if state is Health.DOWN else "info", f"trunk is {state.value}", trunk=name, status=status
            )
            office.fact(f"trunk.{state.value}", now, trunk=name, status=status)

    def _registration_said(self, name: str, line: _Line, outputs: list[registration.Output], now: Instant) -> None:
        office = self._office
        core = line.registration
        for output in outputs:
            match output:
                case SendRegister(request) if core is not None:
                    trunk = line.trunk
                    credentials = Credentials(trunk.username or "", trunk.password or "")
                    flow = line.registrar = self._registrar(name, line, now)
                    tx, sent = office.ua.request(request, flow, now, credentials)

                    def answered(status: int, response: Response | None, now: Instant) -> None:
                        self._registration_said(name, line, self._heard(name, line, core, status, response, now), now)

                    self._asked[tx] = (name, answered)
                    office.drive(sent)
                case RegistrationChanged(state, registered, status, reason, _):
                    office.log(
                        "info" if registered or self._stopped else "warning", "trunk registration",
                        trunk=name, state=state.value, status=status, reason=reason,
                    )  # fmt: skip
                    office.fact("trunk.registration", now, trunk=name, state=state.value, status=status)

    def _registrar(self, name: str, line: _Line, now: Instant) -> Flow:
        """The host for a REGISTER: the one that has us, else the first that it was not sent to in vain."""
        flows = self._ways(name, line, now)
        last = line.registrar
        if last is not None and last.remote not in line.tried:
            flows.sort(key=lambda flow: flow.remote != last.remote)
        left = [flow for flow in flows if flow.remote not in line.tried]
        return (left or flows)[0]

    def _ways(self, name: str, line: _Line, now: Instant) -> list[Flow]:
        hops = self._office.next_hops
        return self.flows(name, now) or [
            hops.flow(hop, line.trunk.listener) for hop in hops.order(f"trunk:{name}", line.uri, now)
        ]

    def _heard(
        self, name: str, line: _Line, core: Registration, status: int, response: Response | None, now: Instant
    ) -> list[registration.Output]:
        """The answer to a REGISTER; one that no host was there for goes to the next host at once (RFC 3263 §4.3)."""
        if (response is None or status == 503) and line.registrar is not None:
            line.tried.add(line.registrar.remote)
            self._office.next_hops.failed(f"trunk:{name}", line.registrar.remote, now)
            if any(flow.remote not in line.tried for flow in self._ways(name, line, now)):
                again = core.elsewhere(now)
                if again:
                    return again
        line.tried.clear()
        if response is None:
            return core.failed(status, now)
        if line.registrar is not None:
            self._learn(line.registrar, response)
        if 200 <= status < 300:
            line.service_route = tuple(response.headers.all("Service-Route"))  # RFC 3608 §5: each 2xx tells it anew
        return core.responded(response, now)


def _at(listen: tuple[str, ...], number: int) -> str:
    return listen[number] if number < len(listen) else ""


def _hosts_in_words(line: _Line) -> str:
    if len(line.hosts) < 2:
        return ""
    return ", ".join(f"{host.hop.address} {host.probe.health.value}" for host in line.hosts.values())


def _registration_word(core: Registration | None, now: Instant) -> str:
    if core is None:
        return "none"
    if core.registered(now):
        return "registered"
    return "trying" if core.state in (registration.State.TRYING, registration.State.REFRESHING) else "failed"
