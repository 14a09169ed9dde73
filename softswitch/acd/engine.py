"""The engine: events in, effects out. It decides; who holds it rings phones, joins calls and keeps the ledger.

Every step serves the deadlines that are due (each accounted at its due time), takes the event, lets calls leave that
nobody is there to answer, and then matches calls and agents at `now`. Events that come late, twice or about nobody
change nothing and are told in a fact `acd.ignored`.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from random import Random
from typing import Any

from softswitch.acd import (
    announcing,
    callback,
    callers,
    desk,
    memory,
    offering,
    regulating,
    rings,
    views,
    watchdog,
    why,
    wrapping,
)
from softswitch.acd.callback_book import Callback
from softswitch.acd.estimate import Estimate
from softswitch.acd.model import (
    DEFAULT_ACD,
    AcdEffect,
    AcdEvent,
    AcdSettings,
    AgentLogin,
    AgentLogout,
    AgentName,
    AgentOutcome,
    AgentPause,
    AgentReady,
    AgentSettings,
    AgentWrapUp,
    CallbackAsked,
    CallbackCancelled,
    CallbackFailed,
    CallbackId,
    CallbackReached,
    CallerLeft,
    CallPickedUp,
    CallPrioritised,
    CallQueued,
    CallReturned,
    DeviceBusy,
    DeviceReachable,
    Fact,
    OfferAnswered,
    OfferFailed,
    QueueName,
    QueueSettings,
    Reconfigured,
    TalkEnded,
    TalkMoved,
    TalkResumed,
    TalkStarted,
)
from softswitch.acd.queue import rank_of
from softswitch.acd.reconfigure import reconfigure
from softswitch.acd.state import (
    CALLBACK,
    MAX_WAIT,
    MORE_PHONES,
    OPEN_RING,
    PERIODIC,
    POSITION,
    REST,
    RING,
    WRAP_UP,
    State,
)
from softswitch.acd.strategies import FindStrategy, built_in
from softswitch.kernel.clock import Instant

_EVENTS: dict[type, Callable[[State, Any, Instant], None]] = {
    CallQueued: callers.enter,
    CallerLeft: callers.left,
    CallPrioritised: regulating.prioritise,
    CallReturned: callers.returned,
    CallbackAsked: callback.asked,
    CallbackCancelled: callback.cancelled,
    CallbackReached: callback.reached,
    CallbackFailed: callback.failed,
    OfferAnswered: offering.answered,
    OfferFailed: offering.failed,
    CallPickedUp: offering.picked_up,
    TalkStarted: desk.talk_started,
    TalkResumed: desk.talk_resumed,
    TalkMoved: desk.talk_moved,
    TalkEnded: desk.talk_ended,
    AgentLogin: desk.login,
    AgentLogout: desk.logout,
    AgentPause: desk.pause,
    AgentReady: desk.ready,
    AgentWrapUp: desk.wrap_up,
    AgentOutcome: desk.outcome,
    DeviceReachable: desk.reachable,
    DeviceBusy: desk.busy,
    Reconfigured: reconfigure,
}

_DUE: dict[str, Callable[[State, Any, Instant], None]] = {
    RING: offering.ring_over,
    WRAP_UP: wrapping.over,
    REST: desk.rest_over,
    MAX_WAIT: callers.max_wait_over,
    OPEN_RING: rings.open_due,
    MORE_PHONES: rings.more_phones,
    POSITION: announcing.position_due,
    PERIODIC: announcing.periodic_due,
    CALLBACK: callback.due,
}


class Engine:
    """The ACD of one switch. Agents start logged out and unreachable: `restore`, `AgentLogin` and `DeviceReachable`
    bring them in. `agents` may be mere names. `find_strategy` knows what is configured as a strategy; it raises
    `LocalError` for what it does not know, and so does the engine."""

    __slots__ = ("_state", "_unknown", "_watched")

    def __init__(
        self,
        queues: Mapping[QueueName, QueueSettings],
        agents: Mapping[AgentName, AgentSettings] | Iterable[AgentName],
        now: Instant,
        dice: Random,
        settings: AcdSettings = DEFAULT_ACD,
        find_strategy: FindStrategy = built_in,
    ) -> None:
        self._state = State(queues, agents, now, dice, settings, find_strategy)
        self._unknown: frozenset[str] = frozenset()
        self._watched = 0

    def receive(self, event: AcdEvent, now: Instant) -> list[AcdEffect]:
        """Something happened. A clock that stepped back is taken as standing still."""
        now = self._serve(now)
        _EVENTS[type(event)](self._state, event, now)
        return self._settle()

    def wake(self, now: Instant) -> list[AcdEffect]:
        """Deadlines passed."""
        self._serve(now)
        return self._settle()

    def deadline(self) -> Instant | None:
        """When to wake the engine; None: not before the next event."""
        return self._state.deadlines.next()

    def queue_names(self) -> tuple[QueueName, ...]:
        """Every queue, as configured."""
        return tuple(self._state.queues)

    def agent_names(self) -> tuple[AgentName, ...]:
        """Every agent, as configured."""
        return tuple(self._state.agents)

    def queue_view(self, name: QueueName, now: Instant) -> views.QueueView | None:
        """The queue as it is now; None for an unknown one."""
        queue = self._state.queues.get(name)
        return None if queue is None else views.queue_view(queue, now)

    def agent_view(self, name: AgentName, now: Instant) -> views.AgentView | None:
        """The agent as it is now; None for an unknown one."""
        agent = self._state.agents.get(name)
        return None if agent is None else views.agent_view(agent, now)

    def agent_said(self, name: AgentName) -> tuple[bool, str | None, str] | None:
        """Whether the agent is logged in, the reason of its pause (None: ready), and its phone: what `agent_view` says
        of its own will, at a tenth of the cost. None for an unknown one."""
        agent = self._state.agents.get(name)
        return None if agent is None else (agent.logged_in, agent.pause, agent.phone)

    def waiting(self, name: QueueName, now: Instant) -> list[views.WaitingView]:
        """The queue's callers in their order, offered ones included."""
        queue = self._state.queues.get(name)
        places = () if queue is None else queue.places
        return [views.waiting_view(call, position, now) for position, call in enumerate(places, 1)]

    def position(self, call_id: str) -> int:
        """The waiting call's position in its queue, 1 is next; 0 when it does not wait."""
        call = self._state.calls.get(call_id)
        return 0 if call is None else call.queue.places.position(call)

    def why_call(self, call_id: str, now: Instant) -> list[why.CallStory]:
        """The call's stays in queues with every offer and skip, the latest last; empty when none is remembered."""
        return why.why_call(self._state, call_id, now)

    def why_agent(self, name: AgentName, now: Instant) -> why.AgentStory | None:
        """The agent's last offers, and why it does not have the calls that wait; None for an unknown one."""
        return why.why_agent(self._state, name, now)

    def outcome_refusal(self, agent: AgentName, call: str, code: str) -> str:
        """Why the agent cannot note that outcome of that call; empty when it can."""
        found = desk.outcome_of(self._state, AgentOutcome(agent, call, code))
        return found if isinstance(found, str) else ""

    def pause_refusal(self, reason: str) -> str:
        """Why nobody can pause for that reason; empty when one can."""
        return desk.pause_refusal(self._state, reason)

    def pick_up_refusal(self, call: str, agent: AgentName) -> str:
        """Why the agent cannot take a call that rings for another; empty when it can."""
        return offering.pick_up_refusal(self._state, call, agent)

    def talks(self, name: AgentName, call: str) -> bool:
        """Whether the agent is in conversation with that call."""
        agent = self._state.agents.get(name)
        return agent is not None and call in agent.talks

    def snapshot(self) -> dict[AgentName, dict[str, object]]:
        """The agents' log-in, pause and wrap-up as plain JSON values."""
        return memory.snapshot(self._state)

    def restore(self, remembered: Mapping[AgentName, Mapping[str, object]], now: Instant) -> list[AcdEffect]:
        """Take up a snapshot after a restart."""
        memory.restore(self._state, remembered, self._serve(now))
        return self._settle()

    def estimate(self, name: QueueName, now: Instant) -> Estimate | None:
        """How long a caller who came to the queue now would wait, were no agent free; None when nothing can be said."""
        state = self._state
        queue = state.queues.get(name)
        if queue is None:
            return None
        rank = rank_of(queue.settings, now, 0.0)
        return state.forecast.expect(state, queue, queue.pool, rank, state.next_serial, now)

    def estimated(self, call_id: str, now: Instant) -> Estimate | None:
        """How long the waiting call still waits, as of now."""
        state = self._state
        call = state.calls.get(call_id)
        if call is None or call.offers:
            return None
        return state.forecast.expect(state, call.queue, call.pool, call.rank, call.serial, now)

    def learn(self, facts: Iterable[Fact]) -> None:
        """What an earlier run has seen, so that estimates begin where it stopped."""
        for fact in facts:
            if fact.queue:
                self._state.forecast.learn(fact.kind, fact.queue, fact.data)

    def callbacks(self, now: Instant) -> list[views.CallbackView]:
        """Call-backs to come, in the order of their places."""
        return [views.callback_view(self._state, wanted, now) for wanted in self._state.callbacks.all()]

    def callback(self, id: CallbackId) -> Callback | None:
        """One of them, to be looked at only."""
        return self._state.callbacks.get(id)

    def restore_callbacks(self, facts: Iterable[Fact], now: Instant) -> list[AcdEffect]:
        """Call-backs that the ledger leaves open wait again."""
        callback.restore(self._state, facts, self._serve(now))
        return self._settle()

    def check(self, now: Instant, live: Set[str] | None = None) -> list[watchdog.Violation]:
        """Invariants that do not hold, none expected; `live` are the ids of all calls that the switch has."""
        return watchdog.check(self._state, now, live)

    def repair(self, now: Instant, live: Set[str] | None = None) -> list[AcdEffect]:
        """Mend what `check` finds, loudly: a fact `acd.repaired` for each violation."""
        now = self._serve(now)
        watchdog.repair(self._state, now, live)
        return self._settle()

    def watch(self, now: Instant, live: Set[str]) -> list[AcdEffect]:
        """`repair`, to be asked for every now and then: in a centre of many queues a part of them each time. A call
        that the switch does not know is laid to rest when it is unknown for the second time."""
        now = self._serve(now)
        state = self._state
        unknown = watchdog.unknown(state, live)
        ghosts, self._unknown = unknown & self._unknown, unknown
        self._watched += 1
        parts = watchdog.parts(state)
        watchdog.repair(state, now, live | (unknown - ghosts), (self._watched % parts, parts))
        return self._settle()

    def _serve(self, now: Instant) -> Instant:
        """Handle what is due, in order and each at its due time; returns the step's time."""
        state = self._state
        if now < state.now:
            now = state.now
        state.now = now
        deadlines = state.deadlines
        due = deadlines.next()
        if due is not None and due <= now:
            for (kind, subject), at in deadlines.due(now):
                _DUE[kind](state, subject, at)
        return now

    def _settle(self) -> list[AcdEffect]:
        """Bring calls and agents together and hand out what the step decided."""
        state = self._state
        if state.emptied:
            emptied, state.emptied = state.emptied, []
            for pool in emptied:
                callers.pool_empty(state, pool, state.now)
        while state.deserted:
            callers.deserted(state, state.deserted.popitem()[0], state.now)
        for call, agent in state.matcher.pairs():
            offering.make(state, call, agent, state.now)
        if state.entered:
            entered, state.entered = state.entered, []
            for call in entered:
                if not call.offers and state.calls.get(call.call) is call:
                    call.estimate = state.forecast.expect(
                        state, call.queue, call.pool, call.rank, call.serial, state.now
                    )
        out, state.out = state.out, []
        return out
