"""Music on hold, composed here: a slow piece for harp, strings and a soft flute, made for the telephone band.

Twenty-four bars of 4/4 at 72 beats a minute are exactly 80 s. Every note is written into a ring (what rings past the
end sounds at the beginning), and reverberation and filters are circular too, so the loop has no seam.
"""

from random import Random
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from softswitch.services.prompt_audio import RATE, to_int16

VERSION: Final = 1  # raise it when the piece sounds different
SEED: Final = 7
LEVEL: Final = -24.0  # dBFS RMS: five decibels below speech
PEAK: Final = -7.0  # dBFS

_BEAT: Final = 60.0 / 72.0  # s
_BAR: Final = 4 * _BEAT
_HIGHEST: Final = 3300.0  # Hz; no partial is written above

Samples: TypeAlias = npt.NDArray[np.float64]
Melody: TypeAlias = tuple[tuple[int, float], ...]

# Chords as MIDI notes, the bass first: D major and its neighbours.
_DMAJ7: Final = (50, 62, 66, 69, 73)
_BM7: Final = (47, 62, 66, 69, 71)
_GMAJ7: Final = (43, 62, 66, 67, 71)
_A9SUS: Final = (45, 62, 64, 67, 71)
_A7: Final = (45, 61, 64, 67, 69)
_FSM7: Final = (42, 61, 64, 66, 69)
_EM7: Final = (40, 62, 64, 67, 71)

_VERSE: Final = (_DMAJ7, _BM7, _GMAJ7, _A9SUS, _DMAJ7, _FSM7, _GMAJ7, _A7)
_MIDDLE: Final = (_BM7, _FSM7, _GMAJ7, _DMAJ7, _EM7, _BM7, _GMAJ7, _A9SUS)
_CHORDS: Final = _VERSE + _MIDDLE + _VERSE

# (MIDI note, beats); 0 rests.
_TUNE: Final[Melody] = (
    *((78, 2), (81, 2), (83, 3), (81, 1), (79, 2), (78, 1), (76, 1), (76, 3), (0, 1)),
    *((74, 2), (78, 2), (81, 3), (78, 1), (79, 2), (83, 2), (81, 3), (0, 1)),
)
_ANSWER: Final[Melody] = (
    *((86, 2), (83, 2), (81, 3), (78, 1), (79, 1), (81, 1), (83, 2), (81, 3), (0, 1)),
    *((79, 2), (76, 2), (78, 3), (74, 1), (76, 2), (79, 2), (76, 3), (0, 1)),
)
_RETURN: Final[Melody] = (
    *((78, 2), (81, 2), (83, 3), (81, 1), (79, 2), (78, 1), (76, 1), (71, 3), (0, 1)),
    *((74, 2), (78, 2), (76, 3), (73, 1), (74, 2), (71, 2), (73, 3), (0, 1)),
)
_MELODY: Final = _TUNE + _ANSWER + _RETURN


def compose(seed: int = SEED) -> Samples:
    """The piece as 8 kHz mono, ±1.0, 640,000 samples; `seed` varies touch and timing as a player would."""
    dice = Random(seed)
    ring = np.zeros(round(len(_CHORDS) * _BAR * RATE))
    _strings(ring)
    _harp(ring, dice)
    _flute(ring, dice)
    ring += 0.22 * _room(ring, seed)
    return _master(ring)


def hold_music() -> npt.NDArray[np.int16]:
    """What is shipped as `music/hold`: 8 kHz, 16 bit."""
    return to_int16(compose())


def _hertz(note: int) -> float:
    return float(440.0 * 2.0 ** ((note - 69) / 12))


def _write(ring: Samples, at: float, sound: Samples) -> None:
    """Add `sound` at `at` seconds; what passes the end goes on at the beginning."""
    start = round(at * RATE) % len(ring)
    head = min(len(sound), len(ring) - start)
    ring[start : start + head] += sound[:head]
    ring[: len(sound) - head] += sound[head:]


def _strings(ring: Samples) -> None:
    """Each chord swells in over the end of the last one; two slightly detuned players a voice."""
    length, swell, release = _BAR + 1.6, 1.0, 1.6
    time = np.arange(round(length * RATE)) / RATE
    shape = np.sin(0.5 * np.pi * np.clip(time / swell, 0, 1)) ** 2
    shape *= np.cos(0.5 * np.pi * np.clip((time - (length - release)) / release, 0, 1)) ** 2
    for bar, chord in enumerate(_CHORDS):
        sound = np.zeros(len(time))
        for voice, note in enumerate(chord):
            for detune in (-0.0012, 0.0012):
                pitch = _hertz(note) * (1 + detune)
                for partial in range(1, 7):
                    if pitch * partial < _HIGHEST / 2:
                        loudness = 0.05 / partial**1.6 * (1.2 if voice == 0 else 1.0)
                        sound += loudness * np.sin(2 * np.pi * pitch * partial * time + voice + 1.7 * partial)
        _write(ring, bar * _BAR - 0.4, sound * shape)


