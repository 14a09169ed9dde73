"""A call that rings for one agent and is taken by another: it is that agent's, and nobody is blamed."""

from collections.abc import Callable
from random import Random

import pytest
from acd_shift import Shift, only
from test_anything_in_any_order import A_DAY, AGENTS, CREW, World

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEvent,
    AgentLogin,
    AgentSettings,
    AgentState,
    Bridge,
    CallPickedUp,
    DeviceReachable,
    Offer,
    OfferAnswered,
    QueueSettings,
    Refuse,
    Withdraw,
)
from softswitch.acd.stats import Totals


def two(**settings: object) -> Shift:
    """Alice is rung; bob serves the queue, too, and is not ready."""
    shift = Shift("alice", "bob", **settings)
    shift.pause("bob")
    shift.call("c1")
    assert list(shift.ringing) == ["alice"]
    return shift


def test_the_taker_has_the_call_and_the_other_is_free() -> None:
    shift = two(wrap_up=10.0)
    rang = shift.ringing["alice"].offer
    shift.after(4.0)
    effects = shift.do(CallPickedUp("c1", "bob"))
    (bridge,) = only(effects, Bridge)
    assert (bridge.call, bridge.agent, bridge.waited) == ("c1", "bob", 4.0)
    assert bridge.offer != rang
    assert only(effects, Withdraw) == [Withdraw(rang, "alice", "answered-elsewhere")]
    assert only(effects, Offer) == [], "nobody is rung"
    assert (shift.state("alice"), shift.state("bob")) == (AgentState.READY, AgentState.TALKING)
    assert only(shift.do(OfferAnswered(rang)), Refuse) == [Refuse(rang, "alice")], "her answer comes too late"
    shift.after(30.0)
    shift.end("c1", "bob")
    totals = Totals(shift.facts)
    assert (totals.agent("bob").answered, totals.agent("bob").talk) == (1, 30.0)
    assert totals.agent("alice").answered == 0
    assert (totals.queue("support").entered, totals.queue("support").answered) == (1, 1)
    assert shift.state("bob") is AgentState.WRAP_UP


def test_all_phones_of_ring_all_stop() -> None:
    shift = Shift("alice", "bob", "carol", strategy="ring-all")
    shift.pause("carol")
    shift.call("c1")
    assert sorted(shift.ringing) == ["alice", "bob"]
    effects = shift.do(CallPickedUp("c1", "carol"))
    assert sorted(withdrawn.agent for withdrawn in only(effects, Withdraw)) == ["alice", "bob"]
    assert shift.state("carol") is AgentState.TALKING


def test_a_wrap_up_gives_way() -> None:
    shift = Shift("alice", "bob", wrap_up=60.0)
    shift.call("c0")
    shift.answer(first := next(iter(shift.ringing)))
    shift.end("c0", first)
    assert shift.state(first) is AgentState.WRAP_UP
    shift.call("c1")
    shift.do(CallPickedUp("c1", first))
    assert shift.state(first) is AgentState.TALKING


def _nothing(shift: Shift) -> None:
    """As it is."""


@pytest.mark.parametrize(
    ("before", "call", "agent", "why"),
    [
        (_nothing, "c9", "bob", "it rings for nobody"),
        (lambda shift: shift.leave("c1"), "c1", "bob", "it rings for nobody"),
        (lambda shift: shift.do(CallPickedUp("c1", "bob")), "c1", "bob", "it rings for nobody"),
        (_nothing, "c1", "nobody", "the agent does not serve the queue"),
        (lambda shift: shift.logout("bob"), "c1", "bob", "the agent does not serve the queue"),
        (_nothing, "c1", "alice", "another call rings for the agent"),
    ],
)
def test_nobody_else_gets_it(before: Callable[[Shift], object], call: str, agent: str, why: str) -> None:
    shift = two()
    before(shift)
    assert shift.engine.pick_up_refusal(call, agent) == why
    assert only(shift.do(CallPickedUp(call, agent)), Bridge) == []
    assert shift.last("acd.ignored").data["why"] == why


def test_who_talks_has_no_room_and_who_serves_another_queue_no_right() -> None:
    queues = {"support": QueueSettings(agents=("alice", "bob")), "sales": QueueSettings(agents=("carol",))}
    agents = {name: AgentSettings() for name in ("alice", "bob", "carol")}
    shift = Shift("alice", "bob", "carol", queues=queues, agents=agents)
    shift.call("c1")
    shift.answer(one := next(iter(shift.ringing)))
    shift.call("c2")
    assert shift.engine.pick_up_refusal("c2", one) == "no room for one more"
    assert shift.engine.pick_up_refusal("c2", "carol") == "the agent does not serve the queue"


class Takers(World):
    """Where an agent would take over a call by transfer, another picks one up."""

    def rarely(self, kind: int, agent: str, call: str, queue: str) -> AcdEvent:
        if kind in (29, 31):
            return CallPickedUp(self.dice.choice(self.calls[-8:]), agent)
        return super().rarely(kind, agent, call, queue)


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order(seed: int) -> None:
    """Among everything else that happens: the watchdog finds nothing, and no offer is made twice."""
    world, now, taken = Takers(seed), 1000.0, 0
    engine = Engine(A_DAY, AGENTS, now, Random(seed))
    for name in CREW[:7]:
        engine.receive(DeviceReachable(name, True), now)
        engine.receive(AgentLogin(name), now)
    for _ in range(500):
        now += world.dice.choice((0.0, 0.3, 1.0, 4.0))
        event = world.event()
        for effect in (*engine.wake(now), *engine.receive(event, now)):
            match effect:
                case Offer(offer, call):
                    world.offers.append(offer)
                    world.calls.append(call)
                case Bridge(_, call, _, agent):
                    world.talks.append((call, agent))
                    taken += isinstance(event, CallPickedUp)
        assert engine.check(now) == [], f"after {event}"
    assert taken
