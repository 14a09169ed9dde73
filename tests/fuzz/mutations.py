"""Seeded damage to valid input. The oracle of every fuzz test: a value or a `PeerError`, nothing else."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from softswitch.kernel.errors import PeerError

PIECES = (
    *(b"\r\n", b"\n", b"\0", b'"', b"<", b">", b";", b",", b":", b"@", b"%", b"%00", b"\xff\xfe", b" ", b"=", b"/"),
    *(b"4294967296", b"-1", b"99999999999999999999", b"IP6", b"::", b"\xc3", b"a=rtpmap:", b"m=audio 0 ", b"\r\n\r\n"),
)


Value = TypeVar("Value")


def damaged(dice: Random, data: bytes, most: int = 3) -> bytes:
    """One to `most` of: a byte changed, a piece cut, doubled, moved or put in, the end cut off."""
    text = bytearray(data)
    for _ in range(dice.randint(1, most)):
        at, length = dice.randrange(len(text) + 1), dice.randint(1, 24)
        match dice.randrange(7):
            case 0:
                text[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del text[at : at + length]
            case 2:
                text[at:at] = text[at : at + length]
            case 3:
                piece = text[at : at + length]
                del text[at : at + length]
                where = dice.randrange(len(text) + 1)
                text[where:where] = piece
            case 4:
                text[at:at] = dice.choice(PIECES)
            case 5:
                text[at : at + length] = dice.choice(PIECES)
            case _:
                del text[at : len(text) if dice.random() < 0.3 else at + 1]
    return bytes(text)


def survives(parse: Callable[[bytes], Value], data: bytes) -> Value | None:
    """What `parse` makes of `data`; None for a `PeerError`."""
    try:
        return parse(data)
    except PeerError as error:
        status = error.status
    assert 300 <= status < 700 or status == 0, f"{status} is no answer"
    return None


def rounds(seeds: Sequence[bytes], count: int, seed: int) -> list[bytes]:
    """`count` damaged messages."""
    dice = Random(seed)
    return [damaged(dice, dice.choice(seeds)) for _ in range(count)]
