"""Random durations: what a load says of talk, wrap-up, patience and how soon agents pick up."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random
from typing import ClassVar, Final, Literal, TypeAlias

from softswitch.kernel.clock import Duration

NEVER: Final = float("inf")

Draw: TypeAlias = Callable[[Random], Duration]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds with a `mean`: `exponential`, `lognormal` with the coefficient of variation `cv` (deviation / mean; talk
    times are about lognormal: L. Brown et al., Statistical analysis of a telephone call center, JASA 100, 2005),
    `constant`; or drawn of `values` as they were seen. 1 - `never` is the share that has such a time at all."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    mean: float = 0.0
    distribution: Literal["exponential", "lognormal", "constant"] = "exponential"
    cv: float = 1.0
    values: tuple[float, ...] = ()
    never: float = 0.0


TimesLike: TypeAlias = float | Times  # a number is the mean of an exponential time


def drawer(times: TimesLike) -> Draw:
    """What draws such a time of the dice; always the same number of draws, so that dice stay in step."""
    if not isinstance(times, Times):
        times = Times(mean=times)
    draw = _drawer(times)
    never = times.never
    if never <= 0:
        return draw
    return lambda dice: NEVER if dice.random() < never else draw(dice)


def _drawer(times: Times) -> Draw:
    values = times.values
    if values:
        return lambda dice: values[int(dice.random() * len(values))]
    mean = times.mean
    if mean <= 0 or times.distribution == "constant":
        return lambda dice: max(0.0, mean)
    if times.distribution == "exponential":
        return lambda dice: -log(1.0 - dice.random()) * mean
    sigma2 = log(1.0 + times.cv**2)
    mu, sigma = log(mean) - sigma2 / 2, sqrt(sigma2)
    return lambda dice: exp(dice.gauss(mu, sigma))
