"""What comes in is first weighed here, by its source and its first bytes, before anything is parsed.

Every source has a bucket of tokens; strangers share one more, so that a flood from many addresses leaves the phones and
trunks their time. Measured, µs CPU a datagram of 500 bytes: 0.2 known, 0.1 free or banned, 0.3 over its rate, 5.2 a
stranger's (its text is searched for scanners' words). Banned IPv4 addresses are the kernel's (`packet_filter`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from softswitch.kernel.clock import Instant
from softswitch.switch.defence import networks, within
from softswitch.switch.events import Security
from softswitch.switch.settings import Settings

_SOURCES = 16_384  # remembered at most; a flood from more makes us forget those who do no harm
_KNOWN_SECONDS = 30.0  # until it is asked again whether somebody is known
_STRANGE_SECONDS = 1.0
_DAY = 86_400.0
_NEVER = float("inf")
_STUN_COOKIE = b"\x21\x12\xa4\x42"  # RFC 5389 §6
_LOOPBACK = networks(("127.0.0.0/8", "::1/128"))


class _Source:
    """One address, or one IPv6 /64. `free`: neither limited nor banned."""

    __slots__ = ("ask_at", "at", "banned_until", "bans", "free", "junk", "junk_since", "key", "known_until", "tokens")

    def __init__(self, key: str, tokens: float, now: Instant, free: bool, banned_until: Instant) -> None:
        self.key = key
        self.tokens = tokens
        self.at = now
        self.free = free
        self.banned_until = banned_until
        self.bans = 0
        self.known_until = 0.0
        self.ask_at = 0.0
        self.junk = 0
        self.junk_since = now


@dataclass(frozen=True, slots=True)
class BanRow:
    """`until` is an instant; `address` an IPv4 address or an IPv6 /64. `times`: how often it was banned by now."""

    address: str
    reason: str
    since: Instant
    until: Instant
    times: int


@dataclass(slots=True)
class GateCounts:
    """Messages that were not taken, by why; `bans` and `refused` connections beside them."""

    limited: int = 0
    strangers: int = 0
    banned: int = 0
    junk: int = 0
    scanners: int = 0
    options: int = 0
    refused: int = 0
    bans: int = 0


class Gate:
    """`knows` says whether an address is a trunk's, a phone's, or somebody's with a password."""

    def __init__(
        self,
        settings: Settings,
        knows: Callable[[str], bool],
        clock: Callable[[], Instant],
        tell: Callable[[Security], None],
    ) -> None:
        self._knows = knows
        self.clock = clock
        self._tell = tell
        self._sources: dict[str, _Source] = {}
        self._bans: dict[str, BanRow] = {}
        self._strangers = settings.defence.strangers_burst
        self._strangers_at = clock()
        self.counts = GateCounts()
        self.changed: Callable[[], None] = lambda: None  # bans came or went
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """New settings; bans stay, but not those of addresses that are allowed now."""
        rules = self._rules = settings.defence
        self._scanners = tuple(word.lower().encode() for word in rules.scanners)
        free = networks(rules.allow) + (_LOOPBACK if rules.loopback else ())
        self._free = free + (networks(settings.sip.local_networks) if rules.local else ())
        self._deny = networks(rules.deny)
        self._sources.clear()
        for key in [key for key in self._bans if within(key.partition("/")[0], self._free)]:
            del self._bans[key]
        self.changed()

    # ------------------------------------------------------------------------------------------------- what comes in

    def takes(self, host: str, data: bytes, now: Instant, start: bool = True) -> bool:
        """Whether a datagram, or bytes of a connection, may go on. `start`: they begin a message."""
        source = self._sources.get(host) or self._new(host, now)
        if source.free:
            return True
        if source.banned_until > now:
            self.counts.banned += 1
            return False
        rules = self._rules
        known = source.known_until > now
        if known:
            rate, burst = rules.known_rate, rules.known_burst
        else:
            rate, burst = rules.rate, rules.burst
        tokens = source.tokens + (now - source.at) * rate
        source.at = now
        if tokens > burst:
            tokens = burst
        if tokens < 1.0:
            if known or not self._is_known(source, host, now):
                source.tokens = tokens
                self.counts.limited += 1
                return False
            tokens, known = rules.known_burst, True
        source.tokens = tokens - 1.0
        return known or self._is_known(source, host, now) or self._takes_stranger(source, data, now, start)

    def admits(self, host: str) -> bool:
        """Whether a connection may be opened from there."""
        now = self.clock()
        source = self._sources.get(host) or self._new(host, now)
        if source.free:
            return True
        if source.banned_until > now or (self._rules.only_allowed and not self._is_known(source, host, now)):
            self.counts.refused += 1
            return False
        return True

    def _takes_stranger(self, source: _Source, data: bytes, now: Instant, start: bool) -> bool:
        rules, counts = self._rules, self.counts
        if rules.only_allowed:
            counts.strangers += 1
            return False
        if start and b" SIP/2.0" not in data[:1024] and not data.startswith(b"SIP/2.0 "):
            if not data.strip(b"\r\n\0"):
                return len(data) <= 4 and self._takes_one(now)  # a keep-alive
            if data[:1] == b"\0" and data[4:8] == _STUN_COOKIE:
                return self._takes_one(now)
            counts.junk += 1
            self._junk(source, now)
            return False
        lowered = data.lower()
        for word in self._scanners:
            if word in lowered:
                counts.scanners += 1
                self._tell(Security("scanner", now, source.key, "", f"says {word.decode('latin-1').strip()}"))
                if rules.bans:
                    self.ban(source.key, rules.ban_seconds, "scanner")
                return False
        if rules.options == "known" and data.startswith(b"OPTIONS "):
            counts.options += 1
            return False
        return self._takes_one(now)

    def _takes_one(self, now: Instant) -> bool:
        """One token from the bucket of all strangers."""
        rules = self._rules
        tokens = self._strangers + (now - self._strangers_at) * rules.strangers_rate
        self._strangers_at = now
        if tokens > rules.strangers_burst:
            tokens = rules.strangers_burst
        if tokens < 1.0:
            self._strangers = tokens
            self.counts.strangers += 1
            return False
        self._strangers = tokens - 1.0
        return True

    def _junk(self, source: _Source, now: Instant) -> None:
        rules = self._rules
        if now - source.junk_since > rules.window:
            source.junk, source.junk_since = 0, now
        source.junk += 1
        if source.junk >= rules.junk and rules.bans:
            self.ban(source.key, rules.ban_seconds, "junk")

    def _is_known(self, source: _Source, host: str, now: Instant) -> bool:
        if now < source.ask_at:
            return source.known_until > now
        if self._knows(host):
            if not source.known_until:
                source.tokens = self._rules.known_burst
            source.known_until = source.ask_at = now + _KNOWN_SECONDS
            return True
        source.ask_at = now + _STRANGE_SECONDS
        return False

    def _new(self, host: str, now: Instant) -> _Source:
        if len(self._sources) >= _SOURCES:
            self._sources = {
                name: kept for name, kept in self._sources.items() if kept.banned_until > now or kept.known_until > now
            }
            if len(self._sources) > _SOURCES // 2:
                self._sources.clear()  # bans stand in `_bans`
        key = source_key(host)
        source = self._sources.get(key)
        if source is None:
            plain = key.partition("/")[0]
            ban = self._bans.get(key)
            until = 0.0 if ban is None else ban.until
            if within(plain, self._deny):
                until = _NEVER
            source = _Source(key, self._rules.burst, now, within(plain, self._free), until)
            source.bans = 0 if ban is None else ban.times
            self._sources[key] = source
        self._sources[host] = source
        return source

    # -------------------------------------------------------------------------------------------------------- the bans

    def ban(self, address: str, seconds: float, reason: str) -> bool:
        """Take nothing from there for so long, longer if it was banned before. False: it is somebody who may not be
        banned. Raises `ValueError` on what is no address."""
        now, key = self.clock(), source_key(address, strict=True)
        plain = key.partition("/")[0]
        if within(plain, self._free) or self._knows(plain):
            return False
        before = self._bans.get(key)
        if before is None and len(self._bans) >= _SOURCES:
            del self._bans[next(iter(self._bans))]  # the oldest
        times = 1 if before is None else before.times + 1
        until = now + min(seconds * 2 ** min(times - 1, 20), max(_DAY, seconds))
        self.changed()
        self._bans[key] = BanRow(key, reason, now, until, times)
        self.counts.bans += 1
        source = self._sources.get(key)
        if source is not None:
            source.banned_until, source.bans = until, times
        self._tell(Security("banned", now, plain, "", f"{reason}, for {until - now:.0f} seconds"))
        return True

    def unban(self, address: str) -> bool:
        """Lift a ban; False when there is none. Raises `ValueError` on what is no address."""
        key = source_key(address, strict=True)
        ban = self._bans.pop(key, None)
        self.changed()
        source = self._sources.get(key)
        if source is not None:
            source.banned_until = _NEVER if within(key.partition("/")[0], self._deny) else 0.0
            source.bans = source.junk = 0
        if ban is None or ban.until <= self.clock():
            return False
        self._tell(Security("unbanned", self.clock(), key.partition("/")[0], "", "by order"))
        return True

    def bans(self) -> list[BanRow]:
        """Those that stand, the oldest first."""
        now = self.clock()
        return sorted((ban for ban in self._bans.values() if ban.until > now), key=lambda ban: ban.since)

    def banned_ipv4(self) -> list[str]:
        """Addresses that the kernel may drop, the oldest ban first."""
        return [ban.address for ban in self.bans() if ":" not in ban.address]

    def sweep(self) -> None:
        """Every few seconds: bans that ended a day ago are forgotten."""
        now = self.clock()
        for key in [key for key, ban in self._bans.items() if ban.until < now - _DAY]:
            del self._bans[key]

    @property
    def sources(self) -> int:
        """How many are remembered."""
        return len(self._sources)


def source_key(host: str, *, strict: bool = False) -> str:
    """What counts as one source: an IPv4 address, or the /64 that a site has in IPv6. With `strict`, raises
    `ValueError` on what is no address."""
    if ":" not in host and not strict:
        return host
    address = ip_address(host.partition("/")[0].partition("%")[0].strip("[]"))
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if address.is_loopback:
        return str(address)
    prefix = int(address) >> 64 << 64
    return f"{type(address)(prefix)}/64"
