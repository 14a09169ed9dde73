"""The carriers: our registrations with them, their health, and who of them may be used.

Registration and health are cores of the SIP floor; here their requests get a flow, their answers come back, and what
they tell is logged and kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant, is_due
from softswitch.kernel.deadlines import Deadlines
from softswitch.sip import health, registration
from softswitch.sip.digest import Credentials
from softswitch.sip.health import Health, HealthChanged, Probe, ProbeSettings, SendProbe
from softswitch.sip.registration import Registration, RegistrationChanged, RegistrationSettings, SendRegister
from softswitch.switch.settings import Settings, Trunk
from softswitch.switch.views import TrunkRow
from softswitch.wire.sip import Response, Uri

if TYPE_CHECKING:
    from softswitch.switch.office import Office


@dataclass(slots=True)
class _Line:
    """One trunk at work."""

    trunk: Trunk
    contact_user: str
    probe: Probe
    registration: Registration | None


class Trunks:
    """`contact_user`s are our user parts towards carriers: stable and hard to guess, so that a call which comes to
    one is known to come by that registration."""

    def __init__(self, settings: Settings, office: "Office", now: Instant) -> None:
        self._office = office
        self._lines: dict[str, _Line] = {}
        self._by_contact_user: dict[str, str] = {}
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
        return line is not None and line.probe.health is not Health.DOWN

    def contact_user(self, name: str) -> str:
        return self._lines[name].contact_user

    def by_contact_user(self, user: str) -> str | None:
        """The trunk whose registration names this contact."""
        return self._by_contact_user.get(user)

    def rows(self, now: Instant) -> list[TrunkRow]:
        parties = self._office.fabric.parties
        return [
            TrunkRow(
                name=name,
                address=line.trunk.address,
                health=line.probe.health.value,
                registration=_registration_word(line.registration, now),
                calls=parties[f"trunk:{name}"],
                max_calls=line.trunk.max_calls,
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
            if is_due(line.probe.deadline(), now):
                self._probe_said(name, line, line.probe.wake(now), now)
            if line.registration is not None and is_due(line.registration.deadline(), now):
                self._registration_said(name, line, line.registration.wake(now), now)
            self._rearm(name)

    def _rearm(self, name: str) -> None:
        """The cores' deadlines may have moved."""
        line = self._lines.get(name)
        times = [] if line is None else [line.probe.deadline()]
        if line is not None and line.registration is not None:
            times.append(line.registration.deadline())
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            self._deadlines.cancel(name)
        else:
            self._deadlines.set(name, due)

    def observed(self, name: str, status: int, now: Instant) -> None:
        """The final status of a call: evidence of the trunk's health like a probe's."""
        line = self._lines.get(name)
        if line is not None and line.trunk.options_seconds > 0:
            due = line.probe.deadline()
            self._probe_said(name, line, line.probe.observed(status, now), now)
            if line.probe.deadline() != due:
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
        probe = Probe(ProbeSettings(trunk.address, f"sip:{domain}", interval=trunk.options_seconds), dice)
        registering: Registration | None = None
        if trunk.register:
            account = Uri("sip", trunk.username, None, trunk.domain or address.host)
            host, port = self._office.addressing.signalling(self._office.flow_to(address))
            contact = Uri("sip", contact_user, None, host, port, _transport(address))
            registrar = Uri("sip", None, None, address.host, address.port, address.params)
            registering = Registration(
                RegistrationSettings(str(registrar), str(account), str(contact), trunk.register_expires), dice
            )
        self._lines[name] = _Line(trunk, contact_user, probe, registering)
        self._by_contact_user[contact_user] = name

    def _begin(self, name: str, now: Instant) -> None:
        line = self._lines[name]
        self._probe_said(name, line, line.probe.start(now), now)
        if line.registration is not None:
            self._registration_said(name, line, line.registration.start(now), now)
        self._rearm(name)

    def _leave(self, name: str, line: _Line, now: Instant) -> None:
        line.probe.stop()
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

    def _probe_said(self, name: str, line: _Line, outputs: list[health.Output], now: Instant) -> None:
        office = self._office
        for output in outputs:
            match output:
                case SendProbe(request):
                    tx, sent = office.ua.request(request, office.flow_to(Uri.parse(line.trunk.address)), now)

                    def probed(status: int, response: Response | None, now: Instant) -> None:
                        self._probe_said(name, line, line.probe.responded(status, now), now)

                    self._asked[tx] = (name, probed)
                    office.drive(sent)
                case HealthChanged(state, status):
                    office.log(
                        "warning" if state is Health.DOWN else "info",
                        f"trunk is {state.value}", trunk=name, status=status,
                    )  # fmt: skip
                    office.fact(f"trunk.{state.value}", now, trunk=name, status=status)

    def _registration_said(self, name: str, line: _Line, outputs: list[registration.Output], now: Instant) -> None:
        office = self._office
        core = line.registration
        for output in outputs:
            match output:
                case SendRegister(request) if core is not None:
                    trunk = line.trunk
                    credentials = Credentials(trunk.username or "", trunk.password or "")
                    flow = office.flow_to(Uri.parse(trunk.address))
                    tx, sent = office.ua.request(request, flow, now, credentials)

                    def answered(status: int, response: Response | None, now: Instant) -> None:
                        said = core.failed(status, now) if response is None else core.responded(response, now)
                        self._registration_said(name, line, said, now)

                    self._asked[tx] = (name, answered)
                    office.drive(sent)
                case RegistrationChanged(state, registered, status, reason, _):
                    office.log(
                        "info" if registered or self._stopped else "warning", "trunk registration",
                        trunk=name, state=state.value, status=status, reason=reason,
                    )  # fmt: skip
                    office.fact("trunk.registration", now, trunk=name, state=state.value, status=status)


def _transport(address: Uri) -> dict[str, str | None]:
    transport = address.params.get("transport")
    return {"transport": transport} if transport else {}


def _registration_word(core: Registration | None, now: Instant) -> str:
    if core is None:
        return "none"
    if core.registered(now):
        return "registered"
    return "trying" if core.state in (registration.State.TRYING, registration.State.REFRESHING) else "failed"
