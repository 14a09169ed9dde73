"""Session descriptions: bytes to frozen values and back (RFC 8866).

Strict where a wrong guess would send audio astray (version, origin, media and connection lines), tolerant where
vendors are known to be careless: bare LF or CR, blanks at line ends, empty lines, no `s=` or `t=`, lines out of order
within their section, unknown type letters. Descriptive lines (`i= u= e= p= k= r= z=`) are read over and not kept.

A `Media` is complete in itself: its connection and direction are the session's unless it has its own. The values are
msgspec structs rather than dataclasses: built several times faster, and this is on the path of each call.
"""

import re
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from softswitch.kernel.errors import PeerError

Direction: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Attribute: TypeAlias = tuple[str, str | None]

# sections that came lately; long ones (ICE candidates, keys) differ in every call and stay out
_MEMO_TEXTS = 1024
_MEMO_LENGTH = 1024
_known_media: dict[tuple[str, str, Direction], tuple["Media", str | None]] = {}

# the session part as most phones write it, in one go
_USUAL_HEAD = re.compile(
    r"v=0\no=(\S++) ([0-9]++) ([0-9]++) IN IP[46] (\S++)\ns=([^\n]++)\nc=IN IP[46] ([^\s/]++)\nt=([^\n]*+)"
)
_LINE_END = re.compile(r"[ \t]+$", re.MULTILINE)

_DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}


class RtpMap(msgspec.Struct, frozen=True, gc=False):
    """`a=rtpmap` (RFC 8866 §6.6): encoding name as written, RTP clock rate in Hz, channels."""

    encoding: str
    clock: int
    channels: int = 1


# RFC 3551 §6, tables 4 and 5: what a payload type means without an rtpmap line.
STATIC_PAYLOADS: dict[int, RtpMap] = {
    0: RtpMap("PCMU", 8000),
    3: RtpMap("GSM", 8000),
    4: RtpMap("G723", 8000),
    5: RtpMap("DVI4", 8000),
    6: RtpMap("DVI4", 16000),
    7: RtpMap("LPC", 8000),
    8: RtpMap("PCMA", 8000),
    9: RtpMap("G722", 8000),  # its clock is 8000 although it samples at 16000 (RFC 3551 §4.5.2)
    10: RtpMap("L16", 44100, 2),
    11: RtpMap("L16", 44100),
    12: RtpMap("QCELP", 8000),
    13: RtpMap("CN", 8000),
    14: RtpMap("MPA", 90000),
    15: RtpMap("G728", 8000),
    16: RtpMap("DVI4", 11025),
    17: RtpMap("DVI4", 22050),
    18: RtpMap("G729", 8000),
}


class Origin(msgspec.Struct, frozen=True, gc=False):
    """`o=` (RFC 8866 §5.2). `session_id` and `version` stay text: some peers exceed 64 bits."""

    user: str
    session_id: str
    version: str
    address: str


class Media(msgspec.Struct, frozen=True):
    """One `m=` section. `port` 0 means refused or not wanted (RFC 3264 §5.1). `formats` as written: payload types
    for RTP. `connection` is an address without its TTL, None only when `port` is 0. `attributes` in order, without
    the direction."""

    kind: str
    port: int
    proto: str
    formats: tuple[str, ...]
    connection: str | None = None
    direction: Direction = "sendrecv"
    attributes: tuple[Attribute, ...] = ()
    bandwidth: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """The value of the first attribute `name`; "" for a flag such as `rtcp-mux`; None when absent."""
        for key, value in self.attributes:
            if key == name:
                return value or ""
        return None

    def rtpmaps(self) -> dict[int, RtpMap]:
        """What each payload type of `formats` means, in the order of preference; unexplained ones are left out.

        Raises `PeerError` (400) on an rtpmap line that cannot be read.
        """
        return rtpmaps(self.formats, self.attributes)

    def fmtp(self, payload: int) -> str:
        """Format parameters of a payload type, "" when it has none (RFC 8866 §6.15)."""
        wanted = str(payload)
        for name, value in self.attributes:
            if name == "fmtp" and value is not None:
                key, _, parameters = value.partition(" ")
                if key == wanted:
                    return parameters.strip()
        return ""

    @property
    def ptime(self) -> int | None:
        """Packet time in ms that this side likes to receive (RFC 8866 §6.4); None when absent or unreadable."""
        return _milliseconds(self.get("ptime"))

    @property
    def maxptime(self) -> int | None:
        """The most ms of audio that one packet may hold (RFC 8866 §6.5)."""
        return _milliseconds(self.get("maxptime"))


