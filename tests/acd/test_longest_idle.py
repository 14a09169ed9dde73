"""Strategy `longest-idle`: who has been without a conversation longest gets the call."""

import pytest
from acd_shift import Shift

from softswitch.acd.model import DeviceReachable
from softswitch.acd.strategies import built_in
from softswitch.kernel.errors import LocalError

MANY = tuple(f"agent{number:02d}" for number in range(40))  # more than a pool looks through: it keeps an index


def test_the_end_of_the_conversation_and_its_wrap_up_counts() -> None:
    shift = Shift("alice", "bob", wrap_up=10.0)
    shift.call("c1")
    shift.call("c2")
    shift.answer("alice")
    shift.answer("bob")
    shift.after(30)
    shift.end("c1" if shift.last("queue.answered").call == "c2" else "c2", "alice")
    shift.after(1)
    shift.end(shift.last("queue.answered").call, "bob")
    shift.ready("bob")  # bob's wrap-up is over first
    shift.after(60)
    shift.call("c3")
    assert list(shift.ringing) == ["bob"]


@pytest.mark.parametrize("agents", [("a", "b", "c", "d"), MANY])
def test_agents_take_turns(agents: tuple[str, ...]) -> None:
    shift = Shift(*agents)
    served = []
    for number in range(2 * len(agents)):
        shift.after(1)
        shift.call(f"c{number}")
        (agent,) = shift.ringing
        served.append(agent)
        shift.answer(agent)
        shift.after(1)
        shift.end(f"c{number}", agent)
    assert sorted(served[: len(agents)]) == sorted(agents)
    assert served[len(agents) :] == served[: len(agents)]


@pytest.mark.parametrize("agents", [("a", "b", "c"), MANY])
def test_a_caller_who_left_while_it_rang_costs_the_agent_no_place(agents: tuple[str, ...]) -> None:
    shift = Shift(*agents)
    shift.call("c1")
    (agent,) = shift.ringing
    shift.after(5)
    shift.leave("c1")
    shift.call("c2")
    assert list(shift.ringing) == [agent]


def test_back_from_a_pause_at_the_end_of_the_line() -> None:
    shift = Shift("alice", "bob", ready=False)
    for agent in ("alice", "bob"):
        shift.do(DeviceReachable(agent, True))
    shift.login("alice")
    shift.after(1)
    shift.login("bob")
    shift.pause("alice", "coffee")
    shift.after(600)
    shift.ready("alice")
    shift.call("c1")
    assert list(shift.ringing) == ["bob"]


def test_an_unknown_strategy_is_an_error_and_no_fallback() -> None:
    """Complaint: an unknown strategy name falls back in silence (FreeSWITCH mod_callcenter)."""
    with pytest.raises(LocalError, match="longest-idle"):
        built_in("longest-idel")


def test_the_index_of_the_ready_keeps_no_trace_of_those_who_come_and_go() -> None:
    shift = Shift(*MANY)
    pool = shift.engine._state.queues["support"].pool
    for _ in range(500):
        shift.pause(MANY[3])
        shift.ready(MANY[3])
    assert len(pool._ready) <= 2 * len(MANY)
