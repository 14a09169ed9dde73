"""The bench's own bookkeeping: what it says of packets must be exact, or no figure means anything."""

import numpy as np
import pytest

from bench.media import marks
from bench.media.datagrams import Datagrams
from bench.media.flood import flood
from bench.media.tally import Tally
from softswitch_codecs import g711
from tests.precedence import precedence

PHONES = 4
SPEAKER = np.array([1, 0, 3, 2])


def spoken(frame, law=0):
    """The payloads of all phones in `frame`."""
    payloads = marks.payloads(np.arange(PHONES), law)
    parts = marks.frame_parts(law)[:, frame % marks.FRAMES]
    payloads[:, marks.FRAME_PART] = parts[0]
    payloads[:, marks.HALF : marks.HALF + 22] = parts[1]
    return payloads


def tally(mixed=False, first=0):
    return Tally(SPEAKER, np.ones(PHONES, bool), 0, mixed, first)


def play(counted, frames, delay=0.005, change=lambda frame, hears: hears):
    """Everybody speaks `frames` frames; `change` may take, double or turn round what is heard of one."""
    for frame in range(frames):
        at = 100.0 + frame * 0.02
        counted.begin(frame)
        counted.say(frame, 0, PHONES, at, at)
        payloads = spoken(frame)
        for phone, sound in change(frame, [(phone, payloads[SPEAKER[phone]]) for phone in range(PHONES)]):
            counted.hear(
                np.array([phone]), np.array([at + delay]), np.concatenate([np.zeros(12, np.uint8), sound])[None]
            )
    counted.finish(frames)
    return counted.results()


@pytest.mark.parametrize("law", [0, 1])
@pytest.mark.parametrize("frame", [0, 1, 700, 1023, 5000])
def test_a_number_survives_a_gain_and_a_change_of_law(law, frame):
    """As it must in every mode: 0.999, quiet others beside it, decoding and encoding in the other law."""
    dice = np.random.default_rng(3)
    sound = g711.decode(spoken(frame, law), law) * 0.999 + dice.normal(0, 500, (PHONES, marks.SIZE))
    octets = g711.encode(np.clip(np.rint(sound), -32768, 32767).astype(np.int16), 1 - law)
    for half in (0, 1):
        phone, number, part = marks.Reader(1 - law).read(octets[:, half * marks.HALF :])
        assert phone.tolist() == list(range(PHONES))
        assert set(number.tolist()) == {frame % marks.FRAMES}
        assert set(part.tolist()) == {half}


def test_breath_and_silence_hold_no_number():
    quiet = marks.noise(0, np.random.default_rng(4), 100)
    assert (marks.Reader(0).read(quiet)[0] == -1).all()


def test_a_clean_run_is_clean():
    """All of 4 · 600 packets, each 5 ms on its way, 20 ms apart."""
    result = play(tally(), 600)
    assert (result["sent"], result["received"], result["lost"]) == (2400, 2400, 0)
    assert result["duplicates"] == result["disordered"] == result["strange"] == result["unreadable"] == 0
    assert result["delay_p50_ms"] == pytest.approx(5.0, abs=0.03)
    assert result["delay_max_ms"] == pytest.approx(5.0, abs=0.03)
    assert result["jitter_max_ms"] == pytest.approx(0.0, abs=0.03)


def test_each_lost_packet_is_counted_once():
    lost = {(7, 2), (8, 2), (450, 0), (599, 3)}
    result = play(tally(), 600, change=lambda frame, hears: [one for one in hears if (frame, one[0]) not in lost])
    assert result["lost"] == len(lost)
    assert result["duplicates"] == result["disordered"] == 0


def test_a_duplicate_is_no_loss():
    result = play(tally(), 300, change=lambda frame, hears: hears + hears[:1] * (frame == 100))
    assert (result["lost"], result["duplicates"]) == (0, 1)


def test_what_comes_late_is_out_of_order_and_not_lost():
    held = []

    def late(frame, hears):
        if frame == 100:
            held.append(hears.pop(1))
        return hears + held if frame == 101 else hears

    result = play(tally(), 300, change=late)
    assert (result["lost"], result["duplicates"], result["disordered"]) == (0, 0, 1)


def test_the_sound_of_another_call_is_strange_and_the_right_one_lost():
    wrong = spoken(50)
    result = play(tally(), 300, change=lambda frame, hears: [(0, wrong[2]), *hears[1:]] if frame == 50 else hears)
    assert (result["strange"], result["lost"]) == (1, 1)


def test_frames_before_the_first_that_counts_do_not_count():
    result = play(tally(first=100), 300, change=lambda frame, hears: hears if frame >= 100 else [])
    assert (result["sent"], result["lost"]) == (800, 0)


def test_mixed_sound_is_counted_by_halves():
    """A buffer that is 10 ms off cuts every packet in the middle; a half that is missing is half a packet."""
    before = {}

    def shifted(frame, hears):
        out = [(phone, np.concatenate([before[phone], sound[:80]])) for phone, sound in hears if phone in before]
        before.update({phone: sound[80:] for phone, sound in hears})
        if frame == 200:
            out[0] = (0, np.concatenate([out[0][1][:80], np.full(80, 0xFF, np.uint8)]))
        return out

    counted = tally(mixed=True, first=1)
    result = play(counted, 300, delay=0.020, change=shifted)
    assert result["lost"] == 0.5 + 4 * 0.5  # the last half of each phone was never played
    assert result["duplicates"] == result["strange"] == 0
    assert result["delay_p50_ms"] == pytest.approx(30.0, abs=0.03)  # a packet begins with the second half of the last


def test_datagrams_carry_addresses_and_times():
    """300 phones over a few sockets: each from an address of its own, and each answer reaches its own phone."""
    ours, theirs = Datagrams(300), Datagrams(300)
    try:
        assert len(set(ours.addresses)) == 300
        ours.ports[:] = [port for _, port in theirs.addresses]
        ours.lengths[:] = 40
        ours.packets[:, 0] = np.arange(300) % 256
        assert ours.send(0, 300) == 0
        ports, at, lengths, octets = theirs.receive()
        assert set(lengths.tolist()) == {40}
        assert sorted(octets[:, 0].tolist()) == sorted((np.arange(300) % 256).tolist())
        assert set(ports.tolist()) == {port for _, port in ours.addresses}
        assert np.ptp(at) < 5.0
        assert len(theirs.receive()[0]) == 0
    finally:
        ours.close()
        theirs.close()


def test_junk_at_one_port_leaves_the_calls_beside_it_untouched(record_property):
    """20,000 packets a second of wrong version, length, type, source and size: looked at one by one and rejected, or
    dropped by the kernel, and nobody else loses a packet."""
    with precedence():
        result = flood(calls=10, rate=20_000, seconds=2.0, backend="auto")
    record_property("delay_p99_ms", result["delay_p99_ms"])
    assert result["junk"] >= 40_000
    assert 100 < result["rejected"] <= result["junk"]
    assert result["sent"] > 1500
    assert result["lost"] == result["duplicates"] == result["strange"] == result["disordered"] == 0
