"""`in-order`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class InOrder(Strategy):
    """The first of the configured list who is free, always from the top."""

    ordered = True

    def key(self, agent: "Agent") -> float:
        return self.crew.places[agent.name]
