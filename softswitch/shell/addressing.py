"""By what address a peer reaches us: listener, interface and NAT taken into account (`sip.flow.Addressing`)."""

import socket
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from softswitch.kernel.errors import LocalError
from softswitch.shell.endpoint import Endpoint, ip_literal
from softswitch.sip.flow import ANY_HOST, Flow
from softswitch.switch.settings import LEARN, Media, Sip

_ANYONE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # RFC 5737, RFC 3849: only asked for a route
_CACHE = 4096


class LocalAddressing:
    """Wildcard listeners answer with the address that the routing table would use towards the peer; peers outside
    `local_networks` get the external address, when one is configured or was learned from a carrier."""

    def __init__(self, listeners: Sequence[Endpoint], sip: Sip, media: Media) -> None:
        self._listeners = tuple(listeners)
        self._sip_external = [
            sip.external_addresses.get(text, sip.external_address) if text else sip.external_address
            for text in (*sip.listen, *("" for _ in self._listeners[len(sip.listen) :]))
        ]
        self._media_external = media.external_address or sip.external_address
        self._media_hosts = media.addresses
        self._local: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(text, strict=False) for text in sip.local_networks
        )
        self._found: dict[str, str] = {}
        self._learned: dict[int, tuple[str, int]] = {}
        self._routes: dict[str, str] = {}
        self._signalling: dict[tuple[int, str], tuple[str, int]] = {}
        self._media: dict[str, str] = {}
        self._tcp: dict[int, int | None] = {
            number: self._tcp_beside(endpoint) for number, endpoint in enumerate(self._listeners)
        }

    def _tcp_beside(self, udp: Endpoint) -> int | None:
        """The TCP listener that shares most with a UDP one: address, then family."""
        tcp = [(n, e) for n, e in enumerate(self._listeners) if e.transport == "tcp"]
        for number, endpoint in tcp:
            if endpoint.host == udp.host:
                return number
        for number, endpoint in tcp:
            if (":" in endpoint.host) == (":" in udp.host):
                return number
        return None

    # ------------------------------------------------------------------------------------------------- what is learned

    def learned(self, listener: int, host: str, port: int) -> None:
        """A carrier saw a request of ours come from there (RFC 3581); `port` 0 when that says nothing."""
        self._learned[listener] = (host, port)
        self._forget()

    def found(self, addresses: Mapping[str, str]) -> None:
        """The host names among the external addresses stand for these now."""
        if dict(addresses) != self._found:
            self._found = dict(addresses)
            self._forget()

    def _forget(self) -> None:
        self._signalling.clear()
        self._media.clear()

    # ------------------------------------------------------------------------------------------------------- answers

    def signalling(self, flow: Flow) -> tuple[str, int]:
        """(host, port) for Via and Contact; the host of an IPv6 address has no brackets."""
        key = (flow.listener, flow.remote[0])
        known = self._signalling.get(key)
        if known is None:
            if len(self._signalling) >= _CACHE:
                self._signalling.clear()
            endpoint = self._listeners[flow.listener]
            external, port = self._sip_external[flow.listener], endpoint.port
            if external == LEARN:
                external, mapped = self._learned.get(flow.listener, (None, 0))
                if external is not None and self._outside(flow.remote[0], external):
                    port = mapped or port
            host = self._host(endpoint.host, flow.remote[0], external)
            known = self._signalling[key] = (host, port)
        return known

    def media(self, remote_host: str) -> str:
        """The address for SDP towards `remote_host`."""
        known = self._media.get(remote_host)
        if known is None:
            if len(self._media) >= _CACHE:
                self._media.clear()
            external = self._media_external
            if external == LEARN:
                external = next((host for host, _ in self._learned.values()), None)
            wide = ":" in remote_host
            bound = next((host for host in self._media_hosts if (":" in host) == wide), self._media_hosts[0])
            known = self._media[remote_host] = self._host(bound, remote_host, external)
        return known

    def source(self, remote_host: str) -> str:
        """Our address that packets to `remote_host` leave from when the system chooses."""
        return self._towards(remote_host.partition("%")[0], remote_host) if ip_literal(remote_host) else ""

    def reliable(self, flow: Flow) -> Flow | None:
        """A TCP flow to where a UDP flow goes, if there is a TCP listener to name in Via and Contact."""
        if flow.transport != "udp":
            return None
        listener = self._tcp[flow.listener]
        return None if listener is None else Flow("tcp", flow.remote, listener)

    def _host(self, bound: str, remote: str, external: str | None) -> str:
        address = ip_literal(remote.partition("%")[0])
        if external is not None:
            external = self._found.get(external, external)
            if self._outside(remote, external):
                return external
        if bound not in ANY_HOST:
            return bound
        if address is None or (":" in bound) != (address.version == 6):
            return external or self._towards(_ANYONE[bound], bound)
        return self._towards(remote, bound)

    def _outside(self, remote: str, external: str) -> bool:
        """Whether a peer there must be told `external`."""
        address, same = ip_literal(remote.partition("%")[0]), ip_literal(external)
        if address is None or (same is not None and same.version != address.version):
            return False
        return not any(address in network for network in self._local)

    def _towards(self, remote: str, bound: str) -> str:
        """The local address that the system would send from (nothing is sent: connect on UDP only asks for a route)."""
        known = self._routes.get(remote)
        if known is None:
            if len(self._routes) >= _CACHE:
                self._routes.clear()
            known = self._routes[remote] = _local_address(remote) or ("::1" if ":" in bound else "127.0.0.1")
        return known


def _local_address(remote: str) -> str | None:
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((remote, 9))
        except OSError:
            return None
        return str(sock.getsockname()[0])


def external_names(sip: Sip, media: Media) -> set[str]:
    """The host names among the external addresses."""
    written = {sip.external_address, media.external_address, *sip.external_addresses.values()}
    return {text for text in written if text is not None and text != LEARN and ip_literal(text) is None}


def check_addressing(sip: Sip, media: Media) -> None:
    """Raises `LocalError` when the external addresses or local networks make no sense."""
    for text in sip.local_networks:
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            raise LocalError(f"sip.local_networks: {error}") from error
    for name, text_or_none in (("sip", sip.external_address), ("media", media.external_address)):
        if text_or_none in (None, LEARN):
            continue
        if ip_literal(text_or_none) is None and "." not in text_or_none:
            raise LocalError(f"{name}.external_address: {text_or_none!r} is neither an address nor a host name")
