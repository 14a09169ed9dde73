"""Pools: calls that the same agents may get, by the same strategy, share one heap and one index of available agents.

So a switch with 40,000 queues over the same people has one pool, and a change of an agent's state touches no queue.
In a small pool the available agents are found by looking at all of them. Larger ones keep an index, which is brought
up to date only when the pool is asked for an agent: it reads what the matcher's journal has of agents that became
available since, or looks at everybody when that is less.
"""

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from math import isnan
from random import Random
from typing import TypeAlias

from softswitch.acd.agent import Agent
from softswitch.acd.journal import Journal
from softswitch.acd.model import AgentName, Needs
from softswitch.acd.queue import CallHeap, PoolClass, Queue, WaitingCall
from softswitch.acd.strategies import Strategy

SCAN_UP_TO = 16  # agents: a look at 16 costs 1 µs, as much as keeping an index does
_DRAWS = 64  # of a lot with unequal shares, before the one in hand is taken

_Entry: TypeAlias = tuple[float, float, float, int, Agent]


class Pool:
    """`agents` in configured order; `logged_in` counts those who are. `calls` may be offered; `ringing` are offered
    calls with room for one phone more. `weights`: seconds of head start that calls here have with an agent.
    `minima`: what was asked of the agents. `held` counts the calls that wait here, offered ones included; `users` are
    the places where queues keep the pool, `fixed`: it is some queue's pool of all its agents. `on_failure` is told
    once when the strategy raises."""

    __slots__ = (
        "_cursor",
        "_dice",
        "_journal",
        "_on_failure",
        "_ready",
        "agents",
        "broken",
        "calls",
        "fixed",
        "held",
        "indexed",
        "key",
        "logged_in",
        "minima",
        "ringing",
        "strategy",
        "users",
        "weights",
    )

    def __init__(
        self,
        key: tuple[object, ...],
        agents: Iterable[Agent],
        strategy: Strategy,
        minima: Needs,
        weights: Mapping[AgentName, float],
        journal: Journal,
        dice: Random,
        on_failure: Callable[["Pool", str], None],
    ) -> None:
        self.key = key
        self.agents = dict.fromkeys(agents)
        self.strategy = strategy
        self.minima = minima
        self.weights = {agent: weights[agent.name] for agent in self.agents if weights.get(agent.name)}
        self.indexed = len(self.agents) > SCAN_UP_TO
        self._journal = journal
        self._dice = dice
        self._on_failure = on_failure
        self.reset()

    def reset(self) -> None:
        """Nobody waits here, and nothing is known of the agents."""
        self.calls = CallHeap()
        self.ringing: dict[WaitingCall, None] = {}
        self.logged_in = len([None for agent in self.agents if agent.logged_in])
        self.held = 0
        self.fixed = False
        self.users: list[tuple[Queue, PoolClass]] = []
        self.broken = False
        self._cursor = -1  # in the journal; below its first: look at everybody
        self._ready: list[_Entry] = []

    def best(self) -> Agent | None:
        """The available agent whom the strategy puts first, or None."""
        if self.indexed:
            return self._drawn_of_index() if self.strategy.draws else self._first_of_index()
        available = [agent for agent in self.agents if agent.available]
        if len(available) < 2:
            return available[0] if available else None
        if self.strategy.draws and not self.broken:
            chances = [self._share(agent) for agent in available]
            return self._dice.choices(available, chances)[0] if sum(chances) > 0 else available[0]
        return min([self._entry(agent) for agent in available])[4]

    def known_available(self) -> set[Agent]:
        """The agents whom `best` can find; for the watchdog, O(agents)."""
        if not self.indexed:
            return {agent for agent in self.agents if agent.available}
        self._catch_up()
        return {entry[4] for entry in self._ready if _counts(entry)}

    def _first_of_index(self) -> Agent | None:
        self._catch_up()
        ready = self._ready
        while ready:
            if _counts(ready[0]):
                return ready[0][4]
            heappop(ready)
        return None

    def _drawn_of_index(self) -> Agent | None:
        """Every available agent is in the lot once; the dead are thrown out when they are drawn."""
        self._catch_up()
        if self.broken:
            return self._first_of_index()
        ready, draws = self._ready, 0
        while ready:
            number = int(self._dice.random() * len(ready))
            entry = ready[number]
            if not _counts(entry):
                ready[number] = ready[-1]
                ready.pop()
                continue
            draws += 1
            if self._share(entry[4]) > self._dice.random() or draws > _DRAWS:
                return entry[4]
        return None

    def _catch_up(self) -> None:
        journal, ready = self._journal, self._ready
        cursor, agents = self._cursor, self.agents
        if cursor == journal.end:
            return
        if cursor < journal.first or journal.end - cursor > len(agents) or len(ready) > 2 * len(agents):
            self._look_at_everybody()
        else:
            broken, draws = self.broken, self.strategy.draws
            for serial, agent in enumerate(journal.since(cursor), cursor):
                if agent.ready_serial == serial and agent.available and agent in agents:
                    if draws:
                        ready.append(self._entry(agent))
                    else:
                        heappush(ready, self._entry(agent))
            if self.broken is not broken:
                self._look_at_everybody()
        self._cursor = journal.end

    def _look_at_everybody(self) -> None:
        broken = self.broken
        self._ready = [self._entry(agent) for agent in self.agents if agent.available]
        if self.broken is not broken:  # half of the keys were the strategy's
            self._ready = [self._entry(agent) for agent in self.agents if agent.available]
        heapify(self._ready)

    def _entry(self, agent: Agent) -> _Entry:
        return self._key(agent), agent.idle_since, agent.tie, agent.ready_serial, agent

    def _key(self, agent: Agent) -> float:
        if self.broken:
            return agent.idle_since
        try:
            key = float(self.strategy.key(agent))
            if not isnan(key):
                return key
            error = "key is not a number"
        except Exception as fault:  # a user's own strategy may raise anything: it must not cost a caller
            error = f"{type(fault).__name__}: {fault}"
        self.give_up(error)
        return agent.idle_since

    def _share(self, agent: Agent) -> float:
        try:
            share = float(self.strategy.share(agent))
            if 0.0 <= share <= 1.0:
                return share
            error = f"share {share} is not from 0 to 1"
        except Exception as fault:  # as above
            error = f"{type(fault).__name__}: {fault}"
        self.give_up(error)
        return 1.0

    def offered(self, agent: Agent, serial: int) -> None:
        """Tell the strategy that the agent is being rung."""
        try:
            self.strategy.offered(agent, serial)
        except Exception as fault:  # as above
            self.give_up(f"{type(fault).__name__}: {fault}")

    def give_up(self, error: str) -> None:
        """The strategy failed: from here on agents go by longest idle."""
        if not self.broken:
            self.broken = True
            self._cursor = -1
            self._on_failure(self, error)


def _counts(entry: _Entry) -> bool:
    agent = entry[4]
    return agent.available and agent.ready_serial == entry[3]
