"""Offer and answer (RFC 3264) for one audio stream, as pure functions over SDP bytes.

What we can do is a `Capabilities`; what both sides agreed on is a `Negotiated`. An answer names exactly one codec
(and telephone-event beside it), so nobody has to guess what comes next. Media lines that we do not take are refused
with port 0 and keep their place, in answers and in later offers (RFC 3264 §6, §8).

Versions: hand the last description that we sent as `previous`; then an unchanged description comes out byte for byte,
and a changed one with the version counted up (RFC 3264 §8).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Literal

import msgspec

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import Attribute, Direction, Media, RtpMap, SessionDescription, parse_sdp

DEFAULT_PACKET_MS = 20
_EVENT = "telephone-event"
_EVENTS = "0-16"  # digits, *, #, A–D and flash (RFC 4733 §3.2)
_PLAIN_RTP = ("RTP/AVP", "RTP/AVPF")
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
_BY_ENCODING = {(codec.name.lower(), codec.clock, codec.channels): codec for codec in _TABLE}
_EVENT_PAYLOADS = {8000: 101, 16000: 102, 48000: 103}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What our side of a leg can do. `codecs`: names of `CODECS`, best first. `address`, `port`: where we receive
    RTP; RTCP on `rtcp_port`, the next port unless given. `offer_rtcp_mux` puts `a=rtcp-mux` into our offers; in
    answers it is agreed to whenever the peer offers it (RFC 5761). `packet_times`: ms that we can send in one packet,
    the usual one first."""

    codecs: tuple[str, ...]
    dtmf: bool
    address: str
    port: int
    rtcp_port: int | None = None
    rtcp_mux: bool = True
    offer_rtcp_mux: bool = False
    packet_times: tuple[int, ...] = (DEFAULT_PACKET_MS,)


class Negotiated(msgspec.Struct, frozen=True, gc=False):
    """What was agreed. `codec` is the RTP name; `payload_type` the number to send it with; `event_type` that of
    telephone-event, −1 without. `remote` is None when the peer gave no address to send to (hold by 0.0.0.0, or a name
    instead of an address). `direction_send`/`direction_receive` are ours. `held_by_remote`: it does not listen.
    `fmtp` are the peer's format parameters."""

    codec: str
    payload_type: int
    event_type: int
    remote: tuple[str, int] | None
    remote_rtcp: tuple[str, int] | None
    direction_send: bool
    direction_receive: bool
    packet_ms: int = DEFAULT_PACKET_MS
    rtcp_mux: bool = False
    fmtp: str = ""
    held_by_remote: bool = False

    def to_leg_spec(self, latch: str = "learn", silence: float = 0.0) -> LegSpec:
        """The same in the words of the media process."""
        return LegSpec(
            codec=self.codec,
            payload_type=self.payload_type,
            event_type=self.event_type,
            remote=self.remote,
            remote_rtcp=self.remote_rtcp,
            send=self.direction_send,
            receive=self.direction_receive,
            packet_ms=self.packet_ms,
            latch=latch,
            rtcp_mux=self.rtcp_mux,
            silence=silence,
            fmtp=self.fmtp,
        )


def make_offer(
    caps: Capabilities,
    session_id: int,
    version: int,
    *,
    hold: bool = False,
    prefer: str | None = None,
    previous: bytes | None = None,
) -> bytes:
    """Our offer: every codec of `caps`, `prefer` first if it is among them; `sendonly` with `hold`.

    `previous`, the last description that we sent in this dialog, keeps the number and order of media lines and the
    meaning of payload types (RFC 3264 §8.2, §8.3.2), and the version when nothing changed.
    Raises `LocalError` on a codec that `CODECS` does not know.
    """
    old = None if previous is None else parse_sdp(previous)
    place = 0 if old is None else _our_place(old)
    mux = caps.offer_rtcp_mux and caps.rtcp_mux
    if old is None or not old.media:
        formats, lines = _offer_lines(caps.codecs, prefer, caps.dtmf, mux)
    else:
        formats, lines = _offered_lines(caps.codecs, prefer, caps.dtmf, mux, _payloads(old.media[place]))
    direction: Direction = "sendonly" if hold else "sendrecv"
    stream = _stream("RTP/AVP", formats, lines, caps, caps.packet_times[0], direction)
    streams = [stream] if old is None or not old.media else [_refused(media) for media in old.media]
    streams[place] = stream
    return _description(caps, session_id, version, streams, previous, old)


