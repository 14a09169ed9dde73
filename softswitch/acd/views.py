"""What a supervisor sees: frozen pictures of queues, agents and waiting calls. Made when asked for, not kept."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from softswitch.acd.agent import Agent, Ringing, WrapUp
from softswitch.acd.callback_book import Callback
from softswitch.acd.model import AgentName, AgentState, CallbackId, CallId, Needs, QueueName
from softswitch.acd.queue import Queue, WaitingCall
from softswitch.acd.state import State
from softswitch.kernel.clock import Duration, Instant


@dataclass(frozen=True, slots=True)
class WaitingView:
    """A waiting call; `position` 1 is next, `waited` seconds, `offered_to` whose phone rings (empty: nobody's),
    `ringing` all those whose phones ring. `ring`: the one that is open for it (-1: the sticky agent's)."""

    call: CallId
    queue: QueueName
    caller: str
    position: int
    waited: Duration
    entered: Instant
    rank: float
    offered_to: AgentName = ""
    ring: int = 0
    needs: Needs = ()
    ringing: tuple[AgentName, ...] = ()
    callback: CallbackId = ""


@dataclass(frozen=True, slots=True)
class CallbackView:
    """A call-back to come. `state`: `waiting`, `offered` (an agent's phone rings for it), `calling`, or `paused` until
    `due`. `position` is its place in the queue, 0 when it has none now."""

    callback: CallbackId
    queue: QueueName
    number: str
    by: str
    state: Literal["waiting", "offered", "calling", "paused"]
    position: int
    asked: Instant
    expires: Instant
    attempts: int
    due: Instant | None
    call: CallId


@dataclass(frozen=True, slots=True)
class QueueView:
    """`longest_wait` in seconds, of those who wait on a line now, as does `waiting`; `callbacks` wait without one.
    `states` counts the queue's agents by state."""

    queue: QueueName
    strategy: str
    waiting: int
    offered: int
    longest_wait: Duration
    agents: int
    logged_in: int
    states: dict[AgentState, int]
    callbacks: int = 0


@dataclass(frozen=True, slots=True)
class AgentView:
    """`since`: in this state from then on. `call` and `queue` are those of the offer, conversation or wrap-up.
    `until`: when wrap-up or rest ends. `pause` is the reason, None when not paused (also while talking).
    `calls` are all conversations; `available`: may be offered a call. `phone`: where a hot-desking agent sits."""

    agent: AgentName
    state: AgentState
    reason: str
    since: Instant
    lasted: Duration
    logged_in: bool
    pause: str | None
    reachable: bool
    own_calls: int
    misses: int
    idle_since: Instant
    call: CallId
    queue: QueueName
    until: Instant | None
    queues: tuple[QueueName, ...]
    calls: tuple[CallId, ...] = ()
    capacity: int = 1
    available: bool = False
    phone: str = ""


def waiting_view(call: WaitingCall, position: int, now: Instant) -> WaitingView:
    """One call."""
    offered_to = call.offer.agent.name if call.offer is not None else ""
    waited = now - call.entered
    return WaitingView(
        *(call.call, call.queue.name, call.caller, position, waited, call.entered, call.rank, offered_to, call.ring),
        needs=call.needs,
        ringing=tuple(ringing.agent.name for ringing in call.offers),
        callback=call.callback.callback if call.callback is not None else "",
    )


def callback_view(state: State, wanted: Callback, now: Instant) -> CallbackView:
    """One call-back."""
    call = state.calls.get(wanted.call)
    if call is None:
        what: Literal["waiting", "offered", "calling", "paused"] = "calling" if wanted.call else "paused"
    else:
        what = "offered" if call.offers else "waiting"
    return CallbackView(
        *(wanted.callback, wanted.queue, wanted.number, wanted.by, what),
        position=0 if call is None else call.queue.places.position(call),
        asked=wanted.asked,
        expires=wanted.expires,
        attempts=wanted.attempts,
        due=wanted.due,
        call=wanted.call,
    )


def queue_view(queue: Queue, now: Instant) -> QueueView:
    """One queue; costs a look at each of its callers and agents."""
    states = Counter(agent.state for agent in queue.pool.agents)
    callers = [call for call in queue.places if call.callback is None]
    entered = [call.entered for call in callers]
    return QueueView(
        queue.name,
        queue.settings.strategy,
        waiting=len(callers),
        offered=sum(1 for call in callers if call.offer is not None),
        longest_wait=now - min(entered) if entered else 0.0,
        agents=len(queue.pool.agents),
        logged_in=queue.pool.logged_in,
        states=dict(states),
        callbacks=len(queue.places) - len(callers),
    )


def agent_view(agent: Agent, now: Instant) -> AgentView:
    """One agent."""
    activity = agent.activity
    call, queue, until = "", "", None
    if isinstance(activity, Ringing):
        call, queue = activity.call.call, activity.call.queue.name
    elif activity is not None:
        call, queue = activity.call, activity.queue
    if isinstance(activity, WrapUp):
        until = activity.until
    elif activity is None and agent.rest is not None:
        until = agent.rest.until
    return AgentView(
        agent.name,
        agent.state,
        agent.reason,
        agent.since,
        now - agent.since,
        agent.logged_in,
        agent.pause,
        agent.reachable,
        agent.own_calls,
        agent.misses,
        agent.idle_since,
        call,
        queue,
        until,
        tuple(agent.queues),
        tuple(agent.talks),
        agent.settings.capacity,
        agent.available,
        agent.phone,
    )
