"""Callers whose line dropped: who calls again within the queue's `resume_seconds`, from the same vouched-for number,
has the old place. The ledger then takes the abandonment back (`queue.resumed`), so the caller is counted once."""

from dataclasses import dataclass

from softswitch.acd.model import CallId, QueueName
from softswitch.acd.queue import Queue, WaitingCall
from softswitch.acd.state import State
from softswitch.kernel.clock import Duration, Instant

MOST = 10_000  # remembered in all queues together; the oldest are forgotten first


@dataclass(frozen=True, slots=True)
class Dropped:
    """The place of a caller who hung up at `at`."""

    call: CallId
    rank: float
    at: Instant
    waited: Duration
    short: bool


def remember(state: State, call: WaitingCall, waited: Duration, short: bool, at: Instant) -> None:
    """The caller hung up while waiting."""
    if call.queue.settings.resume_seconds <= 0 or not call.known or not call.caller:
        return
    memory = state.dropped
    key = (call.queue.name, call.caller)
    memory.pop(key, None)
    memory[key] = Dropped(call.call, call.rank, at, waited, short)
    while memory:
        (queue, _), oldest = next(iter(memory.items()))
        if len(memory) <= MOST and at - oldest.at <= _seconds(state, queue):
            break
        del memory[next(iter(memory))]


def take(state: State, queue: Queue, caller: str, call: CallId, at: Instant) -> Dropped | None:
    """The place that `caller`, who comes now as `call`, had, if the line dropped lately; told once."""
    found: Dropped | None = state.dropped.pop((queue.name, caller), None)
    if found is None or at - found.at > queue.settings.resume_seconds:
        return None
    state.fact(
        "queue.resumed", at, found.call, queue.name, by=call, waited=found.waited, short=found.short,
        away=at - found.at,
    )  # fmt: skip
    return found


def _seconds(state: State, name: QueueName) -> Duration:
    queue = state.queues.get(name)
    return 0.0 if queue is None else queue.settings.resume_seconds
