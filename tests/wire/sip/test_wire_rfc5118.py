"""RFC 5118: SIP torture test messages for IPv6. One test a message, with the outcome that the RFC asks for.

Content-Length of the three messages with a body counts the octets sent: the printed figures count bare line feeds.
"""

from pathlib import Path

import pytest

from softswitch.wire.sip import BadMessage, Request, parse

VECTORS = Path(__file__).parent / "rfc5118"


def request(name: str) -> Request:
    message = parse((VECTORS / f"{name}.dat").read_bytes())
    assert isinstance(message, Request)
    return message


def test_valid_message_with_an_ipv6_reference() -> None:
    """RFC 5118 §4.1."""
    message = request("ipv6-good")
    assert (message.uri.host, message.uri.port) == ("2001:db8::10", None)
    assert str(message.uri) == "sip:[2001:db8::10]"
    assert message.via.host == "2001:db8::9:1"
    assert str(message.via) == "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"
    assert str(message.contacts[0]) == '"Caller" <sip:caller@[2001:db8::1]>'


def test_ipv6_reference_without_its_brackets() -> None:
    """RFC 5118 §4.2: 400."""
    with pytest.raises(BadMessage) as caught:
        request("ipv6-bad")
    assert caught.value.status == 400
    assert caught.value.partial is not None


def test_port_within_the_brackets_is_part_of_the_address() -> None:
    """RFC 5118 §4.3."""
    uri = request("port-ambiguous").uri
    assert (uri.host, uri.port) == ("2001:db8::10:5070", None)


def test_port_behind_the_brackets() -> None:
    """RFC 5118 §4.4."""
    uri = request("port-unambiguous").uri
    assert (uri.host, uri.port) == ("2001:db8::10", 5070)


def test_received_with_brackets() -> None:
    """RFC 5118 §4.5: accepted, although the grammar has none."""
    via = request("via-received-param-with-delim").via
    assert via.received == "2001:db8::9:255"
    assert via.destination == ("2001:db8::9:255", 5060)


def test_received_without_brackets() -> None:
    """RFC 5118 §4.5."""
    assert request("via-received-param-no-delim").via.received == "2001:db8::9:255"


def test_ipv6_addresses_in_sdp() -> None:
    """RFC 5118 §4.6."""
    message = request("ipv6-in-sdp")
    assert message.uri.host == "2001:db8::10"
    assert b"c=IN IP6 2001:db8::20\r\n" in message.body


def test_both_address_families_in_one_header() -> None:
    """RFC 5118 §4.7."""
    message = request("mult-ip-in-header")
    assert [(via.host, via.port) for via in message.vias] == [
        ("2001:db8::9:1", 6050),
        ("192.0.2.1", None),
        ("2001:db8::9:255", None),
    ]
    assert message.vias[2].received == "192.0.2.200"


def test_both_address_families_in_one_sdp() -> None:
    """RFC 5118 §4.8."""
    message = request("mult-ip-in-sdp")
    assert b"c=IN IP4 192.0.2.1\r\n" in message.body
    assert b"c=IN IP6 2001:db8::1\r\n" in message.body


def test_ipv4_mapped_addresses() -> None:
    """RFC 5118 §4.9."""
    message = request("ipv4-mapped-ipv6")
    assert [(via.host, via.port) for via in message.vias] == [("::ffff:192.0.2.10", 19823), ("::ffff:192.0.2.2", None)]
    assert message.contacts[0].uri.host == "::ffff:192.0.2.2"
    assert message.contacts[0].display == "T. desk phone"


@pytest.mark.parametrize("name", ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"])
def test_three_colons_of_the_grammar_bug(name: str) -> None:
    """RFC 5118 §4.10: the extra colon is ignored, and not sent on."""
    message = request(name)
    assert message.uri.host == "2001:db8::192.0.2.1"
    assert message.to_bytes().startswith(b"OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0\r\n")
