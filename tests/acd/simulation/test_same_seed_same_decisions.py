"""Runs are reproducible: by seed, however the work is cut, and for a recorded day."""

from dataclasses import replace
from random import Random
from zoneinfo import ZoneInfo

import pytest

from softswitch.acd.engine import Engine
from softswitch.acd.model import AgentSettings, QueueSettings, Ring
from softswitch.acd.simulation import run
from softswitch.acd.simulation.days import date_of, instant
from softswitch.acd.simulation.load import Behaviour, Break, Kind, Load, QueueLoad, ShiftLoad
from softswitch.acd.simulation.replay import Day, DayHabits
from softswitch.acd.simulation.run import Stretch, live_through, run_stretch
from softswitch.acd.simulation.site import Site
from softswitch.acd.simulation.times import Times
from softswitch.acd.stats import Totals

ZONE = ZoneInfo("Europe/Berlin")
NAMES = ("anna", "boris", "cleo", "dora", "emil")
SITE = Site(
    queues={
        "support": QueueSettings(
            agents=NAMES,
            wrap_up=15.0,
            max_wait=240.0,
            on_max_wait="queue:sales",
            rings=(Ring(skills={"english": 60}), Ring(after=30.0, skills={"english": 0})),
        ),
        "sales": QueueSettings(agents=NAMES[:3], priority=30.0, strategy="random"),
    },
    agents={name: AgentSettings(skills={"english": 20 * number}) for number, name in enumerate(NAMES, 1)},
    timezone="Europe/Berlin",
)
DAY_SHIFT = ShiftLoad(begin="07:50", end="17:30", spread=300.0, stagger=5.0, breaks=(Break(at="12:00", minutes=20.0),))
LOAD = Load(
    start="2026-11-19",
    queues={
        "support": QueueLoad(
            profile={"08:00": 60.0, "12:00": 90.0, "17:00": 0.0},
            patience=100.0,
            talk=Times(mean=180.0, distribution="lognormal", cv=0.8),
            wrap_up=20.0,
            kinds=(Kind(share=3.0), Kind(share=1.0, needs={"english": 80}, head_start=20.0, talk=300.0)),
            redial=0.3,
        ),
        "sales": QueueLoad(profile={"09:00": 30.0, "16:00": 0.0}, patience=60.0),
    },
    shifts={"day": DAY_SHIFT},
    agents=Behaviour(no_answer=0.05, rejected=0.05),
)


def facts_of(site=SITE, load=LOAD, **changes):
    facts = []
    outcome = run_stretch(site, replace(Stretch(load=load), **changes), record=facts.append)
    return facts, outcome


def test_the_same_seed_gives_the_same_ledger():
    facts, outcome = facts_of()
    again, _ = facts_of()
    assert facts == again
    assert len(facts) > 2000
    assert facts_of(seed=2)[0] != facts
    assert facts_of(replication=1)[0] != facts
    assert not outcome.sums.repaired


def test_what_is_counted_is_the_fold_of_what_happened():
    """The totals of a run are those that a live switch would show for the same facts."""
    facts, outcome = facts_of()
    totals = Totals(facts)
    for name in SITE.queues:
        mine, theirs = outcome.sums.queue(name), totals.queue(name)
        assert (mine.entered, mine.answered, mine.abandoned) == (theirs.entered, theirs.answered, theirs.abandoned)
        assert mine.service_level == theirs.service_level
        assert mine.waiting == 0
    assert outcome.all_calls.answered == sum(totals.agent(name).answered for name in NAMES)


def test_policies_meet_the_same_callers():
    """Common random numbers: who calls, when, and what they bring does not depend on the policy."""
    other = replace(SITE, queues={**SITE.queues, "support": replace(SITE.queues["support"], rings=(), wrap_up=0.0)})

    def callers(site):
        facts, _ = facts_of(site)
        entered = [fact for fact in facts if fact.kind == "queue.entered" and fact.call.startswith(fact.queue)]
        return [(fact.at, fact.call) for fact in entered if "again" not in fact.call]

    assert callers(SITE) == callers(other)
    assert facts_of(SITE)[0] != facts_of(other)[0]


