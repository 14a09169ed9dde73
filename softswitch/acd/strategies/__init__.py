"""Which of the agents that may get a call gets it: one small class a strategy, found by its configured name."""

from collections.abc import Callable
from typing import TypeAlias

from softswitch.acd.strategies.fewest_calls import FewestCalls
from softswitch.acd.strategies.in_order import InOrder
from softswitch.acd.strategies.least_occupied import LeastOccupied
from softswitch.acd.strategies.least_talk_time import LeastTalkTime
from softswitch.acd.strategies.longest_idle import LongestIdle
from softswitch.acd.strategies.most_skilled import MostSkilled
from softswitch.acd.strategies.random_agent import RandomAgent
from softswitch.acd.strategies.ring_all import RingAll
from softswitch.acd.strategies.ring_progressively import RingProgressively
from softswitch.acd.strategies.round_robin import RoundRobin
from softswitch.acd.strategies.strategy import Crew, Strategy
from softswitch.acd.strategies.weighted_random import WeightedRandom
from softswitch.kernel.errors import LocalError

__all__ = ["STRATEGIES", "Crew", "FindStrategy", "Strategy", "built_in"]

FindStrategy: TypeAlias = Callable[[str], type[Strategy]]

STRATEGIES: dict[str, type[Strategy]] = {
    "longest-idle": LongestIdle,
    "round-robin": RoundRobin,
    "fewest-calls": FewestCalls,
    "least-talk-time": LeastTalkTime,
    "least-occupied": LeastOccupied,
    "in-order": InOrder,
    "random": RandomAgent,
    "weighted-random": WeightedRandom,
    "most-skilled": MostSkilled,
    "ring-all": RingAll,
    "ring-progressively": RingProgressively,
}


def built_in(name: str) -> type[Strategy]:
    """The strategy of that name; raises `LocalError` for an unknown one, never falls back."""
    found = STRATEGIES.get(name)
    if found is None:
        raise LocalError(f"unknown strategy {name!r}; known are {', '.join(STRATEGIES)}")
    return found
