"""Agents: capacity, ring time, back-offs and auto-pause by cause, pause reasons, outcomes, hot-desking."""

import pytest

from softswitch.acd.model import (
    AcdSettings,
    AgentLogin,
    AgentOutcome,
    AgentPause,
    AgentReady,
    AgentSettings,
    AgentState,
    AgentWrapUp,
    AutoPause,
    BackOff,
    DeviceBusy,
    OfferCause,
    QueueSettings,
    Reconfigured,
    ServiceLevel,
)
from tests.acd.acd_shift import Shift

CAUSES: tuple[OfferCause, ...] = ("busy", "rejected", "no-answer", "unreachable", "error")


# ----------------------------------------------------------------------------------------------------------- capacity


def test_an_agent_with_room_for_two_gets_a_second_call_and_no_third() -> None:
    shift = Shift("alice", agents={"alice": AgentSettings(capacity=2)})
    for call in ("c1", "c2", "c3"):
        shift.call(call)
    shift.answer("alice")
    assert shift.ringing["alice"].call == "c2"
    shift.answer("alice")
    assert not shift.ringing
    assert shift.state("alice") is AgentState.TALKING
    shift.end("c1", "alice")
    assert shift.ringing["alice"].call == "c3"


def test_who_has_room_is_rung_for_one_call_at_a_time() -> None:
    shift = Shift("alice", agents={"alice": AgentSettings(capacity=5)})
    for number in range(5):
        shift.call(f"c{number}")
        assert len(shift.ringing) == 1


def test_capacity_is_shared_by_all_queues_and_by_own_calls() -> None:
    queues = {name: QueueSettings(agents=("alice",)) for name in ("a", "b")}
    shift = Shift("alice", queues=queues, agents={"alice": AgentSettings(capacity=2)})
    shift.call("c1", "a")
    shift.answer("alice")
    shift.do(DeviceBusy("alice", 1))
    shift.call("c2", "b")
    assert not shift.ringing
    shift.do(DeviceBusy("alice", 0))
    assert shift.ringing["alice"].call == "c2"


def test_less_capacity_ends_no_call() -> None:
    shift = Shift("alice", agents={"alice": AgentSettings(capacity=2)})
    for call in ("c1", "c2"):
        shift.call(call)
        shift.answer("alice")
    queues = {"support": QueueSettings(agents=("alice",))}
    shift.do(Reconfigured(queues, {"alice": AgentSettings(capacity=1)}))
    shift.call("c3")
    shift.end("c1", "alice")
    assert not shift.ringing
    shift.end("c2", "alice")
    assert shift.ringing["alice"].call == "c3"


def test_a_removed_agent_with_two_calls_is_forgotten_after_the_second() -> None:
    shift = Shift("alice", agents={"alice": AgentSettings(capacity=2)})
    for call in ("c1", "c2"):
        shift.call(call)
        shift.answer("alice")
    shift.do(Reconfigured({}, {}))
    shift.end("c1", "alice")
    assert shift.state("alice") is AgentState.TALKING
    shift.end("c2", "alice")
    assert shift.engine.agent_view("alice", shift.now) is None


def test_the_longest_idle_of_agents_with_room_is_who_ended_a_call_first() -> None:
    """Keys change while such agents stay available; also in a pool that keeps an index."""
    names = tuple(f"a{number:02d}" for number in range(20))
    shift = Shift(*names, agents=dict.fromkeys(names, AgentSettings(capacity=2)))
    for name in names[2:]:
        shift.pause(name)
    calls: dict[str, list[str]] = {"a00": [], "a01": []}
    for number in range(4):
        shift.call(f"c{number}")
        (agent,) = shift.ringing
        calls[agent].append(f"c{number}")
        shift.answer(agent)
    for agent in ("a01", "a00"):
        shift.after(1)
        shift.end(calls[agent][0], agent)
    shift.after(1)
    shift.call("n1")
    assert list(shift.ringing) == ["a01"]


# ------------------------------------------------------------------------------------------------- ring time, back-offs


@pytest.mark.parametrize(("queue", "agent", "rings"), [(20.0, 0.0, 20.0), (20.0, 8.0, 8.0), (20.0, 30.0, 20.0)])
def test_an_offer_rings_as_long_as_queue_and_agent_both_allow(queue: float, agent: float, rings: float) -> None:
    shift = Shift("alice", ring_seconds=queue, agents={"alice": AgentSettings(max_ring=agent)})
    shift.call("c1")
    assert shift.ringing["alice"].ring_seconds == rings
    shift.after(rings - 0.1)
    assert shift.ringing
    shift.after(0.2)
    assert not shift.ringing


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_its_own_back_off(cause: OfferCause) -> None:
    seconds = {"busy": 10.0, "rejected": 20.0, "no_answer": 30.0, "unreachable": 40.0, "error": 50.0}
    shift = Shift("alice", back_off=BackOff(**seconds))
    shift.call("c1")
    shift.fail("alice", cause)
    shift.after(seconds[cause.replace("-", "_")] - 0.1)
    assert not shift.ringing
    shift.after(0.2)
    assert shift.ringing


def test_the_agents_own_back_off_goes_before_the_queues_and_that_before_retry_after() -> None:
    agents = {"alice": AgentSettings(back_off=BackOff(busy=3.0))}
    shift = Shift("alice", agents=agents, back_off=BackOff(busy=60.0, rejected=9.0), retry_after=30.0)
    for cause, seconds in (("busy", 3.0), ("rejected", 9.0), ("error", 30.0)):
        shift.call(cause)
        shift.fail("alice", cause)
        view = shift.engine.agent_view("alice", shift.now)
        assert view is not None
        assert view.until == pytest.approx(shift.now + seconds)
        shift.leave(cause)
        shift.after(60)


