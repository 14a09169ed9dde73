"""Issue 2, point 8: max wait and overflow target; full queues and queues with nobody logged in."""

from acd_shift import Shift, only

from softswitch.acd.model import AgentState, Overflow, Withdraw


def test_max_wait_sends_the_caller_on_at_its_second() -> None:
    shift = Shift(max_wait=60.0, on_max_wait="play:closed")
    shift.call("c1")
    assert only(shift.after(59.9), Overflow) == []
    assert only(shift.after(0.1), Overflow) == [Overflow("c1", "support", "max-wait", "play:closed")]
    assert shift.order() == []
    assert shift.last("queue.overflowed").data == {
        "cause": "max-wait",
        "target": "play:closed",
        "waited": 60.0,
        "position": 1,
    }


def test_max_wait_silences_the_phone_that_rings() -> None:
    shift = Shift("alice", max_wait=60.0, ring_seconds=120.0)
    shift.call("c1")
    offer = shift.ringing["alice"].offer
    effects = shift.after(60)
    assert only(effects, Withdraw) == [Withdraw(offer, "alice", "max-wait")]
    assert only(effects, Overflow) == [Overflow("c1", "support", "max-wait", None)]
    assert shift.state("alice") is AgentState.READY


def test_an_answered_call_does_not_overflow() -> None:
    shift = Shift("alice", max_wait=60.0)
    shift.call("c1")
    shift.answer("alice")
    assert only(shift.after(120), Overflow) == []


def test_a_full_queue_refuses_at_once() -> None:
    shift = Shift(max_length=2, on_full="queue:other")
    shift.call("c1")
    shift.call("c2")
    assert only(shift.call("c3"), Overflow) == [Overflow("c3", "support", "full", "queue:other")]
    assert shift.order() == ["c1", "c2"]
    shift.leave("c1")
    assert only(shift.call("c4"), Overflow) == []


def test_nobody_logged_in_sends_callers_on_only_where_a_target_says_so() -> None:
    shift = Shift("alice", ready=False, on_empty="play:closed")
    assert only(shift.call("c1"), Overflow) == [Overflow("c1", "support", "no-agents", "play:closed")]
    patient = Shift("alice", ready=False)
    assert only(patient.call("c1"), Overflow) == []
    assert patient.order() == ["c1"]


def test_paused_agents_are_agents() -> None:
    shift = Shift("alice", on_empty="play:closed")
    shift.pause("alice")
    assert only(shift.call("c1"), Overflow) == []


def test_the_last_log_out_sends_the_waiting_on_in_order() -> None:
    shift = Shift("alice", "bob", on_empty="play:closed")
    shift.pause("alice")
    shift.call("c1")
    shift.call("c2", head_start=60.0)
    shift.call("c3")
    assert only(shift.logout("alice"), Overflow) == []
    effects = shift.logout("bob")  # bob's phone rings for c1
    assert only(effects, Withdraw)[0].reason == "logged-out"
    assert [overflow.call for overflow in only(effects, Overflow)] == ["c2", "c1", "c3"]
    assert shift.order() == []


def test_every_way_out_is_one_outcome_in_the_ledger() -> None:
    shift = Shift("alice", max_length=1, max_wait=60.0)
    shift.pause("alice")
    shift.call("c1")
    shift.call("c2")
    shift.after(60)
    assert shift.kinds("c1") == shift.kinds("c2") == ["queue.entered", "queue.overflowed"]


def test_the_last_log_out_of_a_paused_agent_sends_the_waiting_on() -> None:
    shift = Shift("alice", on_empty="play:closed")
    shift.pause("alice")
    shift.call("c1")
    assert [overflow.call for overflow in only(shift.logout("alice"), Overflow)] == ["c1"]
