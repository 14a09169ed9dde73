"""Rings: a call that has waited long enough is for other agents. It keeps its rank; only its pool changes.

The ring before the first is the sticky agent's, for some seconds. It is left at once when that agent logs out.
"""

from softswitch.acd.model import CallId, CallQueued
from softswitch.acd.outcomes import overflow
from softswitch.acd.queue import STICKY, WaitingCall
from softswitch.acd.state import MORE_PHONES, OPEN_RING, State
from softswitch.kernel.clock import Instant


def enter(state: State, call: WaitingCall, event: CallQueued | None, at: Instant) -> None:
    """Put the new call into its first pool."""
    queue = call.queue
    own = None if event is None else event.sticky_seconds
    seconds = queue.settings.sticky_seconds if own is None else own
    if event is not None and event.without:
        former = state.agents.get(event.without)
        here = former is not None and former.logged_in and former in queue.pool.agents
        call.without = event.without if queue.pool.logged_in > here else ""  # better the same agent than nobody
    if event is not None and event.sticky and event.sticky != event.without and seconds > 0:
        agent = state.agents.get(event.sticky)
        if agent is not None and agent.logged_in and agent in queue.pool.agents:
            call.sticky, call.sticky_until = agent.name, at + seconds
    call.ring = _ring_at(call, at)
    state.pools.put(call)
    _arm(state, call)


def open_due(state: State, call_id: CallId, at: Instant) -> None:
    """The next ring opens for the call."""
    call = state.calls.get(call_id)
    if call is None:
        return
    ring = _ring_at(call, at)
    target = call.queue.rings[ring].to if ring != STICKY else None
    if target is None:
        _to(state, call, ring, at)
    else:
        overflow(state, call, "ring", at, target)


def rearm(state: State, call: WaitingCall) -> None:
    """New settings: the call is in the ring that its wait has opened."""
    ring = _ring_at(call, state.now)
    if ring != STICKY and call.queue.rings[ring].to is not None:
        state.deadlines.set((OPEN_RING, call.call), state.now)
    elif ring != call.ring:
        _to(state, call, ring, state.now)
    else:
        _arm(state, call)


def let_go(state: State, call: WaitingCall, at: Instant) -> None:
    """The sticky agent is not there any more."""
    call.sticky_until = at
    open_due(state, call.call, at)


def more_phones(state: State, call_id: CallId, at: Instant) -> None:
    """One phone more is to ring for the call (ring-progressively)."""
    call = state.calls.get(call_id)
    if call is None or not call.offers or call.pool.strategy.phones != "more":
        return
    settings = call.queue.settings
    if call.phones < settings.ring_at_most:
        call.phones += 1
        state.matcher.call_wider(call)
    if call.phones < settings.ring_at_most:
        state.deadlines.set((MORE_PHONES, call_id), at + max(settings.ring_step, 1.0))


def _ring_at(call: WaitingCall, at: Instant) -> int:
    """The ring that is open for the call."""
    if at < call.sticky_until:
        return STICKY
    waited, ring = at - call.entered, 0
    for number, later in enumerate(call.queue.rings):
        stays = later.to is None or call.callback is None  # a call-back does not go elsewhere
        if number and stays and waited + 1e-6 >= later.after:  # the sum's rounding may make it a little less
            ring = number
    return ring


def following(call: WaitingCall) -> int | None:
    """The ring that opens next for the call; None: there is none."""
    rings = call.queue.rings
    for number in range(call.ring + 1, len(rings)):
        if rings[number].to is None or call.callback is None:
            return number
    return None


def _to(state: State, call: WaitingCall, ring: int, at: Instant) -> None:
    call.ring = ring
    state.move(call)
    agents, logged_in = len(call.pool.agents), call.pool.logged_in
    state.fact(
        *("ring.opened", at, call.call, call.queue.name),
        ring=ring,
        waited=at - call.entered,
        agents=agents,
        logged_in=logged_in,
    )
    _arm(state, call)


def _arm(state: State, call: WaitingCall) -> None:
    """The deadline of the next ring, if there is one."""
    rings = call.queue.rings
    if call.ring == STICKY:
        state.deadlines.set((OPEN_RING, call.call), call.sticky_until)
    elif (ring := following(call)) is not None:
        state.deadlines.set((OPEN_RING, call.call), call.entered + rings[ring].after)
    else:
        state.deadlines.cancel((OPEN_RING, call.call))
