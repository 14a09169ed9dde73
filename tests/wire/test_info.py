import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.wire import info
from softswitch.wire.dtmf import DIGITS, Once


@pytest.mark.parametrize(
    ("body", "digit", "duration"),
    [
        (b"Signal=5\r\nDuration=160\r\n", "5", 160),
        (b"Signal= 5\nDuration= 250", "5", 250),
        (b"signal=*\r\n", "*", 160),
        (b"Duration=90\r\nSignal=#\r\n", "#", 90),
        (b"Signal=10\r\nDuration=160", "*", 160),
        (b"Signal=11\r\nDuration=160", "#", 160),
        (b"Signal=12\r\nDuration=160", "A", 160),
        (b"Signal=15\r\nDuration=160", "D", 160),
        (b"Signal=d\r\nDuration=160", "D", 160),
        (b"Signal=16\r\nDuration=160", "!", 160),
        (b"Signal=flash\r\n", "!", 160),
        (b"Signal=1\r\nDuration=0\r\n", "1", 40),
        (b"Signal=1\r\nDuration=99999\r\n", "1", 8000),
    ],
)
def test_dtmf_relay_as_phones_write_it(body, digit, duration):
    assert info.parse("application/dtmf-relay", body) == info.Signal(digit, duration)
    assert info.parse("Application/DTMF-Relay; charset=utf-8", body) == info.Signal(digit, duration)


@pytest.mark.parametrize(("body", "digit"), [(b"5", "5"), (b" 11\r\n", "#"), (b"a", "A"), (b"16", "!")])
def test_plain_dtmf_is_the_bare_key(body, digit):
    assert info.parse("application/dtmf", body) == info.Signal(digit)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/dtmf-relay", b""),
        ("application/dtmf-relay", b"Signal=17"),
        ("application/dtmf-relay", b"Signal=12345"),
        ("application/dtmf-relay", b"Signal=x"),
        ("application/dtmf", b"Signal=5"),
        ("application/sdp", b"Signal=5"),
        ("", b"5"),
    ],
)
def test_what_is_no_key(kind, body):
    assert info.parse(kind, body) is None


@pytest.mark.parametrize("digit", DIGITS)
def test_what_is_built_is_read(digit):
    assert info.parse(info.RELAY, info.build(digit, 240)) == info.Signal(digit, 240)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_key_or_none(body):
    for kind in (info.RELAY, info.PLAIN):
        found = info.parse(kind, body)
        assert found is None or found.digit in DIGITS + "!"


def test_one_key_told_in_two_ways_counts_once():
    """In either order, also when a long press is told at its beginning by one and at its end by the other."""
    once = Once()
    assert once.new("5", "rfc4733", 10.0, 100)
    assert not once.new("5", "inband", 10.1, 100)
    assert once.new("5", "inband", 10.4, 100)
    assert not once.new("5", "rfc4733", 10.35, 100)
    assert once.new("7", "info", 20.0, 160)
    assert not once.new("7", "rfc4733", 22.9, 3000)


def test_keys_of_one_way_all_count():
    once = Once()
    assert [once.new("1", "info", 10.0 + n / 10) for n in range(4)] == [True] * 4
    assert once.new("2", "inband", 10.4)
    assert once.new("1", "inband", 30.0, 100)
