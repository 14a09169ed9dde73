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


def test_a_first_packet_that_came_just_before_the_tick_waits_for_the_next(buffer):
    """TIGHT: 2 ms of jitter must not be a loss."""
    put(buffer, 0, value=1000, spare=0.002)
    assert (pull(buffer) == 0).all()
    assert (pull(buffer) == 1000).all()
    assert buffer.learned["concealed"][0] == 0


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


def test_a_lost_packet_is_concealed_and_the_stream_goes_on_in_time(buffer):
    """In the manner of G.711 Appendix I, but 0.3 of the level after 20 ms; the next packet fades in over 3 ms."""
    put(buffer, 0, value=1000)
    put(buffer, 2, value=3000)
    frames = [pull(buffer) for _ in range(3)]
    assert (frames[0] == 1000).all()
    assert 995 <= frames[1][0] <= 1000
    assert 645 <= frames[1][79] <= 660
    assert 298 <= frames[1][159] <= 308
    assert (frames[2][24:] == 3000).all()
    assert (np.abs(np.diff(np.concatenate(frames).astype(int))) < 120).all()
    assert buffer.learned["concealed"][0] == 2


def test_a_stream_that_stops_fades_to_nothing_in_60_ms_and_rests(buffer):
    """G.711 Appendix I: nothing after 60 ms. A stream that ends is no loss."""
    put(buffer, 0, value=1000)
    levels = [int(pull(buffer)[40]) for _ in range(GIVE_UP + 3)]
    assert levels == sorted(levels, reverse=True)
    assert levels[4:] == [0] * (GIVE_UP - 1)
    assert not buffer.state["on"][0]
    assert buffer.learned["concealed"][0] == 0


def test_after_a_rest_the_stream_goes_on_where_its_timestamps_say(buffer):
    """Silence suppression: the timestamps have gone on meanwhile (RFC 3550 §5.1), the delay is the same as before."""
    put(buffer, 0, value=1000)
    for _ in range(50):
        pull(buffer)
    put(buffer, 50, value=1000)
    assert (pull(buffer) == 1000).all()
    assert buffer.delay(0) == 0.0


def test_after_a_rest_timestamps_that_stood_still_start_afresh(buffer):
    """Senders that do not count through silence or hold."""
    put(buffer, 0, value=1000)
    for _ in range(50):
        pull(buffer)
    put(buffer, 1, value=1000)
    assert (pull(buffer) == 1000).all()


def test_a_late_packet_lengthens_the_delay_instead_of_being_lost(buffer):
    """Packet 1 misses its tick: it is played at the next one, and so is everything after it."""
    put(buffer, 0, value=1000)
    pull(buffer)
    pull(buffer)  # packet 1 is not here
    put(buffer, 1, value=2000)
    put(buffer, 2, value=3000)
    assert (pull(buffer)[80:] == 2000).all()
    assert (pull(buffer) == 3000).all()
    assert buffer.learned["late"][0] == 0


def test_a_straggler_behind_newer_packets_is_dropped_and_counted_once(buffer):
    for n in (0, 2, 3):
        put(buffer, n, value=1000)
    for _ in range(3):
        pull(buffer)
    put(buffer, 1, value=9000)
    assert (pull(buffer) == 1000).all()
    assert buffer.learned["late"][0] == 1
    assert buffer.state["second"][0] > 0


def test_a_second_straggler_in_a_second_lengthens_the_delay(buffer):
    """The delay follows the jitter, at once: 60 ms late for its place, 60 ms more delay, cross-faded."""
    for n in range(60):
        if n not in (30, 34):
            put(buffer, n, value=1000)
        if n in (33, 37):
            put(buffer, n - 3, value=1000)
        pull(buffer)
    assert buffer.learned["late"][0] == 2
    assert buffer.delay(0) >= 0.035  # after the pull


def test_timestamps_that_jump_cost_one_packet_at_most(buffer):
    """Forward, backward, to any new base: the second packet of the new time is believed."""
    number = 0
    for jump in (0, 5000, -100_000, 2**20, 90, -90):
        number += jump
        heard = []
        for _ in range(8):
            put(buffer, number, value=1000)
            heard.append(pull(buffer))
            number += 1
        assert (np.concatenate(heard[2:]) == 1000).all(), jump
        assert buffer.delay(0) <= 0.02


def test_one_packet_of_a_wild_timestamp_is_dropped(buffer):
    for n in range(20):
        put(buffer, n, value=1000)
        if n == 10:
            put(buffer, 7777, value=30000)
            put(buffer, 2**25, value=30000)
        assert (pull(buffer) == 1000).all()
    assert buffer.learned["late"][0] == 2


def test_a_burst_after_a_stall_is_played_in_full(buffer):
    """300 ms of silence, then everything at once: nothing of it is lost, and the delay is given back later."""
    heard = []
    for n in range(1500):
        if 20 <= n < 35:
            pass
        elif n == 35:
            for late in range(20, 36):
                put(buffer, late, value=100 + late)
        else:
            put(buffer, n, value=100 + n if n < 60 else 1000)
        heard.append(pull(buffer))
    heard = np.concatenate(heard)
    for n in range(21, 60):
        assert (heard == 100 + n).sum() >= 100
    assert buffer.delay(0) <= 0.04


