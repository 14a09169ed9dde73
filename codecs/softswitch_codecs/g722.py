"""G.722 (ITU-T G.722, 64 kbit/s, 7 kHz sub-band ADPCM) by the package `G722` (libg722), one object a direction.

160 octets are 20 ms. The RTP clock is 8000 although the samples' rate is 16000 (RFC 3551 §4.5.2): one unit an octet.
Every octet is a good one, so a payload can only have a bad length.
"""

from typing import Final

import numpy as np
from G722 import G722
from numpy.typing import NDArray

from softswitch_codecs.stateful import BLOCK, RATE, CodecError, Samples

CLOCK: Final = 8000
"""Of RTP timestamps."""

LONGEST: Final = 960
"""Octets in a payload of 120 ms."""

_BITRATE: Final = 64000
_OCTETS: Final = BLOCK // 2  # in 10 ms


class Decoder:
    """See `stateful.Decoder`. Lost sound is repeated period by period and fades, as ITU-T G.711 Appendix I does it;
    the first samples after the gap are faded in over what would have been repeated next."""

    __slots__ = ("_codec", "_gap", "_past")

    def __init__(self) -> None:
        self._codec = G722(RATE, _BITRATE)
        self._past: Samples = np.zeros(_PAST, np.int16)
        self._gap: _Gap | None = None

    def duration(self, payload: bytes) -> int:
        """See `stateful.Decoder`."""
        if not payload or len(payload) > LONGEST or len(payload) % _OCTETS:
            raise CodecError(f"G722: {len(payload)} octets are not 10 to 120 ms in steps of 10 ms")
        return 2 * len(payload)

    def decode(self, payload: bytes) -> Samples:
        """See `stateful.Decoder`."""
        self.duration(payload)
        samples: Samples = np.frombuffer(self._codec.decode(payload), np.int16)
        if self._gap is not None:
            samples = self._gap.close(samples)
            self._gap = None
        if len(samples) < _PAST:
            self._past = np.concatenate((self._past[len(samples) :], samples))
        else:
            self._past = samples[-_PAST:]
        return samples

    def conceal(self, count: int) -> Samples:
        """See `stateful.Decoder`."""
        if self._gap is None:
            self._gap = _Gap(self._past)
        return self._gap.fill(count)

    def mends(self, payload: bytes) -> bool:
        """See `stateful.Decoder`; G.722 sends nothing twice."""
        return False

    def recover(self, payload: bytes, count: int) -> Samples:
        """See `stateful.Decoder`."""
        return self.conceal(count)


class Encoder:
    """See `stateful.Encoder`."""

    __slots__ = ("_codec",)

    def __init__(self) -> None:
        self._codec = G722(RATE, _BITRATE)

    def encode(self, samples: Samples) -> bytes:
        """See `stateful.Encoder`."""
        if not len(samples) or len(samples) % BLOCK:
            raise ValueError(f"G722: {len(samples)} samples are not whole blocks of 10 ms")
        octets: bytes = self._codec.encode(np.ascontiguousarray(samples, np.int16))
        return octets


_SHORTEST: Final = 40  # samples of the shortest period looked for: 400 Hz
_FURTHEST: Final = 240  # and of the longest: 67 Hz
_WINDOW: Final = 320  # that are compared
_PAST: Final = _WINDOW + _FURTHEST
_QUIET_AFTER: Final = 960  # samples: after 60 ms nothing is left
_FULL: Final = 160  # samples at full level
_OVERLAP: Final = 80  # faded in after the gap


class _Gap:
    """Sound that goes on from `past` by its last period."""

    __slots__ = ("_at", "_period")

    def __init__(self, past: Samples) -> None:
        sound = past.astype(np.float32)
        lag = _pitch(sound)
        period = sound[-lag:].copy()
        edge = lag // 4  # its end runs into what came before its beginning, so that rounds join smoothly
        rise = np.linspace(0.0, 1.0, edge, dtype=np.float32)
        period[-edge:] = period[-edge:] * (1 - rise) + sound[-lag - edge : -lag] * rise
        self._period = period
        self._at = 0

    def fill(self, count: int) -> Samples:
        at = np.arange(self._at, self._at + count)
        self._at += count
        level = np.clip((_QUIET_AFTER - at) / (_QUIET_AFTER - _FULL), 0.0, 1.0).astype(np.float32)
        samples: Samples = (self._period[at % len(self._period)] * level).astype(np.int16)
        return samples

    def close(self, samples: Samples) -> Samples:
        rise = np.linspace(0.0, 1.0, _OVERLAP, dtype=np.float32)
        joined = samples.copy()
        joined[:_OVERLAP] = self.fill(_OVERLAP) * (1 - rise) + samples[:_OVERLAP] * rise
        return joined


def _pitch(sound: NDArray[np.float32]) -> int:
    """The lag at which the last 20 ms are most like what came before, by normalised correlation."""
    last = sound[-_WINDOW:]
    before = sound[:-_SHORTEST]
    product = np.correlate(before, last, "valid")  # by lag, the longest first
    energy = np.cumsum(np.concatenate((np.zeros(1, np.float32), before * before)), dtype=np.float64)
    power = energy[_WINDOW:] - energy[:-_WINDOW]
    likeness = product / np.sqrt(np.maximum(power, 1.0))
    return _FURTHEST - int(np.argmax(likeness))
