"""Keep-alives of phones behind NAT on UDP SIP ports: answered, never junk (RFC 5626 §3.5, §4.4)."""

from softswitch.kernel.errors import PeerError
from softswitch.wire import stun

_CRLF = b"\r\n"
_LONGEST = 64  # octets of a keep-alive that says nothing


def is_keep_alive(data: bytes) -> bool:
    """A datagram that only holds a NAT binding open: STUN, line ends, or zeros as some phones send them."""
    return stun.is_stun(data) or (len(data) <= _LONGEST and not data.strip(b"\r\n\0 \t"))


def answer(data: bytes, remote: tuple[str, int]) -> bytes:
    """What goes back: a Binding response with the address seen (RFC 5626 §8), CRLF to a double CRLF, or nothing. Never
    much longer than what came, so nobody can be flooded with it."""
    if not stun.is_stun(data):
        return _CRLF if data == _CRLF * 2 else b""
    try:
        message = stun.parse(data)
    except PeerError:
        return b""
    if message.kind != stun.BINDING_REQUEST:
        return b""
    if message.unknown:
        return stun.build(
            stun.BINDING_ERROR, message.transaction, [(stun.ERROR_CODE, stun.error_code(420, "Unknown Attribute"))]
        )
    mapped = stun.xor_address(remote, message.transaction)
    return stun.build(stun.BINDING_SUCCESS, message.transaction, [(stun.XOR_MAPPED_ADDRESS, mapped)])
