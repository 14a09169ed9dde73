"""What a load means: rates, kinds of callers, times, shifts."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from softswitch.acd.model import (
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    AgentSettings,
    QueueSettings,
    Ring,
)
from softswitch.acd.simulation.arrivals import Callers, calls_a_day, pieces
from softswitch.acd.simulation.days import clock, date_of, day_numbers, instant
from softswitch.acd.simulation.load import Behaviour, Break, Kind, Load, QueueLoad, ShiftLoad
from softswitch.acd.simulation.roster import roster
from softswitch.acd.simulation.run import Stretch, fits, run_stretch
from softswitch.acd.simulation.site import Site, with_agents
from softswitch.acd.simulation.times import NEVER, Times, drawer
from softswitch.kernel.errors import LocalError

ZONE = ZoneInfo("Europe/Berlin")
THURSDAY = date_of("2026-11-19")
LUNCH = Break(at="12:00", minutes=30, reason="lunch")


@pytest.mark.parametrize(
    ("times", "mean", "deviation"),
    [
        (100.0, 100.0, 100.0),
        (Times(mean=100.0, distribution="lognormal", cv=0.5), 100.0, 50.0),
        (Times(mean=100.0, distribution="constant"), 100.0, 0.0),
        (Times(values=(50.0, 150.0)), 100.0, 50.0),
    ],
)
def test_times_have_their_mean_and_deviation(times, mean, deviation):
    draw, dice = drawer(times), Random(1)
    drawn = [draw(dice) for _ in range(20000)]
    assert sum(drawn) / 20000 == pytest.approx(mean, rel=0.03)
    assert (sum((one - mean) ** 2 for one in drawn) / 20000) ** 0.5 == pytest.approx(deviation, rel=0.05, abs=1e-9)


def test_a_share_has_endless_patience():
    draw, dice = drawer(Times(mean=60.0, never=0.25)), Random(1)
    assert sum(draw(dice) == NEVER for _ in range(4000)) / 4000 == pytest.approx(0.25, abs=0.03)


def test_calls_follow_the_profile_and_the_day_of_the_week():
    load = QueueLoad(calls=10.0, profile={"08:00": 120.0, "18:00": 0.0}, days={"sat": 0.5})
    assert pieces(load) == [(0.0, 28800.0, 10.0), (28800.0, 64800.0, 120.0), (64800.0, 86400.0, 0.0)]
    callers = Callers("support", load, Behaviour(), ZONE)
    dice, hours, saturday = Random(2), Counter(), 0
    for _ in range(20):
        begin = instant(THURSDAY, 0.0, ZONE)
        arrivals = list(callers.of_day(THURSDAY, dice))
        assert arrivals == sorted(arrivals, key=lambda one: one.at)
        hours.update(int((one.at - begin) // 3600) for one in arrivals)
        saturday += sum(1 for _ in callers.of_day(THURSDAY + timedelta(days=2), dice))
    assert hours[3] / 20 == pytest.approx(10, rel=0.25)
    assert hours[9] / 20 == pytest.approx(120, rel=0.1)
    assert hours[19] == 0
    assert saturday / 20 == pytest.approx(640, rel=0.05)
    assert calls_a_day(load) == pytest.approx(1280 * 6.5 / 7)


def test_a_day_of_23_hours_has_the_calls_of_its_clocks():
    day = date_of("2026-03-29")
    assert instant(day, 86400.0, ZONE) - instant(day, 0.0, ZONE) == 23 * 3600
    callers = Callers("support", QueueLoad(calls=3600.0), Behaviour(), ZONE)
    assert sum(1 for _ in callers.of_day(day, Random(3))) == pytest.approx(23 * 3600, rel=0.02)


def test_kinds_of_callers_come_in_their_shares():
    kinds = (Kind(share=3.0), Kind(share=1.0, needs={"german": 60}, head_start=30.0, talk=Times(values=(7.0,))))
    callers = Callers("support", QueueLoad(calls=2000.0, kinds=kinds), Behaviour(), ZONE)
    arrivals = list(callers.of_day(THURSDAY, Random(1)))
    german = [one for one in arrivals if one.needs == (("german", 60),)]
    assert len(german) / len(arrivals) == pytest.approx(0.25, abs=0.01)
    assert {(one.head_start, one.talk) for one in german} == {(30.0, 7.0)}
    assert all(one.patience == NEVER for one in arrivals)


def said(load, agents=("anna",), days=1, first=THURSDAY):
    """The roster, its times in hours since the first midnight."""
    dates = [first + timedelta(days=number) for number in range(days)]
    begin = instant(first, 0.0, ZONE)
    return [((at - begin) / 3600, event) for at, event in roster(load, agents, dates, ZONE, Random(1))]


def test_without_shifts_everybody_is_there():
    assert said(Load(), ("anna", "boris")) == [(0.0, AgentLogin("anna")), (0.0, AgentLogin("boris"))]


def test_a_shift_with_a_break():
    shift = ShiftLoad(begin="08:00", end="16:00", days="mon-fri", breaks=(LUNCH,))
    assert said(Load(shifts={"day": shift})) == [
        (8.0, AgentLogin("anna")),
        (12.0, AgentPause("anna", "lunch")),
        (12.5, AgentReady("anna")),
        (16.0, AgentLogout("anna")),
    ]
    assert said(Load(shifts={"day": shift}), first=THURSDAY + timedelta(days=2)) == []


def test_breaks_are_taken_one_after_the_other():
    load = Load(shifts={"day": ShiftLoad(begin="08:00", end="16:00", breaks=(LUNCH,), stagger=30.0)})
    pauses = [(at, event.agent) for at, event in said(load, ("anna", "boris")) if isinstance(event, AgentPause)]
    assert pauses == [(12.0, "anna"), (12.5, "boris")]


def test_a_night_shift_goes_on_from_the_day_before():
    night = ShiftLoad(begin="22:00", end="06:00", breaks=(Break(at="23:45", minutes=30),))
    assert said(Load(shifts={"night": night})) == [
        (0.0, AgentLogin("anna")),
        (0.0, AgentPause("anna")),
        (0.25, AgentReady("anna")),
        (6.0, AgentLogout("anna")),
        (22.0, AgentLogin("anna")),
        (23.75, AgentPause("anna")),
        (24.25, AgentReady("anna")),
        (30.0, AgentLogout("anna")),
    ]


def test_shifts_that_touch_are_one():
    load = Load(shifts={"early": ShiftLoad(begin="06:00", end="14:00"), "late": ShiftLoad(begin="14:00", end="22:00")})
    assert said(load) == [(6.0, AgentLogin("anna")), (22.0, AgentLogout("anna"))]
    always = said(Load(shifts={"always": ShiftLoad()}), days=3)
    assert always == [(0.0, AgentLogin("anna")), (72.0, AgentLogout("anna"))]


@pytest.mark.parametrize("text", ["8", "25:00", "12:60", "24:01", "noon", ""])
def test_times_of_the_day_that_are_none(text):
    with pytest.raises(LocalError):
        clock(text)


def test_days_of_the_week():
    assert day_numbers("mon-fri") == {0, 1, 2, 3, 4}
    assert day_numbers("sat, sun") == {5, 6}
    assert day_numbers("fri-mon") == {4, 5, 6, 0}
    assert day_numbers("daily") == set(range(7))
    for text in ("someday", "mon-xyz"):
        with pytest.raises(LocalError):
            day_numbers(text)
    with pytest.raises(LocalError):
        date_of("tomorrow")


RINGS = (Ring(agents=("anna",)), Ring(after=20.0))
SITE = Site(
    queues={"support": QueueSettings(agents=("anna", "boris"), rings=RINGS, weights={"anna": 5.0})},
    agents={"anna": AgentSettings(skills={"english": 80}), "boris": AgentSettings()},
)


def with_queue(**settings):
    return replace(SITE, queues={"support": QueueSettings(agents=("anna", "boris"), **settings)})


def run(site, queue, **load):
    return run_stretch(site, Stretch(load=Load(queues={"support": queue}, **load)))


def test_more_agents_are_made_in_the_image_of_the_configured():
    site = with_agents(SITE, 5)
    assert list(site.agents) == ["anna", "boris", "anna~2", "boris~2", "anna~3"]
    queue = site.queues["support"]
    assert set(queue.agents) == set(site.agents)
    assert queue.rings[0].agents == ("anna", "anna~2", "anna~3")
    assert queue.weights == {"anna": 5.0, "anna~2": 5.0, "anna~3": 5.0}
    assert site.agents["anna~2"].skills == {"english": 80}
    assert with_agents(SITE, 1).queues["support"].agents == ("anna",)
    with pytest.raises(LocalError):
        with_agents(SITE, 0)


def test_clones_work_when_their_originals_do():
    shifts = {
        "anna": ShiftLoad(agents=("anna",)),
        "boris": ShiftLoad(agents=("boris",), begin="12:00", end="13:00"),
    }
    outcome = run(with_agents(SITE, 4), QueueLoad(calls=300.0, talk=60.0, patience=30.0), shifts=shifts)
    hours = {name: cell.logged_in / 3600 for name, cell in outcome.sums.agents.items()}
    assert hours["anna"] == hours["anna~2"] == pytest.approx(24.0)
    assert [hours["boris"], hours["boris~2"]] == pytest.approx([1.0, 1.0], abs=0.2)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(queues={"sales": QueueLoad(calls=1.0)}), "queue sales"),
        (Load(shifts={"day": ShiftLoad(agents=("zoe",))}), "agent zoe"),
    ],
)
def test_a_load_for_another_site_is_refused(load, said):
    with pytest.raises(LocalError, match=said):
        fits(SITE, load)


def test_agents_who_let_it_ring_are_paused():
    """Offers that fail cost what they cost live: the ring time, the back-off, a pause after the third in a row."""
    site = with_queue(ring_seconds=10.0, max_no_answer=3)
    behaviour = Behaviour(no_answer=0.6, rejected=0.2)
    outcome = run(site, QueueLoad(calls=60.0, talk=10.0, patience=40.0), agents=behaviour)
    anna = outcome.sums.agent("anna")
    assert anna.failed["no-answer"] >= 3
    assert anna.paused > 3600, "nobody makes her ready again"
    assert outcome.all_calls.waiting == 0


def test_callers_whom_nobody_can_serve_are_sent_home():
    outcome = run(with_queue(needs={"klingon": 50}), QueueLoad(calls=2.0))
    assert outcome.all_calls.left == outcome.all_calls.entered > 20


def test_overflow_to_another_queue_and_in_a_circle():
    """A full queue sends callers on; two full queues that name each other end it after some turns."""
    queues = {
        "support": QueueSettings(agents=("anna",), max_length=2, on_full="queue:spill"),
        "spill": QueueSettings(agents=("boris",), max_length=2, on_full="queue:support"),
    }
    outcome = run(replace(SITE, queues=queues), QueueLoad(calls=120.0, talk=200.0, patience=300.0))
    assert outcome.sums.queue("spill").answered > 100
    assert outcome.sums.queue("support").overflowed["full"] > 100
    assert outcome.all_calls.waiting == 0


def test_who_hangs_up_may_call_again():
    queue = QueueLoad(calls=120.0, talk=200.0, patience=30.0)
    once = run(SITE, queue)
    twice = run(SITE, replace(queue, redial=1.0, redial_after=60.0))
    assert twice.all_calls.entered > once.all_calls.entered * 1.4


def test_wrap_up_is_what_agents_take_and_the_queue_allows():
    queue = QueueLoad(calls=20.0, talk=60.0, wrap_up=Times(values=(10.0, 500.0)))
    outcome = run(with_queue(wrap_up=30.0, wrap_up_most=60.0), queue)
    assert outcome.all_calls.average_wrap_up == pytest.approx(35.0, rel=0.1), "10 or 60 seconds"
