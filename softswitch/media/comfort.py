"""Comfort noise as RFC 3389 describes it: a level, and if the sender cares the spectrum as reflection coefficients."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from softswitch.kernel.errors import PeerError
from softswitch.media.arena import Samples

_ORDER: Final = 12  # coefficients that are heard; what is beyond shapes no noise
_OVERLOAD: Final = 32768.0  # 0 dBov
_LOUDEST: Final = 30  # −dBov; louder noise than that comforts nobody
_SEED: Final = 3389


def noise(payload: bytes, length: int) -> Samples:
    """A seamless loop of `length` samples. Raises `PeerError` (status 0) for an empty payload."""
    if not payload:
        raise PeerError("comfort noise without a level", status=0)
    return _loop(max(payload[0] & 0x7F, _LOUDEST), bytes(payload[1 : 1 + _ORDER]), length)


@lru_cache(maxsize=256)
def _loop(level: int, coefficients: bytes, length: int) -> Samples:
    """A spectrum of even power and random phase, shaped by the all-pole filter; a Fourier series has no seam."""
    phases = np.random.default_rng(_SEED).uniform(0, 2 * np.pi, length // 2 + 1)  # always the same: it is only noise
    spectrum = np.exp(1j * phases)
    spectrum[0] = 0
    if coefficients:
        spectrum /= np.fft.rfft(_predictor([(octet - 127) / 128 for octet in coefficients]), length)
    sound = np.fft.irfft(spectrum, length)
    sound *= _OVERLOAD * 10 ** (-level / 20) / np.sqrt(np.mean(np.square(sound)))
    loop: Samples = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    loop.flags.writeable = False
    return loop


def _predictor(reflections: Sequence[float]) -> list[float]:
    """The polynomial A(z) of reflection coefficients, by the step-up recursion; stable, as they are kept below 1."""
    polynomial = [1.0]
    for k in (max(min(k, 0.98), -0.98) for k in reflections):
        polynomial = [a + k * b for a, b in zip([*polynomial, 0.0], [0.0, *reversed(polynomial)], strict=True)]
    return polynomial
