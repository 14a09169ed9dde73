"""Offer and answer towards a recording server (RFC 7866 §7.1): two or more audio lines, each with a label, that only
we send on.

Each line is negotiated by itself with `sip/offer_answer.py`; here they are put together and taken apart.
"""

from collections.abc import Sequence

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.sip.media_section import refused_section
from softswitch.sip.offer_answer import Capabilities, Negotiated, accept, answer, make_offer
from softswitch.wire.sdp import Media, SessionDescription, parse_sdp


def offer(lines: Sequence[tuple[str, Capabilities]], origin: int, version: int, *, paused: bool) -> bytes:
    """Our offer: for each (label, capabilities) an audio line, `sendonly`, or `inactive` while paused (§7.1.1.1).
    Raises `PeerError` (488) when nothing can be offered."""
    return _together([(label, make_offer(caps, origin, version, hold=True)) for label, caps in lines], paused)


def accepted(
    body: bytes, lines: Sequence[tuple[str, Capabilities]], origin: int, version: int
) -> list[Negotiated | None]:
    """What the server's answer agrees to, line by line; None for one that it refuses. Raises `PeerError` (400) when
    the answer cannot be read."""
    theirs = parse_sdp(body)
    taken: list[Negotiated | None] = []
    for place, (_, caps) in enumerate(lines):
        ours = make_offer(caps, origin, version, hold=True)
        try:
            taken.append(accept(_alone(theirs, theirs.media[place]), ours, caps.packet_times))
        except (PeerError, IndexError):
            taken.append(None)
    return taken


def answered(
    body: bytes,
    lines: Sequence[tuple[str, Capabilities]],
    before: Sequence[Negotiated | None],
    origin: int,
    version: int,
    *,
    paused: bool,
) -> tuple[bytes, list[Negotiated | None]]:
    """Our answer to an offer of the server, by which it takes lines, leaves them or wants them later (§7.2), and what
    is agreed by it. Raises `PeerError`: 400 when it cannot be read, 488 when it offers other lines than ours."""
    theirs = parse_sdp(body)
    if len(theirs.media) != len(lines):
        raise PeerError("the offer has other lines than the recording session", status=488)
    sections: list[tuple[str, bytes | str]] = []
    taken: list[Negotiated | None] = []
    for media, (label, caps), known in zip(theirs.media, lines, before, strict=True):
        like = None if known is None else known.format
        try:
            said, agreed = answer(_alone(theirs, media), caps, origin, version, hold=True, like=like)
        except PeerError:
            sections.append(("", refused_section(media)))
            taken.append(None)
        else:
            sections.append((label, said))
            taken.append(agreed)
    if not any(taken):
        return _refused(lines[0][1], origin, version, [str(section) for _, section in sections]), taken
    return _together(sections, paused), taken


def _alone(theirs: SessionDescription, media: Media) -> bytes:
    """One line as a description of its own."""
    return msgspec.structs.replace(theirs, media=(media,)).to_bytes()


def _together(lines: Sequence[tuple[str, bytes | str]], paused: bool) -> bytes:
    head = next(said for _, said in lines if isinstance(said, bytes)).partition(b"\r\nm=")[0]
    sections = [head + b"\r\n"]
    for label, said in lines:
        if isinstance(said, str):
            sections.append(said.encode())
            continue
        section = b"m=" + said.partition(b"\r\nm=")[2]
        if paused:
            section = section.replace(b"a=sendonly\r\n", b"a=inactive\r\n")
        sections.append(section + f"a=label:{label}\r\n".encode())
    return b"".join(sections)


def _refused(caps: Capabilities, origin: int, version: int, sections: Sequence[str]) -> bytes:
    """Not one line is taken."""
    head = make_offer(caps, origin, version).partition(b"\r\nm=")[0]
    return head + b"\r\n" + "".join(sections).encode()
