"""Callers: entering a queue, coming back to it, and the waits that end without an answer."""

from collections.abc import Collection

from softswitch.acd import callback, dropped, limits, rings
from softswitch.acd.model import AgentState, CallerLeft, CallId, CallQueued, CallReturned
from softswitch.acd.outcomes import leave, overflow, refuse
from softswitch.acd.pool import Pool
from softswitch.acd.queue import STICKY, Queue, WaitingCall, rank_of
from softswitch.acd.releasing import release
from softswitch.acd.state import State
from softswitch.kernel.clock import Instant


def enter(state: State, event: CallQueued, at: Instant) -> None:
    """A caller comes. A full queue, one with nobody there, or one where it would wait too long, sends it on in the
    same step."""
    if event.call in state.calls:
        state.ignored(event, "the call waits already", at)
        return
    queue = state.queues.get(event.queue)
    if queue is None:
        state.ignored(event, "no such queue", at)
        state.refused(event.call, event.queue)
        return
    settings = queue.settings
    arrived = at if event.arrived is None else min(event.arrived, at)
    rank = rank_of(settings, arrived, event.head_start)
    again: dict[str, object] = {}
    if event.known and event.caller:
        if (was := dropped.take(state, queue, event.caller, event.call, at)) is not None:
            rank, again = min(rank, was.rank), {"resumed": was.call}
        if (wanted := callback.called_again(state, queue, event.caller, event.call, at)) is not None:
            rank, again = min(rank, wanted), {"resumed": "callback"}
    call = WaitingCall(event.call, queue, event.caller, rank, state.next_serial, at, queue.pool, event.needs)
    call.known = event.known
    state.next_serial += 1
    length = len(queue.places)
    asked = settings.needs | dict(event.needs)
    needs: dict[str, object] = {"needs": asked} if asked else {}
    state.fact(
        "queue.entered", at, call.call, queue.name, "", caller=call.caller, rank=rank, ahead=length, **needs, **again
    )
    if settings.max_length and length >= settings.max_length:
        refuse(state, call, "full", length + 1, at)
    elif _nobody(queue, settings.join_when):
        refuse(state, call, "no-agents", length + 1, at)
    elif settings.max_estimate and _too_long(state, call, at):
        refuse(state, call, "estimate", length + 1, at)
    else:
        state.calls[call.call] = call
        queue.places.add(call)
        state.crowded[queue] = None
        rings.enter(state, call, event, at)
        state.matcher.call_free(call)
        state.entered.append(call)
        limits.arm(state, call, at)


def left(state: State, event: CallerLeft, at: Instant) -> None:
    """The caller is gone, and so is the offer that rings for it, in this very step."""
    call = state.calls.get(event.call)
    if call is None or call.callback is not None:
        state.ignored(event, "the call does not wait", at)
        return
    leave(state, call, event.reason, at)


def returned(state: State, event: CallReturned, at: Instant) -> None:
    """The agent left before a word was said. The call was never answered: it has its place back, and the agent is set
    aside as after an offer that was rejected."""
    agent = state.agents.get(event.agent)
    talk = None if agent is None else agent.talks.get(event.call)
    call = None if talk is None else talk.place
    if agent is None or talk is None or call is None or call.callback is not None:
        state.ignored(event, "no such conversation", at)
        return
    queue = state.queues.get(call.queue.name)
    waited = talk.since - call.entered
    within = queue is not None and waited <= queue.settings.service_level.seconds
    state.fact(
        "queue.returned", at, call.call, call.queue.name, agent.name, waited=waited, within=within, talk=at - talk.since
    )
    release(state, event.call, at)
    if queue is None:
        refuse(state, call, "removed", 0, at)
        return
    call.left, call.outcome = None, ""
    state.past_calls[call.call] = tuple(stay for stay in state.past_calls.get(call.call, ()) if stay is not call)
    call.queue = queue
    call.ring = min(call.ring, len(queue.rings) - 1)
    state.calls[call.call] = call
    queue.places.add(call)
    state.crowded[queue] = None
    state.pools.put(call)
    state.matcher.call_free(call)
    limits.rearm(state, call)
    if not call.pool.logged_in:
        state.emptied.append(call.pool)


def max_wait_over(state: State, call_id: CallId, at: Instant) -> None:
    """The queue's `max_wait` passed; a phone that rings for the call is silenced."""
    call = state.calls.get(call_id)
    if call is not None:
        overflow(state, call, "max-wait", at)


def pool_empty(state: State, pool: Pool, at: Instant) -> None:
    """Nobody of the pool is logged in any more: calls that were kept for one agent go on to the others, and those of
    queues with `on_empty` and nobody at all go there."""
    if pool.logged_in or not pool.calls.live:
        return
    for call in sorted(pool.calls, key=lambda call: (call.rank, call.serial)):
        if call.callback is None and _nobody(call.queue, call.queue.settings.leave_when):
            overflow(state, call, "no-agents", at)
        elif call.ring == STICKY:
            rings.let_go(state, call, at)


def deserted(state: State, queue: Queue, at: Instant) -> None:
    """Agents' states have changed: when none of them counts as somebody by `leave_when`, callers leave; those for
    whom a phone rings stay until that is decided."""
    states = queue.settings.leave_when
    if states is None or not len(queue.places) or not _nobody(queue, states):
        return
    for call in [call for call in queue.places if not call.offers and call.callback is None]:
        overflow(state, call, "no-agents", at)


def _nobody(queue: Queue, states: Collection[AgentState] | None) -> bool:
    """Whether no agent of the queue is in one of `states`. Without them: whether nobody is logged in, which counts
    only for a queue that says where callers go then."""
    if states is None:
        return queue.settings.on_empty is not None and not queue.pool.logged_in
    return not any(agent.state in states for agent in queue.pool.agents)


def _too_long(state: State, call: WaitingCall, at: Instant) -> bool:
    """Whether the estimate is above the queue's limit. When nobody is at work nothing can be estimated: that is for
    `join_when` to judge."""
    queue = call.queue
    if not queue.pool.calls.live and any(agent.available for agent in queue.pool.agents):
        return False
    estimate = state.forecast.expect(state, queue, queue.pool, call.rank, call.serial, at)
    return estimate is not None and estimate.seconds > queue.settings.max_estimate
