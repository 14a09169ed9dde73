"""G.711 against the recommendation's own tables, which are written out here in full by their decision values."""

from itertools import pairwise

import numpy as np
import pytest

from softswitch_codecs import g711

ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)
ALL_OCTETS = np.arange(256).astype(np.uint8)

# G.711 table 2, µ-law: outputs y0 … y127 of the 14-bit scale.
ULAW_OUTPUTS = [((2 * interval + 33) << segment) - 33 for segment in range(8) for interval in range(16)]
# G.711 table 1, A-law: decision values of the 13-bit scale; outputs are the middles of the intervals.
ALAW_EDGES = [2 * i for i in range(32)] + [(64 + 4 * i) << k for k in range(6) for i in range(16)] + [4096]
ALAW_OUTPUTS = [(low + high) / 2 for low, high in pairwise(ALAW_EDGES)]


def test_ulaw_octets_decode_to_the_tables_values():
    """G.711 table 2a: 11111111 is +0, 10000000 is +8031 on the 14-bit scale; 0xxxxxxx are negative."""
    decoded = g711.decode(ALL_OCTETS, g711.ULAW)
    for magnitude, output in enumerate(ULAW_OUTPUTS):
        assert decoded[0xFF - magnitude] == output * 4
        assert decoded[0x7F - magnitude] == -output * 4
    assert max(ULAW_OUTPUTS) == 8031


def test_alaw_octets_decode_to_the_tables_values():
    """G.711 table 1a with the even bits inverted: 0xD5 is the smallest positive value, 0xAA the largest (4032)."""
    decoded = g711.decode(ALL_OCTETS, g711.ALAW)
    assert len(ALAW_OUTPUTS) == 128
    for magnitude, output in enumerate(ALAW_OUTPUTS):
        assert decoded[(0x80 | magnitude) ^ 0x55] == output * 8
        assert decoded[magnitude ^ 0x55] == -output * 8
    assert decoded[0xAA] == 4032 * 8


def _interval(code: np.ndarray, decisions: list[float], scale: int) -> None:
    """Each sample lies in the interval of its code; on a decision value itself G.711 leaves the choice open."""
    low = np.array(decisions)[code] * scale
    high = np.append(decisions[1:], np.inf)[code] * scale
    magnitude = np.abs(ALL_SAMPLES.astype(np.int32))
    assert ((low <= magnitude) & (magnitude <= high)).all()


def test_ulaw_puts_every_sample_between_its_decision_values():
    """G.711 table 2: x(n) = 0, 1, 3 … 31, 35 … 95, 103 … on the 14-bit scale; beyond the last is the last."""
    octets = g711.encode(ALL_SAMPLES, g711.ULAW)
    assert np.array_equal(octets < 0x80, ALL_SAMPLES < 0)
    decisions = [0] + [ULAW_OUTPUTS[n] - (1 << (n >> 4)) for n in range(1, 128)]
    assert decisions[1:3] + decisions[16:18] + decisions[31:33] == [1, 3, 31, 35, 91, 95]
    _interval((~octets & 0x7F).astype(int), decisions, 4)


def test_alaw_puts_every_sample_between_its_decision_values():
    """G.711 table 1: x(n) on the 13-bit scale; beyond the last is the last."""
    octets = g711.encode(ALL_SAMPLES, g711.ALAW)
    assert np.array_equal((octets ^ 0x55) < 0x80, ALL_SAMPLES < 0)
    _interval(((octets ^ 0x55) & 0x7F).astype(int), ALAW_EDGES[:128], 8)


@pytest.mark.parametrize("law", [g711.ULAW, g711.ALAW])
def test_every_octet_survives_a_round_trip(law):
    """G.711 §1: synchronous tandeming adds nothing; µ-law's two zeros are one."""
    back = g711.encode(g711.decode(ALL_OCTETS, law), law)
    same = back == ALL_OCTETS
    if law == g711.ULAW:
        assert back[0x7F] == 0xFF
        same[0x7F] = True
    assert same.all()


def test_silence_octets():
    """The idle patterns of both laws are the smallest positive values."""
    assert g711.encode(np.zeros(1, np.int16), g711.ULAW)[0] == g711.ULAW_SILENCE
    assert g711.encode(np.zeros(1, np.int16), g711.ALAW)[0] == g711.ALAW_SILENCE
    assert np.array_equal(g711.decode(ALL_OCTETS[:4], 0).shape, (4,))


def test_rows_of_both_laws_decode_at_once():
    octets = np.stack([ALL_OCTETS, ALL_OCTETS, ALL_OCTETS[::-1]])
    for laws in ([0, 1, 0], [1, 1, 1]):
        expected = [g711.decode(row, law) for row, law in zip(octets, laws, strict=True)]
        assert np.array_equal(g711.decode_rows(octets, np.array(laws, np.uint8)), expected)
