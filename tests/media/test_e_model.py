"""The E-model (ITU-T G.107)."""

import pytest

from softswitch.media import quality


def test_mos_of_known_ratings():
    """ITU-T G.107 Annex B: R 93.2 is 4.41, R 80 is 4.03, R 60 is 3.10, R 50 is 2.58; below 0 is 1."""
    assert [round(quality.mos(r), 2) for r in (93.2, 80, 60, 50, -5, 120)] == [4.41, 4.02, 3.10, 2.58, 1.0, 4.5]


def test_loss_and_delay_lower_the_rating():
    """G.107 §7: Ie-eff and Idd grow; 177.3 ms is where talking over one another begins."""
    assert quality.rating(0, 0) == pytest.approx(93.2)
    assert quality.rating(0.03, 0) == pytest.approx(93.2 - 95 * 3 / 28.1)
    assert quality.rating(0, 277.3) == pytest.approx(93.2 - 0.024 * 277.3 - 11)


def test_codecs_are_impaired_as_g_113_says():
    """G.113 Appendix I: Ie 11 and Bpl 19 for G.729, 0 and 25.1 for G.711 with concealment."""
    assert quality.rating(0, 0, "G729") == pytest.approx(93.2 - 11)
    assert quality.rating(0.02, 0, "G729") == pytest.approx(93.2 - 11 - 84 * 2 / 21)
    assert quality.rating(0.02, 0, "opus") == quality.rating(0.02, 0, "PCMU")
    assert quality.rating(0, 0, "something-new") < 93.2


@pytest.mark.parametrize(
    ("loss", "lost", "bursts", "ratio"), [(0.04, 40, 10, 3.84), (0.04, 40, 40, 1.0), (0, 0, 0, 1.0), (1.0, 9, 1, 1.0)]
)
def test_the_burst_ratio_compares_with_random_loss(loss, lost, bursts, ratio):
    """G.107 §7.2: average length of bursts over the one that random loss would have, 1 / (1 − loss)."""
    assert quality.burst_ratio(loss, lost, bursts) == pytest.approx(ratio)


def test_bursts_weigh_more():
    assert quality.rating(0.05, 0, burst_ratio=4) < quality.rating(0.05, 0, burst_ratio=1)