def answer(
    offer: bytes,
    caps: Capabilities,
    session_id: int,
    version: int,
    hold: bool = False,
    *,
    prefer: str | None = None,
    order: Literal["theirs", "ours"] = "theirs",
    previous: bytes | None = None,
) -> tuple[bytes, Negotiated]:
    """Our answer to `offer`, and what is agreed by it.

    The codec is `prefer` when both have it, else the first of the offer that we have, or with `order="ours"` our
    first that the offer has. Raises `PeerError`: 400 when the offer cannot be read, 488 when nothing of it fits.
    """
    theirs = parse_sdp(offer)
    place, media, terms, codec, payload = _choose(theirs, caps.codecs, prefer, order)
    event = _event_payload(terms.maps, codec.clock) if caps.dtmf else -1
    remote = _remote(media)
    listens = media.direction in ("sendrecv", "recvonly") and remote is not _HELD
    speaks = media.direction in ("sendrecv", "sendonly")
    direction = _direction(listens, speaks and not hold)
    mux = caps.rtcp_mux and terms.mux
    packet_ms = _packet_time(terms, caps.packet_times)
    formats, lines = _answer_lines(codec.name, payload, event, terms.maps[event].clock if event >= 0 else 0, mux)
    stream = _stream(media.proto, formats, lines, caps, packet_ms, direction)
    if len(theirs.media) == 1:
        streams = [stream]
    else:
        streams = [_refused(other) for other in theirs.media]
        streams[place] = stream
    old = None if previous is None else parse_sdp(previous)
    body = _description(caps, session_id, version, streams, previous, old)
    target = remote if remote is not _HELD else None
    return body, Negotiated(
        codec=codec.name,
        payload_type=payload,
        event_type=event,
        remote=target,
        remote_rtcp=_remote_rtcp(terms, target, mux),
        direction_send=listens,
        direction_receive=speaks and not hold,
        packet_ms=packet_ms,
        rtcp_mux=mux,
        fmtp=media.fmtp(payload),
        held_by_remote=not listens,
    )


def first_common(offer: bytes, codecs: tuple[str, ...]) -> str:
    """The codec that `answer` would take with these, to look before anybody else is rung.

    Raises `PeerError`: 400 when the offer cannot be read, 488 when nothing of it fits."""
    return _choose(parse_sdp(offer), codecs, None, "theirs")[3].name


def accept(answer_bytes: bytes, our_offer: bytes, packet_times: tuple[int, ...] = (DEFAULT_PACKET_MS,)) -> Negotiated:
    """What is agreed by the peer's answer to `our_offer`.

    Raises `PeerError`: 400 when the answer cannot be read or has no line for our stream, 488 when it refuses the
    stream or takes no codec that we offered.
    """
    place, offered = _offered(our_offer)
    theirs = parse_sdp(answer_bytes)
    if place >= len(theirs.media):
        raise PeerError("SDP answer lacks the audio line of our offer")
    media = theirs.media[place]
    if media.kind != "audio" or media.port == 0:
        raise PeerError("the answer refuses audio", status=488)
    if media.proto not in _PLAIN_RTP:
        raise PeerError(f"the answer changes the transport to {media.proto}", status=488)
    terms = _terms(media.formats, media.attributes)
    codec, payload = next((pair for pair in terms.codecs.values() if pair[0].name in offered.codecs), (None, -1))
    if codec is None:
        names = _names(terms.maps.values(), media)
        raise PeerError(f"the answer takes no codec that we offered: {names}", status=488)
    remote = _remote(media)
    listens = media.direction in ("sendrecv", "recvonly") and remote is not _HELD
    target = remote if remote is not _HELD else None
    mux = offered.rtcp_mux and terms.mux
    return Negotiated(
        codec=codec.name,
        payload_type=payload,
        event_type=_event_payload(terms.maps, codec.clock) if offered.dtmf else -1,
        remote=target,
        remote_rtcp=_remote_rtcp(terms, target, mux),
        direction_send=listens,
        direction_receive=offered.receive and media.direction in ("sendrecv", "sendonly"),
        packet_ms=_packet_time(terms, packet_times),
        rtcp_mux=mux,
        fmtp=media.fmtp(payload),
        held_by_remote=not listens,
    )


