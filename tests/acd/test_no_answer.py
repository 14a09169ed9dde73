"""Issue 2, point 8: ring time-out, with the agent set aside after repeated no-answers."""

from acd_shift import START, Shift, only

from softswitch.acd.model import AgentState, Withdraw


def test_ring_time_passes_and_the_agent_is_left_alone_for_a_while() -> None:
    shift = Shift("alice", ring_seconds=20.0, retry_after=5.0)
    shift.call("c1")
    offer = shift.ringing["alice"].offer
    assert only(shift.after(19.9), Withdraw) == []
    assert only(shift.after(0.1), Withdraw) == [Withdraw(offer, "alice", "no-answer")]
    assert shift.state("alice") is AgentState.RESTING
    assert shift.reason("alice") == "no-answer"
    shift.after(4.9)
    assert shift.ringing == {}
    shift.after(0.1)
    assert shift.ringing["alice"].call == "c1"
    assert [(fact.at - START, fact.data["cause"]) for fact in shift.facts if fact.kind == "offer.failed"] == [
        (20.0, "no-answer")
    ]


def test_the_phone_s_own_no_answer_counts_the_same() -> None:
    shift = Shift("alice", max_no_answer=1)
    shift.call("c1")
    shift.fail("alice", "no-answer")
    assert shift.state("alice") is AgentState.PAUSED


def test_after_max_no_answer_in_a_row_the_agent_is_paused() -> None:
    shift = Shift("alice", ring_seconds=10.0, retry_after=5.0, max_no_answer=3)
    shift.call("c1")
    shift.after(10 + 5 + 10 + 5 + 9.9)
    assert shift.state("alice") is AgentState.OFFERED
    shift.after(0.1)
    assert shift.state("alice") is AgentState.PAUSED
    assert shift.reason("alice") == "no-answer"
    assert shift.last("agent.pause").data == {"reason": "no-answer", "by": "acd"}
    shift.after(3600)
    assert shift.ringing == {}
    shift.ready("alice")
    assert shift.ringing["alice"].call == "c1"


def test_an_answer_between_starts_the_count_anew() -> None:
    shift = Shift("alice", ring_seconds=10.0, retry_after=5.0, max_no_answer=2)
    shift.call("c1")
    shift.after(15)
    shift.answer("alice")
    shift.end("c1", "alice")
    shift.call("c2")
    shift.after(10)
    assert shift.state("alice") is AgentState.RESTING


def test_zero_switches_the_pause_off() -> None:
    shift = Shift("alice", ring_seconds=10.0, retry_after=5.0, max_no_answer=0)
    shift.call("c1")
    shift.after(15 * 20)
    assert shift.state("alice") is AgentState.OFFERED


def test_who_does_not_answer_goes_to_the_end_of_the_line() -> None:
    """The same caller is not rung at the same empty desk again while another agent is free."""
    shift = Shift("alice", "bob", ring_seconds=10.0, retry_after=1.0, max_no_answer=0)
    shift.call("c1")
    (missed,) = shift.ringing
    shift.after(10)
    (other,) = shift.ringing
    assert other != missed
    shift.after(2)
    shift.leave("c1")
    shift.call("c2")
    assert list(shift.ringing) == [other]


def test_a_failed_offer_leaves_the_call_in_its_place() -> None:
    shift = Shift("alice", ring_seconds=10.0, retry_after=5.0)
    for call in ("c1", "c2", "c3"):
        shift.call(call)
    shift.after(10)
    assert shift.order() == ["c1", "c2", "c3"]
    shift.after(5)
    assert shift.ringing["alice"].call == "c1"
