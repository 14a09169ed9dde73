"""`round-robin`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Crew, Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class RoundRobin(Strategy):
    """In turn: who was offered a call by these queues least lately, answered or not, however long the calls last.
    Agents who had no turn yet come first, in the configured order."""

    ordered = True

    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        self._turns: dict[str, int] = {}

    def key(self, agent: "Agent") -> float:
        turn = self._turns.get(agent.name)
        return self.crew.places[agent.name] - len(self.crew.places) if turn is None else turn

    def offered(self, agent: "Agent", serial: int) -> None:
        self._turns[agent.name] = serial
