"""Which servers stand behind a SIP URI (RFC 3263 §4, RFC 7984), as a core: questions out, answers in.

NAPTR chooses transports, SRV servers, A and AAAA addresses. An address needs no question; an explicit port or
transport skips the steps that would choose it. Of transports and address families only those count that we can speak.
"""

from collections.abc import Generator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, TypeAlias

import msgspec

from softswitch.kernel.clock import Duration
from softswitch.sip.next_hop import Hop
from softswitch.wire.sip import Uri

_SERVICES: Final = {  # RFC 3263 §4.1: NAPTR service field, and the SRV name where there is no NAPTR
    "udp": ("SIP+D2U", "_sip._udp."),
    "tcp": ("SIP+D2T", "_sip._tcp."),
    "tls": ("SIPS+D2T", "_sips._tcp."),
}
_MOST: Final = 32  # hops of one name, and records looked at of one kind
_FOR_EVER: Final = 86400.0  # seconds until an address literal is looked at again


class Naptr(msgspec.Struct, frozen=True):
    """RFC 3403 §4.1."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(msgspec.Struct, frozen=True):
    """RFC 2782. `target` "" is the root: the service is decidedly not available."""

    priority: int
    weight: int
    port: int
    target: str


Record: TypeAlias = Naptr | Srv | str  # str: an address


class Question(msgspec.Struct, frozen=True):
    """`kind`: NAPTR, SRV, A or AAAA."""

    kind: str
    name: str


class Answer(msgspec.Struct, frozen=True):
    """`ttl` in seconds, of the records or of their absence (RFC 2308). `failed`: nobody could tell."""

    records: tuple[Record, ...] = ()
    ttl: Duration = 60.0
    failed: bool = False


class Located(msgspec.Struct, frozen=True):
    """`ttl`: seconds for which this holds. `failed`: nobody could answer one of the questions, so that what was found
    without its answer may be second best."""

    hops: tuple[Hop, ...]
    ttl: Duration
    failed: bool = False


Asking: TypeAlias = Generator[tuple[Question, ...], tuple[Answer, ...], Located]
Ours: TypeAlias = Mapping[str, Sequence[int]]
"""Transports that we can speak, most wanted first, each with the IP versions that it has listeners for, likewise."""


class _Search:
    """What was found so far."""

    def __init__(self, ours: Ours) -> None:
        self.ours = ours
        self.hops: list[Hop] = []
        self.ttl: Duration = _FOR_EVER
        self.failed = False

    def ask(self, *questions: Question) -> Generator[tuple[Question, ...], tuple[Answer, ...], tuple[Answer, ...]]:
        """All at once."""
        if not questions:
            return ()
        answers = yield questions
        for answer in answers:
            self.ttl = min(self.ttl, answer.ttl)
            self.failed = self.failed or answer.failed
        return answers

    def addresses(
        self, transport: str, servers: Sequence[tuple[str, int, int, int]]
    ) -> Generator[tuple[Question, ...], tuple[Answer, ...], None]:
        """Hops of the servers (name, port, rank, weight)."""
        kinds = ["AAAA" if version == 6 else "A" for version in self.ours.get(transport, ())]
        literal = {name: name for name, *_ in servers if _version(name)}
        names = [name for name in dict.fromkeys(name for name, *_ in servers) if name not in literal]
        asked = [(name, kind) for name in names for kind in kinds]
        answers = yield from self.ask(*(Question(kind, name) for name, kind in asked))
        found: dict[str, list[str]] = {name: [name] for name in literal}
        for (name, _), answer in zip(asked, answers, strict=True):
            found.setdefault(name, []).extend(one for one in answer.records if isinstance(one, str))
        for name, port, rank, weight in servers:
            for address in found.get(name, ()):
                if _version(address) in self.ours.get(transport, ()) and len(self.hops) < _MOST:
                    self.hops.append(Hop(transport, address, port, rank, weight, f"{name}:{port}"))

    def done(self) -> Located:
        return Located(tuple(self.hops), self.ttl, self.failed)


def locate(uri: Uri, ours: Ours) -> Asking:
    """The hops for requests to `uri`. Nothing is raised: a name that cannot be found has no hops."""
    search = _Search(ours)
    host = uri.host.strip("[]").rstrip(".").lower()
    transport = _named_transport(uri)
    fallback = transport or ("tls" if uri.scheme == "sips" else "udp")
    port = uri.port or (5061 if fallback == "tls" else 5060)
    if _version(host) or uri.port is not None:
        yield from search.addresses(fallback, [(host, port, 0, 0)])
        return search.done()
    services = [(transport, _SERVICES[transport][1] + host)] if transport in _SERVICES else []
    if transport is None:
        services = yield from _transports(search, host, secure=uri.scheme == "sips")
    answers = yield from search.ask(*(Question("SRV", name) for _, name in services))
    told = False
    for place, ((kind, _), answer) in enumerate(zip(services, answers, strict=True)):
        records = sorted((one for one in answer.records if isinstance(one, Srv)), key=lambda one: one.priority)[:_MOST]
        told = told or bool(records)
        servers = [
            (record.target.rstrip(".").lower(), record.port, (place << 16) + record.priority, record.weight)
            for record in records
            if record.target.rstrip(".") and record.port
        ]
        yield from search.addresses(kind, servers)
    if not told:  # §4.2: no SRV records, so the host's own addresses
        yield from search.addresses(fallback, [(host, port, 0, 0)])
    return search.done()


def _transports(
    search: _Search, host: str, *, secure: bool
) -> Generator[tuple[Question, ...], tuple[Answer, ...], list[tuple[str, str]]]:
    """The transports to try in order, with their SRV names (§4.1)."""
    able = [kind for kind in search.ours if kind in _SERVICES and (kind == "tls" or not secure)]
    by_service = {_SERVICES[kind][0]: kind for kind in able}
    (answer,) = yield from search.ask(Question("NAPTR", host))
    records = [one for one in answer.records if isinstance(one, Naptr)]
    chosen = [
        (by_service[record.service.upper()], record.replacement.rstrip(".").lower())
        for record in sorted(records, key=lambda one: (one.order, one.preference))
        if record.service.upper() in by_service and record.flags.lower() == "s" and record.replacement.rstrip(".")
    ]
    return list(dict.fromkeys(chosen))[:_MOST] or [(kind, _SERVICES[kind][1] + host) for kind in able]


def _named_transport(uri: Uri) -> str | None:
    named = (uri.params.get("transport") or "").lower()
    if uri.scheme == "sips":
        return "tls" if named in ("tcp", "tls") else named or None  # RFC 3261 §26.2.2
    return named or None


def _version(host: str) -> int:
    """4 or 6, 0 for a name."""
    try:
        return ip_address(host.partition("%")[0]).version
    except ValueError:
        return 0
