"""SRTP and SRTCP (RFC 3711, 7714) by libsrtp, in place on memory of ours.

pylibsrtp's own `protect` and `unprotect` take and give bytes: 1.1–1.3 µs a G.711 packet. Its binding called on our
memory takes 0.55–0.8 µs, the copy there included, which is why its private names are used here and nowhere else.
libsrtp keeps the roll-over counter, the replay list and one stream for each SSRC that has shown a valid packet.
"""

from dataclasses import dataclass
from typing import Any, Final

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from softswitch.kernel.errors import LocalError

TRAILER: Final = 16 + 4
"""Octets that protection adds at most: a tag, and the index of SRTCP."""

_WINDOW: Final = 128  # packets; RFC 3711 §3.3.2 asks for 64 at least


@dataclass(frozen=True, slots=True)
class Suite:
    """`profile` is libsrtp's number; `key` and `salt` the octets of the master key and salt."""

    profile: int
    key: int
    salt: int


SUITES: Final = {
    "AES_CM_128_HMAC_SHA1_80": Suite(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
    "AES_CM_128_HMAC_SHA1_32": Suite(Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 16, 14),
    "AEAD_AES_128_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "AEAD_AES_256_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
}
"""By the names of RFC 4568 and 7714."""


def check(suite: str, key: bytes) -> Suite:
    """Raises `LocalError` when there is no such suite, or `key` (master key and salt) does not fit it."""
    known = SUITES.get(suite)
    if known is None:
        raise LocalError(f"unknown SRTP suite {suite!r}")
    if len(key) != known.key + known.salt:
        raise LocalError(f"{suite} takes a key of {known.key + known.salt} octets")
    return known


class Memory:
    """Octets that packets are protected in, as libsrtp sees them; `view`, of a whole object, keeps them alive.

    libsrtp borrows from the object, not from the view: Python before 3.12.7 crashes when it collects a cycle with a
    view that has lent its memory (gh-77894)."""

    __slots__ = ("base", "view")

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.base: Any = ffi.from_buffer("char[]", view.obj, require_writable=True)


class Cipher:
    """One direction of one leg."""

    __slots__ = ("_context", "_length", "_session")

    def __init__(self, suite: str, key: bytes, *, outbound: bool) -> None:
        """`key`: master key and salt. Raises `LocalError` when they do not fit."""
        known = check(suite, key)
        kind = Policy.SSRC_ANY_OUTBOUND if outbound else Policy.SSRC_ANY_INBOUND
        policy = Policy(key=key, ssrc_type=kind, srtp_profile=known.profile)
        policy.window_size = _WINDOW
        self._session = Session(policy)
        self._context = self._session._srtp[0]
        self._length = ffi.new("int *")

    def unprotect(self, memory: Memory, start: int, length: int) -> int:
        """The length of the clear RTP packet, −1 when it is forged, repeated, too old or malformed. Forged packets
        change nothing."""
        self._length[0] = length
        return -1 if lib.srtp_unprotect(self._context, memory.base + start, self._length) else self._length[0]

    def unprotect_rtcp(self, memory: Memory, start: int, length: int) -> int:
        """The same for RTCP."""
        self._length[0] = length
        return -1 if lib.srtp_unprotect_rtcp(self._context, memory.base + start, self._length) else self._length[0]

    def protect(self, memory: Memory, start: int, length: int) -> int:
        """The length of the protected RTP packet, which needs `TRAILER` octets more; −1 for a number sent before:
        a key stream is never used twice (RFC 3711 §9.1)."""
        self._length[0] = length
        return -1 if lib.srtp_protect(self._context, memory.base + start, self._length) else self._length[0]

    def protect_rtcp(self, memory: Memory, start: int, length: int) -> int:
        """The same for RTCP."""
        self._length[0] = length
        return -1 if lib.srtp_protect_rtcp(self._context, memory.base + start, self._length) else self._length[0]
