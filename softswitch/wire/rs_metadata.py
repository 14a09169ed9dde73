"""What a recording server is told of a call (RFC 7865): who takes part, since when, and whose voice is in which stream.

Written only: it is the recording client's side. Identifiers are base64 of 16 octets (§6.10), times UTC (RFC 3339).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from softswitch.wire.xml_text import escape, quoted

CONTENT_TYPE: Final = "application/rs-metadata+xml"
REQUEST_TYPE: Final = "application/rs-metadata-request"
_NAMESPACE: Final = "urn:ietf:params:xml:ns:recording:1"


class Participant(msgspec.Struct, frozen=True):
    """`aor` is its SIP URI, `name` what people call it. `sends` and `hears` are identifiers of streams. `left` is None
    while it takes part."""

    id: str
    aor: str
    name: str
    joined: float
    sends: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    left: float | None = None


class Stream(msgspec.Struct, frozen=True):
    """`label` is the value of `a=label` of its media line (RFC 4574)."""

    id: str
    label: str


class Session(msgspec.Struct, frozen=True):
    """The communication session that is recorded."""

    id: str
    started: float


def document(session: Session, streams: Iterable[Stream], participants: Iterable[Participant]) -> bytes:
    """Everything, for a server that knows nothing yet (§6.1.1, `complete`)."""
    return _recording("complete", session, tuple(streams), tuple(participants))


def changes(session: Session, participants: Iterable[Participant]) -> bytes:
    """Only those participants who are new, or not what was told of them (§6.1.1, `partial`)."""
    return _recording("partial", session, (), tuple(participants))


def _recording(
    mode: str, session: Session, streams: tuple[Stream, ...], participants: tuple[Participant, ...]
) -> bytes:
    """In the order of the schema (RFC 7865 appendix A)."""
    own = _attribute("session_id", session.id)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<recording xmlns="{_NAMESPACE}">']
    lines.append(f"<datamode>{mode}</datamode>")
    if mode == "complete":
        lines.append(f"<session{own}><start-time>{_time(session.started)}</start-time></session>")
    for one in participants:
        name = f"<name>{escape(one.name)}</name>" if one.name else ""
        identity = f"<nameID{_attribute('aor', one.aor)}>{name}</nameID>"
        lines.append(f"<participant{_attribute('participant_id', one.id)}>{identity}</participant>")
    for stream in streams:
        label = f"<label>{escape(stream.label)}</label>"
        lines.append(f"<stream{_attribute('stream_id', stream.id)}{own}>{label}</stream>")
    if mode == "complete":
        lines.append(f"<sessionrecordingassoc{own}>{_since(session.started, None)}</sessionrecordingassoc>")
    for one in participants:
        there = _attribute("participant_id", one.id)
        lines.append(f"<participantsessionassoc{there}{own}>{_since(one.joined, one.left)}</participantsessionassoc>")
    for one in participants:
        there = _attribute("participant_id", one.id)
        ways = "".join(f"<send>{escape(id)}</send>" for id in one.sends)
        ways += "".join(f"<recv>{escape(id)}</recv>" for id in one.hears)
        lines.append(f"<participantstreamassoc{there}>{ways}{_since(one.joined, one.left)}</participantstreamassoc>")
    lines.append("</recording>\n")
    return "\n".join(lines).encode()


def _since(joined: float, left: float | None) -> str:
    ended = "" if left is None else f"<disassociate-time>{_time(left)}</disassociate-time>"
    return f"<associate-time>{_time(joined)}</associate-time>{ended}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _attribute(name: str, value: str) -> str:
    return f" {name}={quoted(value)}"
