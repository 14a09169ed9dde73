"""Fax by datagrams in session descriptions: `m=image … udptl t38` (ITU-T T.38 annex D, RFC 3362).

Two fax machines agree with each other; we stand between them with ports of ours. What a section says of T.38 (version,
rates, error correction, buffer sizes) goes from end to end as it was written. In a call that began with sound the image
takes its place: the media line changes its kind (RFC 3264 §8.3.3).
"""

import re
from typing import Final

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.sip.media_section import HELD, refused_section, remote_of
from softswitch.sip.offer_answer import our_place
from softswitch.wire.control import DATAGRAMS, LegSpec
from softswitch.wire.sdp import Media, parse_sdp

KIND: Final = "image"
_MOST_LINES = 40
_PRINTABLE = re.compile(r"[\x20-\x7e]{0,200}")
_NAME = re.compile(r"T38[A-Za-z0-9]{1,40}", re.IGNORECASE)
_ORIGIN = re.compile(rb"^o=(\S+ \S+) \S+ ", re.MULTILINE)


class Image(msgspec.Struct, frozen=True):
    """The image section `media` at its `place` in a party's description."""

    place: int
    media: Media


def image_in(description: bytes) -> Image | None:
    """The first image line with a port that we can relay, None without one. Raises `PeerError`: 400 when it cannot be
    read, 488 for T.38 by another transport than UDPTL, or without an address."""
    for place, media in enumerate(parse_sdp(description).media):
        if media.kind != KIND or not media.port:
            continue
        _check(media)
        return Image(place, media)
    return None


def usable(media: Media) -> bool:
    """Whether an image line of a first offer, or of its answer, can be relayed."""
    try:
        _check(media)
    except PeerError:
        return False
    return media.port > 0


def has_sound(description: bytes) -> bool:
    """Whether a description has an audio line with a port. Raises `PeerError` (400)."""
    return any(media.kind == "audio" and media.port for media in parse_sdp(description).media)


def section(model: Media, port: int) -> str:
    """The section `model` with our port."""
    lines = [f"m={model.kind} {port} {model.proto} {' '.join(model.formats)}"]
    for name, value in model.attributes[:_MOST_LINES]:
        if _NAME.fullmatch(name) and _PRINTABLE.fullmatch(value or ""):
            lines.append(f"a={name}" if value is None else f"a={name}:{value}")
    return "\r\n".join((*lines, ""))


def offer(said: bytes, version: int, image: str) -> bytes:
    """Our description `said` with the image in place of the sound, all else refused."""
    ours = parse_sdp(said)
    place = our_place(ours)
    return _description(
        said, version, [image if at == place else refused_section(one) for at, one in enumerate(ours.media)]
    )


def answer(theirs: bytes, said: bytes, version: int, place: int, image: str) -> bytes:
    """Our answer to `theirs`: their line at `place` is taken, all others are refused. `said`: our last description."""
    lines = parse_sdp(theirs).media
    return _description(said, version, [image if at == place else refused_section(one) for at, one in enumerate(lines)])


def renumbered(said: bytes, version: int) -> bytes:
    """Our description `said` under another version."""
    return _ORIGIN.sub(rb"o=\1 %d " % version, said, count=1)


def spec_of(media: Media, latch: str) -> LegSpec:
    """How the datagrams to and from the party that wrote `media` go."""
    remote = remote_of(media)
    return LegSpec(codec=DATAGRAMS, remote=None if remote is HELD else remote, latch=latch, transparent=True)


def _check(media: Media) -> None:
    if media.proto.lower() != "udptl" or [name.lower() for name in media.formats] != ["t38"]:
        raise PeerError(f"{media.proto} {' '.join(media.formats)} is not T.38 over UDPTL", status=488)
    if remote_of(media) in (None, HELD):
        raise PeerError("T.38 needs an address", status=488)


def _description(said: bytes, version: int, sections: list[str]) -> bytes:
    head = renumbered(said, version).partition(b"\r\nm=")[0]
    return head + b"\r\n" + "".join(sections).encode()
