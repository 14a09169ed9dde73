"""Offer and answer (RFC 3264) for one audio stream, as pure functions over SDP bytes.

What we can do is a `Capabilities`; what both sides agreed on is a `Negotiated`. An answer names exactly one codec
(and telephone-event beside it), so nobody has to guess what comes next. Media lines that we do not take are refused
with port 0 and keep their place, in answers and in later offers (RFC 3264 §6, §8); `sections` are those that the
caller takes, ready-made (`sip/relayed_media.py`).

Versions: hand the last description that we sent as `previous`; then an unchanged description comes out byte for byte,
and a changed one with the version counted up (RFC 3264 §8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.sip.codec_table import (
    EVENT,
    Format,
    answer_lines,
    event_payload,
    match,
    offer_lines,
    our_formats,
    taken_by,
)
from softswitch.sip.counterpart import Counterpart, offered_formats
from softswitch.sip.media_section import (
    HELD,
    Terms,
    direction_of,
    encodings,
    packet_time,
    refused_section,
    remote_of,
    rtcp_of,
    stream_section,
    terms_in,
)
from softswitch.sip.secure_media import (
    PLAIN_MEANS,
    PLAIN_RTP,
    Means,
    accepted_security,
    answer_security,
    by_ice,
    has_secrets,
    offer_security,
    refusal,
    without_secrets,
)
from softswitch.wire.control import LegSpec, Other, Security
from softswitch.wire.sdp import Direction, Media, RtpMap, SessionDescription, parse_sdp

DEFAULT_PACKET_MS = 20


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What our side of a leg can do. `codecs`: names of `CODECS`, best first. `address`, `port`: where we receive
    RTP; RTCP on `rtcp_port`, the next port unless given. `offer_rtcp_mux` puts `a=rtcp-mux` into our offers; in
    answers it is agreed to whenever the peer offers it (RFC 5761). `packet_times`: ms that we can send in one packet,
    the usual one first. `through`: codecs that we do not know may pass from end to end. `means`: how the stream may be
    secured. `record`: a line, with its end, that says whether the party is recorded (RFC 7866 §6.2)."""

    codecs: tuple[str, ...]
    dtmf: bool
    address: str
    port: int
    rtcp_port: int | None = None
    rtcp_mux: bool = True
    offer_rtcp_mux: bool = False
    packet_times: tuple[int, ...] = (DEFAULT_PACKET_MS,)
    through: bool = True
    means: Means = PLAIN_MEANS
    record: str = ""


class Negotiated(msgspec.Struct, frozen=True, gc=False):
    """What was agreed. `codec` is the RTP name; `payload_type` the number to send it with; `event_type` that of
    telephone-event, −1 without. `remote` is None when the peer gave no address to send to (hold by 0.0.0.0, or a name
    instead of an address). `direction_send`/`direction_receive` are ours. `held_by_remote`: it does not listen.
    `fmtp` are the peer's format parameters, `clock` and `channels` the codec's. `also`: other formats that the peer
    agreed to and may send, and numbers of ours that differ from its own. `max_packet_ms`: the peer's maxptime, 0
    without. `security`: keys, or what leads to keys; None is plain RTP. `event_clock`: that of telephone-event, 0
    without."""

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
    clock: int = 8000
    channels: int = 1
    also: tuple[Other, ...] = ()
    max_packet_ms: int = 0
    security: Security | None = None
    event_clock: int = 0

    @property
    def format(self) -> Format:
        """The codec as the peer's section has it."""
        return Format(self.codec, self.clock, self.payload_type, self.channels, self.fmtp)

    def to_leg_spec(self, latch: str = "learn", silence: float = 0.0) -> LegSpec:
        """The same in the words of the media process."""
        format = self.format
        return LegSpec(
            codec=format.wire_name,
            payload_type=self.payload_type,
            event_type=self.event_type,
            remote=self.remote,
            remote_rtcp=self.remote_rtcp,
            send=self.direction_send,
            receive=self.direction_receive,
            packet_ms=self.packet_ms,
            latch="learn" if by_ice(self.security) else latch,
            rtcp_mux=self.rtcp_mux,
            silence=silence,
            fmtp=self.fmtp if format.mixed else format.identity,
            also=self.also,
            clock=self.clock,
            max_packet_ms=self.max_packet_ms,
            security=self.security,
            event_clock=0 if self.event_clock == self.clock else self.event_clock,
        )


