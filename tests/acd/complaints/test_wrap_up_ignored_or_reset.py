"""Complaint: wrap-up ignored or reset (asterisk#1006, #607, #1255). Ours: wrap-up belongs to the agent."""

from dataclasses import replace

import pytest

from softswitch.acd.model import (
    AgentLogin,
    AgentSettings,
    AgentState,
    AgentWrapUp,
    DeviceBusy,
    DeviceReachable,
    QueueSettings,
    Reconfigured,
)
from tests.acd.acd_shift import Shift

QUEUES = {
    "long": QueueSettings(agents=("alice",), wrap_up=60.0, wrap_up_most=90.0),
    "none": QueueSettings(agents=("alice",), wrap_up=0.0),
}


def wrapping(agents: dict[str, AgentSettings] | None = None) -> Shift:
    """Alice has ended a call of `long`; a caller of the other queue waits for her."""
    shift = Shift("alice", queues=QUEUES, agents=agents)
    shift.talk("c1", "alice", 30, "long")
    shift.call("c2", "none")
    assert shift.state("alice") is AgentState.WRAP_UP
    return shift


def test_another_queue_without_wrap_up_does_not_reach_the_agent_before_the_end() -> None:
    shift = wrapping()
    shift.after(59)
    assert not shift.ringing
    shift.after(2)
    assert shift.ringing["alice"].call == "c2"


@pytest.mark.parametrize(
    "event",
    [
        DeviceBusy("alice", 1),
        DeviceBusy("alice", 0),
        DeviceReachable("alice", False),
        DeviceReachable("alice", True),
        AgentLogin("alice"),
        Reconfigured(QUEUES, frozenset({"alice"})),
        Reconfigured({**QUEUES, "long": replace(QUEUES["long"], wrap_up=5.0)}, frozenset({"alice"})),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_happens_meanwhile_neither_ends_nor_restarts_it(event: object) -> None:
    shift = wrapping()
    shift.after(20)
    shift.do(event)  # type: ignore[arg-type]
    shift.after(39)
    assert not shift.ringing
    shift.do(DeviceReachable("alice", True))
    shift.do(DeviceBusy("alice", 0))
    shift.after(2)
    assert shift.ringing["alice"].call == "c2"
    assert [fact.data["lasted"] for fact in shift.facts if fact.kind == "wrapup.ended"] == [60.0]


def test_it_is_extended_on_demand_up_to_the_queues_limit_and_ended_early() -> None:
    shift = wrapping()
    shift.after(50)
    shift.do(AgentWrapUp("alice", 30.0, "carol"))
    shift.after(20)  # past the sixty seconds it began with
    assert shift.state("alice") is AgentState.WRAP_UP
    shift.do(AgentWrapUp("alice", 600.0))
    assert shift.last("wrapup.extended").data == {"left": 20.0, "by": "agent"}
    shift.after(19)
    assert not shift.ringing
    shift.after(1)
    assert shift.ringing["alice"].call == "c2"
    shift = wrapping()
    shift.do(AgentWrapUp("alice", 0.0))
    assert shift.ringing["alice"].call == "c2"


def test_after_a_pause_asked_for_during_the_call_it_still_runs() -> None:
    shift = Shift("alice", queues=QUEUES)
    shift.call("c1", "long")
    shift.answer("alice")
    shift.pause("alice", "lunch")
    shift.after(10)
    shift.end("c1", "alice")
    assert shift.state("alice") is AgentState.WRAP_UP
    shift.after(61)
    assert shift.state("alice") is AgentState.PAUSED


def test_each_of_two_calls_at_once_has_its_own_and_holds_its_place() -> None:
    shift = Shift("alice", queues=QUEUES, agents={"alice": AgentSettings(capacity=2)})
    for call in ("c1", "c2"):
        shift.call(call, "long")
        shift.answer("alice")
    shift.call("c3", "none")
    shift.call("c4", "none")
    shift.end("c1", "alice")
    assert not shift.ringing  # one call and one wrap-up
    shift.after(30)
    shift.end("c2", "alice")
    assert shift.state("alice") is AgentState.WRAP_UP
    shift.after(31)
    assert shift.ringing["alice"].call == "c3"
    shift.answer("alice")
    assert not shift.ringing
    shift.after(30)
    assert shift.ringing["alice"].call == "c4"
