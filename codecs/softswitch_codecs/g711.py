"""G.711 µ-law and A-law (ITU-T G.711) by table. Octets are `uint8` as sent on the wire; samples are `int16`, the
recommendation's 14 bit (µ) and 13 bit (A) values in the upper bits. Encoding takes the nearest of a segment's values
as the recommendation's decision levels ask."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ULAW: Final = 0
ALAW: Final = 1

RATE: Final = 8000
ULAW_SILENCE: Final = 0xFF
ALAW_SILENCE: Final = 0xD5


def _expand_ulaw(octets: NDArray[np.int32]) -> NDArray[np.int32]:
    """Table 2a: the inverted octet is sign, segment and interval; values are 14 bit, scaled by four."""
    code = ~octets & 0xFF
    segment = (code >> 4) & 7
    magnitude = (((code & 15) << 3) + 0x84 << segment) - 0x84
    return np.asarray(np.where(code & 0x80, -magnitude, magnitude), np.int32)


def _expand_alaw(octets: NDArray[np.int32]) -> NDArray[np.int32]:
    """Table 1a: even bits are inverted (xor 55H); values are 13 bit, scaled by eight."""
    code = octets ^ 0x55
    segment = (code >> 4) & 7
    interval = (code & 15) << 4
    magnitude = np.where(segment == 0, interval + 8, (interval + 0x108) << np.maximum(segment - 1, 0))
    return np.asarray(np.where(code & 0x80, magnitude, -magnitude), np.int32)


def _compress_ulaw(samples: NDArray[np.int32]) -> NDArray[np.int32]:
    magnitude = np.minimum(np.abs(samples), 32635) + 0x84
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    code = (segment << 4) | ((magnitude >> (segment + 3)) & 15)
    return np.asarray(~(code | np.where(samples < 0, 0x80, 0)) & 0xFF, np.int32)


def _compress_alaw(samples: NDArray[np.int32]) -> NDArray[np.int32]:
    magnitude = np.where(samples < 0, ~samples, samples)  # −1 … −16 fall into the first negative interval
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    code = (segment << 4) | ((magnitude >> np.where(segment == 0, 4, segment + 3)) & 15)
    return (code | np.where(samples < 0, 0, 0x80)) ^ 0x55


def _tables() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    octets = np.arange(256, dtype=np.int32)
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    decode = np.stack([_expand_ulaw(octets), _expand_alaw(octets)]).astype(np.int16)
    encode = np.stack([_compress_ulaw(samples), _compress_alaw(samples)]).astype(np.uint8)
    return decode, encode


DECODE, ENCODE = _tables()
"""`DECODE[law, octet]` is the sample; `ENCODE[law, sample & 0xFFFF]` the octet."""


def decode(octets: NDArray[np.uint8], law: int) -> NDArray[np.int16]:
    """Samples of the same shape."""
    samples: NDArray[np.int16] = DECODE[law].take(octets)
    return samples


def encode(samples: NDArray[np.int16], law: int) -> NDArray[np.uint8]:
    """Octets of the same shape."""
    octets: NDArray[np.uint8] = ENCODE[law].take(samples.view(np.uint16))
    return octets


def decode_rows(octets: NDArray[np.uint8], laws: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
    """[n, octets], each row of its own law, to samples of the same shape."""
    law = laws[0]
    at = octets.astype(np.intp)  # of octets `take` makes the same by itself, more slowly
    table = DECODE[law]
    if np.count_nonzero(laws != law):
        at += (laws.astype(np.intp) << 8)[:, None]
        table = DECODE.reshape(-1)
    samples: NDArray[np.int16] = table.take(at)
    return samples
