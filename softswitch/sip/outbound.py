"""Connections that phones keep open to be reached by (RFC 5626), as a registrar sees them."""

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import NameAddr, Request

FLOW_TIMER = 120
"""Seconds within which a phone shows signs of life on its flow (RFC 5626 §4.4.1's default over TCP)."""


def wanted(request: Request) -> bool:
    """Whether a REGISTER comes from a phone that can do outbound (§4.2.1)."""
    return "outbound" in _options(request)


def reg_id(contact: NameAddr) -> str:
    """The number of the flow; empty when there is none, or no instance whose flow it would be (§6). Raises `PeerError`
    for one that is out of its range, 1 to 2³¹ − 1."""
    text = contact.params.get("reg-id")
    if text is None or not contact.params.get("+sip.instance"):
        return ""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) < 2**31):
        raise PeerError(f"bad reg-id {text[:20]!r}")
    return str(int(text))


def first_hop_lacks(request: Request, path: tuple[str, ...]) -> bool:
    """Whether the REGISTER came by a proxy that does not keep flows: no `ob` in its Path (§6)."""
    if len(request.vias) < 2:
        return False
    return not path or "ob" not in NameAddr.parse(path[-1]).uri.params


def _options(request: Request) -> set[str]:
    return {option.strip().lower() for value in request.headers.all("Supported") for option in value.split(",")}
