"""Rates, handling times and patience by interval of the week, out of facts."""

from random import Random
from zoneinfo import ZoneInfo

import pytest

from softswitch.acd.model import Fact
from softswitch.acd.simulation.days import date_of, instant
from softswitch.acd.staffing.weekly import Weekly

ZONE = ZoneInfo("Europe/Berlin")


def at(day, clock):
    return instant(date_of(day), clock, ZONE)


def weeks(since="2026-03-16", until="2026-04-13"):
    """Four weeks around the change of clocks of 29 March 2026."""
    return Weekly("support", ZONE, at(since, 0), at(until, 0))


def call(weekly, name, when, talk=100.0, waited=10.0, queue="support"):
    weekly.add(Fact("queue.entered", when, name, queue))
    weekly.add(
        Fact("queue.answered", when + waited, name, queue, "anna", {"waited": waited, "rang": 4.0, "within": True})
    )
    weekly.add(Fact("talk.ended", when + waited + talk, name, queue, "anna", {"talk": talk}))
    weekly.add(Fact("wrapup.ended", when + waited + talk + 20, name, queue, "anna", {"lasted": 20.0}))


def test_calls_are_counted_where_the_clocks_stood_when_they_entered():
    weekly = weeks()
    for number, day in enumerate(("2026-03-16", "2026-03-23", "2026-03-30", "2026-04-06")):
        for serial in range(6):
            call(weekly, f"{number}-{serial}", at(day, 9.75 * 3600))
    (found,) = weekly.intervals(90.0, 0.0)
    assert (found.label, found.times, found.seen.calls) == ("mon 09:30", 4, 24)
    assert found.demand.rate * 1800 == pytest.approx(6.0), "six calls in each such half-hour"
    assert found.demand.handling == pytest.approx(124.0), "ringing, talk and wrap-up"
    assert found.seen.service_level == 1.0


def test_an_interval_with_few_calls_borrows_the_handling_time():
    weekly = weeks()
    for serial in range(30):
        call(weekly, f"m{serial}", at("2026-03-16", 36000 + serial), talk=100.0)
    call(weekly, "t", at("2026-03-17", 36000), talk=1000.0)
    monday, tuesday = weekly.intervals(None, 0.0)
    assert monday.demand.handling == pytest.approx(124.0)
    assert tuesday.demand.handling == pytest.approx(weekly.total.handling)


def test_other_queues_and_other_times_are_not_counted():
    weekly = weeks()
    call(weekly, "a", at("2026-03-15", 86000))
    call(weekly, "b", at("2026-04-13", 0))
    call(weekly, "c", at("2026-03-20", 36000), queue="sales")
    assert weekly.total.calls == weekly.total.talks == 0
    assert list(weekly.intervals(None, 0.0)) == []


def patience_of(dice, mean, callers):
    """Callers of that mean patience whose waits would be 30 s on average; the fold, and the waits of who hung up."""
    weekly, naive, when = weeks(), [], at("2026-03-18", 36000)
    for number in range(callers):
        patience, offered = dice.expovariate(1 / mean), dice.expovariate(1 / 30)
        if offered < patience:
            call(weekly, str(number), when, waited=offered)
        else:
            naive.append(patience)
            weekly.add(Fact("queue.entered", when, str(number), "support"))
            data = {"waited": patience, "short": patience < 5}
            weekly.add(Fact("queue.abandoned", when + patience, str(number), "support", "", data))
    return weekly.patience(), naive


def test_patience_of_those_who_hung_up_and_of_those_who_did_not():
    """The estimate from censored times finds the mean that the callers were made with, and its interval holds it in
    about 95 of 100 cases; the waits of those who hung up say 22 s."""
    dice = Random(5)
    found = [patience_of(dice, 90, 400) for _ in range(60)]
    assert sum(patience.low < 90 < patience.high for patience, _ in found) >= 52
    assert sum(patience.mean for patience, _ in found) / 60 == pytest.approx(90, rel=0.05)
    assert all(patience.abandoned == len(naive) for patience, naive in found)
    assert sum(sum(naive) for _, naive in found) / sum(len(naive) for _, naive in found) < 25


def test_nobody_hung_up():
    weekly = weeks()
    call(weekly, "a", at("2026-03-20", 36000))
    assert weekly.patience() is None
