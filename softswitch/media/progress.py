"""Tones of the network and of machines, found in the sound of all listened legs at once: which one or two sine waves
a row holds, and for how long (`Burst`). What a row of bursts means is for `cadence.py`.

Every 20 ms a row that has been loud and even for 80 ms is transformed (Hann window, bins of 7.8 Hz). A tone is there
when nearly all energy lies around the one or two highest peaks; two peaks count only when some network uses the pair,
so that the seam between two tones is not a third. Speech is seldom even for so long, so it costs little.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import FRAME, RATE, Floats, Ints, Samples
from softswitch.media.tones import amplitude

Pair: TypeAlias = tuple[float, float]

PAIRS: Final[tuple[Pair, ...]] = ((350, 440), (400, 450), (440, 480), (480, 620), (330, 440))
"""Dual tones of ITU-T E.180 Supplement 2 that are still heard."""

TICK_MS: Final = 20
_FRAMES: Final = 4
_SIZE: Final = 1024
_BIN: Final = RATE / _SIZE
_NEAR: Final = 4  # bins to each side of a peak that are its own
_LOWEST, _HIGHEST = int(300 / _BIN), int(2500 / _BIN)
_WEAKEST: Final = FRAME * amplitude(-40.0) ** 2 / 2  # of a frame's energy
_EVEN: Final = 2.5  # loudest over weakest frame; 440 + 480 Hz beat to 1.6
_PURE: Final = 0.9
_SECOND: Final = 0.04  # of the first peak's power: 14 dB below
_SAME: Final = 12.0  # Hz
_PAIR_OFF: Final = 12.0  # Hz
_BRIDGED: Final = 4  # ticks without a label that do not end a burst: a phase reversal costs three
_SMEAR: Final = _FRAMES - 1  # labelled ticks that a burst has too few

_WINDOW: Floats = np.hanning(_FRAMES * FRAME).astype(np.float32)
_AROUND: Ints = np.arange(-_NEAR, _NEAR + 1)


@dataclass(frozen=True, slots=True)
class Burst:
    """A tone from tick `began` on for `ticks`; `over` once it has ended, else it still sounds. `frequencies` are one
    or two, in Hz."""

    frequencies: tuple[float, ...]
    began: int
    ticks: int
    over: bool

    @property
    def ms(self) -> int:
        """Length, ± 20 ms."""
        return self.ticks * TICK_MS


class _Sounding:
    """A burst that goes on."""

    __slots__ = ("began", "count", "first", "last", "second")

    def __init__(self, tick: int, first: float, second: float) -> None:
        self.began = self.last = tick
        self.first, self.second = first, second
        self.count = 1

    def burst(self, over: bool) -> Burst:
        frequencies = (self.first, self.second) if self.second else (self.first,)
        return Burst(frequencies, self.began - _SMEAR, self.last - self.began + 1 + _SMEAR, over)


class ToneDetector:
    """State of `capacity` rows."""

    __slots__ = ("_energy", "_sound", "_sounding")

    def __init__(self, capacity: int) -> None:
        self._sound: Samples = np.zeros((capacity, _FRAMES - 1, FRAME), np.int16)
        self._energy: Floats = np.zeros((capacity, _FRAMES - 1), np.float32)
        self._sounding: dict[int, _Sounding] = {}

    def reset(self, row: int) -> None:
        """Forget what was heard."""
        self._energy[row] = 0.0
        self._sounding.pop(row, None)

    def hear(self, rows: Ints, frames: Samples, tick: int) -> list[tuple[int, Burst]]:
        """The frames [n, 160] of `rows` at `tick`: every burst that sounds or has just ended, with its row."""
        count = len(rows)
        if not count:
            return []
        sound = frames.astype(np.float32)
        energy = np.empty((count, _FRAMES), np.float32)
        energy[:, :-1] = self._energy.take(rows, axis=0)
        energy[:, -1] = np.einsum("ij,ij->i", sound, sound)
        self._energy[rows] = energy[:, 1:]
        weakest = energy.min(axis=1)
        some = np.flatnonzero((weakest >= _WEAKEST) & (energy.max(axis=1) <= _EVEN * weakest))
        labels: list[tuple[float, float]] = []
        if len(some):
            whole = np.empty((len(some), _FRAMES, FRAME), np.float32)
            whole[:, :-1] = self._sound[rows[some]]
            whole[:, -1] = sound[some]
            first, second = _label(whole.reshape(len(some), -1))
            heard = np.flatnonzero(first)
            some = some[heard]
            labels = list(zip(first[heard].tolist(), second[heard].tolist(), strict=True))
        self._sound[rows, :-1] = self._sound[rows, 1:]
        self._sound[rows, -1] = frames
        if not labels and not self._sounding:
            return []
        return self._follow(dict(zip(rows[some].tolist(), labels, strict=True)), rows, tick)

    def _follow(self, labels: dict[int, tuple[float, float]], rows: Ints, tick: int) -> list[tuple[int, Burst]]:
        """Labels to bursts, row by row: few rows hold a tone."""
        found: list[tuple[int, Burst]] = []
        listened = set(rows.tolist()) if len(self._sounding) > len(labels) else set(labels)
        for row in listened & (self._sounding.keys() | labels.keys()):
            now, before = labels.get(row), self._sounding.get(row)
            if before is not None and now is not None and _same(before, now):
                before.last = tick
                before.count += 1
                if before.count > 1:
                    found.append((row, before.burst(False)))
                continue
            if before is not None and (now is not None or tick - before.last > _BRIDGED):
                if before.count > 1:
                    found.append((row, before.burst(True)))
                del self._sounding[row]
            if now is not None:
                self._sounding[row] = _Sounding(tick, *now)
        return found


def _same(sounding: _Sounding, label: tuple[float, float]) -> bool:
    first, second = label
    return abs(sounding.first - first) <= _SAME and abs(sounding.second - second) <= _SAME


def _label(sound: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[n, 640] to the lower and the higher frequency of each row in Hz; the higher is 0 for a single tone, both are
    0 where there is none."""
    spectrum = np.fft.rfft(sound * _WINDOW, _SIZE)
    power = spectrum.real**2 + spectrum.imag**2
    total = power.sum(axis=1)
    at = np.arange(len(power))
    first = power[:, _LOWEST:_HIGHEST].argmax(axis=1) + _LOWEST
    around = first[:, None] + _AROUND
    one, one_power = _peak(power, first), power[at[:, None], around].sum(axis=1)
    rest = power.copy()
    rest[at[:, None], around] = 0.0
    second = rest[:, _LOWEST:_HIGHEST].argmax(axis=1) + _LOWEST
    two, two_power = _peak(power, second), rest[at[:, None], second[:, None] + _AROUND].sum(axis=1)
    dual = two_power >= _SECOND * one_power
    low, high = np.minimum(one, two), np.maximum(one, two)
    known = np.zeros(len(power), bool)
    for expected_low, expected_high in PAIRS:
        known |= (np.abs(low - expected_low) <= _PAIR_OFF) & (np.abs(high - expected_high) <= _PAIR_OFF)
    paired = known & dual & (one_power + two_power >= _PURE * total)
    alone = ~dual & (one_power >= _PURE * total)
    return np.where(paired, low, np.where(alone, one, 0.0)), np.where(paired, high, 0.0)


def _peak(power: NDArray[np.floating[Any]], at: Ints) -> NDArray[np.float64]:
    """Frequency of the peak around bin `at`: a parabola through the logarithms."""
    rows = np.arange(len(power))
    left, middle, right = (np.log(power[rows, at + step] + 1.0) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1.0), 0.0)
    frequency: NDArray[np.float64] = (at + np.clip(shift, -1.0, 1.0)) * _BIN
    return frequency
