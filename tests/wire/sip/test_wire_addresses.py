"""URIs, name-addr, Via and CSeq: reading, writing, comparing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import CSeq, NameAddr, Uri, Via
from softswitch.wire.sip.grammar import clamped, parse_params, quote, split_commas, unquote

# ------------------------------------------------------------------------------------------------------------- URI


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:*72#@pbx.example.com:5062",
        "sip:[2001:db8::1]:5061;lr",
        "tel:+358-555-1234567;phone-context=+358",
        "urn:service:sos",
    ],
)
def test_uri_reads_and_writes(text: str) -> None:
    """RFC 3261 §19.1.3 gives most of these."""
    assert str(Uri.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@host",
        "alice@host",
        "sip:a b@host",
        "sip:host:99999",
        "sip:host:",
        "sip:[::1",
        "sip:[1:2]",
        "sip:a@b@c",
        "sip:a@host;",
        "sip:a@host;=x",
        "sip:a@host?x",
        "sip:%zz@host",
        "sip:a@ho<st",
        "sip:a@host\r\nX: y",
    ],
)
def test_uri_rejects(text: str) -> None:
    """RFC 3261 §25.1, SIP-URI."""
    with pytest.raises(PeerError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        ("sip:alice@atlanta.com?subject=project%20x&priority=urgent",) * 2,
    ],
)
def test_equivalent_uris(one: str, other: str) -> None:
    """RFC 3261 §19.1.4, first list of examples."""
    assert Uri.parse(one).equivalent(Uri.parse(other))
    assert Uri.parse(other).equivalent(Uri.parse(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:carol@chicago.com;user=phone", "sip:carol@chicago.com"),
        ("sip:carol@chicago.com;maddr=192.0.2.9", "sip:carol@chicago.com"),
    ],
)
def test_uris_that_are_not_equivalent(one: str, other: str) -> None:
    """RFC 3261 §19.1.4, second list of examples, and the parameters that must stand in both."""
    assert not Uri.parse(one).equivalent(Uri.parse(other))
    assert not Uri.parse(other).equivalent(Uri.parse(one))


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("sip:+15550100;npdi;rn=+15550199@a.example", "+15550100"),
        ("sip:300;phone-context=a.example@a.example;user=phone", "300"),
        ("sip:%2B1-555-0100;ext=5@a.example", "+1-555-0100"),
        ("sip:*99;x@a.example", "*99"),
        ("sip:alice;day=tuesday@a.example", "alice;day=tuesday"),
        ("sip:300%3Bx@a.example", "300;x"),
        ("sip:;x@a.example", ";x"),
        ("sip:a.example", ""),
        ("tel:+1-555-0100;ext=5", "+1-555-0100"),
    ],
)
def test_the_number_in_a_user_part(uri: str, number: str) -> None:
    """RFC 3261 §19.1.6, RFC 4694: a telephone number's parameters are not dialled; a name may have a semicolon."""
    assert Uri.parse(uri).number == number


def test_address_of_record() -> None:
    """RFC 3261 §10.3: parameters and port are not part of it."""
    assert Uri.parse("sip:%61lice@Example.COM:5060;transport=tcp").aor == "sip:alice@example.com"


USER = st.text("abcXYZ019-_.!~*'()&=+$,;?/#", min_size=1, max_size=20)
NAME = st.text("abcxyz019-", min_size=1, max_size=10)
HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9\-]{0,10}(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
PORTS = st.none() | st.integers(0, 65535)
URIS = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    st.none() | USER,
    st.none(),
    HOSTS,
    PORTS,
    st.dictionaries(NAME, st.none() | st.text("abcXYZ019[]/:&+$", max_size=8), max_size=3),
    st.dictionaries(NAME, st.text("abc019?:+", max_size=8), max_size=2),
)
PARAMS = st.dictionaries(
    NAME,
    st.one_of(st.none(), st.text("abcXYZ019.-_~", min_size=1, max_size=10), st.text(max_size=8).map(quote)).filter(
        lambda value: value is None or not ("\r" in value or "\n" in value)
    ),
    max_size=4,
)
DISPLAYS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=15)


