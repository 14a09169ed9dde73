"""Where the switch listens: `udp:HOST:PORT`, `wss:HOST:PORT` …, and the sockets made from it."""

import errno
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from softswitch.kernel.errors import LocalError
from softswitch.sip.transports import TRANSPORTS

RECEIVE_BUFFER = 4 * 1024 * 1024
_IP_RECVERR = 11  # linux/in.h: ICMP errors are queued with the address that they are about
_IPV6_RECVERR = 25


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`host` is an IP address without brackets; port 0 lets the system choose."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_endpoint(text: str, transport: str | None = None) -> Endpoint:
    """Read `udp:192.0.2.1:5060`, `tcp:[::]:5060`, or `127.0.0.1:8080` when `transport` is given.

    Raises `LocalError` on anything else.
    """
    rest = text
    if transport is None:
        transport, _, rest = text.partition(":")
        if transport not in TRANSPORTS:
            raise LocalError(f"{text!r}: a listener is written udp:HOST:PORT; also with {', '.join(TRANSPORTS)}")
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        host = "127.0.0.1"
    if ip_literal(host) is None or not port.isdecimal() or int(port) > 65535:
        raise LocalError(f"{text!r}: the address must be an IP address and a port, such as 0.0.0.0:5060 or [::]:5060")
    return Endpoint(transport, host, int(port))


def ip_literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address, or None when `host` is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def bind(endpoint: Endpoint) -> socket.socket:
    """A bound, non-blocking socket; all but UDP ones listen. Raises `LocalError` with the endpoint and the fault."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    udp = endpoint.transport == "udp"
    sock = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if udp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((endpoint.host, endpoint.port))
        if not udp:
            sock.listen(1024)
    except OSError as error:
        sock.close()
        raise LocalError(f"cannot listen on {endpoint}: {_explain(error)}") from error
    sock.setblocking(False)
    return sock


def _explain(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program (or another softswitch) uses this port"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case errno.EACCES:
            return "not allowed; ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        case _:
            return error.strerror or str(error)