def test_the_delay_is_bounded(buffer):
    """Packets that come later and later: no more than half a second."""
    for n in range(400):
        if n % 5 == 4:
            for late in range(n // 2 - 2, n // 2 + 1):
                put(buffer, late, value=1000)
        pull(buffer)
        assert buffer.delay(0) <= 0.5


def test_a_new_stream_fades_in_where_the_old_one_was(buffer):
    """Another SSRC: `restart` keeps what was learned; the joint is smooth."""
    for n in range(5):
        put(buffer, n, value=1000)
        pull(buffer)
    buffer.restart(0)
    put(buffer, 88888, value=1100)
    frame = pull(buffer).astype(int)
    assert (np.diff(frame) >= -3).all()
    assert frame[0] < 1010
    assert (frame[80:] == 1100).all()


@pytest.mark.parametrize("late", [0.0025, 0.005], ids=["read late", "and sent late"])
def test_a_steady_stream_is_played_whole_wherever_it_falls_between_two_ticks(late):
    """Packets exactly 20 ms apart, each read up to `late` after it has come: whatever the time from there to the tick,
    the play point stays where it began. For ten seconds of a tone that rises slowly: any move would find its place."""
    phases = np.arange(0.0003, 0.02, 0.0005)
    count, packets = len(phases), 500
    buffer = JitterBuffer(count)
    dice = np.random.default_rng(4)
    at = np.arange(160 * packets) / 8000
    tone = np.rint(8000 * np.sin(2 * np.pi * (300 + 10 * at) * at)).astype(np.int16).reshape(-1, 160)
    arrivals = 0.02 * np.arange(packets)[:, None] + 0.02 - phases + late * dice.random((packets, count))
    due = np.maximum(np.ceil(arrivals / 0.02).astype(int), 1)
    arrived = [[[] for _ in range(count)] for _ in range(packets + 4)]
    for n, row in np.ndindex(packets, count):
        arrived[due[n, row]][row].append(n)
    heard = []
    for tick in range(packets + 4):
        for turn in range(2):
            rows = np.array([row for row in range(count) if len(arrived[tick][row]) > turn], np.int64)
            if len(rows):
                numbers = np.array([arrived[tick][row][turn] for row in rows])
                spare = (0.02 * tick - arrivals[numbers, rows]).astype(np.float32)
                buffer.put(rows, (160 * numbers).astype(np.uint32), tone[numbers], spare)
        heard.append(buffer.pull(np.arange(count)))
    assert not buffer.learned["concealed"].any()
    assert not buffer.state["back"].any()
    for row in range(count):
        sound = np.concatenate([frames[row] for frames in heard])
        start = np.flatnonzero(sound)[0] - 1
        assert np.array_equal(sound[start : start + 160 * (packets - 3)], tone.reshape(-1)[: 160 * (packets - 3)]), (
            phases[row]
        )


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


@pytest.mark.parametrize("ppm", [-200, 200])
def test_clock_drift_is_neither_heard_nor_does_it_add_up(ppm):
    """A sender whose clock is off by 200 ppm, for five minutes: the delay stays small, nothing is concealed or late,
    and a voice-like sound keeps its shape: no click where the play point moves (60 ms in all)."""
    buffer = JitterBuffer(1)
    time = np.arange(160 * 15_100)
    voice = sum(3000 / k * np.sin(2 * np.pi * 125 * k * time / 8000) for k in (1, 2, 3, 5))
    sound = voice.astype(np.int16).reshape(-1, 1, 160)
    steepest = np.abs(np.diff(sound[:200].reshape(-1).astype(int))).max()
    sent, delays, before = 0, [], sound[0, :, :0]
    for tick in range(15_000):
        while (at := 0.005 + sent * 0.02 * (1 - ppm * 1e-6)) <= tick * 0.02:
            buffer.put(ROWS, np.array([160 * sent], np.uint32), sound[sent], np.array([tick * 0.02 - at], np.float32))
            sent += 1
        frame = pull(buffer)
        delays.append(buffer.delay(0))
        if tick > 10:
            assert np.abs(np.diff(np.concatenate((before, frame)).astype(int))).max() < 1.3 * steepest
        before = frame[-1:]
    assert max(delays) < 0.05
    assert buffer.learned["concealed"][0] <= 2
    assert buffer.learned["late"][0] == 0


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


def test_a_stall_before_does_not_delay_the_next_stream(buffer):
    """What is learned for another stream is the jitter, not the delay that a burst has left."""
    for n in range(20):
        put(buffer, n, value=1000)
        pull(buffer)
    for _ in range(15):
        pull(buffer)
    for n in range(20, 36):
        put(buffer, n, value=1000)
    assert buffer.delay(0) > 0.25
    for n in range(36, 120):
        pull(buffer)
        put(buffer, n, value=1000)
    buffer.restart(0)
    for n in range(5000, 5005):
        put(buffer, n, value=1000)
        frame = pull(buffer)
    assert (frame == 1000).all()
    assert buffer.delay(0) <= 0.02


def test_the_jitter_that_is_known_delays_the_next_stream_at_once(buffer):
    """Packets 0–60 ms late: another stream begins with room for that."""
    dice = np.random.default_rng(2)

    def talk(count, base):
        arrivals = sorted((0.02 * n + 0.005 + 0.06 * dice.random(), n) for n in range(count))
        lost = []
        for tick in range(1, count + 6):
            while arrivals and arrivals[0][0] <= 0.02 * tick:
                at, n = arrivals.pop(0)
                put(buffer, n, value=1000, spare=0.02 * tick - at, base=base)
            pull(buffer)
            lost.append(int(buffer.learned["late"][0]))
        return lost

    first = talk(200, 0)
    buffer.restart(0)
    second = talk(200, 2**31)
    assert first[20] <= 6
    assert second[-1] - first[-1] <= 2
