"""What the engine wants done by the shell, beside bulk packets and reports."""

from dataclasses import dataclass
from typing import TypeAlias

from softswitch.media.arena import Address


@dataclass(frozen=True, slots=True)
class OpenRow:
    """Throw away what waits in the slot's sockets and begin to listen."""

    row: int


@dataclass(frozen=True, slots=True)
class CloseRow:
    """Stop listening."""

    row: int


@dataclass(frozen=True, slots=True)
class Aim:
    """Send the row's RTP to `address` from now on (None: nowhere)."""

    row: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class Settle:
    """The source of the row is known for good (`address`), or open again (None). A backend may use it to let the
    kernel do the filtering; what comes from elsewhere must still be received."""

    row: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class SendOne:
    """One RTP packet to the row's destination."""

    row: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SendReport:
    """One RTCP packet to `address`; `mux`: from the RTP socket (RFC 5761)."""

    row: int
    data: bytes
    address: Address
    mux: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """One datagram that is neither RTP nor RTCP (STUN, DTLS) from the row's RTP socket to `address`."""

    row: int
    data: bytes
    address: Address


@dataclass(frozen=True, slots=True)
class LoadSound:
    """Read a sound file; answer with `Engine.loaded`."""

    path: str


@dataclass(frozen=True, slots=True)
class CreateFile:
    """Begin a recording's file; failures come back by `Tapes.failed`."""

    recorder: int
    path: str
    channels: int


@dataclass(frozen=True, slots=True)
class AppendFile:
    """16-bit little-endian samples, channels interleaved."""

    recorder: int
    data: bytes


@dataclass(frozen=True, slots=True)
class FinishFile:
    """Close the file; answer with `Tapes.finished`."""

    recorder: int


Effect: TypeAlias = (
    OpenRow | CloseRow | Aim | Settle | SendOne | SendReport | Reply | LoadSound | CreateFile | AppendFile | FinishFile
)
