"""SIP messages: datagrams and streams. What is read can be written, and reads the same again."""

from itertools import pairwise
from pathlib import Path

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import BadMessage, Request, Response, Stream, parse
from tests.fuzz.targets.target import Target, refused

_TORTURE = Path(__file__).parents[2] / "wire" / "sip"
TORTURE = [path.read_bytes() for path in sorted(_TORTURE.glob("rfc*/*.dat"))]
"""RFC 4475 and RFC 5118."""

WORDS = (
    *(b"SIP/2.0", b"INVITE", b"ACK", b"PRACK", b"REFER", b"Via:", b"v:", b"From:", b"To:", b"CSeq:", b"Call-ID:"),
    *(b"Content-Length:", b"l:", b"Contact:", b"Route:", b"Record-Route:", b"Max-Forwards:", b"Require:", b";lr"),
    *(b";branch=z9hG4bK", b";received=", b";rport", b";tag=", b"<sip:", b"sips:", b"tel:+", b"\r\n\r\n", b"\r\n "),
)


def datagram(data: bytes) -> None:
    try:
        message = parse(data)
    except PeerError as error:
        refused(error)
        if isinstance(error, BadMessage) and error.partial is not None and error.status:
            _answer(error.partial, error.status)
        return
    written = message.to_bytes()
    again = parse(written)
    assert type(again) is type(message)
    assert again.to_bytes() == written
    if isinstance(message, Request):
        answer = _answer(message, 486)
        assert answer is None or isinstance(parse(answer), Response)


def _answer(request: Request, status: int) -> bytes | None:
    """RFC 3261 §8.2.6. What is refused may lack what an answer needs."""
    try:
        return Response.to_request(request, status, to_tag="t").to_bytes()
    except PeerError:
        return None


def stream(data: bytes) -> None:
    """The same whatever pieces it comes in: cut at the places that the first bytes say."""
    cuts, body = data[:4], data[4:]
    whole = _fed([body])
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(body[at : at + cut])
        at += cut
    assert _fed([*pieces, body[at:]]) == whole


def _fed(pieces: list[bytes]) -> list[str]:
    stream = Stream()
    said = []
    for piece in pieces:
        for item in stream.feed(piece) if piece else ():
            if isinstance(item, Request | Response):
                said.append(item.to_bytes().decode("utf-8", "surrogateescape"))
            elif isinstance(item, BadMessage):
                refused(item)
                said.append(f"bad {item.status} {item}")
            else:
                said.append("keep-alive")
    return [*said, f"dead {stream.dead is not None}"]


_PAIRS = [b"\x10\x20\x30\x40" + first + second for first, second in pairwise(TORTURE)]
TARGETS = (
    Target("sip-message", datagram, TORTURE, WORDS),
    Target("sip-stream", stream, _PAIRS, WORDS, 8192),
)
