"""STUN messages of RFC 8489, proven by the vectors of RFC 5769."""

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.wire import stun

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599"
    "fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)


def test_sample_request():
    """RFC 5769 §2.1."""
    message = stun.parse(REQUEST)
    assert message.kind == stun.BINDING_REQUEST
    assert message.transaction == TRANSACTION
    assert message.attributes[stun.USERNAME] == b"evtj:h6vY"
    assert message.unknown == ()
    assert stun.authentic(REQUEST, message, PASSWORD)
    assert not stun.authentic(REQUEST, message, b"another")


def test_sample_response():
    """RFC 5769 §2.2: the mapped address is 192.0.2.1 port 32853."""
    message = stun.parse(RESPONSE)
    assert message.kind == stun.BINDING_SUCCESS
    assert message.attributes[stun.XOR_MAPPED_ADDRESS] == stun.xor_address(("192.0.2.1", 32853), TRANSACTION)
    assert stun.authentic(RESPONSE, message, PASSWORD)


def test_sample_response_ipv6():
    """RFC 5769 §2.3: 2001:db8:1234:5678:11:2233:4455:6677 port 32853."""
    address = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert stun.xor_address(address, TRANSACTION) == bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def test_what_is_built_can_be_read():
    data = stun.build(stun.BINDING_REQUEST, TRANSACTION, [(stun.USERNAME, b"a:b"), (stun.USE_CANDIDATE, b"")], b"pwd")
    message = stun.parse(data)
    assert stun.authentic(data, message, b"pwd")
    assert stun.USE_CANDIDATE in message.attributes
    assert stun.FINGERPRINT in message.attributes


def test_what_follows_the_integrity_is_not_believed():
    """RFC 8489 §14.5."""
    data = bytearray(stun.build(stun.BINDING_REQUEST, TRANSACTION, [(stun.USERNAME, b"a:b")], b"pwd")[:-8])
    data += b"\x00\x25\x00\x00"  # USE-CANDIDATE
    data[2:4] = (len(data) - 20).to_bytes(2, "big")
    assert stun.USE_CANDIDATE not in stun.parse(bytes(data)).attributes


def test_attributes_that_must_be_understood():
    """RFC 8489 §14: types below 0x8000."""
    data = stun.build(stun.BINDING_REQUEST, TRANSACTION, [(0x7777, b"x"), (0x8777, b"y")], b"pwd")
    assert stun.parse(data).unknown == (0x7777,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x00\x00",
        REQUEST[:-4],
        REQUEST + b"\x00\x00\x00\x00",
        REQUEST[:-1] + b"\x00",
        b"\x00\x01\x00\x04" + REQUEST[4:20] + b"\x00\x06\x00\x09",
        b"\x00\x01\x00\x03" + REQUEST[4:20] + b"abc",
        b"\xc0" + REQUEST[1:],
    ],
)
def test_junk_is_a_peer_error(data):
    with pytest.raises(PeerError):
        stun.parse(data)
