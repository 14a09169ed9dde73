"""The incomplete gamma function in logarithms: its values for loads of thousands are far outside of a float's range."""

from math import exp, inf, lgamma, log, log1p
from typing import Final

_TINY: Final = 1e-300
_EPSILON: Final = 1e-16
_MOST_TERMS: Final = 2_000_000


def log_lower(a: float, x: float) -> float:
    """log γ(a, x), a > 0, x ≥ 0. Below a + 1 by the series γ(a, x) = xᵃ e⁻ˣ Σ xⁿ / (a)ₙ₊₁ (DLMF 8.7.1), whose terms
    are all positive; above it from the continued fraction of Γ(a, x) (DLMF 8.9.2). Costs about √a terms near x = a."""
    if x <= 0:
        return -inf
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        for _ in range(_MOST_TERMS):
            n += 1.0
            term *= x / n
            total += term
            if term < total * _EPSILON:
                break
        return a * log(x) - x + log(total)
    return lgamma(a) + log1p(-min(exp(_log_upper(a, x) - lgamma(a)), 1.0 - _EPSILON))


def _log_upper(a: float, x: float) -> float:
    """log Γ(a, x), x ≥ a + 1, by W. J. Lentz's evaluation (Applied Optics 15, 1976) of the continued fraction."""
    b = x + 1.0 - a
    c = 1.0 / _TINY
    d = 1.0 / b
    h = d
    for i in range(1, _MOST_TERMS):
        numerator = -i * (i - a)
        b += 2.0
        d = numerator * d + b
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = b + numerator / c
        c = c if abs(c) > _TINY else _TINY
        step = d * c
        h *= step
        if abs(step - 1.0) < _EPSILON * 10:
            break
    return a * log(x) - x + log(h)
