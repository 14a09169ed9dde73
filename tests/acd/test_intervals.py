"""Intervals in a zone whose clocks are put forward and back: Vilnius, 29 March and 25 October 2026."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.acd.intervals import STEPS, Calendar

ZONES = ("UTC", "Europe/Vilnius", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago")


def at(text: str, zone: str = "Europe/Vilnius", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def test_a_day_has_23_hours_when_the_clocks_go_forward() -> None:
    start, end = Calendar("day", "Europe/Vilnius").around(at("2026-03-29 12:00"))
    assert (start, end) == (at("2026-03-29 00:00"), at("2026-03-30 00:00"))
    assert end - start == 23 * 3600


def test_a_day_has_25_hours_when_they_go_back_and_each_is_an_interval() -> None:
    start, end = Calendar("day", "Europe/Vilnius").around(at("2026-10-25 12:00"))
    assert end - start == 25 * 3600
    hours = list(Calendar("1h", "Europe/Vilnius").between(start, end))
    assert len(hours) == 25
    assert hours[3:5] == [
        (at("2026-10-25 03:00"), at("2026-10-25 03:00") + 3600),
        (at("2026-10-25 03:00", fold=1), at("2026-10-25 04:00")),
    ]
    assert len(set(hours)) == 25


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    assert Calendar("week", "Europe/Vilnius").around(at("2026-10-25 12:00")) == (
        at("2026-10-19 00:00"),
        at("2026-10-26 00:00"),
    )
    start, end = Calendar("month", "Europe/Vilnius").around(at("2026-10-25 12:00"))
    assert (start, end) == (at("2026-10-01 00:00"), at("2026-11-01 00:00"))
    assert end - start == 31 * 86400 + 3600


def test_a_midnight_that_does_not_exist_is_the_moment_of_the_change() -> None:
    """Santiago goes from 23:59:59 to 01:00 on 6 September 2026."""
    start, end = Calendar("day", "America/Santiago").around(at("2026-09-06 12:00", "America/Santiago"))
    assert datetime.fromtimestamp(start, UTC).isoformat() == "2026-09-06T04:00:00+00:00"
    assert end - start == 23 * 3600


def test_a_change_of_half_an_hour_cuts_an_hour_in_two() -> None:
    zone = "Australia/Lord_Howe"
    start, end = Calendar("day", zone).around(at("2026-04-05 12:00", zone))
    assert end - start == 24.5 * 3600
    assert sum(last - first for first, last in Calendar("1h", zone).between(start, end)) == end - start


@given(
    st.floats(1.5e9, 2.2e9),
    st.sampled_from(sorted(STEPS)),
    st.sampled_from(ZONES),
    st.sampled_from([0.0, 1.0, 5e3, 9e4]),
)
def test_intervals_cover_all_time_once(moment: float, step: str, zone: str, further: float) -> None:
    """No gap, no overlap, and an instant's interval is the one that it lies in, whichever was asked for before."""
    calendar = Calendar(step, zone)
    start, end = calendar.around(moment)
    assert start <= moment < end
    assert calendar.around(end)[0] == end
    assert calendar.around(start - 0.5)[1] == start
    assert Calendar(step, zone).around(moment + further) == calendar.around(moment + further)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="no interval"):
        Calendar("2h", "UTC")
