"""Framing of a TCP stream."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.wire.sip import BadMessage, KeepAlive, Request, Response, Stream
from softswitch.wire.sip.stream import MAX_BODY, MAX_HEAD


def message(number: int, body: bytes = b"", length: bytes | None = None, extra: bytes = b"") -> bytes:
    size = b"%d" % len(body) if length is None else length
    return (
        b"MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK%d\r\nTo: <sip:a@b>\r\nFrom: <sip:c@d>;tag=1\r\n"
        b"Call-ID: %d\r\nCSeq: %d MESSAGE\r\n%bContent-Length: %b\r\n\r\n%b"
        % (number, number, number, extra, size, body)
    )


def numbers(items: list[Request | Response | KeepAlive | BadMessage]) -> list[int | str]:
    return [item.cseq.number if isinstance(item, Request) else type(item).__name__ for item in items]


def test_messages_back_to_back() -> None:
    """RFC 3261 §18.3: Content-Length says where the next one starts."""
    stream = Stream()
    items = stream.feed(message(1, b"INVITE sip:x SIP/2.0\r\n\r\n") + message(2) + message(3, b"\r\n\r\n")[:-2])
    assert numbers(items) == [1, 2]
    assert numbers(stream.feed(b"\r\n" + message(4))) == [3, 4]
    assert stream.dead is None


@given(
    st.lists(st.tuples(st.integers(1, 99), st.binary(max_size=40)), min_size=1, max_size=5),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_where_the_stream_is_cut_does_not_matter(content: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join([message(number, body) for number, body in content])
    marks = sorted({0, len(data), *[cut for cut in cuts if cut < len(data)]})
    stream = Stream()
    items = [item for start, end in pairwise(marks) for item in stream.feed(data[start:end])]
    assert [(item.cseq.number, item.body) for item in items if isinstance(item, Request)] == content
    assert len(items) == len(content)


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_ping_is_answered_by_pong(step: int) -> None:
    """RFC 5626 §3.5.1: CRLFCRLF between messages asks for CRLF."""
    stream = Stream()
    data = b"\r\n\r\n" + message(1) + b"\r\n\r\n\r\n\r\n" + message(2)
    items = [item for at in range(0, len(data), step) for item in stream.feed(data[at : at + step])]
    assert items[0] == KeepAlive(b"\r\n")
    assert numbers(items) == ["KeepAlive", 1, "KeepAlive", "KeepAlive", 2]


def test_pong_to_our_ping() -> None:
    """RFC 5626 §3.5.1: two pongs in a row are no ping."""
    stream = Stream()
    stream.ping_sent()
    assert stream.feed(b"\r\n") == [KeepAlive(b"")]
    stream.ping_sent()
    assert stream.feed(b"\r\n") == [KeepAlive(b"")]
    assert numbers(stream.feed(message(1))) == [1]


def test_line_ends_before_the_start_line_are_ignored() -> None:
    """RFC 3261 §7.5."""
    assert numbers(Stream().feed(b"\r\n" + message(1) + b"\r\n" + message(2))) == [1, 2]


def test_a_malformed_message_does_not_end_the_stream() -> None:
    stream = Stream()
    bad, good = stream.feed(message(1, b"xyz", extra=b"Max-Forwards: many\r\n") + message(2))
    assert isinstance(bad, BadMessage)
    assert bad.status == 400
    assert bad.partial is not None
    assert numbers([good]) == [2]
    assert stream.dead is None


@pytest.mark.parametrize(
    "data",
    [
        message(1).replace(b"Content-Length", b"X-Length"),
        message(1, b"", b"-1"),
        message(1, b"", b"12a"),
        message(1, b"abcde", b"5\r\nl: 4"),
    ],
)
def test_without_a_length_the_stream_is_dead(data: bytes) -> None:
    """RFC 3261 §18.3: 400, and the connection is of no more use."""
    stream = Stream()
    (error,) = stream.feed(data + message(2))
    assert isinstance(error, BadMessage)
    assert error.status == 400
    assert error.partial is not None
    assert error.partial.call_id == "1"
    assert stream.dead is not None
    assert stream.feed(message(3)) == []


def test_an_equal_second_length_frames_but_is_refused() -> None:
    """RFC 4475 §3.3.9 asks for 400; where the message ends is clear, so the stream lives."""
    stream = Stream()
    assert numbers(stream.feed(message(1, b"abcde", b"5\r\nl: 5") + message(2))) == ["BadMessage", 2]


def test_a_folded_length() -> None:
    """RFC 3261 §7.3.1."""
    assert numbers(Stream().feed(message(1, b"abc", b"\r\n 3") + message(2))) == [1, 2]


def test_a_body_over_the_limit() -> None:
    """RFC 3261 §21.5.7: 513, before any of the body is kept."""
    stream = Stream()
    (error,) = stream.feed(message(1, b"", b"%d" % (MAX_BODY + 1)))
    assert isinstance(error, BadMessage)
    assert error.status == 513
    assert stream.dead == "body too large"


@pytest.mark.parametrize("piece", [997, 10**6])
def test_a_head_over_the_limit(piece: int) -> None:
    data = message(1)[:-4] + b"\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\n"
    stream = Stream()
    items = [item for at in range(0, len(data), piece) for item in stream.feed(data[at : at + piece])]
    (error,) = items
    assert isinstance(error, BadMessage)
    assert error.status == 513
    assert stream.dead == "head too large"


def test_a_broken_response_on_a_dead_stream_is_not_answered() -> None:
    """RFC 3261 §18.3."""
    stream = Stream()
    data = message(1).replace(b"MESSAGE sip:a@b SIP/2.0", b"SIP/2.0 200 OK").replace(b"Content-Length", b"X-Length")
    (error,) = stream.feed(data)
    assert isinstance(error, BadMessage)
    assert (error.status, error.partial) == (0, None)


def test_a_large_message_byte_by_byte() -> None:
    """Each byte is looked at a bounded number of times: the work done does not grow with what has come before."""
    stream = Stream()
    body = b"z" * 200_000
    data = message(1, body, extra=b"X: " + b"h" * 20_000 + b"\r\n")
    items = []
    for at in range(len(data)):
        items += stream.feed(data[at : at + 1])
    assert numbers(items) == [1]
