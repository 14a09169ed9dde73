"""Complaints: calls counted twice (Asterisk #1736, #1741); an agent credited for too long (FreePBX #124)."""

import json

from acd_shift import Shift

from softswitch.acd.model import DeviceReachable, Fact
from softswitch.acd.stats import Totals


def day() -> Shift:
    """Ten seconds between all things; alice answers one late and one in time, bob lets one ring out."""
    shift = Shift("alice", ring_seconds=20.0, wrap_up=10.0, max_length=3, max_wait=300.0, short_abandon=5.0)
    shift.call("in-time")
    shift.after(4)
    shift.answer("alice")
    shift.call("late")
    shift.call("abandons")
    shift.call("changes-mind")
    shift.call("too-many")
    shift.after(3)
    shift.leave("changes-mind")
    shift.after(57)
    shift.leave("abandons")
    shift.end("in-time", "alice")  # 60 s of talk
    shift.after(10)  # wrap-up; then `late` rings
    shift.after(6)
    shift.answer("alice")  # waited 76 s
    shift.after(30)
    shift.end("late", "alice")
    shift.pause("alice", "break")
    shift.after(10)
    shift.call("waits-out")
    shift.after(300)
    shift.call("moved")
    shift.leave("moved", "transferred")
    shift.call("still-here")
    return shift


def test_the_queue_s_numbers() -> None:
    totals = Totals(day().facts).queue("support")
    assert totals.entered == 8
    assert (totals.answered, totals.within) == (2, 1)
    assert (totals.abandoned, totals.short_abandoned, totals.left) == (2, 1, 1)
    assert totals.overflowed == {"full": 1, "max-wait": 1}
    assert totals.waiting == 1
    assert totals.service_level == 1 / 5  # one of two answered, one long abandon, two overflows
    assert totals.average_speed_of_answer == (4 + 76) / 2
    assert totals.longest_wait == 300.0
    assert (totals.talks, totals.talk, totals.wrap_up) == (2, 90.0, 20.0)
    assert totals.average_handling_time == 55.0


def test_the_agent_s_numbers() -> None:
    shift = day()
    shift.logout("alice")
    agent = Totals(shift.facts).agent("alice")
    assert (agent.offers, agent.answered, agent.talk, agent.wrap_up) == (2, 2, 90.0, 20.0)
    assert agent.ringing == 4 + 6
    assert agent.states["talking"] == 90.0
    assert agent.states["paused"] == 300.0
    assert agent.occupancy == 110.0 / (110 + 10)
    assert agent.utilisation == 110.0 / (110 + 10 + 300)
    assert agent.pauses == {"break": 300.0}
    assert agent.calls_per_hour == 2 / (120 / 3600)


def test_failed_offers_by_cause() -> None:
    shift = Shift("alice", ring_seconds=20.0, retry_after=5.0)
    shift.call("c1")
    shift.after(25)
    shift.fail("alice", "busy")
    shift.after(5)
    shift.do(DeviceReachable("alice", False))
    totals = Totals(shift.facts)
    assert totals.queue("support").failed == totals.agent("alice").failed
    assert totals.agent("alice").failed == {"no-answer": 1, "busy": 1, "unreachable": 1}
    assert totals.agent("alice").offers == 3


def test_nothing_to_judge_by_is_none_and_not_zero() -> None:
    totals = Totals()
    assert totals.queue("support").service_level is None
    assert totals.queue("support").average_speed_of_answer is None
    assert totals.queue("support").average_handling_time is None
    assert totals.agent("alice").occupancy is None


def test_facts_are_plain_json_and_fold_to_the_same_after_the_ledger() -> None:
    """Complaint: statistics zero after a restart (qpanel #113)."""
    facts = day().facts
    stored = [json.dumps([f.kind, f.at, f.call, f.queue, f.agent, f.data]) for f in facts]
    again = [Fact(*json.loads(line)) for line in stored]
    assert again == facts
    assert Totals(again).queue("support") == Totals(facts).queue("support")


def test_what_was_ignored_is_counted_by_reason() -> None:
    shift = Shift("alice")
    shift.end("c1", "alice")
    shift.login("alice")
    assert Totals(shift.facts).ignored == {"no such conversation": 1, "logged in already": 1}
