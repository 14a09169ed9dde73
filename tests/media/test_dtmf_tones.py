"""In-band DTMF: ITU-T Q.24, clause by clause, all sixteen keys at once as rows."""

import numpy as np
import pytest
from sounds import SENTENCES, frames, key, line, needs_espeak, noise, silence, sines, speech

from softswitch.media.dtmf_tones import DtmfDetector
from softswitch.wire.dtmf import DIGITS, FREQUENCIES

OFFSETS = [0, 13, 40, 77, 80, 101, 133, 159]


def heard(*sounds, law=0):
    """The keys of each sound."""
    rows = line(*sounds, law=law)
    detector = DtmfDetector(len(sounds))
    keys = [[] for _ in sounds]
    for tick, some in frames(rows):
        for one in detector.hear(np.arange(len(sounds)), some, tick):
            keys[one.row].append(one)
    return keys


def digits(*sounds, law=0):
    return ["".join(one.digit for one in keys) for keys in heard(*sounds, law=law)]


def everywhere(make):
    """What is heard of every key at every place in the frame: `make(digit)` is the sound."""
    wanted = [(digit, offset) for digit in DIGITS for offset in OFFSETS]
    got = digits(*(np.concatenate([np.zeros(offset), make(digit)]) for digit, offset in wanted))
    return [(digit, text) for (digit, _), text in zip(wanted, got, strict=True)]


def all_once(make):
    return all(text == digit for digit, text in everywhere(make))


def none_at_all(make):
    return all(text == "" for _, text in everywhere(make))


@pytest.mark.parametrize("law", [0, 1])
def test_every_key_is_heard_once_with_its_length(law):
    found = heard(*(np.concatenate([silence(33), key(digit, 100)]) for digit in DIGITS), law=law)
    assert ["".join(one.digit for one in keys) for keys in found] == list(DIGITS)
    assert all(abs(keys[0].duration_ms - 100) <= 15 for keys in found)


def test_forty_milliseconds_are_accepted():
    """Q.24 §2, signal duration, operation."""
    assert all_once(lambda digit: key(digit, 40))


@pytest.mark.parametrize("ms", [5, 10, 20, 23])
def test_twenty_three_milliseconds_are_refused(ms):
    """Q.24 §2, signal duration, non-operation."""
    assert none_at_all(lambda digit: key(digit, ms))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (-1, -1), (1, -1), (-1, 1)])
def test_frequencies_within_one_and_a_half_percent_are_accepted(low, high):
    """Q.24 §2, signal frequencies, operation."""
    assert all_once(lambda digit: key(digit, 45, off=(0.015 * low, 0.015 * high)))


@pytest.mark.parametrize("off", [0.035, -0.035, 0.05, -0.05])
@pytest.mark.parametrize("group", [(1, 0), (0, 1), (1, 1)])
def test_frequencies_three_and_a_half_percent_off_are_refused(off, group):
    """Q.24 §2, signal frequencies, non-operation: one tone off suffices."""
    assert none_at_all(lambda digit: key(digit, 100, off=(off * group[0], off * group[1])))


@pytest.mark.parametrize("twist", [4.0, -8.0])
def test_twist_is_accepted(twist):
    """Q.24 §2: the high group up to 4 dB louder, up to 8 dB softer."""
    assert all_once(lambda digit: key(digit, 45, level=-10, twist=twist))


@pytest.mark.parametrize("twist", [9.0, -13.0])
def test_too_much_twist_is_refused(twist):
    assert none_at_all(lambda digit: key(digit, 100, level=-10, twist=twist))


@pytest.mark.parametrize("level", [0.0, -3.0, -15.0, -25.0, -29.0])
def test_levels_of_telephones_are_accepted(level):
    """Q.24 §2: down to −25 dBm0 a tone, and somewhat below."""
    assert all_once(lambda digit: key(digit, 45, level=level))


def test_a_whisper_of_a_key_is_refused():
    """Q.24 §2, power levels, non-operation: crosstalk is no key."""
    assert none_at_all(lambda digit: key(digit, 100, level=-36.0))