def test_a_day_has_the_same_callers_in_any_stretch():
    def of_friday(**changes):
        facts, _ = facts_of(**changes)
        return {
            (fact.call, fact.at) for fact in facts if fact.kind == "queue.entered" and fact.call.count("-") == 2
        } & {(fact.call, fact.at) for fact in facts if "-261120-" in fact.call}

    friday = of_friday(first=1)
    assert len(friday) > 500
    assert {call for call, _ in friday} == {call for call, _ in of_friday(days=2)}


def day_of(facts):
    day = Day(instant(date_of("2026-11-19"), 0.0, ZONE), instant(date_of("2026-11-20"), 0.0, ZONE), {"sales": 30.0})
    for fact in facts:
        day.add(fact)
    return day


def replayed(day, site=SITE, seed="1"):
    facts = []
    live_through(
        site,
        day.arrivals(Random(f"{seed}/callers")),
        day.roster(site.agents),
        DayHabits(day.failed_shares(), Random(f"{seed}/habits")),
        Random(f"{seed}/engine"),
        day.since,
        day.until,
        record=facts.append,
    )
    return facts


def test_the_same_ledger_configuration_and_seed_give_the_same_decisions():
    day = day_of(facts_of()[0])
    one = replayed(day)
    assert one == replayed(day)
    assert one == replayed(day_of(facts_of()[0]))
    assert one != replayed(day, seed="2")


def test_a_replay_has_the_callers_of_the_day():
    """They come at the same moments, as patient as they were, with the needs and the head start that they had."""
    facts, _ = facts_of()
    came = {f.call: f for f in facts if f.kind == "queue.entered" and f.call.startswith(f.queue)}
    again = replayed(day_of(facts))
    recame = {f.call: f for f in again if f.kind == "queue.entered" and f.call.startswith(f.queue)}
    assert recame.keys() == came.keys()
    for call, fact in came.items():
        assert recame[call].at == fact.at
        assert recame[call].data["rank"] == pytest.approx(fact.data["rank"], abs=1e-3)
        assert recame[call].data.get("needs") == fact.data.get("needs")
    hung_up = {f.call: f.at - came[f.call].at for f in facts if f.kind == "queue.abandoned"}
    left = [f for f in again if f.kind == "queue.abandoned" and f.call in hung_up]
    assert len(left) > 20
    assert all(f.at - came[f.call].at == pytest.approx(hung_up[f.call], abs=1e-3) for f in left)


def test_a_day_that_left_nothing_to_chance_is_lived_through_exactly_again():
    """The same agent takes the same call after the same wait, talks and wraps up as long."""
    site = replace(SITE, queues={"support": QueueSettings(agents=NAMES, strategy="in-order", wrap_up=15.0)})
    queue = replace(LOAD.queues["support"], redial=0.0, kinds=(), profile={"08:00": 30.0, "17:00": 0.0})
    shift = replace(DAY_SHIFT, breaks=())
    load = replace(LOAD, queues={"support": queue}, agents=Behaviour(), shifts={"day": shift})
    facts, _ = facts_of(site, load)

    def decisions(of):
        kinds = ("queue.answered", "queue.abandoned", "talk.ended", "wrapup.ended")
        return {(f.kind, f.call, f.agent, round(f.at, 2)) for f in of if f.kind in kinds}

    assert len(decisions(facts)) > 600
    assert decisions(replayed(day_of(facts), site)) == decisions(facts)


def test_who_was_there_before_midnight_is_there():
    """Log-ins and pauses of the days before are the state in which the day begins."""
    load = replace(LOAD, shifts={"night": ShiftLoad(begin="20:00", end="06:00"), "day": DAY_SHIFT})
    day = day_of(facts_of(SITE, load, first=-1, days=2)[0])
    begun = [event for at, event in day.roster(NAMES) if at == day.since]
    assert {event.agent for event in begun} == set(NAMES)
    assert day.roster(("anna",)) == [entry for entry in day.roster(NAMES) if entry[1].agent == "anna"]


def test_nothing_breaks_an_invariant(monkeypatch):
    """The watchdog finds nothing in the engine of a simulated day, looked at every ten minutes."""
    engines, found = [], []

    class Watched(Engine):
        __slots__ = ()

        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            engines.append(self)

    monkeypatch.setattr(run, "Engine", Watched)
    run_stretch(SITE, Stretch(load=LOAD), progress=lambda now: found.append(engines[0].check(now)))
    assert len(found) > 50
    assert not any(found)
