"""What tells the transports apart, a row each; the name is the URI parameter's and the listener's, lower case."""

from typing import Final, NamedTuple

from softswitch.wire.sip import Uri


class Transport(NamedTuple):
    """`port` is what a URI without one means. `secure`: below it is TLS. `dialled`: we may open a connection; a browser
    takes none (RFC 7118 §5). `parameter` is the value of a URI's `transport` (RFC 7118 §4: `ws` for both)."""

    port: int
    secure: bool
    dialled: bool
    parameter: str


TRANSPORTS: Final = {
    "udp": Transport(5060, False, True, "udp"),
    "tcp": Transport(5060, False, True, "tcp"),
    "tls": Transport(5061, True, True, "tls"),
    "ws": Transport(80, False, False, "ws"),
    "wss": Transport(443, True, False, "ws"),
}
DIALLED: Final = tuple(name for name, row in TRANSPORTS.items() if row.dialled)
SECURE: Final = frozenset(name for name, row in TRANSPORTS.items() if row.secure)
KEPT: Final = ("tls", "ws", "wss")  # a peer is spoken to by the connection that it came by, as long as that lives
_TO_SECURE: Final = {"udp": "tls", "tcp": "tls", "ws": "wss"}


def transport_of(uri: Uri, otherwise: str = "udp") -> str:
    """The transport that a URI asks for; `sips` asks for TLS below whatever it names (RFC 3261 §26.2.2, RFC 7118
    §4)."""
    named = (uri.params.get("transport") or otherwise).lower()
    return _TO_SECURE.get(named, named) if uri.scheme == "sips" else named


def port_of(uri: Uri, transport: str) -> int:
    """Where `transport` reaches the host of `uri` (RFC 3261 §19.1.2)."""
    row = TRANSPORTS.get(transport)
    return uri.port or (5060 if row is None else row.port)
