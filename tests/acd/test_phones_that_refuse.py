"""Busy, rejected, unreachable, error: set aside each in its way, never counted as no answer."""

import pytest
from acd_shift import Shift, only

from softswitch.acd.model import AgentState, DeviceReachable, Withdraw


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        ("busy", AgentState.RESTING),
        ("rejected", AgentState.RESTING),
        ("error", AgentState.RESTING),
        ("unreachable", AgentState.UNREACHABLE),
    ],
)
def test_the_agent_is_set_aside_and_comes_back(cause: str, state: AgentState) -> None:
    shift = Shift("alice", retry_after=5.0, max_no_answer=1)
    shift.call("c1")
    effects = shift.fail("alice", cause)
    assert only(effects, Withdraw) == []  # the phone ended it by itself
    assert (shift.state("alice"), shift.reason("alice")) == (state, cause)
    shift.after(4.9)
    assert shift.ringing == {}
    shift.after(0.2)
    assert shift.ringing["alice"].call == "c1"


def test_the_next_agent_is_rung_in_the_same_step() -> None:
    shift = Shift("alice", "bob")
    shift.call("c1")
    first = next(iter(shift.ringing))
    shift.fail(first, "busy")
    assert [offer.call for offer in shift.ringing.values()] == ["c1"]
    assert first not in shift.ringing


def test_a_new_registration_ends_the_rest_of_an_unreachable_phone() -> None:
    shift = Shift("alice", retry_after=300.0)
    shift.call("c1")
    shift.fail("alice", "unreachable")
    shift.after(1)
    shift.do(DeviceReachable("alice", True))
    assert shift.ringing["alice"].call == "c1"


def test_a_new_registration_does_not_end_other_rests() -> None:
    shift = Shift("alice", retry_after=300.0)
    shift.call("c1")
    shift.fail("alice", "rejected")
    shift.do(DeviceReachable("alice", True))
    assert shift.state("alice") is AgentState.RESTING


def test_ready_ends_the_rest() -> None:
    shift = Shift("alice", retry_after=300.0)
    shift.call("c1")
    shift.fail("alice", "rejected")
    shift.ready("alice")
    assert shift.ringing["alice"].call == "c1"


def test_a_phone_that_refuses_at_once_is_not_rung_in_a_loop() -> None:
    shift = Shift("alice", retry_after=0.0)
    shift.call("c1")
    rung = 0
    until = shift.now + 10
    while shift.now < until:
        if "alice" in shift.ringing:
            rung += 1
            shift.fail("alice", "busy")
        shift.after(0.1)
    assert 5 <= rung <= 11
