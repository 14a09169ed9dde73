import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.wire import rtcp

NOW = 1_700_000_000.25
BLOCK = rtcp.Block(ssrc=5, fraction=12, lost=-3, highest=70000, jitter=33, last_sr=0x12345678, delay=65536)


def test_a_compound_packet_comes_back():
    """RFC 3550 §6.1: report, SDES, BYE in one datagram."""
    parts = [
        rtcp.SenderReport(1, rtcp.ntp_time(NOW), 160, 10, 1600, (BLOCK,)),
        rtcp.ReceiverReport(1, (BLOCK, BLOCK)),
        rtcp.Cname(1, "a1b2@softswitch"),
        rtcp.Bye((1, 2)),
    ]
    data = rtcp.build(*parts)
    assert len(data) % 4 == 0
    assert rtcp.parse(data) == parts


@pytest.mark.parametrize("length", range(8))
def test_cname_is_padded_to_a_word_with_at_least_one_null(length):
    """RFC 3550 §6.5: the list ends with one or more null octets."""
    data = rtcp.build(rtcp.Cname(1, "x" * length))
    assert len(data) % 4 == 0
    assert data[-1] == 0
    assert rtcp.parse(data) == [rtcp.Cname(1, "x" * length)]


def test_ntp_time_counts_from_1900():
    """RFC 3550 §4: 2,208,988,800 s lie between the epochs; the fraction is in the lower word."""
    assert rtcp.ntp_time(0.5) >> 32 == 2208988800
    assert rtcp.ntp_time(0.5) & 0xFFFFFFFF == 0x80000000


def test_round_trip_is_arrival_minus_last_report_minus_delay():
    """RFC 3550 §6.4.1, figure 2."""
    sent = rtcp.middle(rtcp.ntp_time(NOW))
    block = rtcp.Block(1, 0, 0, 0, 0, last_sr=sent, delay=65536)
    assert rtcp.round_trip(block, NOW + 1.125) == pytest.approx(0.125, abs=1e-4)
    assert rtcp.round_trip(rtcp.Block(1, 0, 0, 0, 0, 0, 0), NOW) == -1.0
    assert rtcp.round_trip(block, NOW + 0.9) == 0.0  # the peer's clock runs fast: never negative


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc9\0\0",
        b"\x40\xc9\0\1\0\0\0\1",  # version 1
        b"\x80\xc9\0\2\0\0\0\1",  # longer than the packet
        b"\x81\xc9\0\1\0\0\0\1",  # a block announced, none there
        b"\x80\xc8\0\1\0\0\0\1",  # a sender report without its sender part
    ],
)
def test_ill_formed_compounds_are_refused(data):
    """RFC 3550 appendix A.2."""
    with pytest.raises(PeerError):
        rtcp.parse(data)


@given(st.binary(max_size=80))
def test_garbage_gives_parts_or_a_peer_error(data):
    """Nothing else comes out."""
    try:
        parts = rtcp.parse(b"\x80" + data)
    except PeerError:
        return
    assert isinstance(parts, list)
