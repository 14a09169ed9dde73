"""Complaint: two agents answer one call (Asterisk #176, #1557)."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentState, Bridge, OfferAnswered, Refuse


def test_an_answer_bridges() -> None:
    shift = Shift("alice")
    shift.call("c1")
    offer = shift.ringing["alice"].offer
    shift.after(3)
    effects = shift.answer("alice")
    assert only(effects, Bridge) == [Bridge(offer, "c1", "support", "alice", 3.0)]
    assert shift.state("alice") is AgentState.TALKING
    assert shift.order() == []
    assert shift.kinds("c1") == ["queue.entered", "offer.made", "queue.answered"]


def test_the_answer_of_the_agent_whose_time_ran_out_loses() -> None:
    shift = Shift("alice", "bob", ring_seconds=10.0)
    shift.call("c1")
    first = next(iter(shift.ringing.values()))
    shift.after(10)
    (second,) = shift.ringing.values()
    assert second.agent != first.agent
    assert only(shift.do(OfferAnswered(first.offer)), Refuse) == [Refuse(first.offer, first.agent)]
    assert only(shift.answer(second.agent), Bridge)[0].agent == second.agent


def test_a_repeated_answer_does_not_hang_up_the_good_call() -> None:
    shift = Shift("alice")
    shift.call("c1")
    offer = shift.ringing["alice"].offer
    shift.answer("alice")
    effects = shift.do(OfferAnswered(offer))
    assert only(effects, Refuse) == only(effects, Bridge) == []
    assert shift.last("acd.ignored").data["why"] == "the offer was answered already"
    assert shift.state("alice") is AgentState.TALKING


def test_offers_go_out_for_as_many_calls_as_there_are_agents() -> None:
    shift = Shift("alice", "bob")
    for call in ("c1", "c2", "c3"):
        shift.call(call)
    assert sorted(offer.call for offer in shift.ringing.values()) == ["c1", "c2"]
