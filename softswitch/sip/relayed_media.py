"""Media sections that are relayed and never decoded: video, and images of fax machines (`fax_media.py`).

Both ends negotiate with each other; we stand between them with ports of ours. So a section is handed on as its party
wrote it, with our address, less what speaks of transport (ICE, keys, RTCP ports, bundles): what is left means the same
at the far end, payload types included (RFC 3264 §5.1, RFC 4585 §4.2).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.sip import fax_media
from softswitch.sip.media_section import HELD, direction_of, remote_of, rtcp_of, terms_of
from softswitch.sip.secure_media import PLAIN_RTP
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import Direction, Media, parse_sdp

KINDS: Final = ("video", fax_media.KIND)
"""What we relay, in the order of our offers."""

_MOST_LINES = 80
_PRINTABLE = re.compile(r"[\x20-\x7e]{0,400}")
_PASSED: Final = frozenset((
    "rtpmap", "fmtp", "rtcp-fb", "rtcp-mux", "rtcp-rsize", "framerate", "imageattr", "content", "label", "lang",
    "quality", "framesize", "extmap", "extmap-allow-mixed", "ssrc", "ssrc-group", "maxptime", "ptime",
))  # fmt: skip
_OF_A_FORMAT: Final = frozenset(("rtpmap", "fmtp", "rtcp-fb", "framesize"))


class Section(msgspec.Struct, frozen=True):
    """`media` at its `place` in a party's description."""

    place: int
    media: Media


def sections_of(description: bytes, kinds: Sequence[str] = KINDS) -> dict[str, Section]:
    """What we could relay of a description, the first section of each of `kinds`. Raises `PeerError` (400)."""
    found: dict[str, Section] = {}
    for place, media in enumerate(parse_sdp(description).media):
        if media.kind in kinds and media.kind not in found and _usable(media):
            found[media.kind] = Section(place, media)
    return found


def accepted(answer: bytes, our_offer: bytes) -> dict[str, Media]:
    """The sections of `our_offer` that the peer's answer takes. Raises `PeerError` (400)."""
    theirs = parse_sdp(answer).media
    taken: dict[str, Media] = {}
    for place, ours in enumerate(parse_sdp(our_offer).media):
        if ours.kind in KINDS and ours.port and place < len(theirs):
            media = theirs[place]
            if media.kind == ours.kind and media.proto.lower() == ours.proto.lower() and _usable(media):
                taken[ours.kind] = media
    return taken


def formats_of(media: Media) -> tuple[str, ...]:
    """The formats of a section that it explains."""
    return media.formats if media.kind == fax_media.KIND else tuple(str(payload) for payload in media.rtpmaps())


def common(offered: Media, answered: Media) -> tuple[str, ...]:
    """The formats of `answered` that `offered` has with the same meaning, in the answer's order."""
    if offered.kind == fax_media.KIND:
        return answered.formats
    known = offered.rtpmaps()
    return tuple(str(payload) for payload, entry in answered.rtpmaps().items() if known.get(payload) == entry)


def direction(offered: Media, far: Media) -> Direction:
    """What we answer to `offered` when the far end's section is `far`."""
    listens = offered.direction in ("sendrecv", "recvonly") and far.direction in ("sendrecv", "sendonly")
    speaks = offered.direction in ("sendrecv", "sendonly") and far.direction in ("sendrecv", "recvonly")
    return direction_of(listens, speaks)


def written(model: Media, port: int, proto: str, formats: tuple[str, ...], direction: Direction, *, mux: bool) -> str:
    """The section `model` with our port, of its formats those in `formats`, with `rtcp-mux` if that is agreed to."""
    if model.kind == fax_media.KIND:
        return fax_media.section(model, port)
    lines = [f"m={model.kind} {port} {proto} {' '.join(formats)}"]
    lines += [f"b={line}" for line in model.bandwidth if _PRINTABLE.fullmatch(line)]
    for name, value in model.attributes[:_MOST_LINES]:
        if (name == "rtcp-mux" and not mux) or name not in _PASSED or not _PRINTABLE.fullmatch(value or ""):
            continue
        if name in _OF_A_FORMAT and (value or "").partition(" ")[0] not in (*formats, "*"):
            continue
        lines.append(f"a={name}" if value is None else f"a={name}:{value}")
    lines.append(f"a={direction}")
    return "\r\n".join((*lines, ""))


def spec_of(media: Media, *, mux: bool, latch: str) -> LegSpec:
    """How the stream to and from the party that wrote `media` looks; `mux`: RTCP comes on the same port, as both
    ends have agreed."""
    if media.kind == fax_media.KIND:
        return fax_media.spec_of(media, latch)
    remote = remote_of(media)
    target = None if remote is HELD else remote
    return LegSpec(
        codec=media.kind,
        remote=target,
        remote_rtcp=rtcp_of(terms_of(media.formats, media.attributes), target, mux),
        send=remote is not HELD and media.direction in ("sendrecv", "recvonly"),
        receive=media.direction in ("sendrecv", "sendonly"),
        latch=latch,
        rtcp_mux=mux,
        transparent=True,
    )


def has_mux(media: Media) -> bool:
    """Whether the section says `rtcp-mux` (RFC 5761 §5.1.1)."""
    return media.get("rtcp-mux") is not None


def _usable(media: Media) -> bool:
    if media.kind == fax_media.KIND:
        return fax_media.usable(media)
    if not media.port or media.proto not in PLAIN_RTP or not media.rtpmaps():
        return False
    try:
        remote_of(media)
    except PeerError:
        return False
    return True
