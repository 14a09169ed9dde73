"""Header fields as a multimap."""

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.wire.sip import Headers


def test_names_ignore_case_and_compact_forms() -> None:
    """RFC 3261 §7.3.1 and §7.3.3."""
    headers = Headers([("v", "SIP/2.0/UDP a"), ("CALL-id", "x"), ("x-Custom", "1")])
    assert headers.get("Via") == headers.get("V") == "SIP/2.0/UDP a"
    assert headers.get("i") == headers.get("Call-ID") == "x"
    assert headers.get("X-CUSTOM") == "1"
    assert "call-ID" in headers
    assert "Contact" not in headers
    assert headers.lines() == ["Via: SIP/2.0/UDP a", "Call-ID: x", "x-Custom: 1"]


def test_values_on_one_line_and_on_several_are_the_same() -> None:
    """RFC 3261 §7.3.1."""
    headers = Headers([("Route", "<sip:a,b@c>, <sip:d>"), ("Subject", "one, two"), ("Route", "<sip:e>")])
    assert headers.all("Route") == ["<sip:a,b@c>", "<sip:d>", "<sip:e>"]
    assert headers.get("Route") == "<sip:a,b@c>"
    assert headers.all("Subject") == ["one, two"]
    assert headers.all("Contact") == []
    assert headers.get("Contact") is None


def test_add_set_prepend_remove_pop() -> None:
    headers = Headers([("To", "t"), ("Route", "b")])
    headers.add("Route", "c")
    headers.prepend("Route", "a")
    headers.prepend("Via", "v1")
    assert list(headers) == [("Via", "v1"), ("To", "t"), ("Route", "a"), ("Route", "b"), ("Route", "c")]
    assert len(headers) == 5
    assert headers.pop("Route") == "a"
    assert headers.all("Route") == ["b", "c"]
    headers.set("Route", "z")
    assert headers.pop("Route") == "z"
    assert headers.pop("Route") is None
    headers.remove("To")
    headers.remove("To")
    assert list(headers) == [("Via", "v1")]


def test_a_copy_is_independent() -> None:
    first = Headers([("Via", "a"), ("X-A", "1")])
    second = first.copy()
    second.add("Via", "b")
    second.set("X-B", "2")
    assert list(first) == [("Via", "a"), ("X-A", "1")]
    assert second != first
    assert first == Headers([("v", "a"), ("x-a", "1")])


def test_via_stands_first_on_the_wire() -> None:
    """RFC 3261 §7.3.1 recommends what proxies need at the top."""
    assert Headers([("To", "t"), ("Via", "a"), ("Content-Length", "9"), ("Via", "b")]).lines() == [
        "Via: a",
        "Via: b",
        "To: t",
    ]


@pytest.mark.parametrize("value", ["a\r\nContact: <sip:evil@x>", "a\nb", "a\rb", "\r\n"])
@pytest.mark.parametrize("verb", ["add", "set", "prepend"])
def test_a_value_cannot_add_a_line(verb: str, value: str) -> None:
    headers = Headers([("Subject", "fine")])
    with pytest.raises(LocalError):
        getattr(headers, verb)("Subject", value)
    assert list(headers) == [("Subject", "fine")]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "X\r\nY", "Ünknown"])
def test_a_name_is_a_token(name: str) -> None:
    """RFC 3261 §25.1, header-name."""
    with pytest.raises(LocalError):
        Headers().add(name, "x")
