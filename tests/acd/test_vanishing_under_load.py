"""Bad moments: an agent vanishes mid-offer, mid-call, mid-wrap-up; settings change while phones ring; the clock steps
back. Each has one defined outcome, and the call keeps its place."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from softswitch.acd.model import (
    AgentState,
    Bridge,
    DeviceReachable,
    OfferAnswered,
    QueueSettings,
    Reconfigured,
    Refuse,
    Ring,
    Withdraw,
)
from tests.acd.acd_shift import Shift, only

CREW = ("alice", "boris", "clara", "dmitri")
ALL = QueueSettings(agents=CREW, strategy="ring-all", ring_seconds=30.0, wrap_up=20.0)


def logged_out(shift: Shift, agent: str) -> None:
    shift.logout(agent)


def unreachable(shift: Shift, agent: str) -> None:
    shift.do(DeviceReachable(agent, False))


def removed(shift: Shift, agent: str) -> None:
    rest = tuple(name for name in CREW if name != agent)
    shift.do(Reconfigured({"support": replace(ALL, agents=rest)}, frozenset(rest)))


def out_of_the_queue(shift: Shift, agent: str) -> None:
    """Still an agent, but of no queue: the phone that rings for the call may take it."""
    rest = tuple(name for name in CREW if name != agent)
    shift.do(Reconfigured({"support": replace(ALL, agents=rest)}, frozenset(CREW)))


ways = pytest.mark.parametrize("vanish", [logged_out, unreachable, removed])


@ways
def test_one_of_many_rung_agents_vanishes_and_the_others_ring_on(vanish: Callable[[Shift, str], None]) -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    shift.call("c1")
    gone = shift.ringing["alice"]
    vanish(shift, "alice")
    assert sorted(shift.ringing) == ["boris", "clara", "dmitri"]
    late = shift.do(OfferAnswered(gone.offer))
    assert only(late, Refuse)
    assert not only(late, Bridge)
    shift.answer("boris")
    assert shift.last("queue.answered").agent == "boris"


@ways
def test_the_only_rung_agent_vanishes_and_the_call_keeps_its_place(vanish: Callable[[Shift, str], None]) -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    for agent in CREW[1:]:
        shift.pause(agent)
    shift.call("c1")
    shift.call("c2")
    vanish(shift, "alice")
    assert not shift.ringing
    assert shift.order() == ["c1", "c2"]
    shift.ready("boris")
    assert shift.ringing["boris"].call == "c1"


@ways
def test_mid_call_the_conversation_goes_on_to_its_end(vanish: Callable[[Shift, str], None]) -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    shift.call("c1")
    shift.answer("alice")
    shift.after(5)
    vanish(shift, "alice")
    assert shift.state("alice") is AgentState.TALKING
    shift.after(60)
    shift.end("c1", "alice")
    assert shift.last("talk.ended").data["talk"] == 65.0
    assert ("wrapup.started" in shift.kinds("c1")) is (vanish is unreachable)


@ways
def test_mid_wrap_up_it_ends_with_the_log_out_and_lasts_through_a_lost_phone(
    vanish: Callable[[Shift, str], None],
) -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    shift.call("c1")
    shift.answer("alice")
    shift.end("c1", "alice")
    shift.after(5)
    vanish(shift, "alice")
    shift.after(60)
    assert [fact.data["lasted"] for fact in shift.facts if fact.kind == "wrapup.ended"] == [
        20.0 if vanish is unreachable else 5.0
    ]


def test_an_agent_taken_out_of_the_queue_may_take_the_call_that_rings_and_no_other() -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    shift.call("c1")
    out_of_the_queue(shift, "alice")
    shift.answer("alice")
    assert shift.last("queue.answered").agent == "alice"
    shift.end("c1", "alice")
    shift.after(60)
    shift.call("c2")
    assert "alice" not in shift.ringing


@pytest.mark.parametrize(
    ("settings", "ring_on"),
    [
        (replace(ALL, strategy="longest-idle"), 1),
        (replace(ALL, strategy="ring-progressively"), 4),
        (replace(ALL, ring_at_most=2), 2),
        (replace(ALL, rings=(Ring(agents=("dmitri",)), Ring(after=60.0))), 4),
        (replace(ALL, needs={"latvian": 1}), 4),
    ],
    ids=["strategy", "progressive", "fewer-phones", "other-ring", "needs"],
)
def test_new_settings_while_many_phones_ring_silence_only_those_too_many(settings: QueueSettings, ring_on: int) -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    shift.call("c1")
    effects = shift.do(Reconfigured({"support": settings}, frozenset(CREW)))
    assert [withdrawn.reason for withdrawn in only(effects, Withdraw)] == ["reconfigured"] * (4 - ring_on)
    assert [offer.call for offer in shift.ringing.values()] == ["c1"] * ring_on
    shift.answer(next(iter(shift.ringing)))
    assert not shift.ringing
    assert shift.kinds("c1").count("queue.answered") == 1


def test_a_queue_removed_while_many_phones_ring_for_its_call_silences_all() -> None:
    shift = Shift(*CREW, queues={"support": ALL})
    shift.call("c1")
    shift.do(Reconfigured({}, frozenset(CREW)))
    assert not shift.ringing
    assert {shift.state(agent) for agent in CREW} == {AgentState.READY}


def test_a_clock_that_steps_back_stands_still_for_rings_too() -> None:
    rings = (Ring(agents=("alice",)), Ring(after=30.0))
    shift = Shift(*CREW, queues={"support": QueueSettings(agents=CREW, rings=rings)})
    shift.pause("alice")
    shift.call("c1")
    shift.after(20)
    shift.now -= 3600
    shift.take(shift.engine.wake(shift.now))
    assert not shift.ringing
    shift.now += 3600 + 10.1
    shift.take(shift.engine.wake(shift.now))
    assert len(shift.ringing) == 1
