"""Voices are told apart by their pitch, whatever is beside them."""

import numpy as np
import pytest

from softswitch.demo import ears


def test_a_voice_is_heard_and_no_other():
    sound = ears.voice(ears.agent_pitch(3))
    assert ears.hears(sound, ears.agent_pitch(3))
    assert not any(ears.hears(sound, ears.agent_pitch(n)) for n in range(80) if n != 3)
    assert not any(ears.hears(sound, ears.caller_pitch(n)) for n in range(25))


def test_callers_and_agents_never_share_a_pitch():
    assert {ears.caller_pitch(n) for n in range(25)}.isdisjoint(ears.agent_pitch(n) for n in range(80))


def test_half_the_time_is_not_enough():
    sound = ears.voice(1000.0)
    sound[len(sound) // 3 :] = 0
    assert not ears.hears(sound, 1000.0)


def test_music_on_hold_is_nobodys_voice():
    """What is shipped as music must not be taken for an agent."""
    import soundfile

    from softswitch.services.shipped import data_path

    music, rate = soundfile.read(data_path("prompts") / "music" / "hold.flac", dtype="int16")
    assert rate == ears.RATE
    piece = int(0.4 * rate)
    for start in range(0, len(music) - piece, piece):
        part = music[start : start + piece]
        assert not any(ears.hears(part, ears.agent_pitch(n)) for n in range(60))


@pytest.mark.parametrize(("samples", "level"), [(np.zeros(0, np.int16), -100.0), (np.zeros(800, np.int16), -100.0)])
def test_silence_has_no_level(samples, level):
    assert ears.loudness(samples) == level


def test_a_full_scale_sine_is_3_db_below_full_scale():
    sine = np.rint(32767 * np.sin(2 * np.pi * 500 * np.arange(8000) / 8000)).astype(np.int16)
    assert ears.loudness(sine) == pytest.approx(-3.01, abs=0.02)
