"""The deadlines of a wait, and the watch over its queue: set when a call comes, moved when settings change."""

from softswitch.acd import announcing, rings
from softswitch.acd.queue import WaitingCall
from softswitch.acd.state import MAX_WAIT, State
from softswitch.kernel.clock import Instant


def arm(state: State, call: WaitingCall, at: Instant) -> None:
    """The deadlines and the watch over a call that has just come."""
    settings = call.queue.settings
    if settings.max_wait:
        state.deadlines.set((MAX_WAIT, call.call), at + settings.max_wait)
    announcing.arm(state, call)
    if settings.leave_when is not None:
        state.deserted[call.queue] = None


def rearm(state: State, call: WaitingCall) -> None:
    """Move the call's deadlines to where its queue's new settings want them, never into the past."""
    settings = call.queue.settings
    if call.callback is None:
        if settings.max_wait:
            state.deadlines.set((MAX_WAIT, call.call), max(state.now, call.entered + settings.max_wait))
        else:
            state.deadlines.cancel((MAX_WAIT, call.call))
        announcing.rearm(state, call)
        if settings.leave_when is not None:
            state.deserted[call.queue] = None
    rings.rearm(state, call)
