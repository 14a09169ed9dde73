"""What every request is checked for: RFC 3261 §8.2; bodies (RFC 2046, RFC 5621)."""

import pytest
from sip_peer import ANSWER, NOTHING, OFFER, UDP, World, request, within

from softswitch.sip.events import Confirmed, Invited, Reinvited, Requested
from softswitch.wire.sip import BadMessage, parse

PIDF = b"<presence/>"
MIXED = (
    b"--gap\r\nContent-Type: application/pidf+xml\r\n\r\n" + PIDF + b"\r\n"
    b"--gap\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n" + OFFER + b"\r\n--gap--\r\n"
)
MULTIPART = 'multipart/mixed;boundary="gap"'


def refused(world, data):
    (refusal,) = world.receive(data)
    assert world.events == []
    return refusal


def test_unknown_methods_get_405_with_allow():
    """§8.2.1."""
    refusal = refused(World(), request("FOO"))
    assert refusal.status == 405
    assert {"INVITE", "ACK", "CANCEL", "BYE"} <= set(refusal.headers.all("Allow"))


def test_allow_can_be_set():
    world = World(allow=("INVITE", "ACK", "CANCEL", "BYE", "MESSAGE"))
    world.receive(request("MESSAGE", body=b"hello", content_type="text/plain"))
    assert world.named(Requested)[0].request.body == b"hello"
    (refusal,) = world.receive(request("OPTIONS", branch="z9hG4bKtwo", cseq=2))
    assert refusal.status == 405


@pytest.mark.parametrize("uri", ["http://example.com", "mailto:bob@example.com"])
def test_unknown_uri_schemes_get_416(uri):
    """§8.2.2.1."""
    assert refused(World(), request("INVITE", uri=uri, body=OFFER)).status == 416


def test_tel_uris_pass():
    world = World()
    world.receive(request("INVITE", uri="tel:+15550100", body=OFFER))
    assert len(world.named(Invited)) == 1


def test_unsupported_extensions_get_420():
    """§8.2.2.3: Unsupported names them, and only them."""
    world = World(supported=("path",))
    refusal = refused(world, request("INVITE", headers=[("Require", "100rel, path, Foo")], body=OFFER))
    assert refusal.status == 420
    assert refusal.headers.all("Unsupported") == ["100rel", "Foo"]
    world.receive(request("REGISTER", branch="z9hG4bKtwo", cseq=2, headers=[("Require", "path")]))
    assert len(world.named(Requested)) == 1


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_max_forwards_zero(method):
    """§16.3 step 3: 483 for what would go on; OPTIONS is for us then (§11.2)."""
    world = World()
    replies = world.receive(request(method, hops=0, body=OFFER if method == "INVITE" else b""))
    assert [one.status for one in replies] == ([483] if method == "INVITE" else [])


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE"])
def test_requests_that_need_a_dialog_get_481_without_one(method):
    """§12.2.2, §15.1.2."""
    assert refused(World(), request(method)).status == 481
    assert refused(World(), request(method, to_tag="nobody")).status == 481


def test_an_invite_to_an_unknown_dialog_gets_481():
    """§12.2.2: as after a restart."""
    assert refused(World(), request("INVITE", to_tag="lost", body=OFFER)).status == 481


def test_an_invite_without_contact_gets_400():
    """§8.1.1.8."""
    world = World()
    assert refused(world, request("INVITE", contact=None, body=OFFER)).status == 400
    world.silent_in_the_end()


def test_a_star_is_no_contact():
    """§20.10: only REGISTER may say `*`."""
    assert refused(World(), request("INVITE", contact="*", body=OFFER)).status == 400


def test_a_message_that_cannot_be_parsed_is_answered_as_far_as_it_can_be_read():
    """RFC 4475 §3.1.2: 400 with Via, From, To, Call-ID and CSeq, to the source."""
    world = World()
    with pytest.raises(BadMessage) as caught:
        parse(request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: none"))
    (refusal,) = world.do("receive_bad", caught.value, UDP)
    assert (refusal.status, refusal.call_id, refusal.to.tag is not None) == (400, "call-1", True)
    assert refusal.via.rport == 5060
    assert world.ua.counts() == NOTHING


def test_a_broken_response_gets_no_answer():
    world = World()
    with pytest.raises(BadMessage) as caught:
        parse(b"SIP/2.0 999 Strange\r\n\r\n")
    assert world.do("receive_bad", caught.value, UDP) == []


def test_a_body_that_is_not_sdp_gets_415():
    """§8.2.3: Accept says what would do."""
    refusal = refused(World(), request("INVITE", body=b"<x/>", content_type="application/xml"))
    assert (refusal.status, refusal.headers.get("Accept")) == (415, "application/sdp")


def test_an_encoded_body_gets_415():
    """§8.2.3."""
    refusal = refused(World(), request("INVITE", body=b"\x1f\x8b", headers=[("Content-Encoding", "gzip")]))
    assert (refusal.status, refusal.headers.get("Accept-Encoding")) == (415, "identity")


def test_the_sdp_part_of_a_multipart_body_is_taken():
    """RFC 5621 §3.1: multipart/mixed must be understood."""
    world = World()
    world.receive(request("INVITE", body=MIXED, content_type=MULTIPART))
    (invited,) = world.named(Invited)
    assert invited.request.body == OFFER
    assert invited.request.content_type == "application/sdp"
    (ok,) = world.do("accept", invited.session, ANSWER)
    world.receive(within(ok, "ACK", 1, body=MIXED, content_type=MULTIPART))
    assert world.named(Confirmed) == [Confirmed(invited.session, OFFER)]
    world.receive(within(ok, "INVITE", 2, body=MIXED, content_type=MULTIPART))
    assert world.named(Reinvited)[0].request.body == OFFER


@pytest.mark.parametrize(
    "body",
    [
        b"--gap\r\nContent-Type: text/plain\r\n\r\nhello\r\n--gap--\r\n",
        b"no boundary here",
        b"--gap\r\n\r\nno type\r\n--gap--",
        b"--gap--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n",
    ],
)
def test_multipart_without_sdp_gets_415(body):
    assert refused(World(), request("INVITE", body=body, content_type=MULTIPART)).status == 415


def test_a_refused_invite_is_repeated_like_any_failure():
    """§17.2.1 holds for automatic answers too, and nothing stays."""
    world = World()
    world.receive(request("INVITE", headers=[("Require", "foo")], body=OFFER))
    world.advance(1)
    assert world.times(420) == [0, 0.5]
    world.silent_in_the_end()


@pytest.mark.parametrize("name", ["Via", "Route", "Record-Route"])
def test_paths_longer_than_any_honest_one_get_400(name):
    """Max-Forwards is 70 at most where it is as recommended (§8.1.1.6)."""
    value = {"Via": "SIP/2.0/UDP 192.0.2.%d;branch=z9hG4bKx"}.get(name, "<sip:192.0.2.%d;lr>")
    for separator in (", ", f"\r\n{name}: "):
        long = separator.join(value % (number % 250) for number in range(80))
        plain = request("OPTIONS", branch=f"z9hG4bK{len(separator)}").decode()
        first, rest = plain.split("\r\n", 1)
        if name == "Via":
            rest = rest.replace("Via: ", "Via: ", 1)
            head, _, tail = rest.partition("\r\n")
            data = f"{first}\r\n{head}\r\nVia: {long}\r\n{tail}"
        else:
            data = f"{first}\r\n{name}: {long}\r\n{rest}"
        assert refused(World(), data.encode()).status == 400
