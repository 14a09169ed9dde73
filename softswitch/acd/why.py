"""Why a call waits or who got it, and why an agent gets no calls: every offer and every skip with its reason.

Nothing is worked out before it is asked for. What is kept is small and bounded: the offers of each waiting call and
of some thousand calls gone since, the last offers of each agent, and the states that agents left lately. Who was
skipped at an offer, and why, is read off those states and the settings as they are now.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from softswitch.acd.agent import Agent
from softswitch.acd.model import AgentName, AgentState, CallId, Needs, OfferId, QueueName
from softswitch.acd.offers import Tried
from softswitch.acd.pools import minima_of
from softswitch.acd.queue import STICKY, WaitingCall
from softswitch.acd.state import State
from softswitch.kernel.clock import Duration, Instant

_MOST_AGENTS = 200  # listed for one question; all are counted
_MOST_OFFERS = 10  # told with those who were passed over, the last ones
_MOST_CALLS = 20


@dataclass(frozen=True, slots=True)
class Skip:
    """`agent` did not get the call for `reason`: `not-in-ring`, `skill`, `sticky`, `passed-on`, `strategy`, or the
    agent's state. `detail` says it in words; `until`: when that ends by itself, if it is known."""

    agent: AgentName
    reason: str
    detail: str
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class OfferStory:
    """One phone rung for the call; `outcome`: `ringing`, `answered`, a failure's cause or a withdrawal's reason."""

    offer: OfferId
    call: CallId
    queue: QueueName
    agent: AgentName
    at: Instant
    ring: int
    outcome: str
    rang: Duration
    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class CallStory:
    """One stay of a call in a queue. While it waits: `position` (1 is next), `ahead_elsewhere` (calls of other queues
    that stand before it with some agent of its own), the `ring` that is open, `next_ring_at`, and for every agent of
    the queue why it does not have the call (`skipped`, the first of them; `reasons` counts all). `needs`: what is
    asked of an agent now, by skill. `outcome` and `left` once it is over."""

    call: CallId
    queue: QueueName
    caller: str
    strategy: str
    entered: Instant
    waited: Duration
    rank: float
    ring: int
    needs: Needs
    sticky: AgentName
    sticky_until: Instant | None
    waiting: bool
    position: int
    ahead_elsewhere: int
    next_ring_at: Instant | None
    outcome: str
    left: Instant | None
    offers: tuple[OfferStory, ...]
    skipped: tuple[Skip, ...]
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class MissedCall:
    """A call that waits in a queue of the agent's, and why the agent does not have it."""

    call: CallId
    queue: QueueName
    position: int
    waited: Duration
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class AgentStory:
    """`offers` are the last ones, the newest first. `waiting`: calls of the agent's queues in the order in which the
    agent would get them. `next_call`: the first of them that is for this agent, once it is available."""

    agent: AgentName
    state: AgentState
    reason: str
    since: Instant
    until: Instant | None
    available: bool
    queues: tuple[QueueName, ...]
    offers: tuple[OfferStory, ...]
    waiting: tuple[MissedCall, ...]
    next_call: CallId
    past: tuple[tuple[Instant, AgentState, str], ...]


def why_call(state: State, call_id: CallId, now: Instant) -> list[CallStory]:
    """The call's stays in queues, the latest last; empty when none is remembered."""
    stays = list(state.past_calls.get(call_id, ()))
    live = state.calls.get(call_id)
    return [_call_story(state, call, now) for call in (*stays, *(() if live is None else (live,)))]


def why_agent(state: State, name: AgentName, now: Instant) -> AgentStory | None:
    """The agent's offers and the calls that wait beside; None for an unknown one."""
    agent = state.agents.get(name)
    if agent is None:
        return None
    calls = sorted(_calls_beside(state, agent), key=lambda call: (call.rank - _weight(call, agent), call.serial))
    missed: list[MissedCall] = []
    next_call = ""
    for call in calls:
        skip = _skip(call, agent, now)
        if not next_call and agent in call.pool.agents and not call.offers:
            next_call = call.call
        if len(missed) < _MOST_CALLS:
            position = call.queue.places.position(call)
            missed.append(
                MissedCall(call.call, call.queue.name, position, now - call.entered, skip.reason, skip.detail)
            )
    return AgentStory(
        *(agent.name, agent.state, agent.reason, agent.since),
        until=_until(agent),
        available=agent.available,
        queues=tuple(agent.queues),
        offers=tuple(_offer_story(tried, now) for tried in reversed(agent.tried)),
        waiting=tuple(missed),
        next_call=next_call,
        past=tuple(agent.past),
    )


def _call_story(state: State, call: WaitingCall, now: Instant) -> CallStory:
    queue = call.queue
    waiting = state.calls.get(call.call) is call
    rung = [ringing.agent for ringing in call.offers]  # perhaps of none of the queue's agents after a reload
    skipped = [_skip(call, agent, now) for agent in dict.fromkeys((*queue.pool.agents, *rung))] if waiting else []
    end = now if call.left is None else call.left
    upcoming = call.ring + 1 if waiting and 0 <= call.ring + 1 < len(queue.rings) else None
    return CallStory(
        *(call.call, queue.name, call.caller, queue.settings.strategy, call.entered, end - call.entered, call.rank),
        ring=call.ring,
        needs=call.pool.minima,
        sticky=call.sticky,
        sticky_until=call.sticky_until if call.sticky else None,
        waiting=waiting,
        position=queue.places.position(call) if waiting else 0,
        ahead_elsewhere=sum(1 for _ in _ahead(state, call)) if waiting else 0,
        next_ring_at=_opens(call, upcoming),
        outcome=call.outcome,
        left=call.left,
        offers=tuple(
            _offer_story(tried, now, _skipped_then(call, tried) if number < _MOST_OFFERS else ())
            for number, tried in zip(range(len(call.tried) - 1, -1, -1), call.tried, strict=True)
        ),
        skipped=tuple(skipped[:_MOST_AGENTS]),
        reasons=dict(Counter(skip.reason for skip in skipped)),
    )


