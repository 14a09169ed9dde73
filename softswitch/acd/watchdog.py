"""The invariants of the engine, and their repair.

`calls`, `offers` and `agents` are the truth; everything else is an index over it. `check` compares them and tells
what disagrees; `repair` mends the truth first, then builds every index anew, and writes a fact for each violation.
None of it is expected ever: a violation is a bug of ours, and callers should not pay for it.
"""

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final, TypeAlias

from softswitch.acd import desk, limits, offering, outcomes, rings, wrapping
from softswitch.acd.agent import Ringing, derive, may_take
from softswitch.acd.model import CallId, QueueName
from softswitch.acd.state import OPEN_RING, REST, RING, WRAP_UP, State
from softswitch.kernel.clock import Duration, Instant

_LATE: Duration = 5.0  # a deadline that nobody served for so long means that the engine is not woken

_PART = 2000  # queues or pools in a part; 10 ms

Part: TypeAlias = tuple[int, int]  # which one, of how many
WHOLE: Final[Part] = (0, 1)

INVARIANTS: Final = {
    "offer-holds": "a live offer belongs to a waiting call and to a logged-in agent",
    "offer-ends": "a live offer has a ring deadline",
    "phones": "no call rings more phones than its queue allows",
    "agent-offer": "an agent's offer is live",
    "capacity": "no agent has more calls than the capacity",
    "wrap-up-ends": "wrap-up has an end",
    "rest-ends": "a rest has an end",
    "state": "the published state is the derived one",
    "available": "who may take a call is known to be available",
    "call-offer": "a call's offers are live",
    "offered-or-not": "a waiting call is either offered or may be",
    "place": "every waiting call has one place",
    "order": "places are in order of rank",
    "heap": "a call that may be offered is in its pool's heap once",
    "ring-opens": "the next ring of a waiting call has a deadline",
    "held": "every waiting call is in a pool that is known",
    "index": "the index of available agents is true",
    "logged-in": "the count of logged-in agents is true",
    "waiting": "pools with calls are known",
    "idle": "no agent is idle while a call waits",
    "clock": "deadlines are served",
    "call-exists": "a waiting call exists",
    "talk-exists": "a conversation exists",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """`invariant` (its text in `INVARIANTS`) broken by `subject` (a call, an agent, an offer's number or a queue)."""

    invariant: str
    subject: str
    detail: str


def check(state: State, now: Instant, live: Set[CallId] | None = None, part: Part = WHOLE) -> list[Violation]:
    """Every invariant that does not hold. `live`, when given, are the calls that the switch knows: a waiting call or
    a conversation outside it is a ghost. Costs a look at every call, offer and agent, and at a `part` of the queues
    and pools."""
    found = [
        *_offers(state),
        *_agents(state),
        *_calls(state, part),
        *_pools(state, part),
        *_clock(state, now),
        *([] if live is None else _ghosts(state, live)),
    ]
    return [Violation(INVARIANTS[name], subject, detail) for name, subject, detail in found]


def unknown(state: State, live: Set[CallId]) -> frozenset[CallId]:
    """Calls that wait or are talked with, and that the switch does not know."""
    talks = {call for agent in state.agents.values() for call in agent.talks}
    return frozenset((state.calls.keys() | talks) - live)


def parts(state: State) -> int:
    """Into how many parts a check may be divided so that each is quick."""
    return 1 + max(len(state.pools), len(state.queues)) // _PART


def repair(state: State, now: Instant, live: Set[CallId] | None = None, part: Part = WHOLE) -> None:
    """Mend what `check` finds, with a fact for each violation; nothing happens when all is well."""
    violations = check(state, now, live, part)
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
    for call in state.calls.values():
        call.offers = tuple(ringing for ringing in call.offers if state.offers.get(ringing.offer) is ringing)
        for ringing in call.offers[call.phones :]:
            offering.withdraw(state, ringing, "repaired", now)
    for agent in state.agents.values():
        if agent.offer is not None and state.offers.get(agent.offer.offer) is not agent.offer:
            agent.offer = None
        wrapping.arm(state, agent)
        if agent.rest is not None and state.deadlines.get((REST, agent.name)) is None:
            state.deadlines.set((REST, agent.name), max(now, agent.rest.until))
        state.publish(agent, now)
    for offer, ringing in state.offers.items():
        ring_seconds = offering.ring_time(ringing.call.queue.settings, ringing.agent)
        if ring_seconds and state.deadlines.get((RING, offer)) is None:
            state.deadlines.set((RING, offer), max(now, ringing.made + ring_seconds))
    state.set_queues({queue.name: queue.settings for queue in state.queues.values()})
    for call in state.calls.values():
        limits.rearm(state, call)


_Finding = tuple[str, str, str]


def _offer_holds(state: State, ringing: Ringing) -> bool:
    call, agent = ringing.call, ringing.agent
    return (
        state.calls.get(call.call) is call
        and state.agents.get(agent.name) is agent
        and ringing in call.offers
        and agent.offer is ringing
        and agent.logged_in
    )


def _offers(state: State) -> Iterator[_Finding]:
    for offer, ringing in state.offers.items():
        if not _offer_holds(state, ringing):
            yield "offer-holds", str(offer), f"call {ringing.call.call}, agent {ringing.agent.name}"
        limit = offering.ring_time(ringing.call.queue.settings, ringing.agent)
        if limit and state.deadlines.get((RING, offer)) is None:
            yield "offer-ends", str(offer), f"made at {ringing.made}"
    rung = Counter(ringing.call for ringing in state.offers.values())
    for call, count in rung.items():
        if count > call.phones:
            yield "phones", call.call, f"{count} offers"


def _agents(state: State) -> Iterator[_Finding]:
    for agent in state.agents.values():
        if agent.offer is not None and state.offers.get(agent.offer.offer) is not agent.offer:
            yield "agent-offer", agent.name, f"offer {agent.offer.offer}"
        if agent.wrap_ups and state.deadlines.get((WRAP_UP, agent.name)) is None:
            yield "wrap-up-ends", agent.name, f"{len(agent.wrap_ups)} wrap-ups"
        if agent.rest is not None and state.deadlines.get((REST, agent.name)) is None:
            yield "rest-ends", agent.name, agent.rest.cause
        derived = derive(agent)
        if agent.state is not derived:
            yield "state", agent.name, f"{agent.state}, not {derived}"
        if agent.available is not may_take(agent, derived):
            yield "available", agent.name, f"counted as {'' if agent.available else 'not '}available"


def _calls(state: State, part: Part) -> Iterator[_Finding]:
    for call in state.calls.values():
        for ringing in call.offers:
            if state.offers.get(ringing.offer) is not ringing:
                yield "call-offer", call.call, f"offer {ringing.offer}"
        if call.in_heap is bool(call.offers):
            yield "offered-or-not", call.call, f"in heap: {call.in_heap}"
        if rings.following(call) is not None and state.deadlines.get((OPEN_RING, call.call)) is None:
            yield "ring-opens", call.call, f"ring {call.ring}"
    waiting_in: dict[QueueName, set[CallId]] = {}
    for call in state.calls.values():
        waiting_in.setdefault(call.queue.name, set()).add(call.call)
    for queue in islice(state.queues.values(), part[0], None, part[1]):
        placed = list(queue.places)
        waiting = waiting_in.get(queue.name, set())
        if len(placed) != len(waiting) or {call.call for call in placed} != waiting:
            yield "place", queue.name, f"{len(placed)} places"
        if any(a.rank > b.rank for a, b in pairwise(placed)):
            yield "order", queue.name, f"{len(placed)} places"


def _pools(state: State, part: Part) -> Iterator[_Finding]:
    pools = list(islice(state.pools, part[0], None, part[1]))
    heaps = Counter(call for pool in pools for call in pool.calls if call.pool is pool)
    held = Counter(call.pool for call in state.calls.values())
    looked_at = set(pools)
    for call in state.calls.values():
        if call.pool in looked_at and heaps[call] != (not call.offers):
            yield "heap", call.call, f"{heaps[call]} times"
        if call.pool not in state.pools:
            yield "held", call.call, "in a forgotten pool"
    for pool in pools:
        names = ", ".join(agent.name for agent in list(pool.agents)[:3])
        available = {agent for agent in pool.agents if agent.available}
        if pool.known_available() != available:
            yield "index", names, f"{len(available)} available"
        if pool.logged_in != sum(agent.logged_in for agent in pool.agents):
            yield "logged-in", names, f"counted {pool.logged_in}"
        if pool.held != held[pool]:
            yield "held", names, f"counted {pool.held}"
        live = sum(1 for _ in pool.calls)
        if live != pool.calls.live:
            yield "heap", names, f"{live} calls, counted {pool.calls.live}"
        if bool(live) is not (pool in state.matcher.waiting) or bool(pool.ringing) is not (
            pool in state.matcher.ringing
        ):
            yield "waiting", names, f"{live} calls"
        if available and (live or pool.ringing):
            yield "idle", names, f"{live} calls"


def _clock(state: State, now: Instant) -> Iterator[_Finding]:
    due = state.deadlines.next()
    if due is not None and due < now - _LATE:
        yield "clock", "engine", f"{now - due:.1f} s late"


def _ghosts(state: State, live: Set[CallId]) -> Iterator[_Finding]:
    for name, waiting in state.calls.items():
        if name not in live and waiting.callback is None:
            yield "call-exists", name, "the switch does not know it"
    for agent in state.agents.values():
        for call in agent.talks:
            if call not in live:
                yield "talk-exists", agent.name, f"the switch does not know {call}"


def _lay_ghosts(state: State, live: Set[CallId], now: Instant) -> None:
    for call in [call for name, call in state.calls.items() if name not in live and call.callback is None]:
        outcomes.leave(state, call, "lost", now)
    for agent in list(state.agents.values()):
        for talk in [talk for name, talk in agent.talks.items() if name not in live]:
            desk.end_talk(state, agent, talk, now)
