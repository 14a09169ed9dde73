"""Concealment in the manner of ITU-T G.711 Appendix I, and splices where sound resembles itself."""

import numpy as np
import pytest

from softswitch.media import conceal, stretch

BLOCKS = [80, 160]


def voice(hertz, block, length, phase=0.0):
    time = np.arange(length) / (100 * block)
    return sum(4000 / k * np.sin(2 * np.pi * hertz * k * time + phase * k) for k in range(1, 8))


def heard(rows, block):
    size = conceal.history(block)
    return np.array([voice(hertz, block, size) for hertz in rows]).astype(np.int16)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_pitch_is_found(block):
    """66–200 Hz; a higher voice is repeated by whole periods just as well."""
    voices = [70, 80, 100, 125, 160, 190]
    periods = conceal.pitch(heard(voices, block).astype(np.float32), block)
    assert periods == pytest.approx([100 * block / hertz for hertz in voices], abs=1.5)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("hertz", [80, 125, 180])
def test_a_steady_voice_goes_on_for_ten_milliseconds(block, hertz):
    """The first 10 ms are as if nothing had been lost, but softer and softer."""
    size = conceal.history(block)
    all_of_it = voice(hertz, block, size + conceal.BLOCKS * block)
    patch = conceal.patch(all_of_it[None, :size].astype(np.int16), block)[0]
    wanted = all_of_it[size : size + block]
    error = patch[:block] / np.linspace(1, 0.65, block) - wanted
    assert np.mean(np.square(error)) < 0.06 * np.mean(np.square(wanted))  # a period is not a whole number


@pytest.mark.parametrize("block", BLOCKS)
def test_it_fades_to_0_3_at_twenty_milliseconds_and_to_nothing_at_sixty(block):
    patch = conceal.patch(heard([100], block), block)[0].astype(float)
    levels = [np.sqrt(np.mean(np.square(patch[at : at + block]))) for at in range(0, 6 * block, block)]
    assert levels == sorted(levels, reverse=True)
    assert [level / levels[0] for level in levels] == pytest.approx([1, 0.57, 0.32, 0.23, 0.14, 0.05], abs=0.06)
    assert abs(patch[-1]) < 0.02 * np.abs(patch).max()


@pytest.mark.parametrize("block", BLOCKS)
def test_no_joint_clicks(block):
    """Neither where the patch begins nor where its loops meet: no step greater than the voice's own."""
    dice = np.random.default_rng(3)
    sound = heard([93, 140, 171], block)
    steepest = np.abs(np.diff(sound.astype(int))).max()
    for patch, before in zip(conceal.patch(sound, block), sound, strict=True):
        whole = np.concatenate((before[-80:], patch)).astype(int)
        assert np.abs(np.diff(whole)).max() < 1.35 * steepest
    noise = dice.normal(0, 3000, sound.shape).clip(-32000, 32000).astype(np.int16)
    assert np.abs(conceal.patch(noise, block).astype(int)).max() <= 1.5 * np.abs(noise.astype(int)).max()


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_is_made_of_nothing(block):
    silence = np.zeros((2, conceal.history(block)), np.int16)
    assert not conceal.patch(silence, block).any()


@pytest.mark.parametrize("block", BLOCKS)
def test_rows_do_not_touch_one_another(block):
    sound = heard([80, 125, 180], block)
    together = conceal.patch(sound, block)
    for row in range(3):
        assert (conceal.patch(sound[row : row + 1], block)[0] == together[row]).all()


def test_extremes_are_bounded():
    square = np.where(np.arange(conceal.history(80)) % 80 < 40, 32767, -32768).astype(np.int16)[None]
    assert np.abs(conceal.patch(square, 80).astype(int)).max() <= 32768


# ------------------------------------------------------------------------------------------------------------ splices


def around(hertz, block):
    return np.array([voice(hertz, block, 2 * stretch.reach(block) + block)], np.float32)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("faster", [False, True])
def test_a_voice_is_moved_by_its_period(block, faster):
    sound = around(125, block)
    moves, likeness, fade = stretch.splice(sound, block, np.array([stretch.reach(block)]), faster)
    assert moves[0] == pytest.approx(100 * block / 125, abs=2)
    assert likeness[0] > 0.98
    here = sound[0, stretch.reach(block) : stretch.reach(block) + block]
    assert np.abs(fade[0] - here).max() < 0.2 * np.abs(here).max()


@pytest.mark.parametrize("faster", [False, True])
def test_silence_is_moved_as_far_as_is_wanted(faster):
    sound = np.random.default_rng(1).normal(0, 5, (1, 320)).astype(np.float32)
    for limit in (40, 80, 120):
        moves, likeness, _ = stretch.splice(sound, 80, np.array([limit]), faster)
        assert (moves[0], likeness[0]) == (limit, 1.0)


def test_noise_is_like_nothing():
    """The caller waits for a better place."""
    sound = np.random.default_rng(1).normal(0, 3000, (1, 320)).astype(np.float32)
    assert stretch.splice(sound, 80, np.array([120]), True)[1][0] < 0.6


def test_a_limit_below_the_shortest_step_moves_nothing():
    assert stretch.splice(around(125, 80), 80, np.array([10]), True)[0][0] == 0
