"""Voices that can be told apart, and how to find them in what was heard."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

RATE: Final = 8000
_SECONDS: Final = 2.0
_LOUDNESS: Final = 6000.0  # mean amplitude of a voice's pitch
_PRESENT: Final = 0.4  # of that, to count as heard
MUSIC: Final = -45.0  # dBFS: below that a line is silent


def caller_pitch(number: int) -> float:
    """Hz; 25 different ones, all below those of agents."""
    return 300.0 + 23.0 * (number % 25)


def agent_pitch(number: int) -> float:
    """Hz; different for 80 agents."""
    return 1000.0 + 25.0 * (number % 80)


def voice(pitch: float) -> Samples:
    """Two seconds of a hummed pitch with an overtone, in syllables of a quarter of a second, without a seam."""
    at = np.arange(int(_SECONDS * RATE)) / RATE
    syllables = 1.0 + 0.5 * np.sin(2 * np.pi * 4.0 * at)
    sound = np.sin(2 * np.pi * pitch * at) + 0.2 * np.sin(2 * np.pi * 1.5 * pitch * at)
    return np.rint(_LOUDNESS * syllables * sound).astype(np.int16)


def amplitude(samples: Samples, pitch: float) -> float:
    """Mean amplitude of the sine of `pitch` Hz in `samples`, by correlation; 0 without samples."""
    if not len(samples):
        return 0.0
    return float(2 * abs(np.dot(samples, _wave(pitch, len(samples))))) / len(samples)


@lru_cache(maxsize=512)  # waiting callers ask for the same pitches ten times a second
def _wave(pitch: float, length: int) -> npt.NDArray[np.complex128]:
    return np.asarray(np.exp(-2j * np.pi * pitch * np.arange(length) / RATE))


def hears(samples: Samples, pitch: float) -> bool:
    """Whether the voice of that pitch speaks in `samples` most of the time, in pieces of 0.4 s: a gap shifts phases."""
    piece = RATE * 2 // 5
    pieces = [samples[start : start + piece] for start in range(0, len(samples) - piece + 1, piece)] or [samples]
    found = sum(amplitude(part, pitch) > _PRESENT * _LOUDNESS for part in pieces)
    return found > len(pieces) / 2


def loudness(samples: Samples) -> float:
    """dBFS RMS; −100 for silence and for nothing."""
    if not len(samples):
        return -100.0
    power = float(np.mean(np.square(samples.astype(np.float64)))) / 32768.0**2
    return max(-100.0, 10.0 * float(np.log10(power + 1e-12)))
