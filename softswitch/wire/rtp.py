"""RTP packets (RFC 3550 §5): one at a time as values, or many at once as a numpy view of their headers."""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from softswitch.kernel.errors import PeerError

HEADER: Final = 12
COMFORT_NOISE: Final = 13  # RFC 3551 §6
CLOCK_RATES: Final = {
    "opus": 48000,
    "L16": 16000,
    "VP8": 90000,
    "VP9": 90000,
    "H264": 90000,
    "H265": 90000,
    "AV1": 90000,
}
"""RTP clock in Hz where it is not 8000 (RFC 3551 §4.5.2: G722 says 8000 too)."""

HEADER_DTYPE: Final = np.dtype([("head", ">u2"), ("seq", ">u2"), ("ts", ">u4"), ("ssrc", ">u4")])
"""The fixed header as a numpy structure: `head` holds version, flags, marker and payload type."""

PLAIN: Final = 0x8000  # version 2, no padding, no extension, no CSRC
MARKER: Final = 0x0080

_pack = struct.Struct("!HHII")


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet, its payload given as a span of the datagram (extension and padding are outside it)."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    start: int
    end: int


def parse(data: bytes | memoryview) -> Packet:
    """Raises `PeerError` (status 0) for what is not RTP version 2 or contradicts its own length."""
    size = len(data)
    if size < HEADER:
        raise PeerError("RTP: short packet", status=0)
    head, sequence, timestamp, ssrc = _pack.unpack_from(data)
    if head >> 14 != 2:
        raise PeerError("RTP: version is not 2", status=0)
    start, end = HEADER + 4 * (head >> 8 & 15), size
    if head & 0x1000:
        if start + 4 > size:
            raise PeerError("RTP: extension beyond the packet", status=0)
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if head & 0x2000:
        padding = data[size - 1]
        if padding == 0:
            raise PeerError("RTP: padding of length 0", status=0)
        end -= padding
    if start > end:
        raise PeerError("RTP: header and padding exceed the packet", status=0)
    return Packet(head & 0x7F, bool(head & MARKER), sequence, timestamp, ssrc, start, end)


def build(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """A packet without CSRC, extension and padding."""
    return header(payload_type, marker, sequence, timestamp, ssrc) + payload


def header(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """The twelve octets of the fixed header; numbers are taken modulo their width."""
    head = PLAIN | (MARKER if marker else 0) | payload_type
    return _pack.pack(head, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)


def is_rtcp(data: bytes | memoryview) -> bool:
    """RFC 5761 §4: packet types 192–223 on a shared port are RTCP."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 192 <= data[1] <= 223
