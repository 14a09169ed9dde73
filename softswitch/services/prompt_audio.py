"""From a synthesiser's raw speech to a telephone prompt: trimmed, in the telephone band, evenly loud, click-free."""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

RATE: Final = 8000  # Hz
BAND: Final = (200.0, 3500.0)  # Hz; ITU-T G.712 passes 300 to 3400
LOUDNESS: Final = -19.0  # dBFS RMS while speech is active
PEAK: Final = -3.2  # dBFS

_FRAME: Final = RATE // 200  # 5 ms
_HEAD: Final = RATE // 100  # kept before speech: 10 ms
_TAIL: Final = RATE // 25  # and after: 40 ms
_LOOK_AHEAD: Final = RATE // 250  # of the limiter: 4 ms

Samples: TypeAlias = npt.NDArray[np.float64]


def prepare_speech(samples: Samples, rate: int, pause_ms: int) -> npt.NDArray[np.int16]:
    """Mono speech of any rate, ±1.0, as 8 kHz 16-bit samples with `pause_ms` of silence after it. Raises `ValueError`
    when it is silent."""
    speech = band_limit(soxr.resample(samples, rate, RATE, quality="VHQ"))
    speech = _trim(speech)
    for _ in range(3):  # the limiter takes a little loudness away, the next round gives it back
        speech = _limit(speech * 10 ** ((LOUDNESS - active_level(speech)) / 20))
    fade(speech, RATE // 200, RATE // 50)
    return to_int16(np.concatenate((speech, np.zeros(pause_ms * RATE // 1000))))


def band_limit(samples: Samples) -> Samples:
    """Keep `BAND`, with edges a few tens of Hz wide and no phase shift; the ends are padded, so nothing wraps."""
    padded = np.concatenate((samples, np.zeros(RATE // 4)))
    spectrum = np.fft.rfft(padded)
    frequency = np.fft.rfftfreq(len(padded), 1 / RATE)
    low, high = BAND
    spectrum *= _edge((frequency - (low - 60)) / 120) * _edge(((high + 100) - frequency) / 200)
    return np.fft.irfft(spectrum, len(padded))[: len(samples)]


def _edge(position: Samples) -> Samples:
    """0 below 0, 1 above 1, half a cosine between."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(position, 0.0, 1.0))


def _frame_power(samples: Samples) -> Samples:
    whole = len(samples) // _FRAME * _FRAME
    frames: Samples = samples[:whole].reshape(-1, _FRAME)
    return np.asarray(np.mean(frames * frames, axis=1))


def active_level(samples: Samples) -> float:
    """dBFS RMS over the 5 ms frames that are within 30 dB of the loudest (compare ITU-T P.56). Raises `ValueError` on
    silence."""
    power = _frame_power(samples)
    if not len(power) or power.max() <= 1e-9:
        raise ValueError("silent")
    return float(10 * np.log10(power[power > power.max() * 1e-3].mean()))


def _trim(samples: Samples) -> Samples:
    """Cut what is 45 dB below the loudest frame from both ends."""
    power = _frame_power(samples)
    if not len(power) or power.max() <= 1e-9:
        raise ValueError("silent")
    loud = np.flatnonzero(power > power.max() * 10**-4.5)
    start = max(int(loud[0]) * _FRAME - _HEAD, 0)
    return samples[start : (int(loud[-1]) + 1) * _FRAME + _TAIL].copy()


def _limit(samples: Samples) -> Samples:
    """Keep peaks below `PEAK` by turning down smoothly around them."""
    ceiling = 10 ** (PEAK / 20)
    gain = np.minimum(1.0, ceiling / np.maximum(np.abs(samples), 1e-9))
    reach = 2 * _LOOK_AHEAD + 1
    held = np.lib.stride_tricks.sliding_window_view(np.pad(gain, 2 * _LOOK_AHEAD, constant_values=1.0), reach).min(
        axis=1
    )
    window = np.hanning(reach + 2)[1:-1]
    smooth = np.convolve(held, window / window.sum(), mode="valid")
    return np.asarray(samples * smooth)


def fade(samples: Samples, rise: int, fall: int) -> None:
    """In place: a cosine from nothing over `rise` samples, and to nothing over the last `fall`."""
    rise, fall = min(rise, len(samples)), min(fall, len(samples))
    samples[:rise] *= _edge(np.arange(rise) / rise)
    samples[len(samples) - fall :] *= _edge(np.arange(fall, 0, -1) / fall)


def to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """±1.0 to 16 bit, of which the lowest three are zero: G.711 carries no more, and FLAC files are a third smaller."""
    return (np.clip(np.rint(samples * 4096.0), -4096, 4095) * 8).astype(np.int16)