def make_offer(
    caps: Capabilities,
    session_id: int,
    version: int,
    *,
    hold: bool = False,
    prefer: str | None = None,
    far: Counterpart | None = None,
    previous: bytes | None = None,
    sections: Sequence[str] = (),
) -> bytes:
    """Our offer: every codec of `caps`, `prefer` first if it is among them; with `far`, what fits this party
    (`offered_formats`); `sendonly` with `hold`. `sections` of other kinds follow the audio; they are all there is for
    a silent `far`.

    `previous`, the last description that we sent in this dialog, keeps the number and order of media lines and the
    meaning of payload types (RFC 3264 §8.2, §8.3.2), and the version when nothing changed.
    Raises `LocalError` on a codec that `CODECS` does not know, `PeerError` (488) when nothing fits `far`.
    """
    old = None if previous is None else parse_sdp(previous)
    if far is not None and far.silent:
        silent = list(sections) if old is None else _in_places(old, sections)
        return _description(caps, session_id, version, silent, previous, old, "")
    ours = None if old is None or not old.media else old.media[our_place(old)]
    if ours is not None and ours.kind != "audio":
        ours = None  # images were all there was
    secured = offer_security(caps.means, caps.address, caps.port, ours)
    mux = secured.mux or (caps.offer_rtcp_mux and caps.rtcp_mux)
    direction: Direction = "sendonly" if hold else "sendrecv"
    if old is None or not old.media:
        formats, lines = _first_lines(caps.codecs, prefer, far, caps.through, caps.dtmf, mux)
        streams = ["", *sections]
        place = 0
    else:
        place = our_place(old)
        terms = terms_in(old.media[place])
        offered = _to_offer(caps.codecs, prefer, far, caps.through)
        formats, lines = offer_lines(offered, caps.dtmf, mux, taken_by(terms.formats, terms.maps))
        streams = _in_places(old, sections)
    streams[place] = stream_section(
        secured.proto,
        caps.port,
        caps.rtcp_port,
        formats,
        lines,
        caps.packet_times[0],
        direction,
        secured.stream + caps.record,
    )
    return _description(caps, session_id, version, streams, previous, old, secured.session)


