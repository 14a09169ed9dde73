"""The audio codecs that SDP may name, and the numbers and lines that stand for them in a description.

A row of the table is what we offer; what a peer's section says is `media_section.Terms`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from softswitch.kernel.errors import LocalError
from softswitch.wire.sdp import RtpMap

EVENT = "telephone-event"
_EVENTS = "0-16"  # digits, *, #, A–D and flash (RFC 4733 §3.2)
_LAST_DYNAMIC = 127


@dataclass(frozen=True, slots=True)
class Codec:
    """A row of the codec table: RTP name, RTP clock in Hz, channels, the payload type that we offer (fixed by
    RFC 3551 below 96), format parameters that we offer."""

    name: str
    clock: int
    channels: int
    payload_type: int
    fmtp: str = ""


_TABLE = (
    Codec("PCMU", 8000, 1, 0),
    Codec("GSM", 8000, 1, 3),
    Codec("PCMA", 8000, 1, 8),
    Codec("G722", 8000, 1, 9),  # samples at 16000, but its RTP clock is 8000 (RFC 3551 §4.5.2)
    Codec("G729", 8000, 1, 18, "annexb=no"),
    Codec("iLBC", 8000, 1, 97, "mode=20"),
    Codec("L16", 16000, 1, 98),
    Codec("opus", 48000, 2, 111, "useinbandfec=1"),
)
CODECS: dict[str, Codec] = {codec.name: codec for codec in _TABLE}
BY_ENCODING = {(codec.name.lower(), codec.clock, codec.channels): codec for codec in _TABLE}
_EVENT_PAYLOADS = {8000: 101, 16000: 102, 48000: 103}


def our_codecs(names: tuple[str, ...], prefer: str | None) -> list[Codec]:
    """The rows of `names`, `prefer` first if it is among them. Raises `LocalError` on a name that no row has."""
    codecs: list[Codec] = []
    for name in names:
        codec = CODECS.get(name)
        if codec is None:
            raise LocalError(f"unknown codec {name!r}; known are {', '.join(CODECS)}")
        codecs.insert(0 if name == prefer else len(codecs), codec)
    return codecs


def event_payload(maps: Mapping[int, RtpMap], clock: int) -> int:
    """telephone-event at the codec's clock (RFC 4733 §2.5.1.1), else any: phones offer 8000 beside opus."""
    chosen = -1
    for payload, entry in maps.items():
        if entry.encoding.lower() == EVENT:
            if entry.clock == clock:
                return payload
            if chosen < 0:
                chosen = payload
    return chosen


def payload_for(encoding: str, clock: int, wanted: int, taken: dict[tuple[str, int], int]) -> int:
    """The number that (encoding, clock) already has in this dialog, else `wanted`, else the first free dynamic one."""
    number = taken.get((encoding, clock))
    if number is None:
        used = set(taken.values())
        number = wanted
        while number in used:
            number = number + 1 if 96 <= number < _LAST_DYNAMIC else 96
        taken[encoding, clock] = number
    return number


def _rtpmap_line(payload: int, codec: Codec) -> str:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    return f"a=rtpmap:{payload} {codec.name}/{codec.clock}{channels}"


@lru_cache(maxsize=256)
def first_lines(names: tuple[str, ...], prefer: str | None, dtmf: bool, mux: bool) -> tuple[str, str]:
    """Formats and attributes of a first offer."""
    return offer_lines(names, prefer, dtmf, mux, {})


def offer_lines(
    names: tuple[str, ...], prefer: str | None, dtmf: bool, mux: bool, taken: dict[tuple[str, int], int]
) -> tuple[str, str]:
    """Formats and attributes of an offer; `taken`: what payload types mean in this dialog already."""
    formats = []
    attributes: list[str] = []
    clocks: list[int] = []
    for codec in our_codecs(names, prefer):
        payload = payload_for(codec.name.lower(), codec.clock, codec.payload_type, taken)
        formats.append(str(payload))
        attributes.append(_rtpmap_line(payload, codec))
        if codec.fmtp:
            attributes.append(f"a=fmtp:{payload} {codec.fmtp}")
        if codec.clock not in clocks:
            clocks.append(codec.clock)
    if not formats:
        raise LocalError("no codec to offer")
    for clock in clocks if dtmf else ():  # one for each clock rate (RFC 4733 §2.5.1.1)
        payload = payload_for(EVENT, clock, _EVENT_PAYLOADS[clock], taken)
        formats.append(str(payload))
        attributes.append(f"a=rtpmap:{payload} {EVENT}/{clock}\r\na=fmtp:{payload} {_EVENTS}")
    if mux:
        attributes.append("a=rtcp-mux")
    return " ".join(formats), "\r\n".join(attributes)


@lru_cache(maxsize=1024)
def answer_lines(name: str, payload: int, event: int, event_clock: int, mux: bool) -> tuple[str, str]:
    """Formats and attributes of an answer."""
    codec = CODECS[name]
    formats = str(payload)
    attributes = [_rtpmap_line(payload, codec)]
    if codec.fmtp:
        attributes.append(f"a=fmtp:{payload} {codec.fmtp}")
    if event >= 0:
        formats = f"{formats} {event}"
        attributes.append(f"a=rtpmap:{event} {EVENT}/{event_clock}\r\na=fmtp:{event} {_EVENTS}")
    if mux:
        attributes.append("a=rtcp-mux")
    return formats, "\r\n".join(attributes)
