"""Asks name servers (and /etc/hosts) for records, with a cache that honours what their time to live says."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.rdatatype
import dns.resolver

from softswitch.shell.endpoint import ip_literal, parse_endpoint
from softswitch.sip.locating import Answer, Asking, Located, Naptr, Question, Record, Srv

_HOSTS = Path("/etc/hosts")
_LIFETIME = 4.0  # seconds for a question, all tries and servers included
_TIMEOUT = 1.5  # for one try
_LOCAL_TTL = 60.0  # /etc/hosts and getaddrinfo tell none
_FAILED_TTL = 5.0  # RFC 2308 §7: a failure may be kept, for 5 minutes at most
_ABSENT_TTL = (5.0, 300.0)  # RFC 2308 §5 advises hours at most; a carrier's new record should not wait
_TTL = (1.0, 86400.0)
_LIMIT = 4096


class DnsClient:
    """`servers`: `HOST:PORT`, the system's (/etc/resolv.conf) when empty. A question is asked once at a time."""

    def __init__(
        self, servers: tuple[str, ...] = (), hosts: Path = _HOSTS, now: Callable[[], float] | None = None
    ) -> None:
        self._hosts = hosts
        self._now = now
        self._cache: dict[Question, tuple[float, Answer]] = {}
        self._running: dict[Question, asyncio.Task[Answer]] = {}
        self._resolver = _resolver(servers)

    def configure(self, servers: tuple[str, ...]) -> None:
        """Other servers; what is known is forgotten."""
        self._resolver = _resolver(servers)
        self._cache.clear()

    async def ask(self, question: Question) -> Answer:
        """Never raises; `Answer.failed` when nobody could tell."""
        loop = asyncio.get_running_loop()
        now = self._now or loop.time
        cached = self._cache.get(question)
        if cached is not None and cached[0] > now():
            left = cached[0] - now()
            return Answer(cached[1].records, left, cached[1].failed)
        running = self._running.get(question)
        if running is None:
            running = self._running[question] = loop.create_task(self._fetch(question), name="dns")
            running.add_done_callback(lambda _: self._running.pop(question, None))
        answer = await asyncio.shield(running)
        if len(self._cache) >= _LIMIT:
            self._cache.clear()
        self._cache[question] = (now() + answer.ttl, answer)
        return answer

    async def locate(self, asking: Asking) -> Located:
        """Drive `sip.locating.locate`."""
        try:
            questions = next(asking)
            while True:
                answers = await asyncio.gather(*(self.ask(question) for question in questions))
                questions = asking.send(tuple(answers))
        except StopIteration as end:
            located: Located = end.value
            return located

    async def close(self) -> None:
        """Ask no more."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, question: Question) -> Answer:
        if question.kind in ("A", "AAAA"):
            family = socket.AF_INET6 if question.kind == "AAAA" else socket.AF_INET
            known = await asyncio.to_thread(_in_hosts, self._hosts, question.name)
            if known:
                return Answer(tuple(one for one in known if (":" in one) == (family == socket.AF_INET6)), _LOCAL_TTL)
            if self._resolver is None or "." not in question.name or question.name.endswith(".local"):
                return await _by_system(question.name, family)  # search lists, mDNS and what else the system has
        if self._resolver is None:
            return Answer(ttl=_FAILED_TTL, failed=True)
        return await self._by_dns(self._resolver, question)

    async def _by_dns(self, resolver: dns.asyncresolver.Resolver, question: Question) -> Answer:
        try:
            answer = await resolver.resolve(
                question.name, question.kind, raise_on_no_answer=False, search=False, lifetime=_LIFETIME
            )
        except dns.resolver.NXDOMAIN as absent:
            responses = absent.kwargs.get("responses", {})
            ttls = [_negative_ttl(response) for response in responses.values()]
            return Answer(ttl=min(ttls, default=_ABSENT_TTL[0]))
        except (dns.exception.DNSException, OSError, ValueError, EOFError):
            return Answer(ttl=_FAILED_TTL, failed=True)
        if answer.rrset is None:
            return Answer(ttl=_negative_ttl(answer.response))
        records = tuple(record for one in answer.rrset if (record := _record(one)) is not None)
        return Answer(records, min(max(float(answer.rrset.ttl), _TTL[0]), _TTL[1]))


def _resolver(servers: tuple[str, ...]) -> dns.asyncresolver.Resolver | None:
    """None: the system names no server."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
    except (dns.resolver.NoResolverConfiguration, OSError):
        return None
    if servers:
        endpoints = [parse_endpoint(text, "udp") for text in servers]
        resolver.nameservers = [dns.nameserver.Do53Nameserver(one.host, one.port) for one in endpoints]
    resolver.timeout = _TIMEOUT
    resolver.cache = None
    return resolver


def _record(data: Any) -> Record | None:
    match data.rdtype:
        case dns.rdatatype.NAPTR:
            replacement = data.replacement.to_text(omit_final_dot=True)
            return Naptr(
                data.order, data.preference, data.flags.decode("latin-1"), data.service.decode("latin-1"), replacement
            )
        case dns.rdatatype.SRV:
            return Srv(data.priority, data.weight, data.port, data.target.to_text(omit_final_dot=True))
        case dns.rdatatype.A | dns.rdatatype.AAAA:
            return str(data.address)
    return None


def _negative_ttl(response: dns.message.Message) -> float:
    """The smaller of the SOA's TTL and its minimum (RFC 2308 §5)."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(max(float(min(rrset.ttl, rrset[0].minimum)), _ABSENT_TTL[0]), _ABSENT_TTL[1])
    return _ABSENT_TTL[0]


def _in_hosts(file: Path, name: str) -> list[str]:
    """Addresses of `name` in a hosts file."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    rows = (line.partition("#")[0].split() for line in lines)
    wanted = name.lower()
    return [row[0] for row in rows if wanted in (one.lower() for one in row[1:]) and ip_literal(row[0]) is not None]


async def _by_system(name: str, family: int) -> Answer:
    try:
        rows = await asyncio.get_running_loop().getaddrinfo(name, None, family=family, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        absent = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return Answer(ttl=_FAILED_TTL, failed=not absent)
    except (OSError, UnicodeError):
        return Answer(ttl=_FAILED_TTL, failed=True)
    return Answer(tuple(dict.fromkeys(str(row[4][0]) for row in rows)), _LOCAL_TTL)
