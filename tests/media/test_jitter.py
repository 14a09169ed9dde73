"""The jitter buffer alone: rows of samples in, 20 ms frames out."""

import numpy as np
import pytest

from softswitch.media.jitter import GIVE_UP, JitterBuffer

ROWS = np.array([0])


def frame(value):
    return np.full((1, 160), value, np.int16)


def put(buffer, number, value=None, spare=0.012, base=2**32 - 480):
    """Packet `number` of a stream whose timestamps wrap soon."""
    stamp = np.array([(base + 160 * number) & 0xFFFFFFFF], np.uint32)
    buffer.put(ROWS, stamp, frame(number + 1 if value is None else value), np.array([spare], np.float32))


def pull(buffer):
    return buffer.pull(ROWS)[0]


@pytest.fixture
def buffer():
    made = JitterBuffer(1)
    made.reset(0)
    return made


def test_a_packet_with_time_to_spare_is_played_at_the_next_tick(buffer):
    """Delay 10–20 ms when all is well."""
    for n in range(8):
        put(buffer, n)
        assert (pull(buffer) == n + 1).all()


def test_a_first_packet_that_came_just_before_the_tick_gets_ten_milliseconds_more(buffer):
    """MARGIN: 2 ms of jitter must not be a loss."""
    put(buffer, 0, spare=0.002)
    first = pull(buffer)
    assert (first[:80] == 0).all()
    assert (first[80:] == 1).all()


def test_order_does_not_matter_within_the_delay(buffer):
    """Packets are placed by timestamp (RFC 3550 §5.1)."""
    for n in (0, 2, 1, 3):
        put(buffer, n)
    assert [int(pull(buffer)[0]) for _ in range(4)] == [1, 2, 3, 4]


def test_a_duplicate_changes_nothing(buffer):
    put(buffer, 0)
    put(buffer, 0)
    put(buffer, 1)
    assert [int(pull(buffer)[5]) for _ in range(2)] == [1, 2]


def test_a_lost_packet_is_concealed_by_the_one_before_fading(buffer):
    """G.711 Appendix I in its simplest form; the stream goes on in time."""
    put(buffer, 0, value=1000)
    put(buffer, 2, value=3000)
    played = [int(pull(buffer)[40]) for _ in range(3)]
    assert played[0] == 1000
    assert 500 < played[1] < 1000
    assert played[2] == 3000
    assert buffer.state["concealed"][0] == 2


