"""The bridge between the narrow and the wide plane, heard by tones."""

import numpy as np
import pytest

from softswitch.media.resample import DELAY, Resampler

ROWS = np.array([3, 0, 5])


def sine(frequency, rate, count, phase=0.0):
    return (10000 * np.sin(2 * np.pi * frequency * np.arange(count) / rate + phase)).astype(np.float32)


def through(way, sound, frame):
    """Each row hears the same, frame by frame; answers what the first says, which all say."""
    out = [way(ROWS, np.tile(sound[at : at + frame], (len(ROWS), 1))) for at in range(0, len(sound), frame)]
    rows = np.concatenate(out, axis=1)
    assert np.abs(rows[0] - rows[1:]).max() < 0.05  # BLAS may add in another order
    return rows[0]


def decibels(sound, frequency, rate):
    """Level of `frequency`, full scale of these tests being 0."""
    settled = sound[len(sound) // 4 :]
    at = np.arange(len(settled))
    window = np.hanning(len(settled))
    part = np.sum(settled * window * np.exp(-2j * np.pi * frequency * at / rate)) / window.sum()
    return 20 * np.log10(max(2 * abs(part), 1e-9) / 10000)


@pytest.mark.parametrize("frequency", [60, 300, 1000, 2500, 3000, 3400])
def test_the_telephone_band_passes_flat_both_ways(frequency):
    """Within 0.1 dB to 3.4 kHz (the passband of ITU-T G.712)."""
    made = Resampler(8)
    up = through(made.up, sine(frequency, 8000, 8000), 160)
    down = through(made.down, sine(frequency, 16000, 16000), 320)
    assert abs(decibels(up, frequency, 16000)) < 0.1
    assert abs(decibels(down, frequency, 8000)) < 0.1


@pytest.mark.parametrize("frequency", [300, 1000, 2500, 3400])
def test_no_image_is_made_on_the_way_up(frequency):
    """The mirror of a tone about 4 kHz is 60 dB down."""
    up = through(Resampler(8).up, sine(frequency, 8000, 8000), 160)
    assert decibels(up, 8000 - frequency, 16000) < -60


@pytest.mark.parametrize("frequency", [4600, 5000, 6000, 7000, 7900])
def test_nothing_folds_back_on_the_way_down(frequency):
    """What lies above the narrow plane is gone, not heard as an alias."""
    down = through(Resampler(8).down, sine(frequency, 16000, 16000), 320)
    assert decibels(down, 8000 - frequency, 8000) < -60


def test_there_and_back_is_the_same_sound_later():
    """Two delays of 27 samples at 16 kHz; the rest is below the step of G.711."""
    noise = np.random.default_rng(5).normal(0, 3000, 8000)
    spectrum = np.fft.rfft(noise)
    spectrum[int(3400 / 8000 * 8000) :] = 0
    sound = np.fft.irfft(spectrum).astype(np.float32)
    made = Resampler(8)
    back = through(made.down, through(made.up, sound, 160), 320)
    late = DELAY  # at 16 kHz twice, at 8 kHz once
    error = back[late + 100 :] - sound[100 : len(sound) - late]
    assert np.sqrt(np.mean(error**2)) < 3000 * 0.002


def test_the_seams_of_frames_are_not_heard():
    """State runs on between frames: one long convolution gives the same samples."""
    sound = np.random.default_rng(6).normal(0, 3000, 1600).astype(np.float32)
    made = Resampler(8)
    up = through(made.up, sound, 160)
    impulse = np.zeros(160, np.float32)
    impulse[0] = 1.0
    response = through(Resampler(8).up, impulse, 160)
    stuffed = np.zeros(3200)
    stuffed[::2] = sound
    assert np.abs(up - np.convolve(stuffed, response)[:3200]).max() < 0.05
    assert np.argmax(response) == DELAY


def test_rows_keep_to_themselves_and_reset_forgets():
    made = Resampler(40)
    many = np.arange(40)
    made.up(many, np.full((40, 160), 1000, np.int16))
    made.down(many, np.full((40, 320), 1000, np.int16))
    made.reset(7)
    up = made.up(many, np.zeros((40, 160), np.int16))
    down = made.down(many, np.zeros((40, 320), np.int16))
    assert not up[7].any()
    assert not down[7].any()
    others = many != 7
    assert (np.abs(up[others]).max(axis=1) > 100).all()
    assert (np.abs(down[others]).max(axis=1) > 100).all()
    assert made.up(np.zeros(0, np.int64), np.zeros((0, 160), np.int16)).shape == (0, 320)
