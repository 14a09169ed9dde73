"""The inverse: the fewest agents that keep what was promised."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from softswitch.acd.staffing import abandonment
from softswitch.acd.staffing.blocking import MOST
from softswitch.acd.staffing.figures import Demand, Expected
from softswitch.kernel.clock import Duration
from softswitch.kernel.errors import LocalError

_CLOSE: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was promised; None: nothing. `service_level` of the calls (0-1) answered `within` seconds, `asa`: mean wait
    of the answered, `abandoned`: largest share, `occupancy`: largest share of the agents' time at work."""

    service_level: float | None = 0.8
    within: Duration = 20.0
    asa: Duration | None = None
    abandoned: float | None = None
    occupancy: float | None = None

    def met(self, figures: Expected) -> bool:
        """Whether those agents keep all of it."""
        return (
            (self.service_level is None or figures.service_level >= self.service_level - _CLOSE)
            and (self.asa is None or figures.asa <= self.asa + _CLOSE)
            and (self.abandoned is None or figures.abandoned <= self.abandoned + _CLOSE)
            and (self.occupancy is None or figures.occupancy <= self.occupancy + _CLOSE)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """`agents` at work keep the target, with the figures `expected`; `scheduled` must be on the roster so that so many
    are at work after `shrinkage` (breaks, training, sickness: a share of paid time)."""

    demand: Demand
    target: Target
    agents: int
    scheduled: int
    shrinkage: float
    expected: Expected


def expect(demand: Demand, agents: int, within: Duration) -> Expected:
    """Erlang A, or C when callers wait for ever."""
    return abandonment.expected(demand, agents, within)


def require(demand: Demand, target: Target, shrinkage: float = 0.0) -> Requirement:
    """The fewest agents. Every figure improves with every agent more, so a bisection finds them. Raises `LocalError`
    when no number of agents keeps the target, or the shrinkage leaves nobody."""
    if not 0 <= shrinkage < 1:
        raise LocalError("shrinkage is a share of the paid time, 0 to below 100 %")
    if target.service_level is not None and target.service_level >= 1 and demand.load > 0:
        raise LocalError("no number of agents answers 100 % in time: callers come at random")
    for name, most in (("occupancy", target.occupancy), ("abandonment", target.abandoned), ("ASA", target.asa)):
        if most is not None and most <= 0 and demand.load > 0:
            raise LocalError(f"no number of agents brings {name} to 0: callers come at random")
    low, high = -1, max(1, ceil(demand.load))
    while not target.met(expect(demand, high, target.within)):
        low, high = high, 2 * high
        if high > MOST:
            raise LocalError(f"more than {MOST} agents would be needed")
    while high - low > 1:
        middle = (low + high) // 2
        if target.met(expect(demand, middle, target.within)):
            high = middle
        else:
            low = middle
    figures = expect(demand, high, target.within)
    return Requirement(
        demand=demand,
        target=target,
        agents=high,
        scheduled=scheduled(high, shrinkage),
        shrinkage=shrinkage,
        expected=figures,
    )


def scheduled(agents: int, shrinkage: float) -> int:
    """How many must be on the roster for `agents` at work."""
    return ceil(agents / (1.0 - shrinkage) - 1e-9)