# ------------------------------------------------------------------------------------------------- choosing a codec


class _Terms(msgspec.Struct, frozen=True):
    """What the attributes of a media section say. `codecs`: those that we know, by name, in the section's order."""

    maps: Mapping[int, RtpMap]
    codecs: Mapping[str, tuple[Codec, int]]
    ptime: int | None
    maxptime: int | None
    mux: bool
    rtcp: str


@lru_cache(maxsize=1024)
def _terms(formats: tuple[str, ...], attributes: tuple[Attribute, ...]) -> _Terms:
    """Cached: phones of one make say the same in each call."""
    media = Media("audio", 0, "", formats, attributes=attributes)
    maps = media.rtpmaps()
    codecs: dict[str, tuple[Codec, int]] = {}
    for payload, entry in maps.items():
        codec = _BY_ENCODING.get((entry.encoding.lower(), entry.clock, entry.channels))
        if codec is not None:
            codecs.setdefault(codec.name, (codec, payload))
    return _Terms(maps, codecs, media.ptime, media.maxptime, media.get("rtcp-mux") is not None, media.get("rtcp") or "")


def _ours(names: tuple[str, ...], prefer: str | None) -> list[Codec]:
    codecs: list[Codec] = []
    for name in names:
        codec = CODECS.get(name)
        if codec is None:
            raise LocalError(f"unknown codec {name!r}; known are {', '.join(CODECS)}")
        codecs.insert(0 if name == prefer else len(codecs), codec)
    return codecs


def _choose(
    theirs: SessionDescription, codecs: tuple[str, ...], prefer: str | None, order: Literal["theirs", "ours"]
) -> tuple[int, Media, _Terms, Codec, int]:
    """The first audio line that fits, and the codec on it. Raises `PeerError` (488) with the reason if none does."""
    reason = "the offer has no audio line"
    for place, media in enumerate(theirs.media):
        if media.kind != "audio":
            continue
        if media.port == 0:
            reason = "the offer's audio line has port 0"
            continue
        if media.proto not in _PLAIN_RTP:
            reason = f"transport {media.proto} is not supported, only RTP/AVP is"
            continue
        terms = _terms(media.formats, media.attributes)
        offered = terms.codecs
        if prefer in codecs and prefer in offered:
            codec, payload = offered[prefer]
            return place, media, terms, codec, payload
        for name in codecs if order == "ours" else offered:
            if name in offered and name in codecs:
                codec, payload = offered[name]
                return place, media, terms, codec, payload
        reason = f"no codec in common: offered {_names(terms.maps.values(), media)}; we have {', '.join(codecs)}"
    raise PeerError(reason, status=488)


def _names(maps: Iterable[RtpMap], media: Media) -> str:
    return ", ".join(f"{entry.encoding}/{entry.clock}" for entry in maps) or " ".join(media.formats)


def _event_payload(maps: Mapping[int, RtpMap], clock: int) -> int:
    """telephone-event at the codec's clock (RFC 4733 §2.5.1.1), else any: phones offer 8000 beside opus."""
    chosen = -1
    for payload, entry in maps.items():
        if entry.encoding.lower() == _EVENT:
            if entry.clock == clock:
                return payload
            if chosen < 0:
                chosen = payload
    return chosen


