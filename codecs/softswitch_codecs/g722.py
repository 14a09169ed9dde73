"""G.722 (ITU-T G.722, 64 kbit/s, 7 kHz sub-band ADPCM) by the package `G722` (libg722), one object a direction.

160 octets are 20 ms. The RTP clock is 8000 although the samples' rate is 16000 (RFC 3551 §4.5.2): one unit an octet.
Every octet is a good one, so a payload can only have a bad length.
"""

from typing import Final

import numpy as np
from G722 import G722

from softswitch_codecs.stateful import BLOCK, RATE, CodecError, Samples

CLOCK: Final = 8000
"""Of RTP timestamps."""

LONGEST: Final = 960
"""Octets in a payload of 120 ms."""

_BITRATE: Final = 64000
_OCTETS: Final = BLOCK // 2  # in 10 ms


class Decoder:
    """See `stateful.Decoder`."""

    __slots__ = ("_codec",)

    def __init__(self) -> None:
        self._codec = G722(RATE, _BITRATE)

    def duration(self, payload: bytes) -> int:
        """See `stateful.Decoder`."""
        if not payload or len(payload) > LONGEST or len(payload) % _OCTETS:
            raise CodecError(f"G722: {len(payload)} octets are not 10 to 120 ms in steps of 10 ms")
        return 2 * len(payload)

    def decode(self, payload: bytes) -> Samples:
        """See `stateful.Decoder`."""
        self.duration(payload)
        samples: Samples = np.frombuffer(self._codec.decode(payload), np.int16)
        return samples


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