@given(URIS)
def test_any_uri_survives(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri
    assert uri.equivalent(uri)


@given(st.builds(NameAddr, DISPLAYS, URIS, PARAMS))
def test_any_name_addr_survives(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@given(st.builds(Via, st.sampled_from(["UDP", "TCP", "TLS", "WSS", "X-1"]), HOSTS, PORTS, PARAMS))
def test_any_via_survives(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(st.lists(st.builds(NameAddr, DISPLAYS, URIS, PARAMS), min_size=1, max_size=4))
def test_commas_in_quotes_and_brackets_separate_nothing(addresses: list[NameAddr]) -> None:
    """RFC 3261 §7.3.1."""
    parts = split_commas(", ".join(map(str, addresses)))
    assert [NameAddr.parse(part) for part in parts] == addresses


# ------------------------------------------------------------------------------------------------ name-addr and Via


def test_parameters_of_a_bare_uri_belong_to_the_header() -> None:
    """RFC 3261 §20: without angle brackets all parameters are header parameters."""
    address = NameAddr.parse("sip:bob@biloxi.com;tag=a6c85cf")
    assert (address.tag, address.uri.params) == ("a6c85cf", {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "Bob",
        '"Bob <sip:bob@b.com>',
        "<sip:bob@b.com",
        "sip:bob@b.com>",
        "<sip:a@b> x",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;tag=1;",
        '<sip:a@b>;x="y',
        "sip:a,b@c",
        '"a" "b" <sip:c@d>',
    ],
)
def test_name_addr_rejects(text: str) -> None:
    """RFC 3261 §25.1, name-addr and addr-spec."""
    with pytest.raises(PeerError):
        NameAddr.parse(text)


def test_with_tag_leaves_the_original_alone() -> None:
    address = NameAddr.parse("<sip:bob@biloxi.com>;x=1")
    assert str(address.with_tag("77")) == "<sip:bob@biloxi.com>;x=1;tag=77"
    assert address.tag is None


@pytest.mark.parametrize(
    ("text", "stamped", "destination"),
    [
        (
            "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa",
            "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa",
            ("192.0.2.1", 5070),
        ),
        (
            "SIP/2.0/UDP pc.a.com;branch=z9hG4bKa",
            "SIP/2.0/UDP pc.a.com;branch=z9hG4bKa;received=192.0.2.1",
            ("192.0.2.1", 5060),
        ),
        (
            "SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff",
            "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1",
            ("192.0.2.1", 9988),
        ),
        # what the sender claims about its source is overwritten
        ("SIP/2.0/TLS a.com;received=1.2.3.4", "SIP/2.0/TLS a.com;received=192.0.2.1", ("192.0.2.1", 5061)),
    ],
)
def test_received_and_rport(text: str, stamped: str, destination: tuple[str, int]) -> None:
    """RFC 3261 §18.2.1 and §18.2.2; RFC 3581 §4 with the example of its §6."""
    via = Via.parse(text).stamped("192.0.2.1", 9988)
    assert str(via) == stamped
    assert via.destination == destination


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0/UDP", "SIP/1.0/UDP a.com", "UDP a.com", "SIP/2.0/UDP a.com:x", "SIP/2.0/UDP a.com;;"]
)
def test_via_rejects(text: str) -> None:
    """RFC 3261 §25.1, via-parm."""
    with pytest.raises(PeerError):
        Via.parse(text)


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE", "-1 INVITE", "1.5 INVITE", "2147483648 INVITE", "1 IN VITE", "१ INVITE"]
)
def test_cseq_rejects(text: str) -> None:
    """RFC 3261 §8.1.1.5: less than 2**31."""
    with pytest.raises(PeerError):
        CSeq.parse(text)


def test_cseq_reads_the_largest_number() -> None:
    """RFC 3261 §8.1.1.5."""
    assert CSeq.parse("2147483647 BYE") == CSeq(2**31 - 1, "BYE")
    assert str(CSeq.parse("0001  BYE")) == "1 BYE"


# --------------------------------------------------------------------------------------------------------- grammar


@given(DISPLAYS)
def test_quoting_can_be_undone(text: str) -> None:
    """RFC 3261 §25.1, quoted-string."""
    assert unquote(quote(text)) == text


def test_parameters_with_blanks_and_quotes() -> None:
    """RFC 3261 §25.1: SEMI and EQUAL swallow blanks; quotes protect semicolons."""
    assert parse_params(' ; a = 1 ;B;c = "x;\\"y" ') == {"a": "1", "b": None, "c": '"x;\\"y"'}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("007", 7),
        ("4294967296", 2**32 - 1),
        ("9" * 5000, 2**32 - 1),
        ("0" * 5000 + "5", 5),
        ("-1", None),
        ("", None),
        ("1 2", None),
        ("٣", None),
    ],
)
def test_numbers_are_clamped(text: str, value: int | None) -> None:
    """RFC 4475 §3.1.2.4."""
    assert clamped(text) == value
