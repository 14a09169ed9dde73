"""Talk, silence, overtalk, dead air, clipping and level."""

import numpy as np
import pytest
from sounds import frames, line, needs_espeak, noise, silence, sines, speech

from softswitch.media.ears import Ears
from softswitch.wire.control import LISTEN_DTMF, LISTEN_SPEECH


def listen(*sounds, dead_air=0.0, pairs=()):
    """The facts of each sound, and what was noticed."""
    ears = Ears(len(sounds))
    rows = np.arange(len(sounds))
    for row in rows.tolist():
        ears.listen(row, LISTEN_SPEECH, dead_air, 0)
    for row, other in pairs:
        ears.pair(row, other)
    noticed = []
    for tick, some in frames(line(*sounds)):
        ears.hear(rows, some, tick)
        noticed += ears.take(tick)
    return [ears.facts(row) for row in rows.tolist()], noticed


def babble(ms, level=-20.0):
    """Syllables of 150 ms with gaps of 50: never steady for long."""
    part = np.concatenate([sines(((300.0, level), (700.0, level - 6)), 150), silence(50)])
    return np.resize(part, int(ms * 8))


def test_talk_is_counted_with_its_hangover():
    """Two spurts of 2 s; ITU-T P.56 bridges pauses of 200 ms."""
    (facts,), _ = listen(np.concatenate([silence(1000), babble(2000), silence(2000), babble(2000), silence(1000)]))
    assert facts.spurts == 2
    assert facts.talk == pytest.approx(4.4, abs=0.3)
    assert facts.heard == pytest.approx(9.0, abs=0.01)
    assert facts.level == pytest.approx(-20 + 10 * np.log10(1 + 10**-0.6), abs=1.0)


def test_noise_is_not_talk():
    """After at most three seconds steady noise is known for what it is."""
    (facts,), _ = listen(noise(silence(30_000), -35.0))
    assert facts.talk < 3.2
    assert facts.noise < -34.0 or facts.noise == -99.0


@needs_espeak
@pytest.mark.parametrize("level", [-90.0, -50.0])
def test_speech_is_found_over_noise(level):
    words = speech("en-us", "One two three four five, once I caught a fish alive.")
    (facts,), _ = listen(noise(np.concatenate([silence(2000), words, silence(3000)]), level))
    assert facts.talk == pytest.approx(len(words) / 8000, abs=0.6)
    assert facts.level == pytest.approx(-20.0, abs=1.5)


def test_overtalk_is_what_both_say_at_once():
    first = np.concatenate([babble(4000), silence(4000)])
    second = np.concatenate([silence(2000), babble(4000), silence(2000)])
    (one, other, alone), _ = listen(first, second, first, pairs=((0, 1), (1, 0)))
    assert one.overtalk == pytest.approx(2.0, abs=0.3)
    assert other.overtalk == pytest.approx(one.overtalk, abs=0.05)
    assert alone.overtalk == alone.shared == 0.0
    assert one.shared == one.heard


def test_dead_air_is_told_once_and_summed():
    """Both are silent for longer than the limit; one who listens alone is not dead."""
    sound = np.concatenate([babble(1000), silence(9000), babble(1000), silence(1000)])
    facts, noticed = listen(sound, silence(12_000), silence(12_000), dead_air=5.0, pairs=((0, 1), (1, 0)))
    assert sorted((one.row, one.what) for one in noticed) == [(0, "dead-air"), (1, "dead-air")]
    assert facts[0].dead_air == pytest.approx(9.0 - 5.0 - 0.2, abs=0.15)
    assert facts[2].dead_air == 0.0


def test_clipping_counts_samples_at_full_scale():
    square = np.where(np.arange(800) % 8 < 4, 32767.0, -32768.0)
    (facts, quiet), _ = listen(np.concatenate([square, silence(100)]), babble(100))
    assert facts.clipped == 800
    assert facts.peak == pytest.approx(3.17, abs=0.2)
    assert quiet.clipped == 0


def test_bad_sound_gives_numbers():
    """Silence, full-scale noise, one frame only: no warning, nothing but numbers."""
    loud = np.random.default_rng(3).uniform(-32768, 32767, 16_000)
    facts, _ = listen(silence(2000), loud, np.full(16_000, -32768.0))
    for one in facts:
        assert all(np.isfinite(value) for value in (one.talk, one.level, one.peak, one.noise, one.clipped))
    ears = Ears(1)
    ears.listen(0, LISTEN_SPEECH, 0.0, 0)
    assert ears.facts(0).heard == 0.0


def test_who_is_no_longer_listened_to_has_no_facts():
    """Nothing is left of a row; one that goes on keeps its memory when another wish comes."""
    ears = Ears(2)
    ears.listen(0, LISTEN_SPEECH, 0.0, 0)
    for tick, some in frames(line(babble(1000))):
        ears.hear(np.array([0]), some, tick)
    before = ears.facts(0)
    ears.listen(0, LISTEN_SPEECH | LISTEN_DTMF, 0.0, 100)
    assert ears.facts(0) == before
    assert ears.facts(0).talk > 0
    ears.listen(0, 0, 0.0, 101)
    assert ears.facts(0) is None
    assert not ears.busy
    ears.listen(0, LISTEN_SPEECH, 0.0, 102)
    assert ears.facts(0).talk == 0.0
