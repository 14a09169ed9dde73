"""Complaint: agent stuck "Reserved" or "incall" for ever (FreeSWITCH #2540, #1973, #1062; OpenSIPS #2530, #3123).

Each test breaks the engine from inside; the watchdog must name it and mend it, and the shift must go on.
"""

from collections.abc import Callable

import pytest
from acd_shift import Shift, only

from softswitch.acd.model import AgentState, CallQueued, Fact, Offer, QueueSettings, Withdraw
from softswitch.acd.state import REST, RING, WRAP_UP, State
from softswitch.acd.stats import Totals
from softswitch.acd.watchdog import parts

AGENTS = tuple(f"agent{number:02d}" for number in range(20))


def loaded() -> Shift:
    """All but two agents paused; one rings, one wraps up, two callers wait."""
    shift = Shift(*AGENTS, wrap_up=300.0, ring_seconds=60.0)
    for agent in AGENTS[2:]:
        shift.pause(agent)
    shift.call("c0")
    (agent,) = shift.ringing
    shift.answer(agent)
    shift.end("c0", agent)
    for call in ("c1", "c2", "c3"):
        shift.call(call)
    return shift


def lose_the_offer(state: State) -> None:
    state.offers.clear()


def forget_the_caller(state: State) -> None:
    (ringing,) = state.offers.values()
    del state.calls[ringing.call.call]


def lose_the_ring_deadline(state: State) -> None:
    (offer,) = state.offers
    state.deadlines.cancel((RING, offer))


def lose_the_wrap_up_deadline(state: State) -> None:
    for agent in state.agents.values():
        if agent.wrap_ups:
            state.deadlines.cancel((WRAP_UP, agent.name))


def offer_a_call_twice(state: State) -> None:
    (ringing,) = state.offers.values()
    other = next(agent for agent in state.agents.values() if agent.activity is None)
    twin = type(ringing)(999, ringing.call, other, ringing.made, ringing.tried)
    state.offers[999] = twin
    other.offer = twin
    ringing.call.offers = (*ringing.call.offers, twin)


def put_a_call_in_its_heap_twice(state: State) -> None:
    call = state.calls["c3"]
    call.pool.calls.push(call)


def lose_a_call_from_its_heap(state: State) -> None:
    state.matcher.call_gone(state.calls["c3"])


def lose_a_place(state: State) -> None:
    state.queues["support"].places.remove(state.calls["c2"])


def disorder_places(state: State) -> None:
    state.calls["c2"].rank += 1000


def publish_a_lie(state: State) -> None:
    state.agents[AGENTS[-1]].state = AgentState.READY


def miscount_the_logged_in(state: State) -> None:
    state.queues["support"].pool.logged_in = 0


def forget_that_a_pool_waits(state: State) -> None:
    state.matcher.waiting.clear()


@pytest.mark.parametrize(
    "damage",
    [
        lose_the_offer,
        forget_the_caller,
        lose_the_ring_deadline,
        lose_the_wrap_up_deadline,
        offer_a_call_twice,
        put_a_call_in_its_heap_twice,
        lose_a_call_from_its_heap,
        lose_a_place,
        disorder_places,
        publish_a_lie,
        miscount_the_logged_in,
        forget_that_a_pool_waits,
    ],
)
def test_damage_is_named_and_mended(damage: Callable[[State], None]) -> None:
    shift = loaded()
    damage(shift.engine._state)
    violations = shift.engine.check(shift.now)
    assert violations
    effects = shift.engine.repair(shift.now)
    repaired = [effect for effect in effects if isinstance(effect, Fact) and effect.kind == "acd.repaired"]
    assert [fact.data["invariant"] for fact in repaired] == [violation.invariant for violation in violations]
    assert Totals(repaired).repaired.total() == len(violations)
    assert shift.engine.check(shift.now) == []
    assert shift.engine.repair(shift.now) == []


