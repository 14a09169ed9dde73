"""Who may call and register: trunks by where they come from, phones by digest or by their fixed address.

Unknown user and wrong password get the same answer after the same work, so that nobody learns which phones exist.
"""

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.sip.digest import Accepted, Denied, DigestServer, Stale, claimed_user, ha1
from softswitch.sip.flow import Flow
from softswitch.sip.transports import SECURE
from softswitch.switch.settings import Settings
from softswitch.switch.targets import Target
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.switch.office import Office

_CACHED_HOSTS = 4096


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """Ask for credentials: 401 with these headers."""

    headers: tuple[tuple[str, str], ...]


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Final no. `why` is for the log."""

    status: int
    why: str


Ruling: TypeAlias = Target | Challenge | Refusal


class Admission:
    """One for the whole switch."""

    def __init__(self, settings: Settings, office: "Office") -> None:
        self._settings = settings
        self._office = office
        sip = settings.sip
        self._digest = DigestServer(
            sip.domain, office.dice.randbytes(32), sip.digest_algorithms, float(sip.nonce_seconds)
        )
        self._ha1: dict[tuple[str, str], str | None] = {}
        self._accounts: dict[str, Target] = {}
        self._trunk_flows: dict[tuple[str, int], str] = {}
        self._trunk_hosts: dict[str, str | None] = {}
        self._certified: dict[int, tuple[str, ...]] = {}  # by connection
        self._subjects: dict[str, str] = {}  # trunks that show a certificate, by its name
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """New settings; nonces given out stay good."""
        self._settings = settings
        self._ha1.clear()
        self._accounts = {
            trunk.username: Target("trunk", name)
            for name, trunk in settings.trunks.items()
            if trunk.username and trunk.password
        }
        for name, phone in settings.phones.items():
            if phone.password or phone.ha1:
                self._accounts[name] = Target("phone", name)
                if phone.number:
                    self._accounts.setdefault(phone.number, Target("phone", name))
        # Made ahead: an account that exists must not cost its first guesser one hash more than one that does not.
        for username, account in self._accounts.items():
            for algorithm in settings.sip.digest_algorithms:
                self._ha1[username, algorithm] = self._stored(account, username, algorithm)
        self.forget_hosts()
        self._subjects = {
            trunk.tls_subject.lower(): name for name, trunk in settings.trunks.items() if trunk.tls_subject is not None
        }

    def forget_hosts(self) -> None:
        """Trunk host names stand for other addresses now."""
        self._trunk_hosts.clear()
        self._trunk_flows = dict(self._office.trunks.sources())

    def certified(self, flow: Flow, names: tuple[str, ...]) -> None:
        """The peer of a connection is these hosts."""
        self._certified[flow.connection] = names

    def flow_failed(self, flow: Flow) -> None:
        """A connection is gone, and what it proved."""
        if flow.reliable:
            self._certified.pop(flow.connection, None)

    def caller(self, request: Request, flow: Flow, now: Instant) -> Ruling:
        """Who sends this INVITE. A trunk with `tls_subject` is known by its certificate, and by nothing else."""
        if not self._subjects:
            return self._caller(request, flow, now)
        shown = next((self._subjects[name] for name in self._names(flow) if name in self._subjects), None)
        if shown is not None:
            return Target("trunk", shown)
        ruling = self._caller(request, flow, now)
        if isinstance(ruling, Target) and ruling.kind == "trunk" and ruling.name in self._subjects.values():
            why = f"trunk {ruling.name} has not shown its certificate"
            self._office.log("warning", why, source=flow.remote[0], transport=flow.transport)
            return Refusal(403, why)
        return ruling

    def is_trunk(self, name: str, request: Request, flow: Flow) -> bool:
        """Whether a call of that trunk could come by `flow`, with this Request-URI."""
        subject = next((subject for subject, trunk in self._subjects.items() if trunk == name), None)
        if subject is not None:
            return subject in self._names(flow)
        office = self._office
        at_home = office.directory.is_trunk(name, flow.remote[0])
        return at_home or office.trunks.proved_by_contact_user(request.uri.username) == name

    def _names(self, flow: Flow) -> tuple[str, ...]:
        return self._certified.get(flow.connection, ()) if flow.transport in SECURE else ()

    def _caller(self, request: Request, flow: Flow, now: Instant) -> Ruling:
        trunk = self._trunk_flows.get(flow.remote)
        if trunk is not None:
            return Target("trunk", trunk)
        host = flow.remote[0]
        if not self._claims_phone(request, flow):
            trunk = self._trunk_at(host)
            if trunk is not None:
                return Target("trunk", trunk)
        phone = self._office.directory.phone_at(host)
        if phone is not None and request.headers.get("Authorization") is None:
            return Target("phone", phone)
        trunk = self._office.trunks.proved_by_contact_user(request.uri.username)
        if trunk is not None:
            self._office.defence.proved(flow, "", now)
            return Target("trunk", trunk)
        return self.digest(request, flow, now)

    def digest(self, request: Request, flow: Flow, now: Instant) -> Ruling:
        """Judge by credentials only."""
        value = self._digest.pick(request.headers.all("Authorization"))
        defence = self._office.defence
        if value is None:
            defence.asked(flow, request.to.uri.username, now)
            return self._challenge(now)
        if defence.wary and not defence.listens(flow, claimed_user(value), now):
            return Refusal(403, "locked out")
        verdict = self._digest.verify(value, request.method, str(request.uri), request.body, now, self._ha1_of)
        match verdict:
            case Accepted(username):
                account = self._accounts[username]
                if account.kind == "phone" and not self._office.directory.accepts(account.name, flow.remote[0]):
                    defence.failed(flow, request.method, username, "not from one of its networks", now)
                    return Refusal(403, "not from one of the phone's networks")
                defence.proved(flow, username, now)
                return account
            case Stale():
                return self._challenge(now, stale=True)
            case Denied(reason, status, username):
                self._office.log(
                    "warning", "authentication failed", source=flow.remote[0], method=request.method,
                    username=username, reason=reason,
                )  # fmt: skip
                if status == 403:
                    defence.failed(flow, request.method, claimed_user(value), reason, now)
                return Refusal(status, reason)

    def _claims_phone(self, request: Request, flow: Flow) -> bool:
        """Whether the request says that it comes from a phone of ours: such a claim must be proved even from an
        address that a trunk may use."""
        if request.headers.get("Authorization") is not None:
            return True
        if self._office.registrations.phone_behind(flow) is not None:
            return True
        uri = request.from_.uri
        return uri.host == self._settings.sip.domain and (uri.username) in self._accounts

    def _trunk_at(self, host: str) -> str | None:
        if host not in self._trunk_hosts:
            if len(self._trunk_hosts) >= _CACHED_HOSTS:
                self._trunk_hosts.clear()
            self._trunk_hosts[host] = self._office.directory.trunk_at(host)
        return self._trunk_hosts[host]

    def _challenge(self, now: Instant, stale: bool = False) -> Challenge:
        return Challenge(tuple(("WWW-Authenticate", value) for value in self._digest.challenges(now, stale)))

    def _ha1_of(self, username: str, algorithm: str) -> str | None:
        return self._ha1.get((username, algorithm))

    def _stored(self, account: Target, username: str, algorithm: str) -> str | None:
        if account.kind == "trunk":
            password = self._settings.trunks[account.name].password
        else:
            phone = self._settings.phones[account.name]
            if algorithm in phone.ha1:
                return phone.ha1[algorithm]
            password = phone.password
        return None if password is None else ha1(username, self._settings.sip.domain, password, algorithm)
