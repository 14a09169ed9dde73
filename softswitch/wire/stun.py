"""STUN messages (RFC 8489) as far as ICE needs them: short-term credentials by SHA-1, fingerprints, addresses."""

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from softswitch.kernel.errors import PeerError

BINDING_REQUEST: Final = 0x0001
BINDING_INDICATION: Final = 0x0011
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111

USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
MESSAGE_INTEGRITY_SHA256: Final = 0x001C
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
FINGERPRINT: Final = 0x8028

_COOKIE: Final = 0x2112A442
_HEAD: Final = 20
_KNOWN: Final = {USERNAME, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, PRIORITY, USE_CANDIDATE}
_FINGERPRINT_XOR: Final = 0x5354554E  # §14.7
_head = struct.Struct("!HHI12s")
_attribute = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Message:
    """`attributes` hold the first of each type that stands before MESSAGE-INTEGRITY, and FINGERPRINT. `integrity_at`:
    where MESSAGE-INTEGRITY begins, −1 without; `unknown`: types that must be understood and are not (§14)."""

    kind: int
    transaction: bytes
    attributes: dict[int, bytes]
    integrity_at: int
    unknown: tuple[int, ...]


def is_stun(data: bytes | memoryview) -> bool:
    """The head of a STUN message (§5): two zero bits and the magic cookie."""
    return len(data) >= _HEAD and data[0] < 4 and data[4:8] == b"\x21\x12\xa4\x42"


def parse(data: bytes) -> Message:
    """Raises `PeerError` (status 0) for what is no STUN message, contradicts its own length, or has a wrong
    fingerprint."""
    if not is_stun(data):
        raise PeerError("STUN: no header", status=0)
    kind, length, _, transaction = _head.unpack_from(data)
    if length % 4 or _HEAD + length != len(data):
        raise PeerError("STUN: wrong length", status=0)
    attributes: dict[int, bytes] = {}
    unknown: list[int] = []
    integrity_at = -1
    at = _HEAD
    while at < len(data):
        name, size = _attribute.unpack_from(data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) < size:
            raise PeerError("STUN: attribute beyond the message", status=0)
        if name == FINGERPRINT:
            if at + 8 != len(data) or value != _fingerprint(data[:at]):
                raise PeerError("STUN: wrong fingerprint", status=0)
            attributes[name] = value
        elif integrity_at < 0:  # what follows it is not protected (§14.5)
            if name == MESSAGE_INTEGRITY:
                integrity_at = at
            if name < 0x8000 and name not in _KNOWN:
                unknown.append(name)
            attributes.setdefault(name, value)
        at += 4 + size + -size % 4
    return Message(kind, transaction, attributes, integrity_at, tuple(unknown))


def authentic(data: bytes, message: Message, password: bytes) -> bool:
    """Whether MESSAGE-INTEGRITY is there and made with `password` (§14.5; SASLprep leaves ICE passwords alone)."""
    if message.integrity_at < 0:
        return False
    expected = _integrity(data[: message.integrity_at], password)
    return hmac.compare_digest(expected, message.attributes[MESSAGE_INTEGRITY])


def build(kind: int, transaction: bytes, attributes: Iterable[tuple[int, bytes]], password: bytes = b"") -> bytes:
    """A message with MESSAGE-INTEGRITY by `password` and FINGERPRINT, or without both (RFC 5626 §8)."""
    body = b"".join(_packed(name, value) for name, value in attributes)
    data = _head.pack(kind, len(body), _COOKIE, transaction) + body
    if not password:
        return data
    data += _packed(MESSAGE_INTEGRITY, _integrity(data, password))
    data += _packed(FINGERPRINT, _fingerprint(data))
    return _with_length(data, len(data) - _HEAD)


def xor_address(address: tuple[str, int], transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (§14.2)."""
    ip = ip_address(address[0].partition("%")[0])
    pad = _COOKIE.to_bytes(4, "big") + transaction
    octets = bytes(a ^ b for a, b in zip(ip.packed, pad, strict=False))
    return struct.pack("!BBH", 0, 1 if ip.version == 4 else 2, address[1] ^ _COOKIE >> 16) + octets


def error_code(status: int, reason: str) -> bytes:
    """The value of ERROR-CODE (§14.8)."""
    return struct.pack("!HBB", 0, status // 100, status % 100) + reason.encode()


def _packed(name: int, value: bytes) -> bytes:
    return _attribute.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _with_length(data: bytes, length: int) -> bytes:
    return data[:2] + length.to_bytes(2, "big") + data[4:]


def _integrity(data: bytes, password: bytes) -> bytes:
    """Over everything before, the length as if the message ended with this attribute."""
    return hmac.new(password, _with_length(data, len(data) - _HEAD + 24), hashlib.sha1).digest()


def _fingerprint(data: bytes) -> bytes:
    return (zlib.crc32(_with_length(data, len(data) - _HEAD + 8)) ^ _FINGERPRINT_XOR).to_bytes(4, "big")
