"""Metadata of recorded calls (RFC 7865): whatever people and numbers are called, the document is XML that says it."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.session_body import _media_type, _parts
from softswitch.wire.multipart import multipart
from softswitch.wire.rs_metadata import Participant, Session, Stream, changes, document
from tests.switch.recording_server import NAMESPACE, read

ID = "AAAAAAAAAAAAAAAAAAAAAA=="
OTHER = "AQAAAAAAAAAAAAAAAAAAAA=="
ANY = st.text(st.characters(exclude_categories=()), max_size=20)


@given(ANY, ANY)
def test_any_name(name: str, aor: str) -> None:
    one = Participant(ID, aor, name, 1_800_000_000.0, (OTHER,), (ID,))
    xml = document(Session(ID, 1_800_000_000.0), [Stream(OTHER, "1"), Stream(ID, "2")], [one])
    root = ElementTree.fromstring(xml)
    identity = root.find(f"{NAMESPACE}participant/{NAMESPACE}nameID")
    assert identity is not None
    told = identity.findtext(f"{NAMESPACE}name") or ""
    assert len(told) == len(name.replace("\r\n", "\n"))
    assert all(one in (other, "\ufffd", "\n") for one, other in zip(told, name.replace("\r\n", "\n"), strict=True))
    assert read(xml).mode == "complete"


@given(st.floats(0.0, 4e9), st.booleans())
def test_changes_say_who_left(at: float, gone: bool) -> None:
    one = Participant(ID, "sip:a@b", "A", at, left=at if gone else None)
    told = read(changes(Session(OTHER, at), [one]))
    assert told.mode == "partial"
    assert told.gone == ({"sip:a@b"} if gone else set())


@given(st.lists(st.tuples(st.sampled_from(("a/b", "application/sdp")), st.binary(max_size=60)), min_size=1, max_size=4))
def test_any_parts(parts: list[tuple[str, bytes]]) -> None:
    """RFC 2046 §5.1: what was put in comes out."""
    kind, body = multipart((kind, "recording-session", content) for kind, content in parts)
    name, parameters = _media_type(kind)
    assert name == "multipart/mixed"
    found = _parts(body, parameters["boundary"])
    assert [(head["content-type"], content) for head, content in found] == parts
