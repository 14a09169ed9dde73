"""What the codecs that carry state have in common: one object a direction and stream, sound of 16 kHz, payloads of
whole packets. Codecs without state (G.711, L16) are plain functions over arrays of any shape."""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16000
"""Hz of the samples on the plain side."""

BLOCK: Final = 160
"""Samples in 10 ms."""

Samples = NDArray[np.int16]


class CodecError(ValueError):
    """The payload is none of this codec's. The decoder goes on as if it had not come."""


class Decoder(Protocol):
    """Payloads in the order of playing."""

    def duration(self, payload: bytes) -> int:
        """Samples that `payload` holds, without decoding it. Raises `CodecError`."""

    def decode(self, payload: bytes) -> Samples:
        """Its sound. Raises `CodecError`."""


class Mender(Decoder, Protocol):
    """A decoder that knows better what was lost than its sound tells."""

    def conceal(self, count: int) -> Samples:
        """`count` samples (whole blocks) in place of lost ones; they fade when that goes on."""

    def mends(self, payload: bytes) -> bool:
        """Whether `payload` tells anything of what came before it."""

    def recover(self, payload: bytes, count: int) -> Samples:
        """`conceal`, but `payload`, which comes right after the gap, may tell of its end (forward error
        correction)."""


class Encoder(Protocol):
    """Sound to payloads."""

    def encode(self, samples: Samples) -> bytes:
        """The payload of one packet: 10 to 60 ms of sound, in whole blocks."""
