"""Pools: queues with the same agents and the same strategy share one heap of calls and one index of ready agents.

So a switch with 40,000 queues over the same people has one pool, and a change of an agent's state touches pools, not
queues. In a small pool the ready agents are found by looking at all of them; only larger ones keep an index.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from softswitch.acd.agent import Agent
from softswitch.acd.model import AgentState
from softswitch.acd.queue import CallHeap
from softswitch.acd.routing import Strategy

SCAN_UP_TO = 16  # agents: a look at 16 costs 1 µs, as much as keeping an index does


class Pool:
    """`agents` in configured order; `logged_in` counts those who are. `indexed` pools hold a heap of ready agents
    with lazy deletion: an entry counts while its agent is still ready since that time."""

    __slots__ = ("_ready", "agents", "calls", "indexed", "logged_in", "strategy")

    def __init__(self, agents: Iterable[Agent], strategy: Strategy) -> None:
        self.agents = dict.fromkeys(agents)
        self.strategy = strategy
        self.calls = CallHeap()
        self.logged_in = sum(1 for agent in self.agents if agent.logged_in)
        self.indexed = len(self.agents) > SCAN_UP_TO
        self._ready: list[tuple[float, float, int, Agent]] = []

    def add_ready(self, agent: Agent) -> None:
        """The agent became ready (indexed pools only)."""
        heappush(self._ready, (self.strategy.key(agent), agent.tie, agent.ready_serial, agent))
        if len(self._ready) > 2 * len(self.agents):
            self._ready = [entry for entry in self._ready if _counts(entry)]
            heapify(self._ready)

    def best(self) -> Agent | None:
        """The ready agent whom the strategy puts first, or None."""
        if self.indexed:
            ready = self._ready
            while ready:
                if _counts(ready[0]):
                    return ready[0][3]
                heappop(ready)
            return None
        best: Agent | None = None
        best_key = (0.0, 0.0)
        key = self.strategy.key
        for agent in self.agents:
            if agent.state is AgentState.READY:
                agent_key = (key(agent), agent.tie)
                if best is None or agent_key < best_key:
                    best, best_key = agent, agent_key
        return best

    def known_ready(self) -> set[Agent]:
        """The agents whom `best` can find; for the watchdog, O(agents)."""
        if self.indexed:
            return {entry[3] for entry in self._ready if _counts(entry)}
        return {agent for agent in self.agents if agent.state is AgentState.READY}


def _counts(entry: tuple[float, float, int, Agent]) -> bool:
    agent = entry[3]
    return agent.state is AgentState.READY and agent.ready_serial == entry[2]
