"""Call-backs: a place in the queue without a line.

A call-back waits as one call among the others, with the rank that its caller had, so it neither loses its place nor
jumps the line. When an agent is offered to it the switch calls the agent and then the customer, or the customer first,
as configured. There is at most one attempt at a time: the waiting call is the attempt. One that fails gives the place
back and begins again after a pause, until the customer was called as often as allowed or the call-back has expired.

                    ┌───────────── pause, opening hours ─────────────┐
    asked ─► waiting ─► offered ─► customer called ─► failed ─────────┤
                │                        │                            └─► given up
                └─► cancelled, expired   └─► connected
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from softswitch.acd import limits, offering, rings
from softswitch.acd.callback_book import Callback
from softswitch.acd.model import (
    CallbackAsked,
    CallbackCancelled,
    CallbackEnded,
    CallbackFailed,
    CallbackId,
    CallbackReached,
    CallbackSettings,
    CallId,
    Fact,
    QueueName,
)
from softswitch.acd.outcomes import leave
from softswitch.acd.queue import Queue, WaitingCall, rank_of
from softswitch.acd.releasing import release
from softswitch.acd.state import CALLBACK, State
from softswitch.kernel.clock import Duration, Instant

COUNTED: Final = frozenset(("busy", "no-answer", "rejected", "failed"))
_SOON: Duration = 60.0  # until the next attempt where nobody said when
_DEFAULT: Final = CallbackSettings()


def asked(state: State, event: CallbackAsked, at: Instant) -> None:
    """Somebody wants to be called back. The place is that of the waiting call, which leaves."""
    queue = state.queues.get(event.queue)
    waiting = state.calls.get(event.call) if event.call else None
    if queue is None:
        state.ignored(event, "no such queue", at)
        return
    if event.call and (waiting is None or waiting.queue is not queue or waiting.callback is not None):
        state.ignored(event, "the call does not wait there", at)
        return
    if state.callbacks.get(event.callback) is not None:
        state.ignored(event, "asked already", at)
        return
    settings = queue.settings.callback or _DEFAULT
    older = state.callbacks.of_number(queue.name, event.number)
    if waiting is not None:
        rank, needs, serial = waiting.rank, waiting.needs, waiting.serial
        leave(state, waiting, "callback", at)
    else:
        arrived = at if event.arrived is None else min(event.arrived, at)
        rank, needs = rank_of(queue.settings, arrived, event.head_start), event.needs
        serial = _serial(state)
    if older is not None:
        state.fact(
            "callback.merged", at, event.call, queue.name, callback=older.callback, number=event.number, by=event.by
        )
    else:
        callback = Callback(
            *(event.callback, queue.name, event.number, event.to, event.by, rank, at, at + settings.expire),
            needs=needs,
            language=event.language,
            serial=serial,
        )
        state.callbacks.add(callback)
        state.fact(
            "callback.asked", at, event.call, queue.name, callback=callback.callback, number=callback.number,
            to=callback.to, by=callback.by, rank=rank, expires=callback.expires, needs=list(needs),
            language=callback.language,
        )  # fmt: skip
        _wait(state, callback, at)


def cancelled(state: State, event: CallbackCancelled, at: Instant) -> None:
    """It is not wanted any more."""
    callback = state.callbacks.get(event.callback)
    if callback is None:
        state.ignored(event, "no such call-back", at)  # a late or repeated one
    else:
        cancel(state, callback, "cancelled", event.by, at)


def called_again(state: State, queue: Queue, number: str, call: CallId, at: Instant) -> float | None:
    """The customer calls again: `call` takes the place of the call-back; its rank, None when there is none."""
    callback = state.callbacks.of_number(queue.name, number)
    if callback is None:
        return None
    cancel(state, callback, "called-again", call, at)
    return callback.rank


def cancel(state: State, callback: Callback, cause: str, by: str, at: Instant) -> None:
    """Whatever it does now ends."""
    call = callback.call
    state.callbacks.remove(callback)
    state.deadlines.cancel((CALLBACK, callback.callback))
    state.fact(
        "callback.cancelled", at, "", callback.queue, callback=callback.callback, cause=cause, by=by,
        attempts=callback.attempts,
    )  # fmt: skip
    _give_up(state, call, cause, at)


def reached(state: State, event: CallbackReached, at: Instant) -> None:
    """The customer answered."""
    callback = state.callbacks.of_call(event.call)
    if callback is None:
        state.ignored(event, "no such attempt", at)
        return
    waiting = state.calls.get(event.call)
    talking = [agent for agent in state.agents.values() if event.call in agent.talks] if waiting is None else []
    state.fact(
        "callback.connected", at, event.call, callback.queue, talking[0].name if talking else "",
        callback=callback.callback, attempts=callback.attempts + 1, waited=at - callback.asked,
    )  # fmt: skip
    state.callbacks.remove(callback)
    state.deadlines.cancel((CALLBACK, callback.callback))
    for agent in talking:
        agent.talks[event.call] = replace(agent.talks[event.call], since=at, place=None)
    if waiting is not None:
        waiting.callback = None
        waiting.entered = at
        waiting.caller = callback.number
        ahead = waiting.queue.places.position(waiting) - 1
        state.fact(
            "queue.entered", at, waiting.call, waiting.queue.name, caller=waiting.caller, rank=waiting.rank,
            ahead=ahead, resumed="callback",
        )  # fmt: skip
        limits.arm(state, waiting, at)
        rings.rearm(state, waiting)


def failed(state: State, event: CallbackFailed, at: Instant) -> None:
    """The attempt came to nothing."""
    callback = state.callbacks.of_call(event.call)
    if callback is None:
        state.ignored(event, "no such attempt", at)
        return
    queue = state.queues.get(callback.queue)
    settings = (None if queue is None else queue.settings.callback) or _DEFAULT
    counted = event.cause in COUNTED
    callback.attempts += counted
    state.fact(
        "callback.attempted", at, event.call, callback.queue, callback=callback.callback, cause=event.cause,
        attempts=callback.attempts, counted=counted,
    )  # fmt: skip
    state.callbacks.attempt(callback, "")
    _give_up(state, event.call, event.cause, at, told=False, rest=event.cause == "agent")
    if counted and callback.attempts >= settings.attempts:
        _over(state, callback, "callback.failed", event.cause, at)
    elif at >= callback.expires:
        _over(state, callback, "callback.expired", event.cause, at)
    elif event.cause == "agent":
        _wait(state, callback, at)
    else:
        again = event.again if event.again is not None else at + (settings.pause if counted else _SOON)
        callback.due = max(again, at + 1.0)
        state.deadlines.set((CALLBACK, callback.callback), min(callback.due, callback.expires))


def due(state: State, id: CallbackId, at: Instant) -> None:
    """The pause is over, or its time altogether. One that is under way is seen to its end."""
    callback = state.callbacks.get(id)
    if callback is None:
        return
    waiting = state.calls.get(callback.call)
    under_way = bool(callback.call) and (waiting is None or bool(waiting.offers))
    if at >= callback.expires:
        if under_way:
            state.deadlines.set((CALLBACK, id), at + _SOON)
        else:
            call = callback.call
            _over(state, callback, "callback.expired", "time", at)
            _give_up(state, call, "expired", at)
    elif not callback.call:
        _wait(state, callback, at)


def restore(state: State, facts: Iterable[Fact], at: Instant) -> None:
    """Those that the ledger leaves open wait again, each with its place; whatever was under way begins anew."""
    found: dict[str, Callback] = {}
    for fact in facts:
        id = fact.data.get("callback")
        if not isinstance(id, str):
            continue
        if fact.kind == "callback.asked":
            callback = _remembered(id, fact)
            if callback is not None:
                found[id] = callback
        elif fact.kind == "callback.attempted":
            attempts = fact.data.get("attempts")
            if id in found and isinstance(attempts, int):
                found[id].attempts = attempts
        elif fact.kind in ("callback.connected", "callback.cancelled", "callback.expired", "callback.failed"):
            found.pop(id, None)
    for callback in found.values():
        if callback.expires <= at or callback.queue not in state.queues:
            state.fact(
                "callback.expired", at, queue=callback.queue, callback=callback.callback, cause="restart",
                attempts=callback.attempts,
            )  # fmt: skip
        elif state.callbacks.of_number(callback.queue, callback.number) is None:
            callback.serial = _serial(state)
            state.callbacks.add(callback)
            state.fact("callback.restored", at, queue=callback.queue, callback=callback.callback)
            _wait(state, callback, at)


def queues_removed(state: State, left: Collection[QueueName], at: Instant) -> None:
    """Only these queues are left; the call-backs of others go with them."""
    for callback in state.callbacks.all():
        if callback.queue not in left:
            cancel(state, callback, "removed", "configuration", at)


def _wait(state: State, callback: Callback, at: Instant) -> None:
    """The next attempt takes its place in the queue."""
    queue = state.queues[callback.queue]
    number = _serial(state)
    name = f"{callback.callback}.{int(at):x}.{number}"
    call = WaitingCall(
        *(name, queue, callback.number, callback.rank, callback.serial, at, queue.pool),
        needs=callback.needs,
    )
    call.stamp = number << 32  # dead heap entries of earlier attempts have the same rank and serial
    call.callback = callback
    callback.due = None
    state.callbacks.attempt(callback, call.call)
    state.calls[call.call] = call
    queue.places.add(call)
    state.crowded[queue] = None
    rings.enter(state, call, None, at)
    state.matcher.call_free(call)
    state.deadlines.set((CALLBACK, callback.callback), callback.expires)


def _serial(state: State) -> int:
    serial = state.next_serial
    state.next_serial += 1
    return serial


def _over(state: State, callback: Callback, kind: str, cause: str, at: Instant) -> None:
    state.callbacks.remove(callback)
    state.deadlines.cancel((CALLBACK, callback.callback))
    state.fact(
        kind, at, "", callback.queue, callback=callback.callback, number=callback.number, cause=cause,
        attempts=callback.attempts,
    )  # fmt: skip


def _give_up(state: State, call: CallId, cause: str, at: Instant, *, told: bool = True, rest: bool = False) -> None:
    """The attempt, wherever it is: out of the queue, phones silenced, the agent free. `told`: the switch must hear."""
    waiting = state.calls.get(call)
    if waiting is not None:
        state.remove_call(waiting, f"callback: {cause}", at)
        offering.withdraw_all(state, waiting, f"callback-{cause}", at)
    release(state, call, at, rest=rest)
    if call and told:
        state.out.append(CallbackEnded(call, cause))


def _remembered(id: CallbackId, fact: Fact) -> Callback | None:
    """What a fact `callback.asked` says; None when it says too little."""
    data: Mapping[str, object] = fact.data
    number, to, rank, expires = (data.get(key) for key in ("number", "to", "rank", "expires"))
    if not (isinstance(number, str) and isinstance(to, str)):
        return None
    if not (isinstance(rank, int | float) and isinstance(expires, int | float)):
        return None
    needs = data.get("needs")
    pairs: list[tuple[str, int]] = []
    for need in needs if isinstance(needs, list | tuple) else ():
        match need:
            case [str(skill), int(level)]:
                pairs.append((skill, level))
    language = data.get("language")
    return Callback(
        *(id, fact.queue, number, to, str(data.get("by", "")), float(rank), fact.at, float(expires)),
        needs=tuple(pairs),
        language=language if isinstance(language, str) else "",
    )