def _payloads(media: Media) -> dict[tuple[str, int], int]:
    return {(entry.encoding.lower(), entry.clock): payload for payload, entry in media.rtpmaps().items()}


def _payload_for(encoding: str, clock: int, wanted: int, taken: dict[tuple[str, int], int]) -> int:
    """The number that (encoding, clock) already has in this dialog, else `wanted`, else the first free dynamic one."""
    number = taken.get((encoding, clock))
    if number is None:
        used = set(taken.values())
        number = wanted
        while number in used:
            number = number + 1 if 96 <= number < _LAST_DYNAMIC else 96
        taken[encoding, clock] = number
    return number


# --------------------------------------------------------------------------------------- addresses, times, directions

_HELD = ("", 0)  # hold in the manner of RFC 2543: c=0.0.0.0 (RFC 3264 §8.4)
_IPV4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)


def _remote(media: Media) -> tuple[str, int] | None:
    """Where the peer wants RTP; `_HELD` for nowhere; None for a host name: then media waits for the first packet.

    Raises `PeerError` (488) on an address that no single peer can have.
    """
    address = media.connection or ""
    if address in ("0.0.0.0", "::"):
        return _HELD
    if not _is_unicast(address):
        if ":" in address or _IPV4.fullmatch(address):
            raise PeerError(f"{address} is not a unicast address", status=488)
        return None
    return address, media.port


@lru_cache(maxsize=4096)
def _is_unicast(address: str) -> bool:
    quad = _IPV4.fullmatch(address)
    if quad is not None:
        first, *rest = map(int, quad.groups())
        return 0 < first < 224 and max(rest) < 256
    if ":" not in address:
        return False
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return False
    return not (parsed.is_multicast or parsed.is_unspecified)


def _remote_rtcp(terms: _Terms, remote: tuple[str, int] | None, mux: bool) -> tuple[str, int] | None:
    """RTCP's destination: the RTP one when multiplexed, `a=rtcp` (RFC 3605) if given, else the next port."""
    if remote is None or mux:
        return remote
    words = terms.rtcp.split()
    if words and words[0].isascii() and words[0].isdigit() and len(words[0]) < 6 and 0 < int(words[0]) < 65536:
        elsewhere = len(words) == 4 and _is_unicast(words[3])
        return words[3] if elsewhere else remote[0], int(words[0])
    return (remote[0], remote[1] + 1) if remote[1] < 65535 else None


def _packet_time(terms: _Terms, packet_times: tuple[int, ...]) -> int:
    """The peer's `ptime` if we can, else our usual one, never above its `maxptime` if that leaves a choice."""
    wanted, most = terms.ptime, terms.maxptime
    if most is None:
        return wanted if wanted in packet_times else packet_times[0]
    allowed = [ms for ms in packet_times if ms <= most] or [min(packet_times)]
    return wanted if wanted in allowed else allowed[0]


def _direction(send: bool, receive: bool) -> Direction:
    if send:
        return "sendrecv" if receive else "sendonly"
    return "recvonly" if receive else "inactive"


# --------------------------------------------------------------------------------------------------- putting it down


def _rtpmap_line(payload: int, codec: Codec) -> str:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    return f"a=rtpmap:{payload} {codec.name}/{codec.clock}{channels}"


@lru_cache(maxsize=256)
def _offer_lines(names: tuple[str, ...], prefer: str | None, dtmf: bool, mux: bool) -> tuple[str, str]:
    """Formats and attributes of a first offer."""
    return _offered_lines(names, prefer, dtmf, mux, {})