def test_a_stream_that_stops_fades_out_and_rests(buffer):
    put(buffer, 0, value=1000)
    levels = [int(pull(buffer)[40]) for _ in range(GIVE_UP + 3)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == 0
    assert not buffer.state["on"][0]


def test_after_a_rest_the_next_packet_starts_afresh(buffer):
    """Comfort-noise gaps and hold: the timestamps have gone on meanwhile."""
    put(buffer, 0)
    for _ in range(GIVE_UP + 5):
        pull(buffer)
    put(buffer, 50)
    assert (pull(buffer) == 51).all()


def test_a_late_packet_lengthens_the_delay_instead_of_being_lost(buffer):
    """Packet 1 misses its tick: it is played at the next one, and so is everything after it."""
    put(buffer, 0)
    pull(buffer)
    pull(buffer)  # packet 1 is not here
    put(buffer, 1)
    put(buffer, 2)
    assert (pull(buffer) == 2).all()
    assert (pull(buffer) == 3).all()
    assert buffer.state["late"][0] == 1


def test_a_straggler_behind_newer_packets_is_dropped(buffer):
    for n in (0, 2, 3):
        put(buffer, n)
    for _ in range(3):
        pull(buffer)
    put(buffer, 1)
    assert (pull(buffer) == 4).all()
    assert buffer.state["late"][0] == 1


def test_a_timestamp_jump_restarts_the_row(buffer):
    """Forward at once; backward after a few packets that are all far too late."""
    put(buffer, 0)
    pull(buffer)
    put(buffer, 5000)
    assert (pull(buffer) == 5001).all()
    heard = []
    for n in range(100, 108):
        put(buffer, n)
        heard.append(int(pull(buffer)[0]))
    assert heard[-1] == 108


def test_too_much_delay_is_given_back(buffer):
    """Packets that always come 60 ms early: the delay shrinks to what is needed, without a gap in the sound."""
    for n in range(3):
        put(buffer, n, value=1000)
    early = buffer.delay(0)
    for n in range(3, 700):
        put(buffer, n, value=1000)
        assert (pull(buffer) == 1000).all()
    assert early == pytest.approx(0.04)
    assert buffer.delay(0) <= 0.021


@pytest.mark.parametrize("drift", [-200, 200])
def test_clock_drift_is_absorbed(buffer, drift):
    """A sender whose clock is off by 200 ppm: over 4 minutes the delay stays small and hardly anything is lost."""
    sent = 0
    concealed_before = 0
    for tick in range(12_000):
        while sent * 0.02 * (1 - drift * 1e-6) <= tick * 0.02 + 0.005:
            put(buffer, sent, value=1000, spare=0.015)
            sent += 1
        pull(buffer)
        if tick == 100:
            concealed_before = int(buffer.state["concealed"][0])
    assert buffer.delay(0) < 0.06
    assert int(buffer.state["concealed"][0]) - concealed_before < 60


def test_other_packet_times_fit(buffer):
    """30 ms packets (240 samples) through 20 ms ticks."""
    played = []
    for n in range(6):
        stamp = np.array([240 * n], np.uint32)
        buffer.put(ROWS, stamp, np.full((1, 240), n + 1, np.int16), np.array([0.015], np.float32))
    for _ in range(9):
        played += pull(buffer).tolist()
    assert played == [n + 1 for n in range(6) for _ in range(240)]


def test_rows_are_independent():
    buffer = JitterBuffer(3)
    for row in range(3):
        buffer.reset(row)
    rows = np.array([0, 2])
    buffer.put(
        rows, np.array([0, 9000], np.uint32), np.array([[7] * 160, [9] * 160], np.int16), np.full(2, 0.015, "f4")
    )
    frames = buffer.pull(np.array([0, 1, 2]))
    assert frames[:, 0].tolist() == [7, 0, 9]


@pytest.mark.parametrize("clock", [8000, 16000, 48000])
def test_a_wide_row_is_addressed_by_its_codec_s_clock(clock):
    """16 kHz samples under the clock of G722 (8000, RFC 3551 §4.5.2), L16, or opus (48000, RFC 7587 §4.1)."""
    buffer = JitterBuffer(1, 160)
    buffer.tune(0, clock)
    for n in (0, 2, 1, 3):
        stamp = np.array([clock // 50 * n], np.uint32)
        buffer.put(ROWS, stamp, np.full((1, 320), n + 1, np.int16), np.array([0.015], np.float32))
    assert buffer.delay(0) == pytest.approx(0.06)
    frames = [pull(buffer) for _ in range(4)]
    assert [len(frame) for frame in frames] == [320] * 4
    assert [set(frame.tolist()) for frame in frames] == [{1}, {2}, {3}, {4}]


def test_a_codec_with_state_decodes_in_the_order_of_playing():
    """Payloads wait under their block's number and are filled in when they are due."""
    buffer = JitterBuffer(1, 160)
    payloads, played = {}, []
    for n in (0, 2, 1, 3):
        number = int(buffer.place(ROWS, np.array([320 * n], np.uint32), np.array([0.015], np.float32))[0])
        payloads[number] = n + 1
    for _ in range(4):
        due = int(buffer.due(ROWS)[0])
        for number in sorted(number for number in payloads if number < due):
            buffer.fill(ROWS, np.array([number]), np.full((1, 320), payloads.pop(number), np.int16))
        played.append(int(pull(buffer)[0]))
    assert played == [1, 2, 3, 4]
