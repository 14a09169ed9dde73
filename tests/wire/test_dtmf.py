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
    """RFC 4733 §3.2: 0–15 are DTMF, 16 is flash, and above are tones and line events."""
    for code in (17, 66, 200, 255):
        receiver = dtmf.EventReceiver()
        assert receiver.receive(dtmf.Event(code, True, 10, 800), 5, 0.0) == []
        assert receiver.wake(9.0) == []


def test_flash_is_told_and_sent():
    """RFC 2833 §3.10: event 16."""
    packets = sent(dtmf.FLASH)
    assert {dtmf.parse(out.payload).code for *_, out in packets} == {16}
    assert heard(packets) == [dtmf.Pressed("!", 100)]


def test_every_loss_that_leaves_enough():
    """RFC 4733 §2.6: one end packet, or any three packets, are one key; less is none. All 127 subsets."""
    packets = sent("5", 100)
    for chosen in range(1, 1 << len(packets)):
        kept = [packet for i, packet in enumerate(packets) if chosen >> i & 1]
        ends = sum(dtmf.parse(out.payload).end for *_, out in kept)
        keys = [key.digit for key in heard(kept)]
        assert keys == (["5"] if ends or len(kept) >= 3 else []), kept


@given(st.permutations(range(7)), st.integers(0, 3))
def test_any_order_is_one_key(order, twice):
    """Reordered and duplicated packets: still one key, and the longest duration."""
    packets = sent("5", 100)
    shuffled = [packets[i] for i in order] + [packets[twice]]
    found = heard([(10 + n, timestamp, out) for n, (_, timestamp, out) in enumerate(shuffled)])
    assert [key.digit for key in found] == ["5"]


def held(seconds, code=7, start=4_000_000_000, step=160):
    """(tick, timestamp, event) of a key held for long, as §2.5.1.3 wants it: a segment holds 65,535 units at most."""
    units, packets, tick, begun = int(seconds * 8000), [], 0, 0
    for total in range(step, units + 1, step):
        if total - begun > 0xFFFF:
            packets.append((tick, start + begun, dtmf.Event(code, False, 10, 0xFFFF)))
            begun += 0xFFFF
        packets.append((tick, start + begun, dtmf.Event(code, False, 10, total - begun)))
        tick += 1
    packets += [(tick + n, start + begun, dtmf.Event(code, True, 10, units - begun)) for n in range(3)]
    return packets


def told(packets):
    receiver = dtmf.EventReceiver()
    keys, at = [], 0.0
    for tick, timestamp, event in packets:
        at = tick * 0.02
        keys += receiver.wake(at)
        keys += receiver.receive(event, timestamp & 0xFFFFFFFF, at)
    return keys + receiver.wake(at + 1)


@pytest.mark.parametrize("seconds", [7.9, 8.5, 17.0, 60.0])
def test_a_long_press_in_segments_is_one_key(seconds):
    """RFC 4733 §2.5.1.3; the timestamps wrap on the way."""
    (key,) = told(held(seconds))
    assert key.digit == "7"
    assert key.duration_ms == pytest.approx(seconds * 1000, abs=20)


@given(st.integers(0, 2**32), st.floats(0.0, 0.4))
def test_a_long_press_survives_loss(seed, rate):
    """Also where segments meet. With a whole burst of 120 ms lost it may be told early, but only once."""
    dice = random.Random(seed)
    packets = held(20.0)
    kept = [packet for packet in packets[:-3] if dice.random() >= rate] + packets[-1:]
    assert [key.digit for key in told(kept)] == ["7"]


def test_equal_digits_with_all_ends_lost_stay_two():
    """The second one's timestamp is not where the first one's segment would go on."""
    first, second = held(0.2, 1, 1000), held(0.2, 1, 1000 + 3200)
    shifted = [(tick + 20, timestamp, event) for tick, timestamp, event in second]
    assert [key.digit for key in told(first[:-3] + shifted)] == ["1", "1"]


def test_the_same_timestamp_after_a_reset_is_a_new_key():
    """Another SSRC may use the same timestamps."""
    receiver = dtmf.EventReceiver()
    end = dtmf.Event(3, True, 10, 800)
    assert len(receiver.receive(end, 5000, 0.0)) == 1
    assert receiver.receive(end, 5000, 0.02) == []
    receiver.reset()
    assert len(receiver.receive(end, 5000, 0.04)) == 1


def test_a_clock_that_jumps_back_does_not_mute_the_keys():
    """An older timestamp long after the last packet is no straggler."""
    receiver = dtmf.EventReceiver()
    assert len(receiver.receive(dtmf.Event(3, True, 10, 800), 900_000, 0.0)) == 1
    assert receiver.receive(dtmf.Event(4, True, 10, 800), 80_000, 0.1) == []
    assert len(receiver.receive(dtmf.Event(4, True, 10, 800), 88_000, 5.0)) == 1


def test_a_sender_that_reuses_a_timestamp_for_another_key():
    """The code tells them apart; late ends of the first one do not bring it back."""
    receiver = dtmf.EventReceiver()
    first, second = dtmf.Event(1, True, 10, 800), dtmf.Event(2, True, 10, 800)
    keys = []
    for n, event in enumerate((first, first, second, first, second, second)):
        keys += receiver.receive(event, 4000, n * 0.02)
    assert [key.digit for key in keys] == ["1", "2"]


def test_shrinking_durations_and_none_at_all():
    """The longest counts; an end of no length is a key nevertheless."""
    receiver = dtmf.EventReceiver()
    for duration in (480, 320, 160):
        receiver.receive(dtmf.Event(9, False, 10, duration), 100, 0.0)
    assert receiver.receive(dtmf.Event(9, True, 10, 80), 100, 0.1) == [dtmf.Pressed("9", 60)]
    assert receiver.receive(dtmf.Event(9, True, 10, 0), 9000, 1.0) == [dtmf.Pressed("9", 0)]


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans(), st.integers(0, 65535), st.integers(0, 2**32 - 1))))
def test_nonsense_gives_keys_or_nothing(events):
    """No order of events makes it fail, and one event is never more than one key."""
    receiver = dtmf.EventReceiver()
    keys = []
    for n, (code, end, duration, timestamp) in enumerate(events):
        keys += receiver.receive(dtmf.Event(code, end, 10, duration), timestamp, n * 0.02)
    keys += receiver.wake(len(events) + 1.0)
    assert len(keys) <= len(events)
    assert receiver.deadline() is None or receiver.wake(1e9)


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


def test_durations_are_brought_to_another_clock():
    payload = dtmf.build(dtmf.Event(5, True, 10, 800)) + dtmf.build(dtmf.Event(6, False, 10, 60000)) + b"\x01"
    scaled = dtmf.rescaled(payload, 8000, 48000)
    assert dtmf.parse(scaled) == dtmf.Event(5, True, 10, 4800)
    assert dtmf.parse(scaled[4:]) == dtmf.Event(6, False, 10, 0xFFFF)
    assert len(scaled) == 8
