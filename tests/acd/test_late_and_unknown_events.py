"""An event that comes late, twice or about nobody changes nothing, crashes nothing, and says so in the ledger."""

import pytest
from acd_shift import Shift, only

from softswitch.acd.model import (
    AcdEvent,
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    CallerLeft,
    CallQueued,
    DeviceBusy,
    DeviceReachable,
    Fact,
    OfferFailed,
    Overflow,
    TalkEnded,
)


@pytest.mark.parametrize(
    "event",
    [
        AgentLogin("nobody"),
        AgentLogout("nobody"),
        AgentPause("nobody"),
        AgentReady("nobody"),
        DeviceBusy("nobody", 1),
        DeviceReachable("nobody", True),
        TalkEnded("c1", "nobody"),
        TalkEnded("no-call", "alice"),
        CallerLeft("no-call"),
        OfferFailed(77, "busy"),
        AgentLogout("bob"),
        AgentPause("bob"),
        AgentReady("bob"),
        AgentReady("alice"),
        AgentLogin("alice"),
        CallQueued("c1", "support"),
    ],
    ids=repr,
)
def test_it_is_ignored_aloud(event: AcdEvent) -> None:
    shift = Shift("alice", "bob")
    shift.logout("bob")
    shift.call("c1")
    before = shift.engine.snapshot(), shift.order(), shift.state("alice"), shift.state("bob")
    (fact,) = shift.do(event)
    assert isinstance(fact, Fact)
    assert fact.kind == "acd.ignored"
    assert fact.data["event"] == type(event).__name__
    assert fact.data["why"]
    assert (shift.engine.snapshot(), shift.order(), shift.state("alice"), shift.state("bob")) == before


def test_a_caller_for_an_unknown_queue_is_not_left_hanging() -> None:
    shift = Shift("alice")
    assert only(shift.call("c1", "no-such-queue"), Overflow) == [Overflow("c1", "no-such-queue", "removed", None)]
    assert shift.kinds("c1") == ["acd.ignored"]


def test_the_end_of_another_call_does_not_free_the_agent() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.answer("alice")
    shift.end("c2", "alice")
    assert shift.state("alice").value == "talking"


def test_the_second_end_of_a_conversation_counts_nothing() -> None:
    shift = Shift("alice", wrap_up=10.0)
    shift.talk("c1", "alice", 5)
    shift.end("c1", "alice")
    assert shift.kinds("c1").count("talk.ended") == 1
    assert shift.kinds("c1").count("wrapup.started") == 1
