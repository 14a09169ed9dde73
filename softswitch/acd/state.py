"""What the engine knows, and the few writes that every verb shares: facts, derived states, deadlines, pools."""

from collections import deque
from collections.abc import Iterable, Mapping
from random import Random
from typing import TypeAlias

from softswitch.acd.agent import Agent, Ringing, derive, derive_reason
from softswitch.acd.matching import Matcher
from softswitch.acd.model import (
    AcdEffect,
    AcdEvent,
    AgentChanged,
    AgentName,
    AgentState,
    CallId,
    Fact,
    OfferId,
    QueueName,
    QueueSettings,
)
from softswitch.acd.pool import Pool
from softswitch.acd.queue import Queue, WaitingCall
from softswitch.acd.routing import strategy
from softswitch.kernel.clock import Instant
from softswitch.kernel.deadlines import Deadlines

RING = "ring"
WRAP_UP = "wrap-up"
REST = "rest"
MAX_WAIT = "max-wait"
POSITION = "position"
PERIODIC = "periodic"

DeadlineKey: TypeAlias = tuple[str, CallId | AgentName | OfferId]


class State:
    """`calls`, `offers` and `agents` are the truth; places, pools and deadlines are indexes over it and can be
    rebuilt. `emptied` are pools to look at because nobody in them is logged in. `past_offers` are offers that ended
    lately, with their agent and whether they were answered. `out` collects the effects of the running step."""

    __slots__ = (
        "agents",
        "calls",
        "deadlines",
        "dice",
        "emptied",
        "ended_offers",
        "matcher",
        "next_offer",
        "next_serial",
        "now",
        "offers",
        "out",
        "past_offers",
        "queues",
    )

    def __init__(
        self, queues: Mapping[QueueName, QueueSettings], agents: Iterable[AgentName], now: Instant, dice: Random
    ) -> None:
        self.now = now
        self.calls: dict[CallId, WaitingCall] = {}
        self.offers: dict[OfferId, Ringing] = {}
        self.past_offers: dict[OfferId, tuple[AgentName, bool]] = {}
        self.ended_offers: deque[tuple[Instant, OfferId]] = deque()
        self.agents = {name: Agent(name, idle_since=now, since=now) for name in agents}
        self.queues: dict[QueueName, Queue] = {}
        self.dice = dice
        self.matcher = Matcher()
        self.deadlines: Deadlines[DeadlineKey] = Deadlines()
        self.next_serial = 1
        self.next_offer: OfferId = 1
        self.emptied: list[Pool] = []
        self.out: list[AcdEffect] = []
        self.set_queues(queues)

    def fact(
        self,
        kind: str,
        at: Instant,
        call: CallId = "",
        queue: QueueName = "",
        agent: AgentName = "",
        **data: object,
    ) -> None:
        """Write one line of the ledger."""
        self.out.append(Fact(kind, at, call, queue, agent, data))

    def ignored(self, event: AcdEvent, why: str, at: Instant) -> None:
        """A late, repeated or unknown event changes nothing, and says so."""
        self.fact(
            "acd.ignored",
            at,
            call=getattr(event, "call", ""),
            queue=getattr(event, "queue", ""),
            agent=getattr(event, "agent", ""),
            event=type(event).__name__,
            why=why,
        )

    def idle_from(self, agent: Agent, at: Instant) -> None:
        """The agent goes to the end of the line of the idle; equals are drawn by the dice, not by name."""
        agent.idle_since = at
        agent.tie = self.dice.random()

    def publish(self, agent: Agent, at: Instant) -> None:
        """Derive the agent's state anew; when it changed, say so and keep the indexes true."""
        state = derive(agent)
        reason = derive_reason(agent, state)
        was = agent.state
        if state is was and reason == agent.reason:
            return
        lasted = at - agent.since
        self.out.append(AgentChanged(agent.name, state, reason))
        data: dict[str, object] = {"state": state.value, "reason": reason, "was": was.value, "lasted": lasted}
        self.out.append(Fact("agent.state", at, "", "", agent.name, data))
        agent.state = state
        agent.reason = reason
        agent.since = at
        if state is AgentState.READY:
            self.matcher.agent_ready(agent)

    def remove_call(self, call: WaitingCall) -> int:
        """Take the call out of everything; returns the position it had."""
        self.calls.pop(call.call, None)
        self.matcher.call_gone(call)
        for kind in (MAX_WAIT, POSITION, PERIODIC):
            self.deadlines.cancel((kind, call.call))
        return call.queue.places.remove(call)

    def set_queues(self, queues: Mapping[QueueName, QueueSettings]) -> None:
        """Take new settings. Queues that stay keep their callers; those that go must be empty."""
        strategies = {name: strategy(name) for name in {settings.strategy for settings in queues.values()}}
        old = self.queues
        self.queues = {}
        pools: dict[tuple[str, tuple[AgentName, ...]], Pool] = {}
        for agent in self.agents.values():
            agent.pools, agent.indexed, agent.queues = [], [], []
        here = {agent.name for agent in self.agents.values() if not agent.leaving}
        for name, settings in queues.items():
            members = tuple(sorted({member for member in settings.agents if member in here}))
            pool = pools.get((settings.strategy, members))
            if pool is None:
                agents = [self.agents[member] for member in members]
                pool = pools[settings.strategy, members] = Pool(agents, strategies[settings.strategy])
                for agent in agents:
                    agent.pools.append(pool)
                    if pool.indexed:
                        agent.indexed.append(pool)
            for member in members:
                self.agents[member].queues.append(name)
            queue = old.get(name)
            if queue is None:
                queue = Queue(name, settings, pool)
            else:
                queue.settings, queue.pool = settings, pool
            self.queues[name] = queue
        self.index()

    def index(self) -> None:
        """Fill places, fresh pools and the matcher from the truth."""
        self.matcher.waiting.clear()
        for queue in self.queues.values():
            queue.places.clear()
        for call in sorted(self.calls.values(), key=lambda call: (call.rank, call.serial)):
            call.queue.places.add(call)
            call.in_heap = False
            if call.offer is None:
                self.matcher.call_free(call)
        for agent in self.agents.values():
            if agent.state is AgentState.READY:
                self.matcher.agent_ready(agent)
