"""`least-occupied`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class LeastOccupied(Strategy):
    """Who has spent the smallest share of the time since log-in talking and wrapping up, as it stood when the agent
    last became free."""

    def key(self, agent: "Agent") -> float:
        return agent.occupancy
