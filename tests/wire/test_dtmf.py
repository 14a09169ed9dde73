import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.wire import dtmf


def sent(digits, duration_ms=100):
    """(tick, packet timestamp, outgoing) of a whole sending."""
    sender = dtmf.EventSender()
    sender.queue(digits, duration_ms)
    packets, tick = [], 0
    while sender.busy:
        if (out := sender.step()) is not None:
            packets.append((tick, tick * 160 - out.offset, out))
        tick += 1
    return packets


def heard(packets):
    receiver = dtmf.EventReceiver()
    keys, tick = [], 0
    for tick, timestamp, out in packets:
        keys += receiver.wake(tick * 0.02)
        keys += receiver.receive(dtmf.parse(out.payload), timestamp & 0xFFFFFFFF, tick * 0.02)
    return keys + receiver.wake(tick * 0.02 + 1)


@pytest.mark.parametrize("digit", dtmf.DIGITS)
def test_each_digit_arrives_once(digit):
    """RFC 4733 §3.2: codes 0–15; §2.5.1.4: three end packets are one event."""
    assert heard(sent(digit)) == [dtmf.Pressed(digit, 100)]


def test_packets_of_one_event_share_timestamp_and_grow_in_duration():
    """RFC 4733 §2.3.5, §2.5.1.2–4: the marker on the first, then updates, then the end three times."""
    packets = sent("5", 100)
    assert {timestamp for _, timestamp, _ in packets} == {0}
    events = [dtmf.parse(out.payload) for *_, out in packets]
    assert [event.duration for event in events] == [160, 320, 480, 640, 800, 800, 800]
    assert [event.end for event in events] == [False] * 4 + [True] * 3
    assert [out.marker for *_, out in packets] == [True] + [False] * 6


def test_equal_digits_in_a_row_are_two_keys():
    """The gap gives the second event its own timestamp."""
    assert [key.digit for key in heard(sent("11w2"))] == ["1", "1", "2"]


@given(st.text(dtmf.DIGITS, min_size=1, max_size=6), st.integers(0, 2**32))
def test_digits_survive_loss_duplicates_and_lost_ends(digits, seed):
    """RFC 4733 §2.6: with three packets of an event left, some twice, each digit is told exactly once."""
    dice = random.Random(seed)
    by_event = {}
    for packet in sent(digits, 120):
        by_event.setdefault(packet[1], []).append(packet)
    kept = []
    for packets in by_event.values():
        chosen = sorted(dice.sample(range(len(packets)), dice.randint(3, len(packets))))
        kept += [packets[i] for i in chosen for _ in range(dice.choice((1, 1, 2)))]
    assert "".join(key.digit for key in heard(kept)) == digits


def test_one_stray_update_without_an_end_is_no_key():
    """Fewer than three packets and no end: not told."""
    assert heard(sent("7")[:2]) == []


def test_an_end_alone_is_a_key():
    """RFC 4733 §2.5.1.4: the start packets may all be lost."""
    assert heard(sent("7")[-1:]) == [dtmf.Pressed("7", 100)]


def test_a_straggler_of_an_earlier_event_is_no_new_key():
    """Reordered packets of an older timestamp are ignored."""
    one_two = sent("12")
    first = [p for p in one_two if p[1] == 0]
    assert [key.digit for key in heard([*first[:-1], *one_two[len(first) :], first[-1]])] == ["1", "2"]


def test_events_beyond_the_keys_are_not_keys():
    """RFC 4733 §3.2: flash is 16; only 0–15 are DTMF."""
    receiver = dtmf.EventReceiver()
    assert receiver.receive(dtmf.Event(16, True, 10, 800), 5, 0.0) == []


def test_what_cannot_be_keyed_is_refused():
    assert dtmf.normalise("1aW#") == "1Aw#"
    with pytest.raises(PeerError):
        dtmf.normalise("12x")
    with pytest.raises(PeerError):
        dtmf.parse(b"\1\2\3")


def test_frequencies_are_those_of_q23():
    """ITU-T Q.23."""
    assert dtmf.FREQUENCIES["1"] == (697.0, 1209.0)
    assert dtmf.FREQUENCIES["0"] == (941.0, 1336.0)
    assert dtmf.FREQUENCIES["D"] == (941.0, 1633.0)
    assert len(dtmf.FREQUENCIES) == 16


@pytest.mark.parametrize("clock", [8000, 16000, 48000])
def test_events_count_in_the_clock_of_the_sound_beside_them(clock):
    """RFC 4733 §2.1, §2.3.5: opus runs at 48 kHz, and so does telephone-event/48000."""
    sender, receiver = dtmf.EventSender(clock=clock), dtmf.EventReceiver(clock)
    sender.queue("7", 100)
    keys, durations, tick = [], [], 0
    while sender.busy:
        if (out := sender.step()) is not None:
            event = dtmf.parse(out.payload)
            durations.append(event.duration)
            keys += receiver.receive(event, tick * clock // 50 - out.offset, tick * 0.02)
        tick += 1
    assert durations[0] == clock // 50
    assert max(durations) == clock // 10
    assert keys == [dtmf.Pressed("7", 100)]


def test_a_long_key_stays_inside_the_durations_sixteen_bits():
    """RFC 4733 §2.5.1.3: 1.3 s at 48 kHz."""
    sender = dtmf.EventSender(clock=48000)
    sender.queue("1", 5000)
    durations = []
    while sender.busy:
        if (out := sender.step()) is not None:
            durations.append(dtmf.parse(out.payload).duration)
    assert max(durations) == 66 * 960
    assert durations == sorted(durations)