def _harp(ring: Samples, dice: Random) -> None:
    """Broken chords in quavers, up and down, with the first of each bar a little stronger."""
    for bar, (bass, *upper) in enumerate(_CHORDS):
        notes = [bass + 12, upper[0], upper[1], upper[2], upper[3], upper[2], upper[1] + 12, upper[2]]
        for step, note in enumerate(notes):
            touch = (0.30 if step == 0 else 0.20) * dice.uniform(0.8, 1.05)
            at = bar * _BAR + step * _BEAT / 2 + dice.gauss(0.0, 0.006)
            _write(ring, at, touch * _pluck(_hertz(note), 2.6))


def _pluck(pitch: float, length: float) -> Samples:
    """A soft finger on a string: high partials are quieter and die sooner."""
    time = np.arange(round(length * RATE)) / RATE
    sound = np.zeros(len(time))
    for partial in range(1, 9):
        if pitch * partial < _HIGHEST:
            decay = np.exp(-time * (1.4 + 0.9 * (partial - 1)) * (pitch / 440.0) ** 0.3)
            sound += decay * np.sin(2 * np.pi * pitch * partial * time) / partial**1.5
    sound *= np.clip(time / 0.005, 0, 1)
    return np.asarray(sound * np.clip((length - time) / 0.3, 0, 1))


def _flute(ring: Samples, dice: Random) -> None:
    """The tune: round tones with a late, slight vibrato."""
    at = 0.0
    for note, beats in _MELODY:
        if note:
            _write(
                ring, at + dice.gauss(0.01, 0.008), 0.17 * dice.uniform(0.9, 1.05) * _blow(_hertz(note), beats * _BEAT)
            )
        at += beats * _BEAT


def _blow(pitch: float, length: float) -> Samples:
    time = np.arange(round((length + 0.35) * RATE)) / RATE
    vibrato = 0.0035 * np.clip((time - 0.35) / 0.6, 0, 1) * np.sin(2 * np.pi * 4.8 * time)
    phase = 2 * np.pi * pitch * np.cumsum(1 + vibrato) / RATE
    sound = np.sin(phase) + 0.22 * np.sin(2 * phase) + 0.07 * np.sin(3 * phase)
    shape = np.sin(0.5 * np.pi * np.clip(time / 0.09, 0, 1)) ** 2 * np.exp(-0.35 * time)
    return np.asarray(sound * shape * np.cos(0.5 * np.pi * np.clip((time - length) / 0.35, 0, 1)) ** 2)


def _room(ring: Samples, seed: int) -> Samples:
    """Circular reverberation of 1.5 s: noise that dies away, of unit energy."""
    time = np.arange(round(1.5 * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(time)) * np.exp(-4.6 * time)
    noise[: round(0.012 * RATE)] = 0.0  # the direct sound comes first
    noise /= np.sqrt(np.sum(noise**2))
    return np.fft.irfft(np.fft.rfft(ring) * np.fft.rfft(noise, len(ring)), len(ring))


def _master(ring: Samples) -> Samples:
    """Telephone band, loudness that hardly moves, level and peaks as said above; all of it circular."""
    frequency = np.fft.rfftfreq(len(ring), 1 / RATE)
    band = np.clip((frequency - 240) / 80, 0, 1) * np.clip((3500 - frequency) / 200, 0, 1)
    band *= 1 / np.sqrt(1 + (frequency / 2600) ** 4)  # handsets are shrill enough by themselves
    sound = np.fft.irfft(np.fft.rfft(ring) * band, len(ring))
    window = np.zeros(len(ring))
    window[: 3 * RATE] = np.hanning(3 * RATE)
    window = np.roll(window, -3 * RATE // 2) / window.sum()
    loudness = np.fft.irfft(np.fft.rfft(sound**2) * np.fft.rfft(window), len(ring))
    sound /= np.maximum(loudness, loudness.max() * 1e-3) ** 0.4
    level, peak = 10 ** (LEVEL / 20), 10 ** (PEAK / 20)
    for _ in range(3):
        sound *= level / np.sqrt(np.mean(sound**2))
        knee = 0.6 * peak
        over = np.abs(sound) > knee  # round the few highest peaks off
        sound[over] = np.sign(sound[over]) * (
            knee + (peak - knee) * np.tanh((np.abs(sound[over]) - knee) / (peak - knee))
        )
    return np.asarray(sound - sound.mean())
