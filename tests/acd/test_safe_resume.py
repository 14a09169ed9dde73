"""Issue 4, point 4: a caller whose line dropped has the old place back, and is counted once. And a caller whose agent
left during the agent prompt waits on, counted once as well."""

import pytest
from acd_shift import Shift

from softswitch.acd.model import CallQueued, CallReturned
from softswitch.acd.stats import Totals

NUMBER = "+37061234567"


def come(shift: Shift, call: str, caller: str = NUMBER, known: bool = True) -> None:
    shift.do(CallQueued(call, "support", caller=caller, known=known))


def test_the_old_place_is_given_back() -> None:
    shift = Shift(resume_seconds=60.0)
    come(shift, "c1")
    shift.after(30)
    come(shift, "c2", "+37060000000")
    shift.leave("c1")
    shift.after(59)
    come(shift, "again")
    assert shift.order() == ["again", "c2"]
    assert shift.last("queue.resumed").call == "c1"
    assert shift.last("queue.resumed").data["by"] == "again"
    totals = Totals(shift.facts).queue("support")
    assert (totals.entered, totals.abandoned, totals.waiting, totals.resumed) == (2, 0, 2, 1)
    assert totals.abandoned_wait == 0.0


@pytest.mark.parametrize(
    ("seconds", "caller", "known"), [(61.0, NUMBER, True), (5.0, "+37060000001", True), (5.0, NUMBER, False)]
)
def test_too_late_another_number_or_one_that_is_not_vouched_for(seconds: float, caller: str, known: bool) -> None:
    shift = Shift(resume_seconds=60.0)
    come(shift, "c1", known=known)
    shift.after(30)
    come(shift, "c2", "+37060000000")
    shift.leave("c1")
    shift.after(seconds)
    come(shift, "again", caller, known)
    assert shift.order() == ["c2", "again"]
    assert "queue.resumed" not in shift.kinds()


def test_a_place_is_given_back_once() -> None:
    shift = Shift(resume_seconds=60.0)
    come(shift, "c1")
    shift.after(5)
    come(shift, "c2", "+37060000000")
    shift.leave("c1")
    come(shift, "again")
    come(shift, "twice")
    assert shift.order() == ["again", "c2", "twice"]


def test_who_was_taken_out_otherwise_did_not_drop() -> None:
    shift = Shift(resume_seconds=60.0)
    come(shift, "c1")
    shift.leave("c1", "callback")
    come(shift, "again")
    assert "queue.resumed" not in shift.kinds()


def test_places_are_not_remembered_for_ever() -> None:
    shift = Shift(resume_seconds=60.0)
    for number in range(50):
        come(shift, f"c{number}", f"+3706{number}")
        shift.leave(f"c{number}")
        shift.after(10)
    assert len(shift.engine._state.dropped) <= 8


def test_a_caller_whose_agent_left_before_a_word_waits_on_and_is_counted_once() -> None:
    shift = Shift("alice", "bob", agent_prompt="call-from-queue")
    shift.call("c1", head_start=30.0)
    rank = shift.engine.waiting("support", shift.now)[0].rank
    shift.after(5)
    first = next(iter(shift.ringing))
    shift.answer(first)
    shift.after(2)
    shift.do(CallReturned("c1", first))
    (second,) = shift.ringing
    assert second != first
    assert shift.engine.waiting("support", shift.now)[0].rank == rank
    shift.answer(second)
    shift.end("c1", second)
    totals = Totals(shift.facts)
    queue = totals.queue("support")
    assert (queue.entered, queue.answered, queue.within, queue.waiting, queue.talks) == (1, 1, 1, 0, 1)
    assert queue.answered_wait == 7.0
    assert (totals.agent(first).answered, totals.agent(second).answered) == (0, 1)
    assert shift.kinds("c1").count("queue.entered") == 1


def test_a_caller_who_hangs_up_after_that_has_one_outcome() -> None:
    shift = Shift("alice", agent_prompt="call-from-queue", max_wait=60.0)
    shift.call("c1")
    shift.answer("alice")
    shift.do(CallReturned("c1", "alice"))
    shift.leave("c1")
    queue = Totals(shift.facts).queue("support")
    assert (queue.entered, queue.answered, queue.abandoned, queue.waiting) == (1, 0, 1, 0)
    shift.after(120)
    assert shift.engine.deadline() is None


def test_returned_twice_or_by_a_stranger_changes_nothing() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    agent = next(iter(shift.ringing))
    shift.answer(agent)
    other = "bob" if agent == "alice" else "alice"
    shift.do(CallReturned("c1", other))
    shift.do(CallReturned("c2", agent))
    assert shift.kinds()[-2:] == ["acd.ignored", "acd.ignored"]
