"""Sine tones at telephone levels."""

from functools import lru_cache
from typing import Final

import numpy as np

from softswitch.media.arena import FRAME, RATE, Floats
from softswitch.wire.control import ToneItem
from softswitch.wire.dtmf import FREQUENCIES, GAP_MS, WAIT, WAIT_MS

FULL_SCALE_DBM0: Final = 3.17
"""Level of a sine that just reaches the largest µ-law value (ITU-T G.711 §4)."""
_FULL_SCALE = 32636.0
_EDGE = 16  # samples of fade at each end of a burst: 2 ms

DTMF_LEVEL: Final = -8.0
"""dBm0 of each of a key's two tones (within ITU-T Q.24's −3 … −24)."""


def amplitude(level: float) -> float:
    """Peak sample value of a sine at `level` dBm0."""
    return float(_FULL_SCALE * 10 ** ((level - FULL_SCALE_DBM0) / 20))


@lru_cache(maxsize=64)
def _second(frequencies: tuple[float, ...], level: float) -> Floats:
    """One second and a frame of whole-Hertz tones: after a second they repeat."""
    return _sines(frequencies, level, 0, RATE + FRAME)


def _sines(frequencies: tuple[float, ...], level: float, start: int, count: int) -> Floats:
    at = np.arange(start, start + count) / RATE
    waves = sum((np.sin(2 * np.pi * frequency * at) for frequency in frequencies), np.zeros(count))
    return (waves * amplitude(level)).astype(np.float32)


class Tone:
    """Bursts of sine waves, `length` samples in all, the last pause included."""

    __slots__ = ("_frequencies", "_level", "_on", "_period", "_whole", "length")

    def __init__(self, item: ToneItem) -> None:
        self._frequencies = item.frequencies
        self._level = item.level
        self._on = max(item.on, 0) * RATE // 1000
        self._period = self._on + max(item.off, 0) * RATE // 1000
        self._whole = all(frequency == int(frequency) for frequency in item.frequencies)
        self.length = self._period * max(item.repeat, 1)

    def read(self, start: int, out: Floats) -> None:
        """Fill `out` (at most a frame) with the sound from sample `start` on."""
        count = len(out)
        phase = start % self._period
        if self._whole:
            wave = _second(self._frequencies, self._level)
            out[:] = wave[start % RATE : start % RATE + count]
        else:
            out[:] = _sines(self._frequencies, self._level, start, count)
        if phase >= _EDGE and phase + count <= self._on - _EDGE:
            return
        at = np.arange(phase, phase + count) % self._period
        out *= np.clip(np.minimum(at + 1, self._on - at) / _EDGE, 0.0, 1.0)


def keys(digits: str, duration_ms: int) -> tuple[ToneItem, ...]:
    """Normalised DTMF digits as tones (ITU-T Q.23), with gaps and waits; a flash has none."""
    return tuple(
        ToneItem((), 0, WAIT_MS)
        if digit == WAIT
        else ToneItem(FREQUENCIES[digit], max(duration_ms, 40), GAP_MS, level=DTMF_LEVEL)
        for digit in digits
        if digit in FREQUENCIES or digit == WAIT
    )
