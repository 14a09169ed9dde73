"""Callers: entering a queue, leaving it, and the waits that end in an overflow."""

from typing import Literal

from softswitch.acd import announcing, offering, rings
from softswitch.acd.model import CallerLeft, CallId, CallQueued, Overflow
from softswitch.acd.pool import Pool
from softswitch.acd.queue import STICKY, Queue, WaitingCall, rank_of
from softswitch.acd.state import MAX_WAIT, State
from softswitch.kernel.clock import Instant

OverflowCause = Literal["max-wait", "full", "no-agents", "removed"]


def enter(state: State, event: CallQueued, at: Instant) -> None:
    """A caller comes. A full queue, or one with nobody logged in, sends it on in the same step."""
    if event.call in state.calls:
        state.ignored(event, "the call waits already", at)
        return
    queue = state.queues.get(event.queue)
    if queue is None:
        state.ignored(event, "no such queue", at)
        state.out.append(Overflow(event.call, event.queue, "removed", None))
        return
    settings = queue.settings
    arrived = at if event.arrived is None else min(event.arrived, at)
    rank = rank_of(settings, arrived, event.head_start)
    call = WaitingCall(event.call, queue, event.caller, rank, state.next_serial, at, queue.pool, event.needs)
    state.next_serial += 1
    length = len(queue.places)
    asked = settings.needs | dict(event.needs)
    needs: dict[str, object] = {"needs": asked} if asked else {}
    state.fact("queue.entered", at, call.call, queue.name, "", caller=call.caller, rank=rank, ahead=length, **needs)
    if settings.max_length and length >= settings.max_length:
        _overflow_facts(state, call, "full", length + 1, at)
        return
    if settings.on_empty is not None and not queue.pool.logged_in:
        _overflow_facts(state, call, "no-agents", length + 1, at)
        return
    state.calls[call.call] = call
    queue.places.add(call)
    rings.enter(state, call, event, at)
    state.matcher.call_free(call)
    if settings.max_wait:
        state.deadlines.set((MAX_WAIT, call.call), at + settings.max_wait)
    announcing.arm(state, call)


def rearm(state: State, call: WaitingCall) -> None:
    """Move the call's deadlines to where its queue's new settings want them, never into the past."""
    settings = call.queue.settings
    if settings.max_wait:
        state.deadlines.set((MAX_WAIT, call.call), max(state.now, call.entered + settings.max_wait))
    else:
        state.deadlines.cancel((MAX_WAIT, call.call))
    announcing.rearm(state, call)
    rings.rearm(state, call)


def left(state: State, event: CallerLeft, at: Instant) -> None:
    """The caller is gone, and so is the offer that rings for it, in this very step."""
    call = state.calls.get(event.call)
    if call is None:
        state.ignored(event, "the call does not wait", at)
        return
    leave(state, call, event.reason, at)


def leave(state: State, call: WaitingCall, reason: str, at: Instant) -> None:
    """`abandoned` is the caller's own doing; any other reason is no abandonment."""
    position = state.remove_call(call, reason, at)
    queue = call.queue
    waited = at - call.entered
    if reason == "abandoned":
        short = waited < queue.settings.short_abandon
        within = waited <= queue.settings.service_level.seconds
        told: dict[str, object] = {"waited": waited, "position": position, "short": short, "within": within}
        state.fact("queue.abandoned", at, call.call, queue.name, "", **told)
    else:
        state.fact("queue.left", at, call.call, queue.name, waited=waited, position=position, reason=reason)
    offering.withdraw_all(state, call, "caller-left", at)


def max_wait_over(state: State, call_id: CallId, at: Instant) -> None:
    """The queue's `max_wait` passed; a phone that rings for the call is silenced."""
    call = state.calls.get(call_id)
    if call is not None:
        overflow(state, call, "max-wait", at)


def overflow(state: State, call: WaitingCall, cause: OverflowCause, at: Instant) -> None:
    """The waiting call leaves for the queue's target."""
    position = state.remove_call(call, f"overflow: {cause}", at)
    _overflow_facts(state, call, cause, position, at)
    offering.withdraw_all(state, call, cause, at)


def pool_empty(state: State, pool: Pool, at: Instant) -> None:
    """Nobody of the pool is logged in any more: calls that were kept for one agent go on to the others, and those of
    queues with `on_empty` and nobody at all go there."""
    if pool.logged_in or not pool.calls.live:
        return
    for call in sorted(pool.calls, key=lambda call: (call.rank, call.serial)):
        if call.queue.settings.on_empty is not None and not call.queue.pool.logged_in:
            overflow(state, call, "no-agents", at)
        elif call.ring == STICKY:
            rings.let_go(state, call, at)


def _overflow_facts(state: State, call: WaitingCall, cause: OverflowCause, position: int, at: Instant) -> None:
    queue = call.queue
    target = _target(queue, cause)
    waited = at - call.entered
    state.fact(
        "queue.overflowed", at, call.call, queue.name, cause=cause, target=target, waited=waited, position=position
    )
    state.out.append(Overflow(call.call, queue.name, cause, target))


def _target(queue: Queue, cause: OverflowCause) -> str | None:
    settings = queue.settings
    targets = {"max-wait": settings.on_max_wait, "full": settings.on_full, "no-agents": settings.on_empty}
    return targets.get(cause)
