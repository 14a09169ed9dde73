"""The invariants of the engine, and their repair.

`calls`, `offers` and `agents` are the truth; everything else is an index over it. `check` compares them and tells
what disagrees; `repair` mends the truth first, then builds every index anew, and writes a fact for each violation.
None of it is expected ever: a violation is a bug of ours, and callers should not pay for it.
"""

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import pairwise

from softswitch.acd import callers, desk, offering
from softswitch.acd.agent import Ringing, Talking, WrapUp, derive
from softswitch.acd.model import AgentState, CallId, QueueName
from softswitch.acd.pool import Pool
from softswitch.acd.state import REST, RING, WRAP_UP, State
from softswitch.kernel.clock import Duration, Instant

_LATE: Duration = 5.0  # a deadline that nobody served for so long means that the engine is not woken


@dataclass(frozen=True, slots=True)
class Violation:
    """`invariant` broken by `subject` (a call, an agent, an offer's number or a queue)."""

    invariant: str
    subject: str
    detail: str


def check(state: State, now: Instant, live: Set[CallId] | None = None) -> list[Violation]:
    """Every invariant that does not hold. `live`, when given, are the calls that the switch knows: a waiting call or
    a conversation outside it is a ghost. Costs a look at every call, offer and agent."""
    return [
        *_offers(state),
        *_agents(state),
        *_calls(state),
        *_pools(state),
        *_clock(state, now),
        *([] if live is None else _ghosts(state, live)),
    ]


def repair(state: State, now: Instant, live: Set[CallId] | None = None) -> None:
    """Mend what `check` finds, with a fact for each violation; nothing happens when all is well."""
    violations = check(state, now, live)
    if not violations:
        return
    for violation in violations:
        state.fact(
            "acd.repaired", now, invariant=violation.invariant, subject=violation.subject, detail=violation.detail
        )
    if live is not None:
        _lay_ghosts(state, live, now)
    for ringing in list(state.offers.values()):
        if not _offer_holds(state, ringing):
            offering.withdraw(state, ringing, "repaired", now)
    for ringing in state.offers.values():
        ringing.call.offer = ringing
    for call in state.calls.values():
        if call.offer is not None and state.offers.get(call.offer.offer) is not call.offer:
            call.offer = None
    for agent in state.agents.values():
        activity = agent.activity
        if isinstance(activity, Ringing) and state.offers.get(activity.offer) is not activity:
            agent.activity = None
        if isinstance(activity, WrapUp) and state.deadlines.get((WRAP_UP, agent.name)) is None:
            state.deadlines.set((WRAP_UP, agent.name), max(now, activity.until))
        if agent.rest is not None and state.deadlines.get((REST, agent.name)) is None:
            state.deadlines.set((REST, agent.name), max(now, agent.rest.until))
        state.publish(agent, now)
    for offer, ringing in state.offers.items():
        ring_seconds = ringing.call.queue.settings.ring_seconds
        if ring_seconds and state.deadlines.get((RING, offer)) is None:
            state.deadlines.set((RING, offer), max(now, ringing.made + ring_seconds))
    state.set_queues({queue.name: queue.settings for queue in state.queues.values()})


def _offer_holds(state: State, ringing: Ringing) -> bool:
    call, agent = ringing.call, ringing.agent
    return (
        state.calls.get(call.call) is call
        and state.agents.get(agent.name) is agent
        and call.offer is ringing
        and agent.activity is ringing
        and agent.logged_in
    )


def _offers(state: State) -> Iterator[Violation]:
    for offer, ringing in state.offers.items():
        if not _offer_holds(state, ringing):
            detail = f"call {ringing.call.call}, agent {ringing.agent.name}"
            yield Violation("a live offer belongs to a waiting call and to a logged-in agent", str(offer), detail)
        if ringing.call.queue.settings.ring_seconds and state.deadlines.get((RING, offer)) is None:
            yield Violation("a live offer has a ring deadline", str(offer), f"made at {ringing.made}")
    for name, count in Counter(ringing.call.call for ringing in state.offers.values()).items():
        if count > 1:
            yield Violation("no call is offered twice", name, f"{count} offers")