def _opens(call: WaitingCall, ring: int | None) -> Instant | None:
    if ring is None:
        return None
    return call.sticky_until if call.ring == STICKY else call.entered + call.queue.rings[ring].after


def _offer_story(tried: Tried, now: Instant, skipped: Iterable[Skip] = ()) -> OfferStory:
    ended = now if tried.ended is None else tried.ended
    return OfferStory(
        *(tried.offer, tried.call, tried.queue, tried.agent, tried.at, tried.ring, tried.outcome),
        rang=ended - tried.at,
        skipped=tuple(skipped),
    )


# --------------------------------------------------------------------------------------------------------- the reasons


def _skip(call: WaitingCall, agent: Agent, now: Instant) -> Skip:
    """Why the agent does not have that waiting call now."""
    if any(ringing.agent is agent for ringing in call.offers):
        return Skip(agent.name, "ringing", "is being rung for it")
    unfit = _unfit(call, call.ring, agent)
    if unfit is not None:
        return unfit
    if not agent.available:
        return Skip(agent.name, agent.state.value, _doing(agent), _until(agent))
    if call.offers:
        return Skip(agent.name, "offered", "the call is being offered to others")
    return Skip(agent.name, "next", "is free, and is rung at the next step")


def _skipped_then(call: WaitingCall, tried: Tried) -> Iterator[Skip]:
    """Who was passed over when that offer was made, as far as the states of then are remembered."""
    for agent in list(call.queue.pool.agents)[:_MOST_AGENTS]:
        if agent.name == tried.agent:
            continue
        unfit = _unfit(call, tried.ring, agent)
        if unfit is not None:
            yield unfit
            continue
        then = _state_at(agent, tried.at)
        if then is None:
            yield Skip(agent.name, "forgotten", "what it did then is not remembered")
        elif then[0] is AgentState.READY:
            yield Skip(agent.name, "strategy", f"was free; {call.queue.settings.strategy} put {tried.agent} first")
        elif then[0] is AgentState.OFFERED and any(
            other.agent == agent.name and other.at <= tried.at and (other.ended is None or other.ended > tried.at)
            for other in call.tried
        ):
            yield Skip(agent.name, "ringing", "was being rung for it too")
        else:
            state, reason = then
            yield Skip(agent.name, state.value, _words(state, reason))


def _unfit(call: WaitingCall, ring: int, agent: Agent) -> Skip | None:
    """Why the call was not for that agent at all while that ring was open."""
    queue = call.queue
    if agent.name == call.without:
        return Skip(agent.name, "passed-on", "has just passed it on")
    if ring == STICKY:
        if agent.name == call.sticky:
            return None
        return Skip(agent.name, "sticky", f"the call was kept for {call.sticky}", call.sticky_until)
    ring = min(ring, len(queue.rings) - 1)
    members = queue.rings[ring].agents
    if agent.name not in (queue.settings.agents if members is None else members):
        return Skip(agent.name, "not-in-ring", f"not in ring {ring}")
    for skill, least in minima_of(queue, ring, call.needs):
        has = agent.settings.skills.get(skill, 0)
        if has < least:
            return Skip(agent.name, "skill", f"needs {skill} >= {least}, has {has}")
    return None


def _doing(agent: Agent) -> str:
    """What keeps the agent from a call, with the calls that it is in."""
    match agent.state:
        case AgentState.TALKING:
            return f"talks with {', '.join(agent.talks)}"
        case AgentState.OFFERED if agent.offer is not None:
            return f"is being rung for {agent.offer.call.call}"
        case AgentState.WRAP_UP:
            return f"wraps up {', '.join(agent.wrap_ups)}"
        case AgentState.BUSY:
            return f"has calls of its own: {agent.own_calls}"
    return _words(agent.state, agent.reason)


def _words(state: AgentState, reason: str) -> str:
    return f"{state.value} ({reason})" if reason else state.value


def _state_at(agent: Agent, at: Instant) -> tuple[AgentState, str] | None:
    """What was published of the agent just before anything changed at `at`; None when that is forgotten."""
    if agent.since < at:
        return agent.state, agent.reason
    for since, state, reason in reversed(agent.past):
        if since < at:
            return state, reason
    return None


def _until(agent: Agent) -> Instant | None:
    if agent.wrap_ups and not agent.talks and agent.offer is None:
        return min(wrap_up.until for wrap_up in agent.wrap_ups.values())
    return agent.rest.until if agent.rest is not None else None


def _ahead(state: State, call: WaitingCall) -> Iterator[WaitingCall]:
    """Waiting calls of other queues before this one in the eyes of an agent who may get either."""
    mine = call.pool.agents
    shared: dict[int, bool] = {}
    for other in state.calls.values():
        if other.queue is not call.queue and (other.rank, other.serial) < (call.rank, call.serial):
            pool = other.pool
            if id(pool) not in shared:
                few, many = (mine, pool.agents) if len(mine) < len(pool.agents) else (pool.agents, mine)
                shared[id(pool)] = any(agent in many for agent in few)
            if shared[id(pool)]:
                yield other


def _calls_beside(state: State, agent: Agent) -> Iterator[WaitingCall]:
    for name in agent.queues:
        queue = state.queues.get(name)
        if queue is not None:
            yield from queue.places


def _weight(call: WaitingCall, agent: Agent) -> float:
    return call.queue.settings.weights.get(agent.name, 0.0)
