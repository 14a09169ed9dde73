"""The ring of raw messages and the ladder read from it."""

from softswitch.shell.trace import Trace, ladder
from softswitch.sip.flow import Flow

PHONE = Flow("udp", ("192.0.2.1", 5060))
CARRIER = Flow("tcp", ("2001:db8::5", 5060), 1, 7)


def message(call_id: str, line: str = "INVITE sip:1@a SIP/2.0", cseq: str = "1 INVITE", body: str = "") -> bytes:
    return (
        f"{line}\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\nTo: <sip:a@d>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\nMax-Forwards: 9\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def test_a_ladder_of_two_legs() -> None:
    trace = Trace()
    trace.add(1.0, False, PHONE, message("one", body="v=0"))
    trace.add(2.0, True, CARRIER, message("two"))
    trace.add(3.0, True, CARRIER, message("else"))
    trace.add(4.0, False, CARRIER, message("two", "SIP/2.0 180 Ringing"))
    trace.add(5.0, False, PHONE, b"\r\n")
    trace.add(6.0, True, PHONE, message("one", "SIP/2.0 180 Ringing"))
    rows = ladder(trace.snapshot(), {"one", "two"})
    assert [(row.at, row.sent, row.peer, row.line, row.sdp) for row in rows] == [
        (1.0, False, "192.0.2.1:5060", "INVITE sip:1@a", True),
        (2.0, True, "[2001:db8::5]:5060", "INVITE sip:1@a", False),
        (4.0, False, "[2001:db8::5]:5060", "180 Ringing", False),
        (6.0, True, "192.0.2.1:5060", "180 Ringing", False),
    ]
    assert {row.method for row in rows} == {"INVITE"}
    assert rows[0].raw.endswith("v=0")


def test_a_call_id_inside_another_header_does_not_count() -> None:
    trace = Trace()
    trace.add(1.0, False, PHONE, message("other", "INVITE sip:one@a SIP/2.0"))
    assert ladder(trace.snapshot(), {"one"}) == []


def test_keys_are_not_shown() -> None:
    """RFC 4568 §9: who sees a description sees the keys in it; a trace is for eyes."""
    trace = Trace()
    body = "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20\r\na=ice-pwd:secretpassword\r\n"
    trace.add(1.0, False, PHONE, message("one", body=body))
    (row,) = ladder(trace.snapshot(), {"one"})
    assert "c2VjcmV0" not in row.raw
    assert "secretpassword" not in row.raw
    assert "inline:***|2^20" in row.raw


def test_nothing_asked_nothing_found() -> None:
    trace = Trace()
    trace.add(1.0, False, PHONE, message("one"))
    assert ladder(trace.snapshot(), {""}) == []


def test_the_ring_is_bounded_by_bytes_and_by_count() -> None:
    trace = Trace(max_bytes=1600, max_messages=32)
    for number in range(100):
        trace.add(float(number), True, PHONE, bytes(300))
        assert trace.size == 300 * len(trace) <= 1600
    assert len(trace) == 5
    for number in range(100, 200):
        trace.add(float(number), True, PHONE, bytes(10))
        assert len(trace) <= 32
    assert trace.size == 10 * len(trace)
    assert len(trace) >= 30
    assert [entry[0] for entry in trace.snapshot()] == [float(n) for n in range(200 - len(trace), 200)]


def test_a_message_larger_than_the_ring_is_held_alone() -> None:
    trace = Trace(max_bytes=100)
    trace.add(1.0, True, PHONE, bytes(50))
    trace.add(2.0, True, PHONE, bytes(500))
    assert [entry[0] for entry in trace.snapshot()] == [2.0]
    trace.add(3.0, True, PHONE, bytes(50))
    assert [entry[0] for entry in trace.snapshot()] == [3.0]


def test_what_lets_in_and_what_was_typed_is_masked() -> None:
    """Proofs of passwords, collected digits, keys by INFO; the rest of the message stays as it is."""
    from softswitch.shell.masking import masked

    register = (
        b'REGISTER sip:p SIP/2.0\r\nAuthorization: Digest username="1001", realm="p", nonce="n1", uri="sip:p",\r\n'
        b' response="5ec2e7", cnonce="c0", qop=auth\r\nProxy-Authorization: Basic c2VjcmV0\r\nTo: <sip:1001@p>\r\n\r\n'
    )
    seen = masked(register)
    for secret in (b"5ec2e7", b"c0", b"c2VjcmV0"):
        assert secret not in seen
    for plain in (b'username="1001"', b'nonce="n1"', b"To: <sip:1001@p>"):
        assert plain in seen
    invite = b"INVITE sip:a SIP/2.0\r\nX-Collected: card=4929\r\nTo: a\r\n\r\nv=0\r\n"
    assert masked(invite) == invite.replace(b"card=4929", b"***")
    relay = b"INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=7\r\nDuration=160\r\n"
    assert masked(relay) == relay.replace(b"=7", b"=***")
    assert masked(b"INFO sip:a SIP/2.0\r\nContent-Type: application/dtmf\r\n\r\n7").endswith(b"***")
    plain = b"OPTIONS sip:a SIP/2.0\r\nTo: a\r\n\r\nSignal=7"
    assert masked(plain) == plain
