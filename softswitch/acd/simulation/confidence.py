"""Means over replications with confidence intervals (A. M. Law, Simulation Modeling and Analysis, §9.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, cos, pi, sqrt

from softswitch.kernel.errors import LocalError


@dataclass(frozen=True, slots=True)
class Estimate:
    """`mean` ± `half` at the level asked for; `half` None with fewer than two replications."""

    mean: float
    half: float | None
    count: int

    @property
    def low(self) -> float | None:
        return None if self.half is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        return None if self.half is None else self.mean + self.half

    def holds(self, value: float) -> bool:
        """Whether `value` is in the interval."""
        return self.half is not None and abs(value - self.mean) <= self.half


def estimate(values: Sequence[float | None], level: float = 0.95) -> Estimate | None:
    """Of independent replications; those that have no value are left out. None when no one has."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    count = len(known)
    mean = sum(known) / count
    if count < 2:
        return Estimate(mean, None, count)
    deviation = sqrt(sum((value - mean) ** 2 for value in known) / (count - 1))
    return Estimate(mean, t_quantile(0.5 + level / 2, count - 1) * deviation / sqrt(count), count)


def t_cdf(t: float, degrees: int) -> float:
    """Student's distribution with whole degrees of freedom, as a finite sum (Abramowitz & Stegun 26.7.3, 26.7.4)."""
    theta = atan(t / sqrt(degrees))
    square, term, total = cos(theta) ** 2, 1.0, 1.0
    if degrees % 2:
        if degrees == 1:
            return 0.5 + theta / pi
        for k in range(3, degrees - 1, 2):
            term *= square * (k - 1) / k
            total += term
        return 0.5 + (theta + (t / sqrt(degrees)) * square * total) / pi
    for k in range(2, degrees - 1, 2):
        term *= square * (k - 1) / k
        total += term
    return 0.5 + (t / sqrt(degrees)) * sqrt(square) * total / 2


def t_quantile(probability: float, degrees: int) -> float:
    """Where that share of Student's distribution lies below."""
    if not 0.5 <= probability < 1 or degrees < 1:
        raise LocalError("a confidence level is between 0 and 100 %, of two replications or more")
    low, high = 0.0, 1.0
    while t_cdf(high, degrees) < probability:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        if t_cdf(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return low
