"""`least-talk-time`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class LeastTalkTime(Strategy):
    """Who has talked for the fewest seconds since log-in, with callers of all queues."""

    def key(self, agent: "Agent") -> float:
        return agent.talked
