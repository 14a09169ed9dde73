"""L16 (RFC 3551 §4.5.11): 16-bit samples in network order, without state, at any rate."""

import numpy as np
from numpy.typing import NDArray


def decode(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    """`octets` [..., 2n] as sent on the wire to samples [..., n]. Raises `ValueError` on half a sample."""
    if octets.shape[-1] % 2:
        raise ValueError("L16: half a sample")
    return np.ascontiguousarray(octets).view(">i2").astype(np.int16)


def encode(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Samples [..., n] to octets [..., 2n]."""
    return np.ascontiguousarray(samples, ">i2").view(np.uint8)
