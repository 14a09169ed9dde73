"""Those who try doors: who is known here, wrong passwords, accounts tried one after the other.

The shell's gate drops what it can before anything is parsed; here is what only the meaning of a request tells. Nothing
here changes what a peer is answered: whoever is locked out gets the answer to a wrong password.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from softswitch.kernel.clock import Duration, Instant
from softswitch.sip.flow import Flow
from softswitch.switch.events import Ban, Security
from softswitch.switch.settings import Settings
from softswitch.switch.views import LockRow

if TYPE_CHECKING:
    from softswitch.switch.office import Office

Network: TypeAlias = IPv4Network | IPv6Network

_PROVED: Duration = 3600.0
_COMES_BACK: Duration = 4.0  # within that long a phone answers our challenge: many behind one address begin at once
_LONGEST_LOCK: Duration = 3600.0
_MOST = 10_000  # of everything that strangers make us remember


@dataclass(slots=True)
class _Lock:
    """Wrong passwords lately: for one account from one source, or of a source whatever the account."""

    failures: int = 0
    until: Instant = 0.0
    times: int = 0
    last: Instant = 0.0


@dataclass(slots=True)
class _Stranger:
    """What a source tried. `asked`: accounts that it was challenged for and has not proved, and when first."""

    asked: dict[str, Instant] = field(default_factory=dict)
    failed: list[Instant] = field(default_factory=list)


class Defence:
    """One for the whole switch."""

    def __init__(self, settings: Settings, office: "Office") -> None:
        self._office = office
        self._proved: dict[str, Instant] = {}
        self._locks: dict[tuple[str, str], _Lock] = {}
        self._strangers: dict[str, _Stranger] = {}
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """New settings; what is remembered stays."""
        self._settings = settings.defence
        self._allowed = networks(settings.defence.allow)

    @property
    def wary(self) -> bool:
        """Whether anybody is locked out, so that `listens` must be asked."""
        return bool(self._locks)

    def knows(self, host: str, now: Instant) -> bool:
        """Whether a trunk, a fixed or registered phone, a recording server, or somebody with a password is there."""
        if self._proved.get(host, 0.0) > now:
            return True
        office = self._office
        return (
            office.registrations.at_host(host)
            or office.directory.phone_at(host) is not None
            or office.directory.trunk_at(host) is not None
            or office.recording_servers.at_host(host)
        )

    def proved(self, flow: Flow, account: str, now: Instant) -> None:
        """Whoever sends from there has shown to be `account`."""
        host = flow.remote[0]
        self._proved.pop(host, None)  # the latest stands last
        if len(self._proved) >= _MOST:
            del self._proved[next(iter(self._proved))]
        self._proved[host] = now + _PROVED
        self._locks.pop((host, account), None)
        stranger = self._strangers.get(host)
        if stranger is not None:
            stranger.asked.pop(account, None)

    def listens(self, flow: Flow, account: str, now: Instant) -> bool:
        """Whether a password for `account` is looked at. The address and port that the phone has registered from is
        always listened to: nobody else can lock the phone out."""
        host = flow.remote[0]
        held = self._locks.get((host, account)), self._locks.get((host, ""))
        if all(lock is None or lock.until <= now for lock in held):
            return True
        return self._office.registrations.phone_behind(flow) is not None or self._is_allowed(host)

    def failed(self, flow: Flow, method: str, account: str, reason: str, now: Instant) -> None:
        """A wrong password, or an account that is none."""
        host = flow.remote[0]
        self._tell("auth-failed", now, host, account, f"{method}: {reason}")
        rules = self._settings
        self._lock((host, account), rules.lock_after, now)
        self._lock((host, ""), rules.failures, now)
        if self._bannable(host, now):
            stranger = self._stranger(host)
            stranger.failed = [at for at in stranger.failed[-rules.failures :] if at > now - rules.window]
            stranger.failed.append(now)
            if len(stranger.failed) >= rules.failures:
                self._ban(host, account, f"{rules.failures} wrong passwords", now)

    def asked(self, flow: Flow, account: str, now: Instant) -> None:
        """Somebody was challenged for `account`; who comes for many and never answers is sweeping."""
        host = flow.remote[0]
        if not self._bannable(host, now):
            return
        asked = self._stranger(host).asked
        asked.setdefault(account, now)
        rules = self._settings
        if len(asked) < rules.accounts:
            return
        for name, at in tuple(asked.items()):
            if at <= now - rules.window:
                del asked[name]
        if sum(at <= now - _COMES_BACK for at in asked.values()) >= rules.accounts:
            self._ban(host, account, f"{rules.accounts} accounts tried", now)
        elif len(asked) >= _MOST // 10:
            self._ban(host, account, f"{len(asked)} accounts tried at once", now)

    def locked(self, now: Instant) -> list[LockRow]:
        """Lock-outs that stand."""
        return [
            LockRow(address=host, account=account, until=lock.until, failures=lock.failures)
            for (host, account), lock in self._locks.items()
            if lock.until > now and not self._is_allowed(host)
        ]

    def let_in(self, host: str) -> None:
        """What came from there is forgotten."""
        for key in [key for key in self._locks if key[0] == host]:
            del self._locks[key]
        self._strangers.pop(host, None)

    def remembered(self) -> int:
        """How many entries are held."""
        return len(self._proved) + len(self._locks) + len(self._strangers)

    # ---------------------------------------------------------------------------------------------------------- within

    def _lock(self, key: tuple[str, str], after: int, now: Instant) -> None:
        if not after:
            return
        lock = self._locks.get(key)
        if lock is None:
            if len(self._locks) >= _MOST:
                self._locks = {old: kept for old, kept in self._locks.items() if kept.until > now}
                if len(self._locks) >= _MOST:
                    self._locks.clear()
            lock = self._locks[key] = _Lock()
        if now - lock.last > _LONGEST_LOCK:
            lock.failures = lock.times = 0
        lock.last = now
        lock.failures += 1
        if lock.failures >= after:
            lock.until = now + min(_LONGEST_LOCK, self._settings.lock_seconds * 2**lock.times)
            lock.times = min(lock.times + 1, 20)
            if lock.times == 1:
                self._tell("locked-out", now, key[0], key[1], f"{lock.failures} wrong passwords")

    def _stranger(self, host: str) -> _Stranger:
        if len(self._strangers) >= _MOST:
            self._strangers.clear()
        return self._strangers.setdefault(host, _Stranger())

    def _bannable(self, host: str, now: Instant) -> bool:
        return self._settings.bans and not self.knows(host, now)

    def _is_allowed(self, host: str) -> bool:
        return within(host, self._allowed)

    def _ban(self, host: str, account: str, reason: str, now: Instant) -> None:
        self._strangers.pop(host, None)
        self._office.outbox.append(Ban(host, self._settings.ban_seconds, reason))

    def _tell(self, event: str, now: Instant, host: str, account: str, reason: str) -> None:
        self._office.outbox.append(Security(event, now, host, account, reason))


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDR networks or single addresses."""
    return tuple(ip_network(text, strict=False) for text in texts)


def within(host: str, nets: tuple[Network, ...]) -> bool:
    """Whether the address lies in one of the networks; a name does not."""
    if not nets:
        return False
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in nets)
