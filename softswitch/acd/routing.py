"""Which of the ready agents gets the call: one small class a strategy, found by its configured name."""

from typing import Protocol

from softswitch.acd.agent import Agent
from softswitch.kernel.errors import LocalError


class Strategy(Protocol):
    """Orders the ready agents of a pool; the lowest key gets the call, equals are drawn by the dice."""

    def key(self, agent: Agent) -> float:
        """The agent's sort key; must not change while the agent stays ready."""


class LongestIdle:
    """Who has been without a conversation for the longest time. Log-in, the end of a conversation with its wrap-up,
    the end of a pause, and an offer not answered or rejected put an agent at the end of the line."""

    __slots__ = ()

    def key(self, agent: Agent) -> float:
        return agent.idle_since


_STRATEGIES: dict[str, Strategy] = {"longest-idle": LongestIdle()}


def strategy(name: str) -> Strategy:
    """The strategy of that name; raises `LocalError` for an unknown one, never falls back."""
    found = _STRATEGIES.get(name)
    if found is None:
        raise LocalError(f"unknown strategy {name!r}; known are {', '.join(sorted(_STRATEGIES))}")
    return found
