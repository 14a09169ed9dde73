"""`weighted-random`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Crew, Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class WeightedRandom(Strategy):
    """Any free agent, with chances in proportion to the queue's `shares` (1 for those not named there)."""

    draws = True

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        self._most = max([1.0, *crew.shares.values()])

    def share(self, agent: "Agent") -> float:
        return self.crew.shares.get(agent.name, 1.0) / self._most
