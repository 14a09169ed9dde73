"""How a wait ends, but for an answer: the caller leaves, or overflows to another place. Each call once."""

from softswitch.acd import dropped, offering
from softswitch.acd.model import Overflow, OverflowCause
from softswitch.acd.queue import Queue, WaitingCall
from softswitch.acd.state import State
from softswitch.kernel.clock import Instant


def leave(state: State, call: WaitingCall, reason: str, at: Instant) -> None:
    """`abandoned` is the caller's own doing; any other reason is no abandonment."""
    position = state.remove_call(call, reason, at)
    queue = call.queue
    waited = at - call.entered
    if reason == "abandoned":
        short = waited < queue.settings.short_abandon
        state.fact(
            "queue.abandoned", at, call.call, queue.name, "", waited=waited, position=position, short=short,
            within=waited <= queue.settings.service_level.seconds,
            **_estimate(call),
        )  # fmt: skip
        dropped.remember(state, call, waited, short, at)
    else:
        state.fact("queue.left", at, call.call, queue.name, waited=waited, position=position, reason=reason)
    offering.withdraw_all(state, call, "caller-left", at)


def overflow(state: State, call: WaitingCall, cause: OverflowCause, at: Instant, target: str | None = None) -> None:
    """The waiting call leaves for `target`, unless given the queue's."""
    position = state.remove_call(call, f"overflow: {cause}", at)
    refuse(state, call, cause, position, at, target)
    offering.withdraw_all(state, call, cause, at)


def refuse(
    state: State, call: WaitingCall, cause: OverflowCause, position: int, at: Instant, target: str | None = None
) -> None:
    """The call, which is in no place, goes on."""
    queue = call.queue
    if target is None:
        target = target_of(queue, cause)
    waited = at - call.entered
    state.fact(
        "queue.overflowed", at, call.call, queue.name, cause=cause, target=target, waited=waited, position=position
    )
    state.out.append(Overflow(call.call, queue.name, cause, target))


def target_of(queue: Queue, cause: OverflowCause) -> str | None:
    """Where the queue sends its callers for that cause."""
    settings = queue.settings
    targets: dict[OverflowCause, str | None] = {
        "max-wait": settings.on_max_wait,
        "full": settings.on_full,
        "no-agents": settings.on_empty,
        "estimate": settings.on_max_estimate,
    }
    return targets.get(cause)


def _estimate(call: WaitingCall) -> dict[str, object]:
    return {} if call.estimate is None else {"estimate": round(call.estimate.seconds, 1)}
