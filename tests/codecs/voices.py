"""Sounds for the codecs' tests, and a measure of likeness."""

import numpy as np


def tone(frequency, count, rate=16000, level=8000.0):
    return np.rint(level * np.sin(2 * np.pi * frequency * np.arange(count) / rate)).astype(np.int16)


def chirping(count):
    """Something like a voice: harmonics of a pitch that moves, swelling and fading."""
    at = np.arange(count) / 16000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 1.5 * at)) / 16000
    sound = sum(np.sin(n * phase) / n for n in range(1, 25))
    return np.rint(4000 * sound * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * at))).astype(np.int16)


def level_of(samples, frequency, rate=16000):
    """Amplitude of `frequency`, through a window."""
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / rate)
    return float(2 * abs(np.sum(samples * window * turn)) / window.sum())


def frames(samples, size=320):
    return [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)]


def loudness(samples):
    return float(np.sqrt(np.mean(np.asarray(samples, np.float64) ** 2)))
