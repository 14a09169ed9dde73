"""By what address a peer reaches us: listener, interface and NAT taken into account (`sip.flow.Addressing`)."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from softswitch.kernel.errors import LocalError
from softswitch.shell.endpoint import Endpoint, ip_literal
from softswitch.sip.flow import Flow
from softswitch.switch.settings import Media, Sip

_WILDCARD = ("0.0.0.0", "::")
_ANYONE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # RFC 5737, RFC 3849: only asked for a route
_CACHE = 4096


class LocalAddressing:
    """Wildcard listeners answer with the address that the routing table would use towards the peer; peers outside
    `local_networks` get the external address, when one is configured."""

    def __init__(self, listeners: Sequence[Endpoint], sip: Sip, media: Media) -> None:
        self._listeners = tuple(listeners)
        self._sip_external = sip.external_address
        self._media_external = media.external_address or sip.external_address
        self._media_host = media.address
        self._local: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(text, strict=False) for text in sip.local_networks
        )
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

    def signalling(self, flow: Flow) -> tuple[str, int]:
        """(host, port) for Via and Contact; the host of an IPv6 address has no brackets."""
        key = (flow.listener, flow.remote[0])
        known = self._signalling.get(key)
        if known is None:
            if len(self._signalling) >= _CACHE:
                self._signalling.clear()
            endpoint = self._listeners[flow.listener]
            host = self._host(endpoint.host, flow.remote[0], self._sip_external)
            known = self._signalling[key] = (host, endpoint.port)
        return known

    def media(self, remote_host: str) -> str:
        """The address for SDP towards `remote_host`."""
        known = self._media.get(remote_host)
        if known is None:
            if len(self._media) >= _CACHE:
                self._media.clear()
            known = self._media[remote_host] = self._host(self._media_host, remote_host, self._media_external)
        return known

    def reliable(self, flow: Flow) -> Flow | None:
        """A TCP flow to where a UDP flow goes, if there is a TCP listener to name in Via and Contact."""
        if flow.transport != "udp":
            return None
        listener = self._tcp[flow.listener]
        return None if listener is None else Flow("tcp", flow.remote, listener)

    def _host(self, bound: str, remote: str, external: str | None) -> str:
        address = ip_literal(remote.partition("%")[0])
        if external is not None and address is not None:
            same = ip_literal(external)
            if (same is None or same.version == address.version) and not any(address in net for net in self._local):
                return external
        if bound not in _WILDCARD:
            return bound
        if address is None or (":" in bound) != (address.version == 6):
            return external or self._towards(_ANYONE[bound], bound)
        return self._towards(remote, bound)

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


def check_addressing(sip: Sip, media: Media) -> None:
    """Raises `LocalError` when the external addresses or local networks make no sense."""
    for text in sip.local_networks:
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            raise LocalError(f"sip.local_networks: {error}") from error
    for name, text_or_none in (("sip", sip.external_address), ("media", media.external_address)):
        if text_or_none is not None and ip_literal(text_or_none) is None and "." not in text_or_none:
            raise LocalError(f"{name}.external_address: {text_or_none!r} is neither an address nor a host name")
