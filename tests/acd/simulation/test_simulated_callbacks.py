"""Callers who would rather be called back than wait on."""

from dataclasses import replace
from random import Random
from zoneinfo import ZoneInfo

import pytest

from softswitch.acd.engine import Engine
from softswitch.acd.model import AgentSettings, CallbackSettings, QueueSettings
from softswitch.acd.simulation import run
from softswitch.acd.simulation.days import DAY, date_of, instant
from softswitch.acd.simulation.load import Behaviour, CallbackLoad, Load, QueueLoad
from softswitch.acd.simulation.replay import Day, DayHabits
from softswitch.acd.simulation.run import Stretch, live_through, run_stretch
from softswitch.acd.simulation.site import Site
from softswitch.acd.simulation.times import NEVER, Times

NAMES = ("anna", "boris", "cleo")
SITE = Site(
    queues={"support": QueueSettings(agents=NAMES, wrap_up=10.0, callback=CallbackSettings(pause=120.0))},
    agents=dict.fromkeys(NAMES, AgentSettings()),
)
LOAD = Load(
    queues={
        "support": QueueLoad(
            profile={"09:00": 70.0, "13:00": 10.0, "18:00": 0.0},  # a rush, and time to work it off
            patience=150.0,
            talk=180.0,
            callback=CallbackLoad(share=0.5, after=Times(mean=30.0, distribution="constant"), reached=0.7),
        )
    },
    agents=Behaviour(no_answer=0.02),
)


def with_callback(**settings):
    rules = CallbackSettings(pause=120.0, **settings)
    return replace(SITE, queues={"support": replace(SITE.queues["support"], callback=rules)})


@pytest.mark.parametrize("first", ["agent", "customer"])
def test_every_callback_ends_in_one_outcome(first, monkeypatch):
    engines, wrong, facts = [], [], []

    class Watched(Engine):
        __slots__ = ()

        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            engines.append(self)

    monkeypatch.setattr(run, "Engine", Watched)
    site = with_callback(first=first)
    outcome = run_stretch(
        site,
        Stretch(load=LOAD),
        progress=lambda now: wrong.extend(engines[0].check(now)),
        record=facts.append,
    )
    assert wrong == []
    assert not outcome.sums.ignored
    assert outcome.all_calls.waiting == 0
    asked = [fact.data["callback"] for fact in facts if fact.kind == "callback.asked"]
    ends = ("callback.connected", "callback.failed", "callback.expired", "callback.cancelled")
    ended = [fact.data["callback"] for fact in facts if fact.kind in ends]
    assert len(asked) > 20
    assert sorted(asked) == sorted(ended)
    connected = sum(fact.kind == "callback.connected" for fact in facts)
    assert connected / len(asked) == pytest.approx(1 - 0.3**3, abs=0.06), "three attempts, each reaches 70 %"
    assert any(fact.kind == "callback.attempted" for fact in facts)
    talked = {fact.call for fact in facts if fact.kind == "talk.ended"}
    assert talked >= {fact.call for fact in facts if fact.kind == "callback.connected" and fact.agent}


def test_a_policy_is_compared_by_whether_its_queue_offers_callbacks():
    """The same callers, with and without. What is served does not shrink; who is called back keeps its place, so in a
    rush the others wait as long as before."""
    before, after = (run_stretch(site, Stretch(load=LOAD)).all_calls for site in (without_callback(), SITE))
    assert before.callbacks["asked"] == 0
    assert after.callbacks["connected"] > 50
    assert after.abandoned < before.abandoned
    assert after.answered + after.callbacks["connected"] >= before.answered


@pytest.mark.parametrize("first", ["agent", "customer"])
def test_who_asked_on_a_recorded_day_asks_again(first):
    """At the same moment of its wait, and once called back talks as long; where the policy offers none it waits on."""
    facts, again, without = [], [], []
    run_stretch(with_callback(first=first), Stretch(load=LOAD), record=facts.append)
    zone = ZoneInfo("UTC")
    day = Day(instant(date_of(LOAD.start), 0.0, zone), instant(date_of(LOAD.start), DAY, zone))
    for fact in facts:
        day.add(fact)
    came = {fact.call for fact in facts if fact.kind == "queue.entered" and "resumed" not in fact.data}
    assert day.calls.keys() == came
    assert day.reached / day.tried == pytest.approx(0.7, abs=0.15)
    asked = {fact.call: fact.at for fact in facts if fact.kind == "callback.asked"}
    assert {call: visit.at + visit.asks for call, visit in day.calls.items() if visit.asks < NEVER} == pytest.approx(
        asked
    )
    talks = [fact.data["talk"] for fact in facts if fact.kind == "talk.ended"]
    assert sorted(visit.talk for visit in day.calls.values() if visit.talk is not None) == pytest.approx(sorted(talks))
    for site, kept in ((with_callback(first=first), again), (without_callback(), without)):
        arrivals, dice = day.arrivals(Random(1)), Random(3)
        habits = DayHabits(day.failed_shares(), Random(2))
        live_through(site, arrivals, day.roster(NAMES), habits, dice, day.since, day.until, record=kept.append)
    assert sum(fact.kind == "callback.connected" for fact in again) > 20
    assert not any(fact.kind.startswith("callback.") for fact in without)


def without_callback():
    return replace(SITE, queues={"support": replace(SITE.queues["support"], callback=None)})


def test_the_same_seed_calls_back_the_same():
    first, second = [], []
    run_stretch(SITE, Stretch(load=LOAD), record=first.append)
    run_stretch(SITE, Stretch(load=LOAD), record=second.append)
    assert first == second