def answer(
    offer: bytes,
    caps: Capabilities,
    session_id: int,
    version: int,
    hold: bool = False,
    *,
    codecs: tuple[str, ...] | None = None,
    prefer: str | None = None,
    like: Format | None = None,
    order: Literal["theirs", "ours"] = "theirs",
    previous: bytes | None = None,
    sections: Mapping[int, str] | None = None,
) -> tuple[bytes, Negotiated]:
    """Our answer to `offer`, and what is agreed by it.

    The codec is `like` when the offer has it, with the parameters of `like`: what the far party has settled on. Else
    it is `prefer` when both have it, else the first of the offer that we have, or with `order="ours"` our first that
    the offer has; `codecs` are those to choose from if not all of `caps`. `sections`: those of other kinds that are
    taken, by their place in the offer.
    Raises `PeerError`: 400 when the offer cannot be read, 488 when nothing of it fits.
    """
    theirs = parse_sdp(offer)
    names = caps.codecs if codecs is None else codecs
    place, media, terms, chosen, fmtp = _choose(theirs, names, like, prefer, order, caps.means)
    old = None if previous is None else parse_sdp(previous)
    role = "" if old is None or not old.media else old.media[our_place(old)].get("setup") or ""
    secured, security = answer_security(media, theirs.attributes, caps.means, caps.address, caps.port, role)
    event = event_payload(terms.maps, chosen.clock) if caps.dtmf else -1
    event_clock = terms.maps[event].clock if event >= 0 else 0
    remote = None if by_ice(security) else remote_of(media)
    listens = media.direction in ("sendrecv", "recvonly") and remote is not HELD
    speaks = media.direction in ("sendrecv", "sendonly")
    direction = direction_of(listens, speaks and not hold)
    mux = caps.rtcp_mux and terms.mux
    packet_ms = packet_time(terms, caps.packet_times, chosen)
    formats, lines = answer_lines(chosen, fmtp, event, event_clock, mux)
    stream = stream_section(
        secured.proto, caps.port, caps.rtcp_port, formats, lines, packet_ms, direction, secured.stream + caps.record
    )
    if len(theirs.media) == 1:
        streams = [stream]
    else:
        streams = [refused_section(other) for other in theirs.media]
        for taken, section in (sections or {}).items():
            streams[taken] = section
        streams[place] = stream
    body = _description(caps, session_id, version, streams, previous, old, secured.session)
    target = remote if remote is not HELD else None
    return body, Negotiated(
        codec=chosen.encoding,
        payload_type=chosen.payload_type,
        event_type=event,
        remote=target,
        remote_rtcp=rtcp_of(terms, target, mux),
        direction_send=listens,
        direction_receive=speaks and not hold,
        packet_ms=packet_ms,
        rtcp_mux=mux,
        fmtp=chosen.fmtp,
        held_by_remote=not listens,
        clock=chosen.clock,
        channels=chosen.channels,
        max_packet_ms=terms.maxptime or 0,
        security=security,
        event_clock=event_clock,
    )


def silent_answer(
    offer: bytes,
    caps: Capabilities,
    session_id: int,
    version: int,
    sections: Mapping[int, str],
    previous: bytes | None = None,
) -> bytes:
    """Our answer to `offer` that takes no sound, and these sections by their place. Raises `PeerError` (400)."""
    streams = [sections.get(place) or refused_section(media) for place, media in enumerate(parse_sdp(offer).media)]
    old = None if previous is None else parse_sdp(previous)
    return _description(caps, session_id, version, streams, previous, old, "")


def formats_in(description: bytes, means: Means = PLAIN_MEANS) -> tuple[Format, ...]:
    """The codecs of the first audio line that we could take, in its order; empty without one.

    Raises `PeerError` (400) when the description cannot be read."""
    theirs = parse_sdp(description)
    for media in theirs.media:
        if media.kind == "audio" and media.port and not refusal(media, theirs.attributes, means):
            return terms_in(media).formats
    return ()


def first_common(offer: bytes, codecs: tuple[str, ...], means: Means = PLAIN_MEANS) -> Format:
    """What `answer` would take with these codecs, to look before anybody else is rung.

    Raises `PeerError`: 400 when the offer cannot be read, 488 when nothing of it fits."""
    return _choose(parse_sdp(offer), codecs, None, None, "theirs", means)[3]


