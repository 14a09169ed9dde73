"""Who meets whom: the calls that may be offered and the agents that are ready, pool by pool.

Between two steps no pool has both a ready agent and a call that may be offered. So after a step only agents that
became ready in it and calls that became free in it can make a pair, and a match looks at the heads of their pools.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heapreplace

from softswitch.acd.agent import Agent
from softswitch.acd.model import AgentState
from softswitch.acd.pool import Pool
from softswitch.acd.queue import Rank, WaitingCall


class Matcher:
    """`waiting` are the pools with calls that may be offered."""

    __slots__ = ("_free_agents", "_free_calls", "_serial", "waiting")

    def __init__(self) -> None:
        self._serial = 0
        self._free_agents: list[Agent] = []
        self._free_calls: list[WaitingCall] = []
        self.waiting: set[Pool] = set()

    def call_free(self, call: WaitingCall) -> None:
        """The call may be offered."""
        pool = call.queue.pool
        pool.calls.push(call)
        self.waiting.add(pool)
        self._free_calls.append(call)

    def call_gone(self, call: WaitingCall) -> None:
        """The call left; nothing to do when it was being offered."""
        if call.in_heap:
            pool = call.queue.pool
            pool.calls.discard(call)
            if not pool.calls.live:
                self.waiting.discard(pool)

    def agent_ready(self, agent: Agent) -> None:
        """The agent became ready."""
        self._serial += 1
        agent.ready_serial = self._serial
        for pool in agent.indexed:
            pool.add_ready(agent)
        self._free_agents.append(agent)

    def pairs(self) -> Iterator[tuple[WaitingCall, Agent]]:
        """Pairs in order of rank over all pools. Each agent must have left the ready state when the next pair is
        asked for."""
        agents, calls = self._free_agents, self._free_calls
        if not agents and not calls:
            return
        self._free_agents, self._free_calls = [], []
        if len(agents) + len(calls) == 1:
            pool = calls[0].queue.pool if calls else self._first_pool(agents[0])
            if pool is not None and (agent := pool.best()) is not None and (call := self._take(pool)) is not None:
                yield call, agent
            return
        pools = {call.queue.pool for call in calls if call.in_heap}
        for agent in agents:
            if agent.state is AgentState.READY:
                pools.update(self._pools_of(agent))
        yield from self._merge(pools)

    def _merge(self, pools: Iterable[Pool]) -> Iterator[tuple[WaitingCall, Agent]]:
        """The head with the lowest rank of all `pools` first, until no pool has both a call and an agent."""
        heads = [(head, number, pool) for number, pool in enumerate(pools) if (head := pool.calls.head()) is not None]
        heapify(heads)
        while heads:
            _, number, pool = heads[0]
            agent = pool.best()
            call = self._take(pool) if agent is not None else None
            if agent is None or call is None:
                heappop(heads)
                continue
            head = pool.calls.head()
            if head is None:
                heappop(heads)
            else:
                heapreplace(heads, (head, number, pool))
            yield call, agent

    def _take(self, pool: Pool) -> WaitingCall | None:
        call = pool.calls.pop()
        if not pool.calls.live:
            self.waiting.discard(pool)
        return call

    def _first_pool(self, agent: Agent) -> Pool | None:
        """Where the call with the lowest rank waits, of all pools that the agent serves."""
        if agent.state is not AgentState.READY:
            return None
        first: Pool | None = None
        lowest: Rank = (0.0, 0)
        for pool in self._pools_of(agent):
            head = pool.calls.head()
            if head is not None and (first is None or head < lowest):
                first, lowest = pool, head
        return first

    def _pools_of(self, agent: Agent) -> list[Pool]:
        """The agent's pools with waiting calls, by way of the shorter list."""
        if len(agent.pools) <= len(self.waiting):
            return [pool for pool in agent.pools if pool.calls.live]
        return [pool for pool in self.waiting if agent in pool.agents]
