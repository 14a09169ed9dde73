"""One media section of a description: what a peer's says (codecs, addresses, packet times, directions), and ours in
writing."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address
from itertools import islice

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.sip.codec_table import Format, format_of
from softswitch.sip.secure_media import PLAIN_RTP, common_attributes
from softswitch.wire.sdp import Attribute, Direction, Media, RtpMap

# beside a codec: keys, comfort noise, and wrappings that name other payload types
_NO_CODECS = frozenset(("telephone-event", "tone", "cn", "red", "rtx", "ulpfec", "flexfec", "parityfec", "t140"))
_READABLE = 20  # codecs in a message, and letters of each: a peer may offer thousands


class Terms(msgspec.Struct, frozen=True):
    """What the attributes of a media section say. `formats`: the codecs, in the section's order."""

    maps: Mapping[int, RtpMap]
    formats: tuple[Format, ...]
    ptime: int | None
    maxptime: int | None
    mux: bool
    rtcp: str


@lru_cache(maxsize=1024)
def terms_of(formats: tuple[str, ...], attributes: tuple[Attribute, ...]) -> Terms:
    """Cached: phones of one make say the same in each call."""
    media = Media("audio", 0, "", formats, attributes=attributes)
    maps = media.rtpmaps()
    sound = tuple(
        format_of(payload, entry, media.fmtp(payload))
        for payload, entry in maps.items()
        if entry.encoding.lower() not in _NO_CODECS
    )
    return Terms(maps, sound, media.ptime, media.maxptime, media.get("rtcp-mux") is not None, media.get("rtcp") or "")


def terms_in(media: Media) -> Terms:
    """Of a section; its keys and addresses stay out of the cache."""
    if media.proto in PLAIN_RTP:
        return terms_of(media.formats, media.attributes)
    return terms_of(media.formats, common_attributes(media.attributes))


def encodings(maps: Iterable[RtpMap], media: Media) -> str:
    """For messages: what was offered, as far as anybody wants to read that."""
    named = [f"{entry.encoding[:_READABLE]}/{entry.clock}" for entry in islice(maps, _READABLE)]
    return ", ".join(named) or " ".join(one[:_READABLE] for one in media.formats[:_READABLE])


HELD = ("", 0)  # hold in the manner of RFC 2543: c=0.0.0.0 (RFC 3264 §8.4)
_IPV4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)


def remote_of(media: Media) -> tuple[str, int] | None:
    """Where the peer wants RTP; `HELD` for nowhere; None for a host name: then media waits for the first packet.

    Raises `PeerError` (488) on an address that no single peer can have.
    """
    address = media.connection or ""
    if address in ("0.0.0.0", "::"):
        return HELD
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


def rtcp_of(terms: Terms, remote: tuple[str, int] | None, mux: bool) -> tuple[str, int] | None:
    """RTCP's destination: the RTP one when multiplexed, `a=rtcp` (RFC 3605) if given, else the next port."""
    if remote is None or mux:
        return remote
    words = terms.rtcp.split()
    if words and words[0].isascii() and words[0].isdigit() and len(words[0]) < 6 and 0 < int(words[0]) < 65536:
        elsewhere = len(words) == 4 and _is_unicast(words[3])
        return words[3] if elsewhere else remote[0], int(words[0])
    return (remote[0], remote[1] + 1) if remote[1] < 65535 else None


def packet_time(terms: Terms, packet_times: tuple[int, ...], chosen: Format) -> int:
    """The peer's `ptime` if we and the codec can, else our usual one, never above its `maxptime` if that leaves a
    choice."""
    codec = chosen.codec
    if codec is not None:
        packet_times = tuple([ms for ms in packet_times if ms in codec.packet_times]) or codec.packet_times
    wanted, most = terms.ptime, terms.maxptime
    if most:
        packet_times = tuple([ms for ms in packet_times if ms <= most]) or (min(packet_times),)
    return wanted if wanted in packet_times else packet_times[0]


def direction_of(send: bool, receive: bool) -> Direction:
    """The attribute that says what we do."""
    if send:
        return "sendrecv" if receive else "sendonly"
    return "recvonly" if receive else "inactive"


def stream_section(
    proto: str,
    port: int,
    rtcp_port: int | None,
    formats: str,
    lines: str,
    packet_ms: int,
    direction: Direction,
    security: str = "",
) -> str:
    """Our audio section. `lines`: the attributes of `formats`; `rtcp_port` is told when it is not the next port;
    `security`: lines of keys and the like, each with its end."""
    rtcp = f"\r\na=rtcp:{rtcp_port}" if rtcp_port not in (None, port + 1) else ""
    return f"m=audio {port} {proto} {formats}\r\n{lines}{rtcp}\r\n{security}a=ptime:{packet_ms}\r\na={direction}\r\n"


def refused_section(media: Media) -> str:
    """A line that is not taken keeps its place with port 0 (RFC 3264 §6), and its name (RFC 8829 §5.3.1)."""
    mid = media.get("mid")
    name = "" if mid is None else f"a=mid:{mid}\r\n"
    return f"m={media.kind} 0 {media.proto} {' '.join(media.formats)}\r\n{name}"
