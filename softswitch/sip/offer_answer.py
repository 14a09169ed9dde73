"""Offer and answer (RFC 3264) for one audio stream, as pure functions over SDP bytes.

What we can do is a `Capabilities`; what both sides agreed on is a `Negotiated`. An answer names exactly one codec
(and telephone-event beside it), so nobody has to guess what comes next. Media lines that we do not take are refused
with port 0 and keep their place, in answers and in later offers (RFC 3264 §6, §8).

Versions: hand the last description that we sent as `previous`; then an unchanged description comes out byte for byte,
and a changed one with the version counted up (RFC 3264 §8).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import msgspec

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip.codec_table import EVENT, Codec, answer_lines, event_payload, first_lines, offer_lines
from softswitch.sip.media_section import (
    HELD,
    PLAIN_RTP,
    Terms,
    direction_of,
    encodings,
    packet_time,
    payloads_of,
    refused_section,
    remote_of,
    rtcp_of,
    stream_section,
    terms_of,
)
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import Direction, Media, SessionDescription, parse_sdp

DEFAULT_PACKET_MS = 20


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
        formats, lines = first_lines(caps.codecs, prefer, caps.dtmf, mux)
    else:
        formats, lines = offer_lines(caps.codecs, prefer, caps.dtmf, mux, payloads_of(old.media[place]))
    direction: Direction = "sendonly" if hold else "sendrecv"
    stream = stream_section("RTP/AVP", caps.port, caps.rtcp_port, formats, lines, caps.packet_times[0], direction)
    streams = [stream] if old is None or not old.media else [refused_section(media) for media in old.media]
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
    event = event_payload(terms.maps, codec.clock) if caps.dtmf else -1
    remote = remote_of(media)
    listens = media.direction in ("sendrecv", "recvonly") and remote is not HELD
    speaks = media.direction in ("sendrecv", "sendonly")
    direction = direction_of(listens, speaks and not hold)
    mux = caps.rtcp_mux and terms.mux
    packet_ms = packet_time(terms, caps.packet_times)
    formats, lines = answer_lines(codec.name, payload, event, terms.maps[event].clock if event >= 0 else 0, mux)
    stream = stream_section(media.proto, caps.port, caps.rtcp_port, formats, lines, packet_ms, direction)
    if len(theirs.media) == 1:
        streams = [stream]
    else:
        streams = [refused_section(other) for other in theirs.media]
        streams[place] = stream
    old = None if previous is None else parse_sdp(previous)
    body = _description(caps, session_id, version, streams, previous, old)
    target = remote if remote is not HELD else None
    return body, Negotiated(
        codec=codec.name,
        payload_type=payload,
        event_type=event,
        remote=target,
        remote_rtcp=rtcp_of(terms, target, mux),
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
    if media.proto not in PLAIN_RTP:
        raise PeerError(f"the answer changes the transport to {media.proto}", status=488)
    terms = terms_of(media.formats, media.attributes)
    codec, payload = next((pair for pair in terms.codecs.values() if pair[0].name in offered.codecs), (None, -1))
    if codec is None:
        names = encodings(terms.maps.values(), media)
        raise PeerError(f"the answer takes no codec that we offered: {names}", status=488)
    remote = remote_of(media)
    listens = media.direction in ("sendrecv", "recvonly") and remote is not HELD
    target = remote if remote is not HELD else None
    mux = offered.rtcp_mux and terms.mux
    return Negotiated(
        codec=codec.name,
        payload_type=payload,
        event_type=event_payload(terms.maps, codec.clock) if offered.dtmf else -1,
        remote=target,
        remote_rtcp=rtcp_of(terms, target, mux),
        direction_send=listens,
        direction_receive=offered.receive and media.direction in ("sendrecv", "sendonly"),
        packet_ms=packet_time(terms, packet_times),
        rtcp_mux=mux,
        fmtp=media.fmtp(payload),
        held_by_remote=not listens,
    )


def _choose(
    theirs: SessionDescription, codecs: tuple[str, ...], prefer: str | None, order: Literal["theirs", "ours"]
) -> tuple[int, Media, Terms, Codec, int]:
    """The first audio line that fits, and the codec on it. Raises `PeerError` (488) with the reason if none does."""
    reason = "the offer has no audio line"
    for place, media in enumerate(theirs.media):
        if media.kind != "audio":
            continue
        if media.port == 0:
            reason = "the offer's audio line has port 0"
            continue
        if media.proto not in PLAIN_RTP:
            reason = f"transport {media.proto} is not supported, only RTP/AVP is"
            continue
        terms = terms_of(media.formats, media.attributes)
        offered = terms.codecs
        if prefer in codecs and prefer in offered:
            codec, payload = offered[prefer]
            return place, media, terms, codec, payload
        for name in codecs if order == "ours" else offered:
            if name in offered and name in codecs:
                codec, payload = offered[name]
                return place, media, terms, codec, payload
        reason = f"no codec in common: offered {encodings(terms.maps.values(), media)}; we have {', '.join(codecs)}"
    raise PeerError(reason, status=488)


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
    return _Offered(names - {EVENT}, EVENT in names, media.get("rtcp-mux") is not None, media.direction == "sendrecv")


def _our_place(ours: SessionDescription) -> int:
    """Which media line of a description of ours carries the stream: the one with a port."""
    for place, media in enumerate(ours.media):
        if media.port:
            return place
    return 0
