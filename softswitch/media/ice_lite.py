"""Our side of ICE (RFC 8445): lite, so always controlled; we answer connectivity checks and send none (§2.5, §7.3).

A check that is signed with our password shows that its source is the peer. The peer says by USE-CANDIDATE where it
wants to be sent to. Whatever is wrong is dropped in silence: an answer would tell a stranger that somebody is here.
As long as checks come the peer consents to being sent to (RFC 7675).
"""

from dataclasses import dataclass
from typing import Final

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import PeerError
from softswitch.media.arena import Address
from softswitch.wire import stun

CONSENT: Final[Duration] = 30.0
"""RFC 7675 §5.1: who has not been heard for so long must not be sent to."""

_SOURCES: Final = 64  # addresses a peer may check from; browsers have a handful


@dataclass(frozen=True, slots=True)
class Check:
    """An authentic check: what to answer, and whether the source is nominated."""

    answer: bytes
    valid: bool
    nominated: bool


class IceLite:
    """`sources`: keys of addresses that authentic checks came from."""

    __slots__ = ("_password", "_username", "checked", "sources")

    def __init__(self, ufrag: str, pwd: str, remote_ufrag: str, now: Instant) -> None:
        self._username = f"{ufrag}:{remote_ufrag}".encode()
        self._password = pwd.encode()
        self.sources: set[int] = set()
        self.checked = now

    def receive(self, data: bytes, source: Address, key: int, now: Instant) -> Check | None:
        """A STUN message. Raises `PeerError` (status 0) when it is to be dropped; None for what needs no answer."""
        message = stun.parse(data)
        if message.kind == stun.BINDING_INDICATION:
            return None  # a keep-alive (§11)
        if message.kind != stun.BINDING_REQUEST or stun.FINGERPRINT not in message.attributes:
            raise PeerError("STUN: not a connectivity check", status=0)
        if message.attributes.get(stun.USERNAME) != self._username:
            raise PeerError("STUN: a check for somebody else", status=0)
        if not stun.authentic(data, message, self._password):
            raise PeerError("STUN: wrong message integrity", status=0)
        if message.unknown:
            types = b"".join(name.to_bytes(2, "big") for name in message.unknown)
            attributes = [
                (stun.ERROR_CODE, stun.error_code(420, "Unknown Attribute")),
                (stun.UNKNOWN_ATTRIBUTES, types),
            ]
            answer = stun.build(stun.BINDING_ERROR, message.transaction, attributes, self._password)
            return Check(answer, False, False)
        self.checked = now
        if len(self.sources) < _SOURCES:
            self.sources.add(key)
        mapped = [(stun.XOR_MAPPED_ADDRESS, stun.xor_address(source, message.transaction))]
        answer = stun.build(stun.BINDING_SUCCESS, message.transaction, mapped, self._password)
        return Check(answer, True, stun.USE_CANDIDATE in message.attributes)
