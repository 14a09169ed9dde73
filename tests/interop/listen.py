"""Proof by listening: how loud a known tone is in what was heard, against everything else."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 8000
Samples = npt.NDArray[np.float64]


def read(path: Path, channel: int = 0) -> Samples:
    """One channel of a WAV file, −1 … 1, resampled to nothing: it must be at 8 kHz."""
    data, rate = soundfile.read(path, always_2d=True)
    assert rate == RATE, f"{path}: {rate} Hz"
    return np.asarray(data[:, channel], dtype=np.float64)


def from_u8(data: bytes) -> Samples:
    """pyVoIP's format: 8 bit, unsigned."""
    return (np.frombuffer(data, dtype=np.uint8).astype(np.float64) - 128.0) / 128.0


def tone(hertz: float, seconds: float, level: float = 0.3) -> npt.NDArray[np.int16]:
    """A sine at `level` of full scale, 16 bit."""
    time = np.arange(int(seconds * RATE)) / RATE
    return np.round(32767 * level * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def power_of(samples: Samples, hertz: float) -> tuple[float, float]:
    """(power within 25 Hz of `hertz`, power of the rest without DC)."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    near = np.abs(frequencies - hertz) < 25
    rest = (frequencies > 60) & ~near
    return float(spectrum[near].sum()), float(spectrum[rest].sum())


def snr(samples: Samples, hertz: float) -> float:
    """Tone to everything else, dB; −99 in silence."""
    signal, rest = power_of(samples, hertz)
    if signal < 1e-6:
        return -99.0
    return float(10 * np.log10(signal / max(rest, 1e-12)))


def longest_tone(samples: Samples, hertz: float, least_snr: float = 10.0, window: float = 0.1) -> tuple[float, float]:
    """(start, length) in seconds of the longest stretch in which the tone stands out."""
    size = int(window * RATE)
    best, start = (0.0, 0.0), None
    count = len(samples) // size
    for number in range(count + 1):
        piece = samples[number * size : (number + 1) * size]
        there = number < count and rms(piece) > 0.02 and snr(piece, hertz) > least_snr
        if there and start is None:
            start = number
        elif not there and start is not None:
            if (number - start) * window > best[1]:
                best = (start * window, (number - start) * window)
            start = None
    return best


def rms(samples: Samples) -> float:
    """Of full scale."""
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def hears(samples: Samples, hertz: float, seconds: float, least_snr: float = 20.0) -> None:
    """The tone is there for at least so long altogether, that much above all else: a program without a sound card
    stutters on a busy machine."""
    size = RATE // 10
    pieces = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    there = sum(rms(piece) > 0.02 and snr(piece, hertz) >= least_snr for piece in pieces) / 10
    assert there >= seconds, f"{hertz} Hz heard for {there:.1f} s of {len(samples) / RATE:.1f} s"


def hears_not(samples: Samples, hertz: float) -> None:
    """The tone is nowhere."""
    assert longest_tone(samples, hertz)[1] <= 0.1
