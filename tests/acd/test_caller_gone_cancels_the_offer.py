"""Complaint: a zombie call to the agent after the caller left (FreeSWITCH #2529)."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentState, Bridge, OfferAnswered, Refuse, Withdraw


def test_the_step_in_which_the_caller_leaves_withdraws_the_offer() -> None:
    shift = Shift("alice")
    shift.call("c1")
    offer = shift.ringing["alice"]
    shift.after(7)
    assert only(shift.leave("c1"), Withdraw) == [Withdraw(offer.offer, "alice", "caller-left")]
    assert shift.state("alice") is AgentState.READY
    assert shift.kinds("c1") == ["queue.entered", "offer.made", "queue.abandoned", "offer.withdrawn"]
    assert shift.last("queue.abandoned").data == {"waited": 7.0, "position": 1, "short": False, "within": True}


def test_the_agent_gets_the_next_caller_in_that_step() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.call("c2")
    shift.leave("c1")
    assert shift.ringing["alice"].call == "c2"


def test_an_answer_that_crossed_the_withdrawal_is_refused() -> None:
    shift = Shift("alice")
    shift.call("c1")
    offer = shift.ringing["alice"].offer
    shift.leave("c1")
    effects = shift.do(OfferAnswered(offer))
    assert only(effects, Refuse) == [Refuse(offer, "alice")]
    assert only(effects, Bridge) == []
    assert shift.state("alice") is AgentState.READY


def test_an_answer_to_an_offer_that_nobody_made_is_refused() -> None:
    shift = Shift("alice")
    assert only(shift.do(OfferAnswered(99)), Refuse) == [Refuse(99, "")]


def test_a_short_abandon_is_marked() -> None:
    shift = Shift(short_abandon=5.0)
    shift.call("c1")
    shift.after(4.9)
    shift.leave("c1")
    assert shift.last("queue.abandoned").data["short"] is True


def test_a_caller_taken_out_by_other_means_did_not_abandon() -> None:
    shift = Shift()
    shift.call("c1")
    shift.leave("c1", "transferred")
    assert shift.kinds("c1") == ["queue.entered", "queue.left"]


def test_offers_that_ended_are_not_remembered_for_ever() -> None:
    shift = Shift("alice")
    for number in range(100):
        shift.call(f"c{number}")
        offer = shift.ringing["alice"].offer
        shift.leave(f"c{number}")
        shift.after(10)
    assert len(shift.engine._state.past_offers) < 10
    assert only(shift.do(OfferAnswered(offer)), Refuse) == [Refuse(offer, "alice")]
