"""What the engine knows, and the few writes that every verb shares: facts, derived states, deadlines, pools."""

from collections import deque
from collections.abc import Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from softswitch.acd.agent import Agent, Ringing, derive, derive_reason, may_take
from softswitch.acd.callback_book import Callbacks
from softswitch.acd.estimate import Forecast
from softswitch.acd.matching import Matcher
from softswitch.acd.model import (
    DEFAULT_AGENT,
    AcdEffect,
    AcdEvent,
    AcdSettings,
    AgentChanged,
    AgentName,
    AgentSettings,
    AgentState,
    CallId,
    Fact,
    OfferId,
    Overflow,
    QueueName,
    QueueSettings,
)
from softswitch.acd.pool import Pool
from softswitch.acd.pools import Pools
from softswitch.acd.queue import Queue, WaitingCall
from softswitch.acd.strategies import FindStrategy
from softswitch.kernel.clock import Instant
from softswitch.kernel.deadlines import Deadlines

if TYPE_CHECKING:
    from softswitch.acd.dropped import Dropped

RING = "ring"
WRAP_UP = "wrap-up"
REST = "rest"
MAX_WAIT = "max-wait"
POSITION = "position"
PERIODIC = "periodic"
OPEN_RING = "open-ring"
MORE_PHONES = "more-phones"
CALLBACK = "callback"

_PAST_CALLS = 2000  # calls that have left and that `why` can tell of
_WORDS = {state: state.value for state in AgentState}  # asking an enum for its value costs 0.4 µs
_STAYS = 4  # of one call in queues, before the last

DeadlineKey: TypeAlias = tuple[str, CallId | AgentName | OfferId]


