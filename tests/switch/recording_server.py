"""A recording server in virtual time: takes apart what a recording client sends, checked against RFC 7865/7866."""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree import ElementTree

from softswitch.sip.events import Reinvited, SipEvent
from softswitch.sip.session_body import _media_type, _parts
from softswitch.wire.sdp import Media, parse_sdp
from softswitch.wire.sip import Request
from tests.switch.site import Party, Site

NAMESPACE = "{urn:ietf:params:xml:ns:recording:1}"
# RFC 7865 appendix A: the elements of a recording in their order, with their attributes and what may be in them
ORDER = {
    "datamode": ((), ()),
    "group": (("group_id",), ("associate-time", "disassociate-time")),
    "session": (("session_id",), ("sipSessionID", "reason", "group-ref", "start-time", "stop-time")),
    "participant": (("participant_id",), ("nameID",)),
    "stream": (("stream_id", "session_id"), ("label", "content-type")),
    "sessionrecordingassoc": (("session_id",), ("associate-time", "disassociate-time")),
    "participantsessionassoc": (("participant_id", "session_id"), ("associate-time", "disassociate-time")),
    "participantstreamassoc": (("participant_id",), ("send", "recv", "associate-time", "disassociate-time")),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass
class Metadata:
    """What one document says. Participants by AoR: name, streams (labels) that they send and hear, whether gone."""

    mode: str
    session: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    participants: dict[str, str] = field(default_factory=dict)  # AoR by identifier
    names: dict[str, str] = field(default_factory=dict)
    sends: dict[str, list[str]] = field(default_factory=dict)
    hears: dict[str, list[str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


def parts_of(message: Request) -> dict[str, tuple[dict[str, str], bytes]]:
    """By media type: header fields and content of each part."""
    kind, parameters = _media_type(message.headers.get("Content-Type") or "")
    assert kind == "multipart/mixed"
    found = _parts(message.body, parameters["boundary"])
    assert message.body.endswith(b"--" + parameters["boundary"].encode() + b"--\r\n")
    return {head["content-type"]: (head, body) for head, body in found}


def read(xml: bytes, known: dict[str, str] | None = None) -> Metadata:
    """Checks a document against the schema's rules. `known`: labels by stream that an earlier one told."""
    root = ElementTree.fromstring(xml)
    assert root.tag == f"{NAMESPACE}recording"
    names = [child.tag.removeprefix(NAMESPACE) for child in root]
    assert names == sorted(names, key=list(ORDER).index), "the schema's order"
    said = Metadata(root[0].text or "")
    assert said.mode in ("complete", "partial")
    said.labels = dict(known or {})
    for child, name in zip(root, names, strict=True):
        attributes, inner = ORDER[name]
        assert set(child.attrib) == set(attributes)
        for value in child.attrib.values():
            assert len(b64decode(value, validate=True)) == 16  # §6.10
        found = [grandchild.tag.removeprefix(NAMESPACE) for grandchild in child]
        assert found == sorted(found, key=inner.index)
        for grandchild in child:
            if grandchild.tag.endswith("-time"):
                assert TIME.fullmatch(grandchild.text or "")
        _take(said, name, child)
    return said


def _take(said: Metadata, name: str, child: ElementTree.Element) -> None:
    id = child.get("participant_id", "")
    match name:
        case "session":
            said.session = child.attrib["session_id"]
        case "stream":
            said.labels[child.attrib["stream_id"]] = child.findtext(f"{NAMESPACE}label") or ""
            assert child.attrib["session_id"] == said.session
        case "participant":
            identity = child.find(f"{NAMESPACE}nameID")
            assert identity is not None
            said.participants[id] = identity.attrib["aor"]
            said.names[identity.attrib["aor"]] = identity.findtext(f"{NAMESPACE}name") or ""
        case "participantsessionassoc":
            if child.find(f"{NAMESPACE}disassociate-time") is not None:
                said.gone.add(said.participants[id])
        case "participantstreamassoc":
            aor = said.participants[id]
            said.sends[aor] = [said.labels[one.text or ""] for one in child.findall(f"{NAMESPACE}send")]
            said.hears[aor] = [said.labels[one.text or ""] for one in child.findall(f"{NAMESPACE}recv")]


class RecordingServer(Party):
    """Keeps every description and document that comes; `to_line` makes its answer to each media line."""

    def __init__(self, site: Site, host: str = "192.0.2.80") -> None:
        super().__init__(site, "srs", host)
        self.documents: list[Metadata] = []
        self.offers: list[tuple[Media, ...]] = []
        self.to_line: Callable[[int, Media], str] = lambda place, media: self.taken(place, media)
        self.to_answer = self._answer
        receive = self.ua.receive

        def look(message: object, *args: object) -> object:
            if isinstance(message, Request) and message.method in ("INVITE", "UPDATE") and message.body:
                self._look(message)
            return receive(message, *args)  # type: ignore[arg-type]

        self.ua = _Looking(self.ua, look)  # type: ignore[assignment]

    def taken(self, place: int, media: Media, *, direction: str = "") -> str:
        """A line that is taken, in its first codec."""
        wanted = direction or {"sendonly": "recvonly"}.get(media.direction, media.direction)
        line = f"m=audio {7000 + 2 * place} {media.proto} {media.formats[0]}"
        return f"{line}\r\na={wanted}\r\na=label:{media.get('label')}\r\n"

    def description(self, *lines: str, version: int = 1) -> bytes:
        head = f"v=0\r\no=- 9 {version} IN IP4 {self.remote[0]}\r\ns=-\r\nc=IN IP4 {self.remote[0]}\r\nt=0 0\r\n"
        return (head + "".join(lines)).encode()

    def _answer(self, offer: bytes) -> bytes:
        lines = [self.to_line(place, media) for place, media in enumerate(parse_sdp(offer).media)]
        return self.description(*lines, version=len(self.offers))

    def _look(self, message: Request) -> None:
        parts = parts_of(message)
        assert set(parts) == {"application/sdp", "application/rs-metadata+xml"}
        head, xml = parts["application/rs-metadata+xml"]
        assert head["content-disposition"] == "recording-session"  # RFC 7866 §9.1
        known = self.documents[-1].labels if self.documents else None
        self.documents.append(read(xml, known))
        media = parse_sdp(parts["application/sdp"][1]).media
        assert all(line.kind == "audio" and line.get("label") for line in media)
        self.offers.append(media)
        contact = message.headers.get("Contact") or ""
        assert contact.endswith(";+sip.src"), "RFC 7866 §8.1"

    def now(self) -> dict[str, tuple[list[str], list[str]]]:
        """Who takes part by all documents so far: what each sends and hears."""
        there: dict[str, tuple[list[str], list[str]]] = {}
        for document in self.documents:
            if document.mode == "complete":
                there.clear()
            for aor in document.participants.values():
                there[aor] = document.sends[aor], document.hears[aor]
            for aor in document.gone:
                there.pop(aor, None)
        return there

    def offers_again(self) -> list[SipEvent]:
        return [event for event in self.line.events if isinstance(event, Reinvited)]


class _Looking:
    """A user agent whose messages are looked at before it gets them, with all their parts."""

    def __init__(self, inner: object, receive: Callable[..., object]) -> None:
        self._inner = inner
        self.receive = receive

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)