def accept(answer_bytes: bytes, our_offer: bytes, packet_times: tuple[int, ...] = (DEFAULT_PACKET_MS,)) -> Negotiated:
    """What is agreed by the peer's answer to `our_offer`: the first codec of the answer that we offered.

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
    security = None
    if has_secrets(our_offer):
        ours = parse_sdp(our_offer)
        security = accepted_security(media, theirs.attributes, ours.media[place], ours.attributes)
    elif media.proto not in PLAIN_RTP:
        raise PeerError(f"the answer changes the transport to {media.proto}", status=488)
    terms = terms_in(media)
    pairs = _taken(terms.formats, offered.formats)
    if not pairs:
        names = encodings(terms.maps.values(), media)
        raise PeerError(f"the answer takes no codec that we offered: {names}", status=488)
    chosen, mine = pairs[0]
    if not chosen.mixed and not chosen.fmtp:
        chosen = msgspec.structs.replace(chosen, fmtp=mine.fmtp)  # a careless peer; what it took is what we offered
    remote = None if by_ice(security) else remote_of(media)
    listens = media.direction in ("sendrecv", "recvonly") and remote is not HELD
    target = remote if remote is not HELD else None
    mux = offered.rtcp_mux and terms.mux
    event = event_payload(terms.maps, chosen.clock) if offered.dtmf else -1
    return Negotiated(
        codec=chosen.encoding,
        payload_type=chosen.payload_type,
        event_type=event,
        remote=target,
        remote_rtcp=rtcp_of(terms, target, mux),
        direction_send=listens,
        direction_receive=offered.receive and media.direction in ("sendrecv", "sendonly"),
        packet_ms=packet_time(terms, packet_times, chosen),
        rtcp_mux=mux,
        fmtp=chosen.fmtp,
        held_by_remote=not listens,
        clock=chosen.clock,
        channels=chosen.channels,
        also=_also(pairs, event, offered.maps),
        max_packet_ms=terms.maxptime or 0,
        security=security,
        event_clock=terms.maps[event].clock if event >= 0 else 0,
    )


def our_place(ours: SessionDescription) -> int:
    """Which media line of a description of ours carries the sound: the audio one with a port. Without one it is where
    sound comes (back) to: a refused one, else the first line."""
    refused = None
    for place, media in enumerate(ours.media):
        if media.kind == "audio":
            if media.port:
                return place
            refused = place if refused is None else refused
    return refused or 0


# ---------------------------------------------------------------------------------------------------------- within


def _to_offer(names: tuple[str, ...], prefer: str | None, far: Counterpart | None, through: bool) -> tuple[Format, ...]:
    if far is None:
        return our_formats(names, prefer)
    offered = offered_formats(names, far, through)
    if not offered:
        reason = f"no codec that both sides could hear: {_names(far.formats)}; {', '.join(names)}"
        raise PeerError(reason, status=488)
    return offered


@lru_cache(maxsize=1024)
def _first_lines(
    names: tuple[str, ...], prefer: str | None, far: Counterpart | None, through: bool, dtmf: bool, mux: bool
) -> tuple[str, str]:
    """Formats and attributes of a first offer: few differ."""
    return offer_lines(_to_offer(names, prefer, far, through), dtmf, mux, {})


@lru_cache(maxsize=1024)
def _in_common(theirs: tuple[Format, ...], names: tuple[str, ...]) -> tuple[tuple[Format, Format], ...]:
    """What an offer has of `names`, in its order, with our rows."""
    ours = our_formats(names)
    return tuple((format, row) for format in theirs for row in ours if format.same(row))


@lru_cache(maxsize=1024)
def _taken(theirs: tuple[Format, ...], ours: tuple[Format, ...]) -> tuple[tuple[Format, Format], ...]:
    """What an answer has of our offer, in its order, with what we wrote."""
    return tuple((format, mine) for format in theirs if (mine := match(format, ours)) is not None)


def _choose(
    theirs: SessionDescription,
    codecs: tuple[str, ...],
    like: Format | None,
    prefer: str | None,
    order: Literal["theirs", "ours"],
    means: Means,
) -> tuple[int, Media, Terms, Format, str]:
    """The first audio line that fits, the codec on it, and the parameters that we say. Raises `PeerError` (488) with
    the reason if none does."""
    reason = "the offer has no audio line"
    for place, media in enumerate(theirs.media):
        if media.kind != "audio":
            continue
        if media.port == 0:
            reason = "the offer's audio line has port 0"
            continue
        if why := refusal(media, theirs.attributes, means):
            reason = why
            continue
        terms = terms_in(media)
        if like is not None and (found := match(like, terms.formats)) is not None:
            return place, media, terms, found, like.fmtp
        both = _in_common(terms.formats, codecs)
        if both:
            if order == "ours":
                both = tuple(sorted(both, key=lambda pair: codecs.index(pair[1].name)))
            format, row = (
                both[0] if prefer is None else next((pair for pair in both if pair[1].name == prefer), both[0])
            )
            return place, media, terms, format, row.fmtp
        reason = f"no codec in common: offered {encodings(terms.maps.values(), media)}; we have {', '.join(codecs)}"
    raise PeerError(reason, status=488)


def _names(formats: Sequence[Format]) -> str:
    return ", ".join(format.name for format in formats) or "nothing"


def _also(pairs: Sequence[tuple[Format, Format]], event: int, ours: Mapping[int, RtpMap]) -> tuple[Other, ...]:
    """What else may arrive. The numbers of our offer are those that we receive (RFC 3264 §5.1); careless peers send
    with their own. As a rule there is nothing."""
    chosen, mine = pairs[0]
    our_event = event_payload(ours, chosen.clock) if event >= 0 else -1
    if len(pairs) == 1 and chosen.payload_type == mine.payload_type and event == our_event:
        return ()
    others: list[Other] = []
    for number, (theirs, our) in enumerate(pairs):
        if number and (not theirs.mixed or not chosen.mixed):
            continue
        numbers = {our.payload_type, theirs.payload_type} - ({theirs.payload_type} if number == 0 else set())
        others += [
            Other(theirs.wire_name, theirs.payload_type, arrives, theirs.clock, theirs.fmtp)
            for arrives in sorted(numbers)
        ]
    if our_event not in (event, -1):
        others.append(Other(EVENT, event, our_event))
    return tuple(others)


def _in_places(old: SessionDescription, sections: Sequence[str]) -> list[str]:
    """A later offer: each section where its kind has its place, new ones behind, all others refused (RFC 3264 §8.1)."""
    streams = [refused_section(media) for media in old.media]
    free = [media.kind for media in old.media]
    for section in sections:
        kind = section[2 : section.index(" ")]
        if kind in free:
            place = free.index(kind)
            free[place] = ""
            streams[place] = section
        else:
            streams.append(section)
    return streams


def _description(
    caps: Capabilities,
    session_id: int,
    version: int,
    streams: list[str],
    previous: bytes | None,
    old: SessionDescription | None,
    session: str,
) -> bytes:
    network = f"IP6 {caps.address}" if ":" in caps.address else f"IP4 {caps.address}"
    rest = f" IN {network}\r\ns=-\r\nc=IN {network}\r\nt=0 0\r\n{session}{''.join(streams)}"
    if old is not None and previous is not None:
        before = int(old.origin.version)
        same = f"v=0\r\no=- {session_id} {before}{rest}".encode("utf-8", "surrogateescape")
        if same == previous:
            return previous
        version = max(version, before + 1)
    return f"v=0\r\no=- {session_id} {version}{rest}".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Offered:
    """What our audio section offered."""

    formats: tuple[Format, ...]
    maps: Mapping[int, RtpMap]
    dtmf: bool
    rtcp_mux: bool
    receive: bool


def _offered(ours: bytes) -> tuple[int, _Offered]:
    """Place and content of the audio in a description that `make_offer` made."""
    for place, section in enumerate(ours.split(b"\r\nm=")[1:]):
        kind, port, rest = section.split(b" ", 2)
        if port != b"0" and kind == b"audio":
            return place, _offered_section(without_secrets(rest) if has_secrets(rest) else rest)
    raise PeerError("we have offered no sound", status=488)


@lru_cache(maxsize=1024)
def _offered_section(rest: bytes) -> _Offered:
    """Cached: behind the port, our offers differ by capabilities only, not by call."""
    media = parse_sdp(b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1 " + rest).media[0]
    terms = terms_in(media)
    dtmf = any(entry.encoding == EVENT for entry in terms.maps.values())
    return _Offered(terms.formats, terms.maps, dtmf, terms.mux, media.direction in ("sendrecv", "recvonly"))
