"""RTCP compound packets (RFC 3550 §6): sender and receiver reports, SDES CNAME, BYE."""

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
CNAME: Final = 1

_NTP_EPOCH = 2208988800  # seconds from 1900 to 1970

_head = struct.Struct("!BBHI")
_sender = struct.Struct("!QIII")
_block = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class Block:
    """A reception report (§6.4.1). `fraction` in 1/256, `lost` signed, `jitter` in clock units, `last_sr` the middle
    32 bits of an NTP time, `delay` in 1/65536 s."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_sr: int
    delay: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Cname:
    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


Part: TypeAlias = SenderReport | ReceiverReport | Cname | Bye


def ntp_time(now: Instant) -> int:
    """64-bit NTP time stamp of `now` (§4)."""
    return (int((now + _NTP_EPOCH) * 65536) & 0xFFFFFFFFFFFF) << 16


def middle(ntp: int) -> int:
    """The middle 32 bits, as reports quote them."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip(block: Block, now: Instant) -> float:
    """Seconds there and back without the peer's own delay, −1 when the block quotes no report of ours (§6.4.1)."""
    if not block.last_sr:
        return -1.0
    units = (middle(ntp_time(now)) - block.last_sr - block.delay) & 0xFFFFFFFF
    return units / 65536 if units < 0x80000000 else 0.0


def build(*parts: Part) -> bytes:
    """A compound packet; the caller puts a report first (§6.1)."""
    return b"".join(map(_build, parts))


def _build(part: Part) -> bytes:
    match part:
        case SenderReport():
            body = _sender.pack(part.ntp, part.timestamp, part.packets & 0xFFFFFFFF, part.octets & 0xFFFFFFFF)
            return _packet(SR, len(part.blocks), part.ssrc, body + b"".join(map(_pack_block, part.blocks)))
        case ReceiverReport():
            return _packet(RR, len(part.blocks), part.ssrc, b"".join(map(_pack_block, part.blocks)))
        case Cname():
            name = part.cname.encode()[:255]
            item = bytes((CNAME, len(name))) + name
            return _packet(SDES, 1, part.ssrc, item + bytes(4 - len(item) % 4))
        case Bye():
            rest = b"".join(ssrc.to_bytes(4, "big") for ssrc in part.ssrcs[1:])
            return _packet(BYE, len(part.ssrcs), part.ssrcs[0], rest)


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return _head.pack(0x80 | count, kind, 1 + len(body) // 4, ssrc) + body


def _pack_block(block: Block) -> bytes:
    lost = max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF
    return _block.pack(
        block.ssrc, block.fraction << 24 | lost, block.highest & 0xFFFFFFFF, block.jitter, block.last_sr, block.delay
    )


def parse(data: bytes | memoryview) -> list[Part]:
    """The parts that we know; others are skipped. Raises `PeerError` (status 0) when the compound is not well formed
    (appendix A.2: versions, lengths that add up)."""
    data = bytes(data)
    parts: list[Part] = []
    at = 0
    if len(data) < 8:
        raise PeerError("RTCP: short packet", status=0)
    while at < len(data):
        if at + 4 > len(data):
            raise PeerError("RTCP: trailing octets", status=0)
        first, kind, words = data[at], data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise PeerError("RTCP: version or length", status=0)
        if (part := _parse(kind, first & 31, data[at + 4 : end])) is not None:
            parts.append(part)
        at = end
    return parts


def _parse(kind: int, count: int, body: bytes) -> Part | None:
    if kind == SR:
        if len(body) < 24 + 24 * count:
            raise PeerError("RTCP: short sender report", status=0)
        ntp, timestamp, packets, octets = _sender.unpack_from(body, 4)
        return SenderReport(_ssrc(body), ntp, timestamp, packets, octets, _blocks(body, 24, count))
    if kind == RR:
        if len(body) < 4 + 24 * count:
            raise PeerError("RTCP: short receiver report", status=0)
        return ReceiverReport(_ssrc(body), _blocks(body, 4, count))
    if kind == SDES:
        return _parse_cname(body) if count else None
    if kind == BYE:
        if len(body) < 4 * count:
            raise PeerError("RTCP: short BYE", status=0)
        return Bye(tuple(int.from_bytes(body[4 * i : 4 * i + 4], "big") for i in range(count))) if count else None
    return None


def _ssrc(body: bytes) -> int:
    return int.from_bytes(body[:4], "big")


def _blocks(body: bytes, start: int, count: int) -> tuple[Block, ...]:
    blocks = []
    for at in range(start, start + 24 * count, 24):
        ssrc, loss, highest, jitter, last_sr, delay = _block.unpack_from(body, at)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        blocks.append(Block(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _parse_cname(body: bytes) -> Cname | None:
    """The first chunk's CNAME (§6.5)."""
    at = 4
    while at + 2 <= len(body) and body[at]:
        end = at + 2 + body[at + 1]
        if end > len(body):
            raise PeerError("RTCP: SDES item beyond the packet", status=0)
        if body[at] == CNAME:
            return Cname(_ssrc(body), body[at + 2 : end].decode("utf-8", "replace"))
        at = end
    return None
