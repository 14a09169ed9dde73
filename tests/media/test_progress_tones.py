"""Call progress tones by ear: what `call/tones.py` plays for each country must be recognised as what it is."""

import numpy as np
import pytest
from sounds import SENTENCES, frames, key, line, needs_espeak, noise, played, silence, sines, speech

from softswitch.call.tones import COUNTRIES, tone
from softswitch.media.ears import Ears
from softswitch.wire.control import LISTEN_PROGRESS


def found(sound, bits=LISTEN_PROGRESS):
    """(what, detail) of all that is noticed."""
    ears = Ears(2)
    ears.listen(1, bits, 0.0, 0)
    noticed = []
    for tick, some in frames(line(sound)):
        ears.hear(np.array([1]), some, tick)
        noticed += ears.take(tick)
    return [(one.what, one.detail) for one in noticed]


def whats(sound):
    return [what for what, _ in found(sound)]


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("kind", ["ringback", "busy", "congestion", "information"])
def test_tones_of_every_country_are_recognised_once(kind, country):
    """ITU-T E.180 Supplement 2."""
    sound = played(tone(kind, country), 4)
    assert whats(sound) == [kind]
    assert whats(noise(np.concatenate([silence(330), sound]), -45.0)) == [kind]


@pytest.mark.parametrize(
    ("kind", "country", "detail"),
    [
        ("ringback", "us", "440+480 Hz 2/4 s (us ca)"),
        ("busy", "gb", "400 Hz 0.375/0.375 s (gb)"),
        ("busy", "lt", "425 Hz 0.35/0.35 s (lt ru ua)"),
        ("congestion", "ru", "425 Hz 0.175/0.175 s (ru ua)"),
    ],
)
def test_the_detail_says_which_cadence(kind, country, detail):
    assert found(played(tone(kind, country), 4)) == [(kind, detail)]


def test_times_may_be_a_tenth_off():
    """E.180 §4: limits of on and off times."""
    for factor in (0.9, 1.1):
        sound = np.concatenate([sines(((425.0, -13.0),), 500 * factor), silence(500 * factor)] * 4)
        assert whats(sound) == ["busy"]


@pytest.mark.parametrize("hertz", [(425.0,), (350.0, 440.0)])
def test_a_steady_tone_is_a_dial_tone(hertz):
    assert whats(sines([(one, -15.0) for one in hertz], 5000)) == ["dial-tone"]


def test_a_steady_400_hz_says_unobtainable():
    """E.180 Supplement 2, United Kingdom."""
    assert whats(sines(((400.0, -15.0),), 5000)) == ["unobtainable"]


@pytest.mark.parametrize(
    ("tones", "meaning"),
    [
        (((950, 330), (1400, 330), (1800, 330)), "special"),
        (((913.8, 274), (1370.6, 274), (1776.7, 380)), "intercept"),
        (((985.2, 380), (1370.6, 274), (1776.7, 380)), "vacant code"),
        (((913.8, 274), (1428.5, 380), (1776.7, 380)), "reorder"),
        (((985.2, 380), (1428.5, 380), (1776.7, 380)), "no circuit"),
    ],
)
def test_special_information_tones_are_told_apart(tones, meaning):
    """E.180 §5.4 and the North American meanings."""
    sound = np.concatenate([sines(((hertz, -15.0),), ms) for hertz, ms in tones])
    assert found(np.concatenate([silence(200), sound])) == [("information", meaning)]


def test_fax_machines_are_heard():
    """ITU-T T.30 §4.1: CNG 1100 Hz 0.5 s every 3 s; CED 2100 Hz 2.6–4 s."""
    calling = np.concatenate([sines(((1100.0, -11.0),), 500), silence(3000)] * 2)
    assert found(calling) == [("fax-calling", "1100 Hz")]
    assert found(sines(((2100.0, -11.0),), 3000)) == [("fax-answering", "2100 Hz")]


def test_a_modem_answers_with_phase_reversals():
    """ITU-T V.25: 2100 Hz turned around every 450 ms."""
    part = sines(((2100.0, -11.0),), 450)
    assert whats(np.concatenate([part, -part] * 3)) == ["fax-answering"]


def test_what_follows_something_else_is_told_again():
    busy, ringing = played(tone("busy"), 4), played(tone("ringback"), 2)
    assert whats(np.concatenate([ringing, busy, silence(3000), ringing])) == ["ringback", "busy", "ringback"]


@needs_espeak
def test_speech_is_no_tone():
    for voice, text in SENTENCES.items():
        assert found(np.concatenate([speech(voice, text), silence(2000)])) == []


def test_keys_and_junk_are_no_progress():
    square = np.where(np.sin(2 * np.pi * 425 * np.arange(24_000) / 8000) > 0, 32767.0, -32768.0)
    loud = np.random.default_rng(3).uniform(-32768, 32767, 24_000)
    keys = np.concatenate([np.concatenate([key(digit, 500), silence(500)]) for digit in "1111"])
    for sound in (silence(3000), square[:8000], loud, keys):
        assert found(sound) == []
