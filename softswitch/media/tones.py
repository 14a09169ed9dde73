"""Sine tones at telephone levels."""

from functools import lru_cache
from typing import Final

import numpy as np

from softswitch.media.arena import FRAME, RATE, Floats, Samples
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
def _second(frequencies: tuple[float, ...], level: float, scale: int) -> Floats:
    """One second and a frame of whole-Hertz tones: after a second they repeat."""
    return _sines(frequencies, level, 0, (RATE + FRAME) * scale, scale)


def _sines(frequencies: tuple[float, ...], level: float, start: int, count: int, scale: int) -> Floats:
    at = np.arange(start, start + count) / (RATE * scale)
    waves = sum((np.sin(2 * np.pi * frequency * at) for frequency in frequencies), np.zeros(count))
    return (waves * amplitude(level)).astype(np.float32)


class Tone:
    """Bursts of sine waves, `length` samples in all, the last pause included. Exact at 8 and at 16 kHz (`scale` 2)."""

    __slots__ = ("_frequencies", "_level", "_on", "_period", "_whole", "length")

    def __init__(self, item: ToneItem) -> None:
        self._frequencies = item.frequencies
        self._level = item.level
        self._on = max(item.on, 0) * RATE // 1000
        self._period = self._on + max(item.off, 0) * RATE // 1000
        self._whole = all(frequency == int(frequency) for frequency in item.frequencies)
        self.length = self._period * max(item.repeat, 1)

    def read(self, start: int, out: Samples, scale: int) -> None:
        """Fill `out` (at most a frame) with the sound from sample `start` on."""
        count = len(out)
        if self._whole:
            first = start % (RATE * scale)
            wave = _second(self._frequencies, self._level, scale)[first : first + count]
        else:
            wave = _sines(self._frequencies, self._level, start, count, scale)
        period, on, edge = self._period * scale, self._on * scale, _EDGE * scale
        phase = start % period
        if phase < edge or phase + count > on - edge:
            at = np.arange(phase, phase + count) % period
            wave = wave * np.clip(np.minimum(at + 1, on - at) / edge, 0.0, 1.0)
        out[:] = np.rint(np.clip(wave, -32768.0, 32767.0))


def keys(digits: str, duration_ms: int) -> tuple[ToneItem, ...]:
    """Normalised DTMF digits as tones (ITU-T Q.23), with gaps and waits; a flash has none."""
    return tuple(
        ToneItem((), 0, WAIT_MS)
        if digit == WAIT
        else ToneItem(FREQUENCIES[digit], max(duration_ms, 40), GAP_MS, level=DTMF_LEVEL)
        for digit in digits
        if digit in FREQUENCIES or digit == WAIT
    )
