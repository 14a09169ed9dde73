"""L16 is network byte order (RFC 3551 §4.5.11)."""

import numpy as np
import pytest

from softswitch_codecs import l16


def test_the_upper_octet_comes_first():
    assert l16.encode(np.array([0x1234, -2], np.int16)).tobytes() == b"\x12\x34\xff\xfe"


def test_what_was_encoded_is_decoded_for_many_rows_at_once():
    samples = np.random.default_rng(1).integers(-32768, 32768, (5, 320)).astype(np.int16)
    octets = l16.encode(samples)
    assert octets.shape == (5, 640)
    assert (l16.decode(octets) == samples).all()
    part = np.zeros((5, 2048), np.uint8)
    part[:, 12:652] = octets
    assert (l16.decode(part[:, 12:652]) == samples).all()


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError):
        l16.decode(np.zeros(3, np.uint8))
