"""RFC 5626 §3.5: keep-alives on UDP SIP ports are answered, and never more than that."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.shell.keep_alives import answer, is_keep_alive
from softswitch.wire import stun

SOURCE = ("203.0.113.9", 40000)
BINDING = bytes.fromhex("000100002112a442") + b"transaction!"


def test_a_binding_request_tells_the_address_seen() -> None:
    """RFC 5626 §8, RFC 8489 §14.2; the value taken apart by hand."""
    reply = answer(BINDING, SOURCE)
    assert is_keep_alive(BINDING)
    assert reply[:2] == b"\x01\x01"
    assert reply[8:20] == b"transaction!"
    kind, size, _, family, port, address = struct.unpack("!HHBBHI", reply[20:32])
    assert (kind, size, family) == (0x0020, 8, 1)
    assert port ^ 0x2112 == 40000
    assert socket.inet_ntoa(struct.pack("!I", address ^ 0x2112A442)) == "203.0.113.9"
    assert len(reply) == 32
    assert len(answer(BINDING, ("2001:db8::9%3", 40000))) == 44


def test_what_must_be_understood_and_is_not() -> None:
    """RFC 8489 §6.3.1: 420."""
    odd = b"\x00\x01\x00\x04" + BINDING[4:] + struct.pack("!HH", 0x7FFF, 0)
    assert stun.parse(answer(odd, SOURCE)).kind == stun.BINDING_ERROR


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"\r\n\r\n", b"\r\n"), (b"\r\n", b""), (b"\0\0\0\0", b""), (b"", b""), (b"\0", b""),
        (b"\x01\x01" + BINDING[2:], b""), (b"\x00\x11" + BINDING[2:], b""), (BINDING + b"x", b""),
    ],
)  # fmt: skip
def test_the_rest_is_taken_in_silence(data: bytes, reply: bytes) -> None:
    assert is_keep_alive(data)
    assert answer(data, SOURCE) == reply


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: BINDING[:8] + tail))
def test_nobody_can_be_flooded_with_answers(data: bytes) -> None:
    assert len(answer(data, SOURCE)) <= len(data) + 44 - 20
