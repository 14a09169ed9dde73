"""Complaint: agent stuck "Reserved", "incall" for ever (freeswitch#2540, #1973, #1062; OpenSIPS#2530, #3123).

Ours: the state is derived from what is there, every offer ends, and the watchdog mends what a bug of ours would leave.
"""

from collections.abc import Callable

import pytest

from softswitch.acd.model import AgentState, DeviceReachable, QueueSettings, Reconfigured, Withdraw
from softswitch.acd.watchdog import INVARIANTS
from tests.acd.acd_shift import Shift, only

FREE = {AgentState.READY, AgentState.RESTING, AgentState.PAUSED, AgentState.UNREACHABLE, AgentState.LOGGED_OUT}


def caller_leaves(shift: Shift) -> None:
    shift.leave("c1")


def phone_says_nothing(shift: Shift) -> None:
    shift.after(21)


def phone_vanishes(shift: Shift) -> None:
    shift.do(DeviceReachable("alice", False))


def phone_fails(shift: Shift) -> None:
    shift.fail("alice", "error")


def queue_is_removed(shift: Shift) -> None:
    shift.do(Reconfigured({}, frozenset({"alice"})))


def agent_leaves(shift: Shift) -> None:
    shift.logout("alice")


def caller_has_waited_too_long(shift: Shift) -> None:
    shift.after(16)


@pytest.mark.parametrize(
    "end",
    [
        caller_leaves,
        phone_says_nothing,
        phone_vanishes,
        phone_fails,
        queue_is_removed,
        agent_leaves,
        caller_has_waited_too_long,
    ],
)
@pytest.mark.parametrize("strategy", ["longest-idle", "ring-all"])
def test_every_end_of_an_offer_frees_the_agent(strategy: str, end: Callable[[Shift], None]) -> None:
    max_wait = 15.0 if end is caller_has_waited_too_long else 0.0
    shift = Shift("alice", strategy=strategy, ring_seconds=20.0, max_wait=max_wait)
    shift.call("c1")
    assert shift.state("alice") is AgentState.OFFERED
    end(shift)
    assert shift.state("alice") in FREE
    shift.logout("alice")
    shift.login("alice")
    shift.do(DeviceReachable("alice", True))
    shift.after(30)
    if shift.engine.queue_names():
        shift.leave("c1")
        shift.call("c9")
        assert shift.ringing["alice"].call == "c9"


def test_a_conversation_that_the_switch_does_not_know_is_laid_to_rest() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.answer("alice")
    shift.call("c2")
    assert [violation.invariant for violation in shift.engine.check(shift.now, {"c2"})] == [INVARIANTS["talk-exists"]]
    shift.take(shift.engine.repair(shift.now, {"c2"}))
    assert shift.ringing["alice"].call == "c2"


def test_an_offer_withdrawn_by_repair_is_told_to_the_phone() -> None:
    shift = Shift("alice")
    shift.call("c1")
    shift.engine._state.calls.clear()
    assert only(shift.take(shift.engine.repair(shift.now)), Withdraw)[0].agent == "alice"
    assert shift.state("alice") is AgentState.READY


def test_a_caller_gone_in_the_middle_of_many_offers_leaves_nobody_behind() -> None:
    crew = tuple(f"a{number}" for number in range(30))
    shift = Shift(*crew, queues={"support": QueueSettings(agents=crew, strategy="ring-all", ring_at_most=30)})
    shift.call("c1")
    shift.fail("a7", "busy")
    shift.leave("c1")
    assert {shift.state(agent) for agent in crew} == {AgentState.READY, AgentState.RESTING}
