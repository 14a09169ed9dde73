"""Messages: what `parse` accepts, what it refuses and how, and what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.wire.sip import BadMessage, Headers, Request, Response, Uri, parse
from softswitch.wire.sip.message import MAX_HEADERS

INVITE = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"To: Bob <sip:bob@biloxi.com>\r\n"
    b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:alice@pc33.atlanta.com>\r\n"
    b"Record-Route: <sip:p2.atlanta.com;lr>, <sip:p1.atlanta.com;lr>\r\n"
    b"Content-Type: Application/SDP;charset=x\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)


def invite(old: bytes = b"", new: bytes = b"") -> Request:
    assert old in INVITE
    message = parse(INVITE.replace(old, new, 1))
    assert isinstance(message, Request)
    return message


def status_of(data: bytes) -> tuple[int, bool]:
    """The status that answers `data`, and whether there is a request to answer."""
    with pytest.raises(BadMessage) as caught:
        parse(data)
    return caught.value.status, caught.value.partial is not None


def test_views_of_a_request() -> None:
    """RFC 3261 §24.2, message F1, and some more."""
    message = invite()
    assert str(message.uri) == "sip:bob@biloxi.com"
    assert message.via.branch == "z9hG4bK776asdhds"
    assert (message.from_.display, message.from_.tag, message.to.tag) == ("Alice", "1928301774", None)
    assert (message.call_id, message.max_forwards) == ("a84b4c76e66710@pc33.atlanta.com", 70)
    assert [str(address.uri) for address in message.record_route] == ["sip:p2.atlanta.com;lr", "sip:p1.atlanta.com;lr"]
    assert message.content_type == "application/sdp"
    assert message.expires is None
    assert message.route == ()
    assert message.body == b"body"


def test_views_follow_the_headers() -> None:
    message = invite()
    assert message.cseq.number == 314159
    message.headers.set("CSeq", "2 ACK")
    message.headers.prepend("Via", "SIP/2.0/TCP proxy.example.com;branch=z9hG4bKx")
    assert (message.cseq.number, message.cseq.method) == (2, "ACK")
    assert [via.transport for via in message.vias] == ["TCP", "UDP"]
    assert message.via.transport == "TCP"
    message.headers.remove("Via")
    with pytest.raises(PeerError):
        _ = message.via


def test_stamp_writes_the_top_via_only() -> None:
    """RFC 3581 §4."""
    message = invite()
    message.headers.prepend("Via", "SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKy")
    message.stamp("192.0.2.7", 1234)
    assert message.headers.all("Via") == [
        "SIP/2.0/UDP 10.0.0.1;rport=1234;branch=z9hG4bKy;received=192.0.2.7",
        "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds;rport",
    ]
    assert message.via.destination == ("192.0.2.7", 1234)


def test_star_contact() -> None:
    """RFC 3261 §10.2.2; beside other contacts it is an error (§25.1)."""
    message = invite(b"<sip:alice@pc33.atlanta.com>", b"*")
    assert message.contacts == ()
    assert status_of(INVITE.replace(b"Contact: ", b"Contact: *, ")) == (400, True)


@pytest.mark.parametrize("field", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_mandatory_fields(field: bytes) -> None:
    """RFC 3261 §8.1.1; without Via nobody can be answered."""
    data = INVITE.replace(b"\r\n" + field + b": ", b"\r\nX-" + field + b": ")
    assert status_of(data) == ((0, False) if field == b"Via" else (400, True))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Max-Forwards: 70", b"Max-Forwards: seventy"),
        (b"Max-Forwards: 70", b"Max-Forwards: 256"),
        (b"Max-Forwards: 70", b"Max-Forwards 70"),
        (b"Max-Forwards: 70", b"Max Forwards: 70"),
        (b"Max-Forwards: 70", b": 70"),
        (b"Max-Forwards: 70", b"Subject: a\nb"),
        (b"Max-Forwards: 70", b"Subject: a\rb"),
        (b"Content-Length: 4", b"Content-Length: 5"),
        (b"Content-Length: 4", b"Content-Length: four"),
        (b"Content-Length: 4", b"Content-Length: 4\r\nl: 4"),
        (b"a84b4c76e66710@pc33.atlanta.com", b"two words"),
        (b"a84b4c76e66710@pc33.atlanta.com", b""),
        (b"<sip:alice@pc33.atlanta.com>", b"<sip:alice@pc33.atlanta.com"),
        (b"<sip:alice@pc33.atlanta.com>", b"Alice, A. <sip:alice@pc33.atlanta.com>"),
        (b"<sip:p2.atlanta.com;lr>,", b"p2,"),
        (b"sip:bob@biloxi.com SIP", b"bob SIP"),
        (b"SIP/2.0\r\nVia", b"HTTP/1.1\r\nVia"),
        (b"SIP/2.0\r\nVia", b"SIP/2.0\r\n Via"),
        (b"\r\n\r\nbody", b"\r\n"),
    ],
)
def test_a_malformed_request_is_answered_400(old: bytes, new: bytes) -> None:
    """RFC 3261 §21.4.1."""
    assert old in INVITE
    data = INVITE.replace(old, new, 1)
    if b"\r\n Via" in data:
        assert status_of(data) == (0, False)  # the fold has eaten Via
    else:
        assert status_of(data) == (400, True)


def test_a_malformed_display_name_is_judged_alone() -> None:
    """What one field made of a text says nothing about the same text in another."""
    name = b"Watson, Thomas <sip:t@w.org>"
    assert invite(b"Bob <sip:bob@biloxi.com>", name).to.display == "Watson, Thomas"
    assert status_of(INVITE.replace(b"<sip:alice@pc33.atlanta.com>", name)) == (400, True)


def test_nobody_answers_an_ack_or_a_response() -> None:
    """RFC 3261 §17.1.1.3 and §8.1.3."""
    assert status_of(INVITE.replace(b"INVITE", b"ACK").replace(b"Call-ID", b"X-ID")) == (0, False)
    assert status_of(
        INVITE.replace(b"INVITE sip:bob@biloxi.com SIP/2.0", b"SIP/2.0 200 OK").replace(b"To:", b"X:")
    ) == (0, False)


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\0", b"hello", b"\r\n", b"\xff" * 100, b"SIP/2.0", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_sip_gets_silence(data: bytes) -> None:
    assert status_of(data) == (0, False)


@pytest.mark.parametrize(
    "line", [b"SIP/2.0 99 Low", b"SIP/2.0 700 High", b"SIP/2.0 200OK", b"SIP/3.0 200 OK", b"SIP/2.0 20 OK"]
)
def test_malformed_status_lines(line: bytes) -> None:
    """RFC 3261 §7.2."""
    assert status_of(INVITE.replace(b"INVITE sip:bob@biloxi.com SIP/2.0", line)) == (0, False)


def test_too_many_header_lines() -> None:
    assert status_of(INVITE.replace(b"Max-Forwards: 70\r\n", b"X: y\r\n" * MAX_HEADERS))[0] == 0  # not even Via is read
    assert invite(b"Max-Forwards: 70\r\n", b"X: y\r\n" * (MAX_HEADERS - 9)).headers.all("X") == ["y"] * (
        MAX_HEADERS - 9
    )


def test_content_length_of_a_datagram() -> None:
    """RFC 3261 §18.3: the rest is dropped; without it the datagram ends the body."""
    assert invite(b"Length: 4", b"Length: 2").body == b"bo"
    assert invite(b"Content-Length: 4\r\n", b"").body == b"body"


def test_odd_bytes_survive() -> None:
    """RFC 3261 §25.1 allows UTF-8; what is none is passed on as it came."""
    message = invite(b"Max-Forwards: 70", b"Subject: \xff\xfe caf\xc3\xa9")
    assert "café" in str(message.headers.get("Subject"))
    assert b"Subject: \xff\xfe caf\xc3\xa9\r\n" in message.to_bytes()


def test_response_to_a_request() -> None:
    """RFC 3261 §8.2.6.2 and §12.1.1."""
    request = invite()
    ringing = parse(Response.to_request(request, 180, to_tag="a6c85cf").to_bytes())
    assert isinstance(ringing, Response)
    assert (ringing.status, ringing.reason) == (180, "Ringing")
    assert ringing.vias == request.vias
    assert (ringing.from_, ringing.call_id, ringing.cseq) == (request.from_, request.call_id, request.cseq)
    assert ringing.to.tag == "a6c85cf"
    assert ringing.record_route == request.record_route
    assert ringing.headers.get("Contact") is None
    assert ringing.body == b""


def test_response_leaves_a_tag_and_a_100_alone() -> None:
    """RFC 3261 §8.2.6.2: a tag that is there stays; §8.2.6.1: Timestamp is copied into a 100."""
    request = invite(b"To: Bob <sip:bob@biloxi.com>", b"To: Bob <sip:bob@biloxi.com>;tag=old\r\nTimestamp: 54")
    assert Response.to_request(request, 200, to_tag="new").to.tag == "old"
    trying = Response.to_request(invite(b"Max-Forwards: 70", b"Timestamp: 54"), 100, to_tag="new")
    assert trying.to.tag is None
    assert trying.headers.get("Timestamp") == "54"
    assert "Record-Route" not in trying.headers
    assert "Record-Route" not in Response.to_request(request, 486, "Busy", to_tag="x").headers


def test_reason_phrases() -> None:
    assert Response.to_request(invite(), 486).reason == "Busy Here"
    assert Response.to_request(invite(), 499).reason == "Request Failure"
    assert Response.to_request(invite(), 486, "Gone fishing").to_bytes().startswith(b"SIP/2.0 486 Gone fishing\r\n")


def test_a_start_line_cannot_add_a_line() -> None:
    with pytest.raises(LocalError):
        Request("INVITE", Uri(user="a\r\nX: y", host="b")).to_bytes()
    with pytest.raises(LocalError):
        Response(200, "OK\nX: y").to_bytes()


def test_written_form() -> None:
    """RFC 3261 §7: Content-Length is what the body says, whatever the header said."""
    headers = Headers([("To", "<sip:b@c>"), ("l", "77"), ("Via", "SIP/2.0/UDP a;branch=z9hG4bKx")])
    assert Request("OPTIONS", Uri.parse("sip:b@c"), headers, b"xyz").to_bytes() == (
        b"OPTIONS sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n"
        b"To: <sip:b@c>\r\nContent-Length: 3\r\n\r\nxyz"
    )


def test_a_copy_is_independent() -> None:
    first = invite()
    second = first.copy()
    second.headers.set("Call-ID", "other")
    second.stamp("192.0.2.1", 1)
    assert first.call_id != second.call_id
    assert first.via.received is None
    response = Response.to_request(first, 200)
    twin = response.copy()
    twin.headers.remove("Via")
    assert response.via == first.via


VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(
    lambda text: text.strip(" \t")
)
NAMES = st.from_regex(r"X-[A-Za-z0-9!%]{1,8}", fullmatch=True)


@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=8),
    st.binary(max_size=60),
    st.from_regex(r"[A-Z!.%-]{1,9}", fullmatch=True),
)
def test_any_message_survives(extra: list[tuple[str, str]], body: bytes, method: str) -> None:
    """RFC 3261 §7.3.1: what is written is read with the same meaning."""
    message = invite()
    message.method, message.body = method, body
    message.headers.set("CSeq", f"1 {method}")
    for name, value in extra:
        message.headers.add(name, value)
    again = parse(message.to_bytes())
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (message.method, message.uri, message.body)
    message.headers.set("Content-Length", str(len(body)))
    assert again.headers == message.headers