class SessionDescription(msgspec.Struct, frozen=True):
    """A whole description. `connection` and `direction` are the session level's own; read the media's instead."""

    origin: Origin
    name: str = "-"
    connection: str | None = None
    direction: Direction = "sendrecv"
    attributes: tuple[Attribute, ...] = ()
    media: tuple[Media, ...] = ()
    timing: str = "0 0"
    bandwidth: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The description in the order of RFC 8866 §5, lines ended by CRLF; directions stand at each medium."""
        origin = self.origin
        lines = [
            "v=0",
            f"o={origin.user} {origin.session_id} {origin.version} IN {_network(origin.address)}",
            f"s={self.name}",
        ]
        if self.connection is not None:
            lines.append(f"c=IN {_network(self.connection)}")
        lines.extend([f"b={line}" for line in self.bandwidth])
        lines.append(f"t={self.timing}")
        if self.direction != "sendrecv":
            lines.append(f"a={self.direction}")
        lines.extend([f"a={name}" if value is None else f"a={name}:{value}" for name, value in self.attributes])
        for media in self.media:
            lines.append(f"m={media.kind} {media.port} {media.proto} {' '.join(media.formats)}")
            if media.connection is not None and media.connection != self.connection:
                lines.append(f"c=IN {_network(media.connection)}")
            lines.extend([f"b={line}" for line in media.bandwidth])
            lines.extend([f"a={name}" if value is None else f"a={name}:{value}" for name, value in media.attributes])
            if media.port:
                lines.append(f"a={media.direction}")
        lines.append("")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape")


@lru_cache(maxsize=64)  # an offer is looked at before it is answered; the second look costs nothing
def parse_sdp(data: bytes) -> SessionDescription:
    """Raises `PeerError` (400) when `data` is not a session description that can be acted upon."""
    text = data.decode("utf-8", "replace")  # what is no UTF-8 is nothing that we act upon, and must go on to media
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if " \n" in text or "\t\n" in text or text[-1:] in " \t":
        text = _LINE_END.sub("", text)
    sections = text.split("\nm=")
    usual = _USUAL_HEAD.fullmatch(sections[0])
    if usual is not None:
        user, session_id, origin_version, address, name, network, timing = usual.groups()
        media = tuple([_media(section, network, "sendrecv") for section in sections[1:]])
        origin = Origin(user, session_id, origin_version, address)
        return SessionDescription(origin, name, network, "sendrecv", (), media, timing)
    return _read_session(sections)


def _read_session(sections: list[str]) -> SessionDescription:
    """Any session part that can be read."""
    version = ""
    origin: Origin | None = None
    name = "-"
    connection: str | None = None
    timing = "0 0"
    direction: Direction = "sendrecv"
    attributes: list[Attribute] = []
    bandwidth: list[str] = []
    for line in sections[0].split("\n"):
        key = line[:2]
        if key == "a=":
            label, colon, value = line[2:].partition(":")
            if colon:
                attributes.append((label, value))
            elif label in _DIRECTIONS:
                direction = _DIRECTIONS[label]
            else:
                attributes.append((label, None))
        elif key == "v=":
            version = line[2:]
        elif key == "o=":
            origin = _origin(line[2:])
        elif key == "s=":
            name = line[2:] or "-"
        elif key == "c=":
            connection = _connection(line[2:])
        elif key == "t=":
            timing = line[2:]
        elif key == "b=":
            bandwidth.append(line[2:])
        elif key == "m=":
            raise PeerError("SDP: media before the version line")
        elif line:
            _check_line(line)
    if version != "0":
        raise PeerError("SDP: no v=0 line")
    if origin is None:
        raise PeerError("SDP: no o= line")
    media = tuple([_media(section, connection, direction) for section in sections[1:]])
    return SessionDescription(origin, name, connection, direction, tuple(attributes), media, timing, tuple(bandwidth))


def _media(section: str, connection: str | None, direction: Direction) -> Media:
    """Hot: phones of one make differ in the port only; the rest is remembered."""
    words = section.split(" ", 2)
    if len(words) != 3 or len(words[1]) > 5 or not (words[1].isascii() and words[1].isdigit()):
        return _read_media(section, connection, direction)[0]
    key = (words[0], words[2], direction)
    known = _known_media.get(key)
    if known is None:
        media, own = _read_media(section, connection, direction)
        if len(section) <= _MEMO_LENGTH and "a=crypto:" not in section and "a=ice-" not in section:
            if len(_known_media) >= _MEMO_TEXTS:
                _known_media.clear()
            _known_media[key] = media, own
        return media
    like, own = known
    port = int(words[1])
    if port > 65535:
        raise PeerError(f"SDP: bad port {words[1]!r}")
    if own is not None:
        connection = own
    elif port and connection is None:
        raise PeerError("SDP: no c= line for a medium")
    return Media(like.kind, port, like.proto, like.formats, connection, like.direction, like.attributes, like.bandwidth)


def _read_media(section: str, connection: str | None, direction: Direction) -> tuple[Media, str | None]:
    """The medium, and the address of its own c= line."""
    lines = section.split("\n")
    own: str | None = None
    words = lines[0].split()
    if len(words) < 4:
        raise PeerError(f"SDP: incomplete media line {lines[0]!r}")
    number = words[1].partition("/")[0]  # "49170/2" asks for two pairs of ports (RFC 8866 §5.14); we take the first
    if not _is_number(number) or int(number) > 65535:
        raise PeerError(f"SDP: bad port {words[1]!r}")
    attributes: list[Attribute] = []
    bandwidth: list[str] = []
    for line in lines[1:]:
        key = line[:2]
        if key == "a=":
            label, colon, value = line[2:].partition(":")
            if colon:
                attributes.append((label, value))
            elif label in _DIRECTIONS:
                direction = _DIRECTIONS[label]
            else:
                attributes.append((label, None))
        elif key == "c=":
            connection = own = _connection(line[2:])
        elif key == "b=":
            bandwidth.append(line[2:])
        elif line:
            _check_line(line)
    port = int(number)
    if port and connection is None:
        raise PeerError("SDP: no c= line for a medium")
    formats = tuple(words[3:])
    media = Media(words[0], port, words[2], formats, connection, direction, tuple(attributes), tuple(bandwidth))
    return media, own


def rtpmaps(formats: tuple[str, ...], attributes: tuple[Attribute, ...]) -> dict[int, RtpMap]:
    """See `Media.rtpmaps`."""
    explained: dict[str, RtpMap] = {}
    for name, value in attributes:
        if name == "rtpmap" and value is not None:
            payload, _, encoding = value.partition(" ")
            explained[payload] = _COMMON.get(encoding) or _rtpmap(encoding)
    maps: dict[int, RtpMap] = {}
    for text in formats:
        found = explained.get(text) or _STATIC_TEXT.get(text)
        if found is not None and _is_number(text) and int(text) < 128:
            maps[int(text)] = found
    return maps


def _check_line(line: str) -> None:
    if len(line) < 2 or line[1] != "=" or not line[0].isalpha():
        raise PeerError(f"SDP: not a line: {line[:40]!r}")


def _origin(value: str) -> Origin:
    words = value.split()
    if len(words) != 6:
        raise PeerError("SDP: bad o= line")
    if not (words[1] + words[2]).isdigit():
        raise PeerError("SDP: session id and version of o= must be numbers")
    return Origin(words[0], words[1], words[2], words[5])


def _connection(value: str) -> str:
    words = value.split()
    if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise PeerError(f"SDP: bad c= line {value[:60]!r}")
    return words[2].partition("/")[0]


def _network(address: str) -> str:
    return f"IP6 {address}" if ":" in address else f"IP4 {address}"


def _rtpmap(encoding: str) -> RtpMap:
    name, _, rest = encoding.strip().partition("/")
    clock, _, channels = rest.partition("/")
    channels = channels or "1"
    if not name or not (_is_number(clock) and _is_number(channels)):
        raise PeerError(f"SDP: bad rtpmap {encoding[:60]!r}")
    return RtpMap(name, int(clock), int(channels))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _milliseconds(value: str | None) -> int | None:
    whole = (value or "").strip().partition(".")[0]  # the grammar allows fractions; nobody packs by them
    return int(whole) if _is_number(whole) else None


_STATIC_TEXT = {str(payload): rtpmap for payload, rtpmap in STATIC_PAYLOADS.items()}
_COMMON = {
    "PCMU/8000": RtpMap("PCMU", 8000),
    "PCMA/8000": RtpMap("PCMA", 8000),
    "G722/8000": RtpMap("G722", 8000),
    "opus/48000/2": RtpMap("opus", 48000, 2),
    "telephone-event/8000": RtpMap("telephone-event", 8000),
}