def _offered_lines(
    names: tuple[str, ...], prefer: str | None, dtmf: bool, mux: bool, taken: dict[tuple[str, int], int]
) -> tuple[str, str]:
    """Formats and attributes of an offer; `taken`: what payload types mean in this dialog already."""
    formats = []
    attributes: list[str] = []
    clocks: list[int] = []
    for codec in _ours(names, prefer):
        payload = _payload_for(codec.name.lower(), codec.clock, codec.payload_type, taken)
        formats.append(str(payload))
        attributes.append(_rtpmap_line(payload, codec))
        if codec.fmtp:
            attributes.append(f"a=fmtp:{payload} {codec.fmtp}")
        if codec.clock not in clocks:
            clocks.append(codec.clock)
    if not formats:
        raise LocalError("no codec to offer")
    for clock in clocks if dtmf else ():  # one for each clock rate (RFC 4733 §2.5.1.1)
        payload = _payload_for(_EVENT, clock, _EVENT_PAYLOADS[clock], taken)
        formats.append(str(payload))
        attributes.append(f"a=rtpmap:{payload} {_EVENT}/{clock}\r\na=fmtp:{payload} {_EVENTS}")
    if mux:
        attributes.append("a=rtcp-mux")
    return " ".join(formats), "\r\n".join(attributes)


@lru_cache(maxsize=1024)
def _answer_lines(name: str, payload: int, event: int, event_clock: int, mux: bool) -> tuple[str, str]:
    """Formats and attributes of an answer."""
    codec = CODECS[name]
    formats = str(payload)
    attributes = [_rtpmap_line(payload, codec)]
    if codec.fmtp:
        attributes.append(f"a=fmtp:{payload} {codec.fmtp}")
    if event >= 0:
        formats = f"{formats} {event}"
        attributes.append(f"a=rtpmap:{event} {_EVENT}/{event_clock}\r\na=fmtp:{event} {_EVENTS}")
    if mux:
        attributes.append("a=rtcp-mux")
    return formats, "\r\n".join(attributes)


def _stream(proto: str, formats: str, lines: str, caps: Capabilities, packet_ms: int, direction: Direction) -> str:
    rtcp = f"\r\na=rtcp:{caps.rtcp_port}" if caps.rtcp_port not in (None, caps.port + 1) else ""
    return f"m=audio {caps.port} {proto} {formats}\r\n{lines}{rtcp}\r\na=ptime:{packet_ms}\r\na={direction}\r\n"


def _refused(media: Media) -> str:
    return f"m={media.kind} 0 {media.proto} {' '.join(media.formats)}\r\n"


def _description(
    caps: Capabilities,
    session_id: int,
    version: int,
    streams: list[str],
    previous: bytes | None,
    old: SessionDescription | None,
) -> bytes:
    network = f"IP6 {caps.address}" if ":" in caps.address else f"IP4 {caps.address}"
    rest = f" IN {network}\r\ns=-\r\nc=IN {network}\r\nt=0 0\r\n{''.join(streams)}"
    if old is not None and previous is not None:
        before = int(old.origin.version)
        same = f"v=0\r\no=- {session_id} {before}{rest}".encode("utf-8", "surrogateescape")
        if same == previous:
            return previous
        version = max(version, before + 1)
    return f"v=0\r\no=- {session_id} {version}{rest}".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Offered:
    """What a media section of ours offered."""

    codecs: frozenset[str]
    dtmf: bool
    rtcp_mux: bool
    receive: bool


def _offered(ours: bytes) -> tuple[int, _Offered]:
    """Place and content of the stream in a description that `make_offer` made."""
    place = 0
    for place, section in enumerate(ours.split(b"\r\nm=")[1:]):
        _, port, rest = section.split(b" ", 2)
        if port != b"0":
            return place, _offered_section(rest)
    raise LocalError("our offer has no stream")


@lru_cache(maxsize=256)
def _offered_section(rest: bytes) -> _Offered:
    """Cached: behind the port, our offers differ by capabilities only, not by call."""
    media = parse_sdp(b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1 " + rest).media[0]
    names = frozenset(entry.encoding for entry in media.rtpmaps().values())
    return _Offered(names - {_EVENT}, _EVENT in names, media.get("rtcp-mux") is not None, media.direction == "sendrecv")


def _our_place(ours: SessionDescription) -> int:
    """Which media line of a description of ours carries the stream: the one with a port."""
    for place, media in enumerate(ours.media):
        if media.port:
            return place
    return 0
