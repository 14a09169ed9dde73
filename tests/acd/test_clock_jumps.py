"""Accounting uses the due time; a late wake-up, or a clock that stepped back, changes no total and blames nobody."""

from acd_shift import START, Shift, only

from softswitch.acd.model import AgentState, Offer, Withdraw


def test_a_late_wake_up_accounts_at_the_due_time() -> None:
    shift = Shift("alice", wrap_up=15.0)
    shift.talk("c1", "alice", 60)
    shift.now += 100
    shift.take(shift.engine.wake(shift.now))
    assert shift.last("wrapup.ended").at == START + 75
    assert shift.last("wrapup.ended").data["lasted"] == 15.0
    assert shift.last("agent.state").at == START + 75


def test_an_event_serves_what_was_due_before_it() -> None:
    shift = Shift("alice", ring_seconds=20.0)
    shift.call("c1")
    shift.now += 500
    effects = shift.leave("c1")
    assert only(effects, Withdraw)[0].reason == "no-answer"
    assert shift.kinds("c1") == ["queue.entered", "offer.made", "offer.failed", "queue.abandoned"]
    assert shift.last("offer.failed").data["rang"] == 20.0


def test_an_offer_made_in_a_late_step_rings_its_full_time() -> None:
    """An agent is not blamed for a ring that a stalled process never made."""
    shift = Shift("alice", wrap_up=15.0, ring_seconds=20.0)
    shift.talk("c1", "alice", 60)
    shift.call("c2")
    shift.now += 3600
    effects = shift.take(shift.engine.wake(shift.now))
    assert only(effects, Offer)[0].call == "c2"
    assert only(effects, Withdraw) == []
    assert shift.engine.deadline() == shift.now + 20


def test_a_clock_that_steps_back_stands_still() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.now -= 100
    shift.answer("alice")
    assert shift.last("queue.answered").data["waited"] == 0.0
    assert shift.last("queue.answered").at == START
    shift.end("c1", "alice")
    assert shift.last("talk.ended").data["talk"] == 0.0
    assert shift.state("alice") is AgentState.READY
