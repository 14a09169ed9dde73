"""What a waiting caller is told: its position, and the queue's own message from time to time.

A position is computed when it is due and never kept, so a queue of any length costs a bisection an announcement.
While an agent's phone rings for the caller nothing is said; the next turn is kept.
"""

from softswitch.acd.model import Announce, CallId
from softswitch.acd.queue import WaitingCall
from softswitch.acd.state import PERIODIC, POSITION, State
from softswitch.kernel.clock import Duration, Instant


def arm(state: State, call: WaitingCall) -> None:
    """The position is told on entry and then every so often; the message first after its interval."""
    settings = call.queue.settings
    if settings.announce_position > 0:
        state.deadlines.set((POSITION, call.call), state.now)
    if settings.announce_every > 0 and settings.announce_prompt is not None:
        state.deadlines.set((PERIODIC, call.call), state.now + settings.announce_every)


def rearm(state: State, call: WaitingCall) -> None:
    """New settings: turns that would come later than the new interval are brought forward."""
    settings = call.queue.settings
    message = settings.announce_every if settings.announce_prompt is not None else 0.0
    for kind, every in ((POSITION, settings.announce_position), (PERIODIC, message)):
        key = (kind, call.call)
        if every > 0:
            latest = state.now + every
            running = state.deadlines.get(key)
            state.deadlines.set(key, latest if running is None else min(running, latest))
        else:
            state.deadlines.cancel(key)


def position_due(state: State, call_id: CallId, at: Instant) -> None:
    call = state.calls.get(call_id)
    if call is None:
        return
    state.deadlines.set((POSITION, call_id), _after(at, call.queue.settings.announce_position, state.now))
    if call.offer is None:
        state.out.append(Announce(call_id, "position", call.queue.places.position(call)))


def periodic_due(state: State, call_id: CallId, at: Instant) -> None:
    call = state.calls.get(call_id)
    if call is None:
        return
    state.deadlines.set((PERIODIC, call_id), _after(at, call.queue.settings.announce_every, state.now))
    if call.offer is None:
        state.out.append(Announce(call_id, "periodic"))


def _after(due: Instant, every: Duration, now: Instant) -> Instant:
    """The next turn on the grid of due times; turns that a late wake-up missed are left out."""
    following = due + every
    return following if following > now else now + every