def test_a_sound_engine_is_left_alone() -> None:
    shift = loaded()
    assert shift.engine.check(shift.now) == []
    assert shift.engine.repair(shift.now) == []


def test_an_idle_agent_beside_a_waiting_caller_is_seen_and_served() -> None:
    """Complaint: queues stop offering (Asterisk #1561)."""
    shift = Shift("alice", queues={"support": QueueSettings(agents=("alice",))})
    state = shift.engine._state
    state.agents["alice"].available = False  # hides her from the match
    state.calls.clear()
    shift.engine.receive(CallQueued("c1", "support"), shift.now)
    assert {violation.subject for violation in shift.engine.check(shift.now)} == {"alice"}
    assert only(shift.engine.repair(shift.now), Offer)[0].call == "c1"


def test_a_rest_without_an_end_gets_one() -> None:
    shift = Shift("alice", retry_after=30.0)
    shift.call("c1")
    shift.fail("alice", "busy")
    shift.engine._state.deadlines.cancel((REST, "alice"))
    assert [violation.invariant for violation in shift.engine.check(shift.now)] == ["a rest has an end"]
    shift.take(shift.engine.repair(shift.now))
    shift.after(30)
    assert shift.ringing["alice"].call == "c1"


def test_calls_that_the_switch_does_not_know_are_laid_to_rest() -> None:
    shift = Shift("alice", "bob")
    for call in ("talks", "rings", "waits"):
        shift.call(call)
    first = next(agent for agent, offer in shift.ringing.items() if offer.call == "talks")
    shift.answer(first)
    assert shift.engine.check(shift.now, {"talks", "rings", "waits"}) == []
    assert len(shift.engine.check(shift.now, {"waits"})) == 2
    effects = shift.take(shift.engine.repair(shift.now, {"waits"}))
    assert only(effects, Withdraw)[0].reason == "caller-left"
    assert only(effects, Offer)[0].call == "waits"
    assert shift.last("talk.ended").call == "talks"
    assert shift.last("queue.left").data["reason"] == "lost"


def test_a_watch_lays_a_ghost_to_rest_when_it_sees_it_twice() -> None:
    """What the switch does not know yet, or no longer, may be between two steps of its own."""
    shift = Shift("alice")
    shift.call("talks")
    shift.answer("alice")
    shift.call("waits")
    shift.take(shift.engine.watch(shift.now, {"waits"}))
    assert shift.state("alice") is AgentState.TALKING
    shift.take(shift.engine.watch(shift.now, {"talks", "waits"}))
    shift.take(shift.engine.watch(shift.now, {"waits"}))
    assert shift.state("alice") is AgentState.TALKING
    shift.take(shift.engine.watch(shift.now, {"waits"}))
    assert shift.ringing["alice"].call == "waits"
    assert shift.last("acd.repaired").data["invariant"] == "a conversation exists"


def test_a_watch_over_many_queues_looks_at_all_of_them_in_turn() -> None:
    agents = tuple(f"a{number}" for number in range(100))
    queues = {
        f"q{number}": QueueSettings(agents=(agents[number % 100], agents[number // 100])) for number in range(9000)
    }
    shift = Shift(*agents, queues=queues, ready=False)
    state = shift.engine._state
    assert parts(state) > 4
    for name in ("q1", "q4002", "q8999"):
        shift.engine.receive(CallQueued(f"c-{name}", name), shift.now)
        state.queues[name].places.clear()
    found = [effect for _ in range(parts(state)) for effect in shift.engine.watch(shift.now, state.calls.keys())]
    assert found
    assert shift.engine.check(shift.now) == []


def test_an_engine_that_nobody_wakes_is_seen() -> None:
    """Complaint: the dispatcher thread dies unseen (FreeSWITCH #1641)."""
    shift = Shift("alice", ring_seconds=20.0)
    shift.call("c1")
    assert shift.engine.check(shift.now + 24) == []
    (violation,) = shift.engine.check(shift.now + 26)
    assert violation.invariant == "deadlines are served"
