"""Garbage gives a value or a `PeerError`, nothing else; and in linear time."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import BadMessage, Headers, NameAddr, Request, Response, Stream, Uri, Via, parse
from softswitch.wire.sip.grammar import split_commas

SEEDS = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("rfc*/*.dat"))]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b'"',
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"%",
    b"\xff",
    b" ",
    b"\\",
    b"[",
    b"=",
    b"\r\n ",
]
ROUNDS = 4000


def mutated(dice: Random) -> bytes:
    data = bytearray(dice.choice(SEEDS))
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data[at : at + dice.randint(1, 20)] = b""
            case 1:
                data[at:at] = dice.choice(PIECES)
            case 2:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 3:
                other = dice.choice(SEEDS)
                start = dice.randrange(len(other))
                data[at:at] = other[start : start + dice.randint(1, 60)]
            case _:
                data[at:at] = data[at : at + dice.randint(1, 40)]
    return bytes(data)


def look_at(message: Request | Response) -> None:
    """A message that was accepted can be viewed, answered, written and read again."""
    for view in ("via", "from_", "to", "call_id", "cseq", "contacts", "route", "record_route", "max_forwards"):
        getattr(message, view)  # checked by parse: these never raise
    _ = message.expires, message.content_type
    with suppress(PeerError):
        _ = message.vias
    written = message.to_bytes()
    again = parse(written)
    assert again.body == message.body
    if isinstance(message, Request):
        Response.to_request(message, 404, to_tag="x").to_bytes()


def check_refusal(error: BadMessage) -> None:
    """It says how to answer, and the answer has no line that the peer has smuggled in."""
    assert error.status in (0, 400, 505)
    assert (error.partial is None) == (error.status == 0)
    if error.partial is not None:
        answer = Response.to_request(error.partial, error.status, to_tag="x").to_bytes()
        assert answer.count(b"\n") == answer.count(b"\r") == answer.count(b"\r\n")


@pytest.mark.parametrize("seed", range(3))
def test_mutated_messages(seed: int) -> None:
    dice = Random(seed)
    accepted = 0
    for _ in range(ROUNDS):
        data = mutated(dice)
        try:
            message = parse(data)
        except BadMessage as error:
            check_refusal(error)
        else:
            accepted += 1
            look_at(message)
    assert accepted > ROUNDS // 10


def test_mutated_streams() -> None:
    dice = Random(7)
    for _ in range(500):
        stream = Stream()
        data = b"".join([mutated(dice) for _ in range(3)])
        at = 0
        while at < len(data):
            step = dice.randint(1, 400)
            for item in stream.feed(data[at : at + step]):
                if isinstance(item, Request | Response):
                    look_at(item)
            at += step


@pytest.mark.parametrize("read", [Uri.parse, NameAddr.parse, Via.parse, split_commas])
def test_random_text(read: Callable[[str], object]) -> None:
    dice = Random(3)
    alphabet = 'sip:tel@host;tag=1?x<>",\\%4 []*\x00\xe9'
    for _ in range(3000):
        text = "".join(dice.choices(alphabet, k=dice.randint(0, 40)))
        with suppress(PeerError):
            read(text)


UNITS = [
    '"',
    '\\"',
    "<",
    "<>",
    '"\\',
    ",",
    ";",
    ";a",
    ";a=",
    "%41",
    " ",
    "a:",
    "@",
    "?a=",
    "[",
    "\t;",
    ';a="',
    "a ",
    "::",
]
FRAMES = ["{}", '"{}', "<sip:{}", "sip:a@b{}", "SIP/2.0/UDP a{}", "sip:{}@b", "a{}<", "<sip:a@b>{}"]


@pytest.mark.timeout(40)
@pytest.mark.parametrize("unit", UNITS)
def test_hostile_repetition_costs_linear_time(unit: str) -> None:
    """No expression backtracks: 300 kB of the worst end at once; a quadratic one would run into the time limit."""
    flood = unit * (300_000 // len(unit))
    for text in [frame.format(flood) for frame in FRAMES]:
        for read in (Uri.parse, NameAddr.parse, Via.parse, split_commas):
            with suppress(PeerError):
                read(text)
        with suppress(BadMessage):
            parse(f"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nContact: {text}\r\n\r\n".encode())
        with suppress(BadMessage):
            parse(f"INVITE {text} SIP/2.0\r\n{text}: x\r\n\r\n".encode())
    Headers([("Contact", flood)]).all("Contact")