class State:
    """`calls`, `offers` and `agents` are the truth; places, pools and deadlines are indexes over it and can be
    rebuilt. `emptied` are pools to look at because nobody in them is logged in. `past_offers` are offers that ended
    lately, with their agent and whether they were answered; `past_calls` those who left lately, for `why`. `entered`
    are the calls that came in the running step, `deserted` queues to look at because agents' states changed, `crowded`
    those with callers. `dropped` are places of callers who hung up. `out` collects the effects of the running step."""

    __slots__ = (
        "_find_strategy",
        "_watching",
        "agents",
        "callbacks",
        "calls",
        "crowded",
        "deadlines",
        "deserted",
        "dice",
        "dropped",
        "emptied",
        "ended_offers",
        "entered",
        "forecast",
        "matcher",
        "next_offer",
        "next_serial",
        "now",
        "offers",
        "out",
        "past_calls",
        "past_offers",
        "pools",
        "queues",
        "settings",
    )

    def __init__(
        self,
        queues: Mapping[QueueName, QueueSettings],
        agents: Mapping[AgentName, AgentSettings] | Iterable[AgentName],
        now: Instant,
        dice: Random,
        settings: AcdSettings,
        find_strategy: FindStrategy,
    ) -> None:
        self.now = now
        self.settings = settings
        self.calls: dict[CallId, WaitingCall] = {}
        self.offers: dict[OfferId, Ringing] = {}
        self.past_calls: dict[CallId, tuple[WaitingCall, ...]] = {}
        self.past_offers: dict[OfferId, tuple[AgentName, bool]] = {}
        self.ended_offers: deque[tuple[Instant, OfferId]] = deque()
        self.agents = {name: Agent(name, now, now, own) for name, own in settings_of(agents).items()}
        self.queues: dict[QueueName, Queue] = {}
        self.dice = dice
        self._find_strategy = find_strategy
        self.pools = Pools(self.agents, dice, self._strategy_failed)
        self.matcher = Matcher(self.pools.journal)
        self.deadlines: Deadlines[DeadlineKey] = Deadlines()
        self.next_serial = 1
        self.next_offer: OfferId = 1
        self.emptied: list[Pool] = []
        self.entered: list[WaitingCall] = []
        self.deserted: dict[Queue, None] = {}
        self.crowded: dict[Queue, None] = {}
        self.dropped: dict[tuple[QueueName, str], Dropped] = {}
        self.callbacks = Callbacks()
        self.forecast = Forecast()
        self._watching: dict[AgentName, list[Queue]] = {}
        self.out: list[AcdEffect] = []
        self.find_strategies(queues)
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
        if queue:
            self.forecast.learn(kind, queue, data)

    def refused(self, call: CallId, queue: QueueName) -> None:
        """There is no such queue."""
        self.out.append(Overflow(call, queue, "removed", None))

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
        agent.touched = True

    def publish(self, agent: Agent, at: Instant) -> None:
        """Derive the agent's state anew; when it changed, say so and keep the indexes true."""
        state = derive(agent)
        reason = derive_reason(agent, state)
        was = agent.state
        if state is not was or reason != agent.reason:
            lasted = at - agent.since
            self.out.append(AgentChanged(agent.name, state, reason))
            data: dict[str, object] = {"state": _WORDS[state], "reason": reason, "was": _WORDS[was], "lasted": lasted}
            self.out.append(Fact("agent.state", at, "", "", agent.name, data))
            agent.past.append((agent.since, was, agent.reason))
            agent.state = state
            agent.reason = reason
            agent.since = at
            if self._watching and (queues := self._watching.get(agent.name)):
                self.deserted.update(dict.fromkeys(queues))
        could = agent.available
        agent.available = available = may_take(agent, state)
        if available and (agent.touched or not could):
            agent.touched = False
            here = at - agent.logged_in_since
            agent.occupancy = agent.worked / here if here > 0 else 0.0
            self.matcher.agent_available(agent)

    def remove_call(self, call: WaitingCall, outcome: str = "left", at: Instant | None = None) -> int:
        """Take the call out of everything but the memory of `why`; returns the position it had."""
        call.outcome, call.left = outcome, self.now if at is None else at
        past = self.past_calls
        past[call.call] = (*past.pop(call.call, ())[-_STAYS:], call)
        if len(past) > _PAST_CALLS:
            del past[next(iter(past))]
        self.calls.pop(call.call, None)
        self.matcher.call_gone(call)
        self.pools.take(call)
        for kind in (MAX_WAIT, POSITION, PERIODIC, OPEN_RING, MORE_PHONES):
            self.deadlines.cancel((kind, call.call))
        queue = call.queue
        position = queue.places.remove(call)
        if not len(queue.places):
            self.crowded.pop(queue, None)
        return position

    def move(self, call: WaitingCall) -> None:
        """The call goes to the pool of its ring; its rank and what rings for it stay."""
        self.matcher.call_gone(call)
        self.pools.take(call)
        phones = call.phones
        self.pools.put(call)
        if call.offers:
            call.phones = max(phones, call.phones)
            if len(call.offers) < call.phones:
                self.matcher.call_wider(call)
        else:
            self.matcher.call_free(call)

    def find_strategies(self, queues: Mapping[QueueName, QueueSettings]) -> None:
        """Find the classes of all strategies. Raises `LocalError` for an unknown one; nothing has changed then."""
        self.pools.types = {name: self._find_strategy(name) for name in {own.strategy for own in queues.values()}}

    def set_queues(self, queues: Mapping[QueueName, QueueSettings]) -> None:
        """Take new settings, whose strategies were found. Queues that stay keep their callers; those that go must be
        empty."""
        self.queues = self.pools.rebuild(queues, self.queues)
        self.index()

    def index(self) -> None:
        """Fill places, fresh pools and the matcher from the truth."""
        matcher = self.matcher
        matcher.waiting.clear()
        matcher.ringing.clear()
        matcher.weighted = any(queue.settings.weights for queue in self.queues.values())
        self.forecast.forget_pools()
        self._watching = {}
        for queue in self.queues.values():
            queue.places.clear()
            if queue.settings.leave_when is not None:
                for agent in queue.pool.agents:
                    self._watching.setdefault(agent.name, []).append(queue)
        self.crowded = dict.fromkeys(call.queue for call in self.calls.values())
        for call in sorted(self.calls.values(), key=lambda call: (call.rank, call.serial)):
            call.queue.places.add(call)
            call.in_heap = False
            call.ring = min(call.ring, len(call.queue.rings) - 1)
            self.pools.put(call)
            if not call.offers:
                matcher.call_free(call)
                continue
            if call.pool.strategy.phones == "more":
                call.phones = max(1, min(len(call.offers), call.queue.settings.ring_at_most))
            if len(call.offers) < call.phones:
                matcher.call_wider(call)
        for agent in self.agents.values():
            if agent.available:
                matcher.agent_available(agent)

    def _strategy_failed(self, pool: Pool, error: str) -> None:
        """Loudly: a strategy that raises gives way to longest idle."""
        self.fact("strategy.failed", self.now, strategy=str(pool.key[0]), error=error)


def settings_of(
    agents: Mapping[AgentName, AgentSettings] | Iterable[AgentName],
) -> dict[AgentName, AgentSettings]:
    """Agents with their settings; mere names get the default ones."""
    return dict(agents) if isinstance(agents, Mapping) else dict.fromkeys(agents, DEFAULT_AGENT)
