"""Presence documents (PIDF, RFC 3863): written, and read from phones that publish.

What a phone sends is parsed without document types: entities are what XML bombs are made of, and PIDF has none.
"""

from typing import Final, Literal, TypeAlias
from xml.parsers import expat

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.kernel.printable import printable
from softswitch.wire.xml_text import escape, quoted

TYPE: Final = "application/pidf+xml"
_PIDF: Final = "urn:ietf:params:xml:ns:pidf"
_DATA_MODEL: Final = "urn:ietf:params:xml:ns:pidf:data-model"
_RPID: Final = "urn:ietf:params:xml:ns:pidf:rpid"
_DEEPEST: Final = 20
_LONGEST_NOTE: Final = 200  # characters

Basic: TypeAlias = Literal["open", "closed"]
_ACTIVITIES: Final = frozenset(
    ("away", "appointment", "busy", "holiday", "in-transit", "meal", "meeting", "on-the-phone", "other", "performance",
     "permanent-absence", "playing", "presentation", "shopping", "sleeping", "spectator", "steering", "travel", "tv",
     "unknown", "vacation", "working", "worship")
)  # fmt: skip  # RFC 4480 §3.2


class Presence(msgspec.Struct, frozen=True, gc=False):
    """`activity` is an element of RPID (RFC 4480 §3.2), or empty."""

    basic: Basic
    note: str = ""
    activity: str = ""


def pidf(entity: str, presence: Presence) -> bytes:
    """The document of `entity`, a SIP URI (RFC 3856 §4: written as pres: or sip:)."""
    note = f"<note>{escape(presence.note)}</note>" if presence.note else ""
    doing = f"<r:activities><r:{presence.activity}/></r:activities>" if presence.activity else ""
    person = f'<d:person id="person">{doing}</d:person>' if doing else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<presence xmlns="{_PIDF}" xmlns:d="{_DATA_MODEL}" xmlns:r="{_RPID}" entity={quoted(entity)}>'
        f'<tuple id="phone"><status><basic>{presence.basic}</basic></status>'
        f"<contact>{escape(entity)}</contact>{note}</tuple>{person}</presence>\n"
    ).encode()


class _Reader:
    """Follows the path of elements; of several tuples, the first that is open counts."""

    def __init__(self) -> None:
        self.basics: list[str] = []
        self.note = ""
        self.activity = ""
        self._path: list[str] = []
        self._text: list[str] = []
        self.root = ""

    def start(self, name: str, attributes: object) -> None:
        if len(self._path) >= _DEEPEST:
            raise PeerError("the document is nested too deep", status=400)
        self._path.append(name)
        self.root = self.root or name
        self._text.clear()
        space, _, local = name.rpartition(" ")
        above = self._path[-2].rpartition(" ")[2] if len(self._path) > 1 else ""
        if space == _RPID and above == "activities" and not self.activity and local in _ACTIVITIES:
            self.activity = local

    def text(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        self._path.pop()
        local, text = name.rpartition(" ")[2], "".join(self._text).strip()
        if local == "basic":
            self.basics.append(text)
        elif local == "note" and not self.note:
            self.note = printable(text)[:_LONGEST_NOTE]
        self._text.clear()

    def refuse(self, *_: object) -> None:
        raise PeerError("a document type is not taken", status=400)


def read(body: bytes) -> Presence:
    """What a published document says. Raises `PeerError` (400) when it is no presence document, or has a document
    type."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise PeerError(f"not a presence document: {error}", status=400) from error
    if reader.root != f"{_PIDF} presence":
        raise PeerError("not a presence document", status=400)
    basic: Basic = "open" if "open" in reader.basics or not reader.basics else "closed"
    return Presence(basic, reader.note, reader.activity)