def test_an_interruption_of_ten_milliseconds_is_bridged():
    """Q.24 §2, signal interruption."""
    assert all_once(lambda digit: np.concatenate([key(digit, 60), silence(10), key(digit, 60)]))


def test_a_lost_packet_does_not_make_two_keys():
    """20 ms of silence in a key, as a packet lost without concealment leaves it."""
    assert all_once(lambda digit: np.concatenate([key(digit, 60), silence(20), key(digit, 60)]))


def test_a_pause_of_forty_milliseconds_parts_two_equal_keys():
    """Q.24 §2, pause duration; signalling velocity of 93 ms a digit at most: here 80."""
    got = everywhere(lambda digit: np.concatenate([key(digit, 40), silence(40), key(digit, 40)]))
    assert all(text == digit * 2 for digit, text in got)


def test_different_keys_follow_each_other_without_a_pause():
    assert digits(np.concatenate([key("1", 60), key("5", 60), key("#", 60)])) == ["15#"]


def test_noise_15_db_below_does_not_matter():
    """Q.24 annex: white noise over the line."""

    def make(digit):
        return noise(np.concatenate([silence(50), key(digit, 40), silence(40), key(digit, 40), silence(50)]), -20.0)

    assert all(text == digit * 2 for digit, text in everywhere(make))  # two tones of −8 dBm0 are −5 dBm0


def test_a_dial_tone_below_does_not_matter():
    """Keys are dialled over dial tone (E.180: 425 Hz)."""
    assert all_once(lambda digit: key(digit, 60, level=-6) + sines(((425.0, -20.0),), 60))


def test_a_long_press_is_one_key():
    (keys,) = heard(key("7", 12_000))
    assert [(one.digit, abs(one.duration_ms - 12_000) <= 15) for one in keys] == [("7", True)]


@needs_espeak
def test_speech_is_no_key():
    """Talk-off: four minutes and more in eight languages and three voices."""
    sounds = [
        speech(voice + variant, text, speed, pitch)
        for voice, text in SENTENCES.items()
        for variant, speed, pitch in (("", 160, 50), ("+f2", 140, 90), ("+f4", 150, 99), ("+m3", 150, 20))
    ]
    assert sum(map(len, sounds)) > 4 * 60 * 8000
    assert digits(*sounds) == [""] * len(sounds)


@needs_espeak
def test_keys_are_found_over_speech_15_db_below():
    text = "1234567890*#ABCD"
    keys = np.concatenate([part for digit in text for part in (key(digit, 80), silence(80))])
    for voice, words in SENTENCES.items():
        below = np.resize(speech(voice, words, level=-20.0), len(keys))  # the keys are −5 dBm0
        assert digits(keys + below) == [text]


def test_what_is_no_telephone_sound_is_no_key_and_no_fault():
    """Silence, a full-scale square wave, white noise, a click a frame, a sweep: nothing, and no warning."""
    at = np.arange(80_000) / 8000
    square = np.where(np.sin(2 * np.pi * 697 * at) > 0, 32767.0, -32768.0)
    clicks = np.zeros(80_000)
    clicks[::160] = 32767.0
    sweep = 8000 * np.sin(2 * np.pi * np.cumsum(np.linspace(300, 3400, 80_000)) / 8000)
    loud = np.random.default_rng(3).uniform(-32768, 32767, 80_000)
    assert digits(silence(10_000), square, clicks, sweep, loud) == [""] * 5


@pytest.mark.parametrize("tone", sorted({hertz for pair in FREQUENCIES.values() for hertz in pair}))
def test_one_tone_alone_is_no_key(tone):
    assert digits(sines(((tone, -8.0),), 500)) == [""]


def test_rows_do_not_mix_and_others_stay_untouched():
    """Rows are any subset, in any order, and a row that is reset starts anew."""
    rows = line(key("1", 200), key("9", 200))
    detector = DtmfDetector(8)
    found = []
    for tick, some in frames(rows):
        if tick == 3:
            detector.reset(6)  # in the middle of the first key
        found += detector.hear(np.array([6, 2]), some, tick)
    assert sorted((one.row, one.digit) for one in found) == [(2, "9"), (6, "1")]
    assert not detector.hear(np.zeros(0, np.int64), np.zeros((0, 160), np.int16), 0)
