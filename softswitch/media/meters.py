"""Levels in dBm0 (ITU-T G.711 §4: a sine that just reaches full scale is +3.17 dBm0)."""

from typing import Final

import numpy as np

from softswitch.media.arena import Floats, Samples
from softswitch.media.tones import amplitude

SILENCE: Final = -100.0
"""Level of digital silence, and of what is not measured."""

_SINE = np.float32(amplitude(0.0))  # peak of a sine at 0 dBm0


def levels(frames: Samples) -> tuple[Floats, Floats]:
    """Mean and peak level of each of `frames` [n, samples]: of a sine both are its level."""
    sound = frames.astype(np.float32)
    mean = np.sqrt(2 * np.mean(sound * sound, axis=1)) / _SINE
    peak = np.abs(sound).max(axis=1) / _SINE
    return _dbm0(mean), _dbm0(peak)


def _dbm0(ratio: Floats) -> Floats:
    level: Floats = np.maximum(20 * np.log10(np.maximum(ratio, np.float32(1e-9))), np.float32(SILENCE))
    return level.astype(np.float32)