def _agents(state: State) -> Iterator[Violation]:
    for agent in state.agents.values():
        activity = agent.activity
        if isinstance(activity, Ringing) and state.offers.get(activity.offer) is not activity:
            yield Violation("an agent's offer is live", agent.name, f"offer {activity.offer}")
        if isinstance(activity, WrapUp) and state.deadlines.get((WRAP_UP, agent.name)) is None:
            yield Violation("wrap-up has an end", agent.name, f"since {activity.since}")
        if agent.rest is not None and state.deadlines.get((REST, agent.name)) is None:
            yield Violation("a rest has an end", agent.name, agent.rest.cause)
        derived = derive(agent)
        if agent.state is not derived:
            yield Violation("the published state is the derived one", agent.name, f"{agent.state}, not {derived}")


def _calls(state: State) -> Iterator[Violation]:
    for call in state.calls.values():
        if call.offer is not None and state.offers.get(call.offer.offer) is not call.offer:
            yield Violation("a call's offer is live", call.call, f"offer {call.offer.offer}")
        if call.in_heap is (call.offer is not None):
            yield Violation("a waiting call is either offered or may be", call.call, f"in heap: {call.in_heap}")
    waiting_in: dict[QueueName, set[CallId]] = {}
    for call in state.calls.values():
        waiting_in.setdefault(call.queue.name, set()).add(call.call)
    for queue in state.queues.values():
        placed = list(queue.places)
        waiting = waiting_in.get(queue.name, set())
        if len(placed) != len(waiting) or {call.call for call in placed} != waiting:
            yield Violation("every waiting call has one place", queue.name, f"{len(placed)} places")
        if any(a.rank > b.rank for a, b in pairwise(placed)):
            yield Violation("places are in order of rank", queue.name, f"{len(placed)} places")


def _pools(state: State) -> Iterator[Violation]:
    heaps = Counter(call.call for pool in _distinct(state) for call in pool.calls)
    for call in state.calls.values():
        if heaps[call.call] != (call.offer is None):
            yield Violation("a call that may be offered is in its heap once", call.call, f"{heaps[call.call]} times")
    for pool in _distinct(state):
        names = ", ".join(agent.name for agent in list(pool.agents)[:3])
        ready = {agent for agent in pool.agents if agent.state is AgentState.READY}
        if pool.known_ready() != ready:
            yield Violation("the index of ready agents is true", names, f"{len(ready)} ready")
        if pool.logged_in != sum(agent.logged_in for agent in pool.agents):
            yield Violation("the count of logged-in agents is true", names, f"counted {pool.logged_in}")
        if bool(pool.calls.live) is not (pool in state.matcher.waiting):
            yield Violation("pools with calls are known", names, f"{pool.calls.live} calls")
        if ready and pool.calls.live:
            yield Violation("no agent is idle while a call waits", names, f"{pool.calls.live} calls")


def _clock(state: State, now: Instant) -> Iterator[Violation]:
    due = state.deadlines.next()
    if due is not None and due < now - _LATE:
        yield Violation("deadlines are served", "engine", f"{now - due:.1f} s late")


def _ghosts(state: State, live: Set[CallId]) -> Iterator[Violation]:
    for name in state.calls:
        if name not in live:
            yield Violation("a waiting call exists", name, "the switch does not know it")
    for agent in state.agents.values():
        if isinstance(agent.activity, Talking) and agent.activity.call not in live:
            yield Violation("a conversation exists", agent.name, f"the switch does not know {agent.activity.call}")


def _lay_ghosts(state: State, live: Set[CallId], now: Instant) -> None:
    for call in [call for name, call in state.calls.items() if name not in live]:
        callers.leave(state, call, "lost", now)
    for agent in list(state.agents.values()):
        if isinstance(agent.activity, Talking) and agent.activity.call not in live:
            desk.end_talk(state, agent, agent.activity, now)


def _distinct(state: State) -> list[Pool]:
    return list({id(queue.pool): queue.pool for queue in state.queues.values()}.values())
