"""`fewest-calls`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class FewestCalls(Strategy):
    """Who has answered the fewest calls since log-in, of all queues. Who comes late catches up: `least-occupied` is
    fairer where shifts begin at different times."""

    def key(self, agent: "Agent") -> float:
        return agent.calls
