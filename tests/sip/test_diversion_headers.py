"""Diversion (RFC 5806) and History-Info (RFC 7044) read into one form and written from it (RFC 7544); Privacy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.sip.diversion import MOST, Diversion, history, read, total, written
from softswitch.sip.numbers import NumberForm
from softswitch.sip.numbers import written as number_written
from softswitch.sip.privacy import asserted, hides_caller, number_of, remote_party, wanted
from softswitch.wire.sip import Headers

TWICE = (Diversion("+37052000001", "no-answer"), Diversion("+37052000002", "user-busy", private=True))


def test_the_newest_diversion_stands_first_in_the_message() -> None:
    """RFC 5806 §4.1, and its parameters."""
    headers = Headers(
        [
            ("Diversion", "<sip:+37052000002@c.test>;reason=user-busy;privacy=full;counter=2"),
            ("Diversion", '<tel:+37052000001>;reason="no-answer"'),
        ]
    )
    found = read(headers)
    assert found == (Diversion("+37052000001", "no-answer"), Diversion("+37052000002", "user-busy", True, 2))
    assert total(found) == 3


def test_history_is_read_by_cause_and_by_what_was_mapped_from() -> None:
    """RFC 7044 §5.1 and RFC 7544 §3.2: 1 was busy for 302; Privacy and Reason stand in the URI."""
    text = (
        "<sip:+37052000001@c.test?Reason=SIP%3Bcause%3D302>;index=1, "
        "<sip:+37052000002@c.test?Privacy=history>;index=1.1;mp=1, <sip:1001@pbx;cause=486>;index=1.1.1;mp=1.1"
    )
    assert read(Headers([("History-Info", text)])) == (
        Diversion("+37052000001", "unconditional"),
        Diversion("+37052000002", "user-busy", private=True),
    )


def test_a_proxy_that_only_passed_the_call_on_diverted_nothing() -> None:
    """RFC 7044: entries with neither cause nor mp are hops."""
    text = "<sip:+37052000001@c.test>;index=1, <sip:+37052000001@d.test>;index=1.1;np=1"
    assert read(Headers([("History-Info", text)])) == ()


def test_both_forms_say_the_same() -> None:
    """RFC 7544 §3: what is written is read again, private numbers only by those who are told."""
    assert read(Headers(written(TWICE, "c.test", tell=True))) == TWICE
    assert read(Headers(history(TWICE, "061", "c.test", tell=True))) == TWICE
    for fields in (written(TWICE, "c.test", tell=False), history(TWICE, "061", "c.test", tell=False)):
        assert [one.who for one in read(Headers(fields))] == ["+37052000001", "anonymous"]
        assert "37052000002" not in str(fields)


@pytest.mark.parametrize("value", ["", "<", "sip:x;counter=²", "<sip:a@b>;counter=99999999999", "<sip:a@b>;reason=💥"])
def test_what_cannot_be_read_is_left_out(value: str) -> None:
    """They are words about a call, not the call: no status."""
    for one in read(Headers([("Diversion", value)])):
        assert one.times == 1
        assert one.reason == "unknown"


@given(st.lists(st.text(max_size=40).filter(lambda text: "\n" not in text and "\r" not in text), max_size=40))
def test_any_text_is_read_and_bounded(values: list[str]) -> None:
    for name in ("Diversion", "History-Info"):
        assert len(read(Headers([(name, value) for value in values]))) <= MOST + 1


@pytest.mark.parametrize(
    ("value", "hides"),
    [
        ("id", True),
        ("user; id;critical", True),
        ("header", True),
        ("none", False),
        ("session", False),
        ("none;id", False),
    ],
)
def test_privacy(value: str, hides: bool) -> None:
    """RFC 3323 §4.2, RFC 3325 §9.3."""
    assert hides_caller(wanted(Headers([("Privacy", value)]))) == hides


@pytest.mark.parametrize(("value", "status"), [("teleport;critical", 500), ("id;;user", 400), ('"id"', 400), ("", 400)])
def test_privacy_that_cannot_be_had(value: str, status: int) -> None:
    """RFC 3323 §5: a critical one that is not known fails; without critical it is not looked at."""
    with pytest.raises(PeerError) as caught:
        wanted(Headers([("Privacy", value)]))
    assert caught.value.status == status
    assert wanted(Headers([("Privacy", "teleport")])) == {"teleport"}


def test_two_identities_of_different_kinds_and_no_more() -> None:
    """RFC 3325 §9.1, RFC 5876 §4.5."""
    text = '"Jonas Ž" <sip:jonas@c.test>, <tel:+37069999999>, <sip:other@c.test>, <mailto:j@c.test>'
    found = asserted(Headers([("P-Asserted-Identity", text)]))
    assert [one.uri.scheme for one in found] == ["sip", "tel"]
    assert number_of(found) == ("+37069999999", "Jonas Ž")
    with pytest.raises(PeerError):
        asserted(Headers([("P-Asserted-Identity", "<sip:")]))


def test_remote_party_is_the_calling_one() -> None:
    """draft-ietf-sip-privacy-04: `party=called` is somebody else."""
    text = "<sip:1@c.test>;party=called, <sip:2@c.test>;party=calling;privacy=full"
    found = remote_party(Headers([("Remote-Party-ID", text)]))
    assert found is not None
    assert (found[0].uri.user, found[1]) == ("2", True)
    assert remote_party(Headers()) is None


@pytest.mark.parametrize(
    ("form", "here", "abroad"),
    [("as-is", "+37061234567", "+4420123456"), ("e164", "+37061234567", "+4420123456"),
     ("digits", "37061234567", "4420123456"), ("national", "061234567", "004420123456")],
)  # fmt: skip
def test_numbers_are_written_as_the_carrier_wants_them(form: NumberForm, here: str, abroad: str) -> None:
    assert number_written("+37061234567", form, "370") == here
    assert number_written("+4420123456", form, "370") == abroad
    assert number_written("anonymous", form, "370") == "anonymous"


def test_what_was_escaped_goes_out_escaped() -> None:
    """RFC 3261 §25.1: a line end in a user part stays one in the number, and none in our message."""
    told = read(Headers([("Diversion", "<sip:1%0d%0aX%3A%20y@c.test>;reason=user-busy")]))
    assert told[0].who == "1\r\nX: y"
    for _, value in (*written(told, "pbx", True), *history(told, "2", "pbx", True)):
        assert "1%0D%0AX%3A%20y@pbx" in value
