"""A supervisor's word on a waiting call: more or less head start than it came with."""

from softswitch.acd.model import CallPrioritised
from softswitch.acd.state import State
from softswitch.kernel.clock import Instant

MOST = 86_400.0  # seconds that one order may move a call


def prioritise(state: State, event: CallPrioritised, at: Instant) -> None:
    """The call gets a new rank, once; what rings for it goes on. From here on it is overtaken as if it had come with
    that head start, so nobody starves by it."""
    call = state.calls.get(event.call)
    if call is None:
        state.ignored(event, "the call does not wait", at)
        return
    seconds = max(-MOST, min(MOST, event.seconds))
    state.matcher.call_gone(call)  # while the heap still knows it by its old rank
    place = call.queue.places.remove(call)
    call.rank -= seconds
    call.queue.places.add(call)
    if call.callback is not None:
        call.callback.rank = call.rank
    state.move(call)
    position = call.queue.places.position(call)
    state.fact(
        "call.prioritised", at, call.call, call.queue.name, seconds=seconds, rank=call.rank, by=event.by,
        was=place, position=position,
    )  # fmt: skip
