"""Proves callers' signatures: fetches certificates and says what they prove. The core decides what follows.

What is fetched is what a stranger names, so: HTTPS, no redirection, a few kilobytes, public addresses only, and the
address that was looked at is the one that is spoken to. Chains are kept; a URL that failed is left alone for a while.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.shell.http_client import HttpClient
from softswitch.shell.stir_revocation import Revocations
from softswitch.sip.passport import UNREACHABLE, UNSUPPORTED, Verdict
from softswitch.switch.events import Alarmed, CallerVerified, VerifyCaller
from softswitch.switch.settings import Stir

if TYPE_CHECKING:
    import httpx
    from cryptography.x509 import Certificate

    from softswitch.services.stir_certificates import Chain

_MOST_CHAINS: Final = 2000
_PORTS: Final = (443, 8443)  # ATIS-1000074 §5.3.1
_NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_MOST_FETCHES: Final = 32
_MOST_ADDRESSES: Final = 4  # of a host, tried one after the other
_LEFT_ALONE: Final = 30.0  # seconds after a failure


class CallerVerifier:
    """Every question gets exactly one `CallerVerified`, in time. Libraries are loaded by the first."""

    def __init__(
        self,
        give: Callable[[CallerVerified], None],
        clock: Callable[[], Instant],
        alarm: Callable[[Alarmed], None] = lambda effect: None,
    ) -> None:
        self._give = give
        self._revocations = Revocations(self._get_list, alarm, clock)
        self._clock = clock
        self._http = HttpClient("softswitch.services.stir_certificates")
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: dict[str, tuple[Instant, Chain | PeerError]] = {}
        self._fetching: dict[str, asyncio.Task[Chain]] = {}
        self._anchors: tuple[Stir, list[Certificate]] | None = None

    @property
    def running(self) -> int:
        """Questions and fetches under way."""
        return len(self._tasks) + len(self._fetching) + self._revocations.running

    def ask(self, question: VerifyCaller) -> None:
        """Returns at once."""
        task = asyncio.get_running_loop().create_task(self._ask(question), name=f"verify-{question.number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """What is under way is dropped."""
        tasks = (*self._tasks, *self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._revocations.close()
        await self._http.close()

    async def _ask(self, question: VerifyCaller) -> None:
        try:
            async with asyncio.timeout(question.stir.timeout):
                for proof in question.proofs:
                    chain = await self._chain(proof.url, question.stir)
                    trusted = self._trusted(question.stir)
                    chain.check(trusted, self._clock())
                    await self._revocations.check([chain.leaf, *chain.between], question.stir, trusted)
                    chain.prove(proof)
            verdict = Verdict(0)
        except TimeoutError:
            verdict = Verdict(UNREACHABLE, "time-out")
        except PeerError as error:
            verdict = Verdict(error.status, str(error))
        except LocalError as error:
            verdict = Verdict(UNSUPPORTED, str(error))
        except Exception as error:  # whatever a library raises for a stranger's octets: the call waits
            verdict = Verdict(UNSUPPORTED, " ".join(f"{type(error).__name__}: {error}".split())[:200])
        self._give(CallerVerified(question.number, verdict))

    def _trusted(self, stir: Stir) -> "list[Certificate]":
        """Read anew after a reload, whose settings are other ones."""
        if self._anchors is None or self._anchors[0] is not stir:
            from softswitch.services.stir_keys import certificates

            self._anchors = stir, certificates(stir.anchors) if stir.anchors is not None else []
        return self._anchors[1]

    async def _chain(self, url: str, stir: Stir) -> "Chain":
        now = self._clock()
        until, found = self._kept.get(url, (0.0, None))
        if found is not None and now < until:
            if isinstance(found, PeerError):
                raise PeerError(str(found), status=found.status)
            return found
        task = self._fetching.get(url)
        if task is None:
            if len(self._fetching) >= _MOST_FETCHES:
                raise PeerError("too many certificates are being fetched", status=UNREACHABLE)
            task = self._fetching[url] = asyncio.get_running_loop().create_task(self._fetch(url, stir))
            task.add_done_callback(lambda done: self._fetched(url, stir, done))
        return await asyncio.shield(task)  # others may wait for it, and the next call will want it

    def _fetched(self, url: str, stir: Stir, task: "asyncio.Task[Chain]") -> None:
        self._fetching.pop(url, None)
        if task.cancelled():
            return
        error = task.exception()
        if len(self._kept) >= _MOST_CHAINS:
            self._kept.pop(next(iter(self._kept)))
        if error is None:
            self._kept[url] = self._clock() + stir.cache_seconds, task.result()
        elif isinstance(error, PeerError):
            self._kept[url] = self._clock() + min(_LEFT_ALONE, stir.cache_seconds), error

    async def _fetch(self, url: str, stir: Stir) -> "Chain":
        from softswitch.services.stir_certificates import MOST_OCTETS, Chain

        try:
            async with asyncio.timeout(max(stir.timeout, 5.0)):
                data = await self._get(url, stir, MOST_OCTETS)
        except (PeerError, TimeoutError) as error:
            raise PeerError(str(error) or "time-out", status=UNREACHABLE) from error
        except Exception as error:  # what an HTTP client raises
            raise PeerError(f"{type(error).__name__}: {error}"[:200], status=UNREACHABLE) from error
        return Chain(data)

    async def _get_list(self, url: str, stir: Stir, most: int) -> bytes:
        return await self._get(url, stir, most, named_by_us=True)

    async def _get(self, url: str, stir: Stir, most: int, *, named_by_us: bool = False) -> bytes:
        """`named_by_us`: no stranger has chosen the address, so any will do."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (stir.allow_http and parts.scheme == "http"):
            raise PeerError(f"{parts.scheme[:20]!r} is not a way to fetch a certificate: https")
        if not parts.hostname or parts.username is not None:
            raise PeerError("no host to fetch the certificate from")
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        if port not in _PORTS and not (stir.allow_http or named_by_us):
            raise PeerError(f"port {port} is not one to fetch a certificate from: 443, 8443")
        addresses = await self._addresses(host, port, stir, anywhere=named_by_us)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": host if parts.port is None else f"{host}:{port}",
            "Accept": "application/pkix-crl, */*" if named_by_us else "application/pem-certificate-chain",
            "Accept-Encoding": "identity",  # a kilobyte that unpacks to a gigabyte would be counted too late
        }
        client = await self._http.get()
        from httpx import ConnectError, ConnectTimeout  # loaded with the client

        for number, address in enumerate(addresses, 1):
            literal = f"[{address}]" if ":" in address else address
            request = f"{parts.scheme}://{literal}:{port}{path}"
            try:
                async with client.stream(
                    "GET", request, headers=headers, extensions={"sni_hostname": host}
                ) as response:
                    return await _body(response, most)
            except (ConnectError, ConnectTimeout):  # a family that has no way from here, a host that is down
                if number == len(addresses):
                    raise
        raise AssertionError("there is an address")

    async def _addresses(self, host: str, port: int, stir: Stir, *, anywhere: bool) -> list[str]:
        """Addresses of the host that we may speak to, at least one: none of our own networks, whoever names it."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        allowed = [ip_network(text, strict=False) for text in stir.allow_networks]
        usable = []
        for *_, sockaddr in found:
            address = ip_address(str(sockaddr[0]).partition("%")[0])
            if anywhere or _is_public(address) or any(address in network for network in allowed):
                usable.append(str(address))
        if not usable:
            raise PeerError("the certificate's host has no public address")
        return usable[:_MOST_ADDRESSES]


async def _body(response: "httpx.Response", most: int) -> bytes:
    if response.status_code != 200:
        raise PeerError(f"status {response.status_code} instead of a certificate")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > most:
            raise PeerError(f"more than {most} octets instead of a certificate")
    return bytes(body)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody may speak to it; an address of IPv4 within one of IPv6 must be such, too."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            within = IPv4Address(int(address) & 0xFFFFFFFF)
        if within is not None:
            return _is_public(within)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
