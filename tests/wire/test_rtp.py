import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.wire import rtp


@given(st.integers(0, 127), st.booleans(), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_what_is_built_is_parsed(payload_type, marker, sequence, timestamp, payload):
    """RFC 3550 §5.1."""
    data = rtp.build(payload_type, marker, sequence, timestamp, 0xDEADBEEF, payload)
    packet = rtp.parse(data)
    assert packet == rtp.Packet(payload_type, marker, sequence, timestamp, 0xDEADBEEF, 12, len(data))
    assert data[packet.start : packet.end] == payload


def test_csrc_extension_and_padding_lie_outside_the_payload():
    """RFC 3550 §5.1, §5.3.1."""
    head = struct.pack("!HHII", 0x8000 | 0x2000 | 0x1000 | 2 << 8 | 8, 7, 9, 1)
    data = head + bytes(8) + b"\xbe\xde\x00\x01" + b"ABCD" + b"voice" + b"\0\0\3"
    packet = rtp.parse(data)
    assert data[packet.start : packet.end] == b"voice"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(11),  # version 1
        b"\x82" + bytes(15),  # two CSRC announced, one there
        b"\x90" + bytes(11) + b"\0\0\0\1",  # extension longer than the packet
        b"\xa0" + bytes(11) + b"x\0",  # padding of length 0
        b"\xa0" + bytes(11) + b"x\x09",  # padding longer than the payload
    ],
)
def test_packets_that_contradict_themselves_are_refused(data):
    """RFC 3550 appendix A.1."""
    with pytest.raises(PeerError):
        rtp.parse(data)


@given(st.binary(max_size=60))
def test_garbage_is_a_packet_or_a_peer_error(data):
    """Nothing else comes out, and the span lies inside."""
    try:
        packet = rtp.parse(data)
    except PeerError:
        return
    assert 12 <= packet.start <= packet.end <= len(data)


def test_many_headers_are_read_at_once():
    """The numpy structure is the header of RFC 3550 §5.1."""
    data = b"".join(rtp.header(8, i == 1, 65535 + i, 2**32 - 1 + i, 5 + i) for i in range(3))
    headers = np.frombuffer(data, rtp.HEADER_DTYPE)
    assert headers["seq"].tolist() == [65535, 0, 1]
    assert headers["ts"].tolist() == [2**32 - 1, 0, 1]
    assert headers["ssrc"].tolist() == [5, 6, 7]
    assert headers["head"].tolist() == [0x8008, 0x8088, 0x8008]


def test_rtcp_on_the_same_port_is_told_by_its_type():
    """RFC 5761 §4."""
    assert rtp.is_rtcp(b"\x80\xc8\0\1\0\0\0\0")
    assert not rtp.is_rtcp(rtp.build(8, False, 1, 1, 1, bytes(160)))
    assert not rtp.is_rtcp(rtp.build(72 - 1, True, 1, 1, 1, bytes(160))[:7])