@pytest.mark.parametrize("cause", CAUSES)
def test_so_many_failures_of_one_cause_in_a_row_pause_the_agent(cause: OfferCause) -> None:
    rules = {cause.replace("-", "_"): 2}
    shift = Shift("alice", auto_pause=AutoPause(**rules))  # type: ignore[arg-type]
    shift.call("c1")
    shift.fail("alice", cause)
    assert shift.state("alice") is not AgentState.PAUSED
    shift.after(6)
    shift.fail("alice", cause)
    assert (shift.state("alice"), shift.reason("alice")) == (AgentState.PAUSED, cause)
    assert shift.last("agent.pause").data == {"reason": cause, "by": "acd"}


def test_an_answer_between_begins_the_count_anew() -> None:
    shift = Shift("alice", auto_pause=AutoPause(rejected=2))
    for number in range(4):
        shift.call(f"c{number}")
        shift.fail("alice", "rejected")
        shift.after(6)
        shift.answer("alice")
        shift.end(f"c{number}", "alice")
    assert shift.state("alice") is AgentState.READY


# --------------------------------------------------------------------------------------------- what agents say and note


def test_a_pause_reason_is_one_of_the_configured_list_by_name_or_number() -> None:
    shift = Shift("alice", acd=AcdSettings(pause_reasons=("lunch", "training")))
    shift.pause("alice", "2")
    assert shift.reason("alice") == "training"
    shift.pause("alice", "lunch")
    assert shift.reason("alice") == "lunch"
    for wrong in ("holidays", "3", "0", "²"):
        shift.pause("alice", wrong)
        assert shift.reason("alice") == "lunch"
        assert "no such pause reason" in str(shift.last("acd.ignored").data["why"])
    shift.do(Reconfigured({"support": QueueSettings(agents=("alice",))}, frozenset({"alice"})))
    shift.pause("alice", "holidays")
    assert shift.reason("alice") == "holidays"


def test_outcomes_are_noted_during_the_call_and_its_wrap_up_and_only_then() -> None:
    shift = Shift("alice", wrap_up=30.0, outcomes=("sold", "lost"))
    shift.do(AgentOutcome("alice", "", "sold"))
    assert shift.last("acd.ignored").data["why"] == "the agent neither talks nor wraps up"
    shift.talk("c1", "alice", 60)
    shift.do(AgentOutcome("alice", "c1", "lost"))
    shift.do(AgentOutcome("alice", "", "sold", "carol"))
    shift.do(AgentOutcome("alice", "", "maybe"))
    shift.do(AgentOutcome("alice", "c9", "sold"))
    shift.do(AgentOutcome("nobody", "", "sold"))
    noted = [
        (fact.call, fact.queue, fact.data["code"], fact.data["by"])
        for fact in shift.facts
        if fact.kind == "call.outcome"
    ]
    assert noted == [("c1", "support", "lost", "agent"), ("c1", "support", "sold", "carol")]
    assert [fact.kind for fact in shift.facts].count("acd.ignored") == 4


def test_wrap_up_orders_without_a_wrap_up_change_nothing() -> None:
    shift = Shift("alice", wrap_up=30.0)
    for event in (AgentWrapUp("alice", 60.0), AgentWrapUp("nobody", 60.0)):
        shift.do(event)
        assert shift.last("acd.ignored")
    assert shift.state("alice") is AgentState.READY


def test_an_agent_sits_at_the_phone_it_logged_in_from() -> None:
    shift = Shift("alice", ready=False)

    def phone() -> str:
        view = shift.engine.agent_view("alice", shift.now)
        assert view is not None
        return view.phone

    shift.do(AgentLogin("alice", "phone:1007", "1007"))
    assert (phone(), shift.last("agent.login").data) == ("1007", {"by": "phone:1007", "phone": "1007"})
    shift.do(AgentLogin("alice", "phone:1008", "1008"))
    assert (phone(), shift.last("agent.moved").data["phone"]) == ("1008", "1008")
    remembered = shift.engine.snapshot()
    assert remembered["alice"]["phone"] == "1008"
    shift.logout("alice")
    assert phone() == ""


def test_a_supervisor_overrides_any_state_and_the_ledger_says_who() -> None:
    shift = Shift("alice", wrap_up=60.0)
    shift.talk("c1", "alice", 5)
    shift.do(AgentReady("alice", "carol"))
    assert shift.state("alice") is AgentState.READY
    assert (shift.last("wrapup.ended").data["cause"], shift.last("agent.ready").data["by"]) == ("ready", "carol")
    shift.do(AgentPause("alice", "meeting", "carol"))
    assert shift.last("agent.pause").data == {"reason": "meeting", "by": "carol"}
    shift.do(AgentReady("alice", "carol"))
    assert shift.state("alice") is AgentState.READY


# ------------------------------------------------------------------------------------------------------ deadline order


def test_with_deadline_order_the_call_whose_service_level_ends_first_goes_first() -> None:
    queues = {
        "urgent": QueueSettings(agents=("alice",), order="deadline", service_level=ServiceLevel(seconds=10.0)),
        "easy": QueueSettings(agents=("alice",), order="deadline", service_level=ServiceLevel(seconds=60.0)),
    }
    shift = Shift("alice", queues=queues)
    shift.pause("alice")
    shift.call("e1", "easy")  # due in 60 s
    shift.after(30)
    shift.call("u1", "urgent")  # due in 10 s
    shift.after(15)
    shift.call("e2", "easy")
    shift.call("u2", "urgent", head_start=5.0)
    served = []
    for _ in range(4):
        shift.ready("alice")
        served.append(shift.ringing["alice"].call)
        shift.answer("alice")
        shift.pause("alice")
        shift.end(served[-1], "alice")
    assert served == ["u1", "u2", "e1", "e2"]
