"""What a waiting caller is told: its position and the wait to come, and the queue's own messages from time to time.

A position is computed when it is due and never kept, so a queue of any length costs a bisection an announcement.
While an agent's phone rings for the caller nothing is said; the next turn is kept.
"""

from softswitch.acd.model import Announce, CallId, QueueSettings
from softswitch.acd.queue import WaitingCall
from softswitch.acd.state import PERIODIC, POSITION, State
from softswitch.kernel.clock import Duration, Instant


def arm(state: State, call: WaitingCall) -> None:
    """The position is told after `announce_first` seconds and then every so often; a message first after its
    interval."""
    settings = call.queue.settings
    if settings.announce_position > 0:
        state.deadlines.set((POSITION, call.call), state.now + settings.announce_first)
    if settings.announce_every > 0 and messages(settings):
        state.deadlines.set((PERIODIC, call.call), state.now + settings.announce_every)


def rearm(state: State, call: WaitingCall) -> None:
    """New settings: turns that would come later than the new interval are brought forward."""
    settings = call.queue.settings
    message = settings.announce_every if messages(settings) else 0.0
    for kind, every in ((POSITION, settings.announce_position), (PERIODIC, message)):
        key = (kind, call.call)
        if every > 0:
            latest = state.now + every
            running = state.deadlines.get(key)
            state.deadlines.set(key, latest if running is None else min(running, latest))
        else:
            state.deadlines.cancel(key)


def messages(settings: QueueSettings) -> tuple[str, ...]:
    """The queue's prompts."""
    prompt = settings.announce_prompt
    return () if not prompt else (prompt,) if isinstance(prompt, str) else prompt


def position_due(state: State, call_id: CallId, at: Instant) -> None:
    call = state.calls.get(call_id)
    if call is None:
        return
    queue = call.queue
    state.deadlines.set((POSITION, call_id), _after(at, queue.settings.announce_position, state.now))
    if call.offer is None:
        seconds = None
        if queue.settings.announce_estimate:
            estimate = state.forecast.expect(state, queue, call.pool, call.rank, call.serial, at)
            seconds = None if estimate is None else estimate.seconds
        state.out.append(Announce(call_id, "position", queue.places.position(call), seconds))


def periodic_due(state: State, call_id: CallId, at: Instant) -> None:
    call = state.calls.get(call_id)
    if call is None:
        return
    settings = call.queue.settings
    state.deadlines.set((PERIODIC, call_id), _after(at, settings.announce_every, state.now))
    if call.offer is None:
        state.out.append(Announce(call_id, "periodic", prompt=_next_message(state, call, messages(settings))))


def _next_message(state: State, call: WaitingCall, prompts: tuple[str, ...]) -> str:
    """In turn, or at random but never the same twice in a row."""
    count = len(prompts)
    if call.queue.settings.announce_order == "turn" or count < 2 or call.message < 0:
        step = 1 if call.queue.settings.announce_order == "turn" or count < 2 else 1 + int(state.dice.random() * count)
    else:
        step = 1 + int(state.dice.random() * (count - 1))
    call.message = (call.message + step) % count
    return prompts[call.message]


def _after(due: Instant, every: Duration, now: Instant) -> Instant:
    """The next turn on the grid of due times; turns that a late wake-up missed are left out."""
    following = due + every
    return following if following > now else now + every
