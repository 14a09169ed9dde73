"""Student's t and intervals over replications."""

from random import Random

import pytest

from softswitch.acd.simulation.confidence import estimate, t_cdf, t_quantile
from softswitch.kernel.errors import LocalError

# The common table of Student's t: degrees of freedom, two-sided 95 % and 99 %.
TABLE = [(1, 12.706, 63.657), (2, 4.303, 9.925), (3, 3.182, 5.841), (9, 2.262, 3.250), (10, 2.228, 3.169)]


@pytest.mark.parametrize(("degrees", "at95", "at99"), [*TABLE, (30, 2.042, 2.750), (120, 1.980, 2.617)])
def test_published_table_of_t(degrees, at95, at99):
    assert t_quantile(0.975, degrees) == pytest.approx(at95, abs=5.1e-4)
    assert t_quantile(0.995, degrees) == pytest.approx(at99, abs=5.1e-4)
    assert t_cdf(0.0, degrees) == 0.5


def test_an_interval_holds_the_truth_as_often_as_it_says():
    dice = Random(4)
    held = sum(estimate([dice.gauss(5, 2) for _ in range(6)], 0.9).holds(5.0) for _ in range(2000))
    assert held / 2000 == pytest.approx(0.9, abs=0.02)


def test_few_and_no_values():
    assert estimate([]) is None
    assert estimate([None, None]) is None
    single = estimate([3.0, None])
    assert (single.mean, single.half, single.low, single.holds(3.0)) == (3.0, None, None, False)
    assert estimate([2.0, 2.0]).half == 0.0
    with pytest.raises(LocalError):
        t_quantile(1.0, 5)
