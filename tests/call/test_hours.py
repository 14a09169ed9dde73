"""Opening hours against the wall clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.call.hours import OpeningHours
from softswitch.kernel.errors import LocalError

VILNIUS = "Europe/Vilnius"


def at(text: str, zone: str = VILNIUS, fold: int = 0) -> float:
    """Epoch seconds of a wall clock reading."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


OFFICE = OpeningHours.parse({"mon-fri": "09:00-13:00, 14:00-18:00", "sat": "10:00-14:00"}, (), VILNIUS)


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-03-02T08:59:59", False),
        ("2026-03-02T09:00:00", True),
        ("2026-03-02T12:59:59", True),
        ("2026-03-02T13:00:00", False),
        ("2026-03-02T14:00:00", True),
        ("2026-03-02T18:00:00", False),
        ("2026-03-07T10:30:00", True),
        ("2026-03-07T15:00:00", False),
        ("2026-03-08T11:00:00", False),
    ],
)
def test_spans_hold_their_first_minute_and_not_their_last(when: str, is_open: bool) -> None:
    assert OFFICE.is_open(at(when)) is is_open


@pytest.mark.parametrize(
    ("now", "change"),
    [
        ("2026-03-02T07:00:00", "2026-03-02T09:00:00"),
        ("2026-03-02T09:00:00", "2026-03-02T13:00:00"),
        ("2026-03-02T13:30:00", "2026-03-02T14:00:00"),
        ("2026-03-07T14:00:00", "2026-03-09T09:00:00"),
    ],
)
def test_the_next_change_is_the_next_edge(now: str, change: str) -> None:
    assert OFFICE.next_change(at(now)) == at(change)


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    hours = OpeningHours.parse({"fri": "22:00-06:00"}, (), VILNIUS)
    assert not hours.is_open(at("2026-03-06T05:00:00"))  # Friday morning
    assert hours.is_open(at("2026-03-06T23:00:00"))
    assert hours.is_open(at("2026-03-07T05:59:00"))
    assert not hours.is_open(at("2026-03-07T06:00:00"))
    assert hours.next_change(at("2026-03-06T22:00:00")) == at("2026-03-07T06:00:00")


def test_sunday_night_runs_into_monday() -> None:
    hours = OpeningHours.parse({"sun": "20:00-02:00"}, (), VILNIUS)
    assert hours.is_open(at("2026-03-09T01:00:00"))


def test_a_holiday_closes_its_date_and_the_night_that_starts_on_it() -> None:
    hours = OpeningHours.parse({"daily": "20:00-04:00"}, ("2026-12-24",), VILNIUS)
    assert hours.is_open(at("2026-12-23T23:59:00"))
    assert not hours.is_open(at("2026-12-24T01:00:00"))
    assert not hours.is_open(at("2026-12-24T21:00:00"))
    assert not hours.is_open(at("2026-12-25T01:00:00"))
    assert hours.is_open(at("2026-12-25T21:00:00"))
    assert hours.next_change(at("2026-12-23T21:00:00")) == at("2026-12-24T00:00:00")
    assert hours.next_change(at("2026-12-24T00:00:00")) == at("2026-12-25T20:00:00")


def test_yearly_holidays_come_back() -> None:
    hours = OpeningHours.parse({"daily": "00:00-24:00"}, ("02-16", "02-29"), VILNIUS)
    assert not hours.is_open(at("2026-02-16T12:00:00"))
    assert not hours.is_open(at("2031-02-16T12:00:00"))
    assert not hours.is_open(at("2028-02-29T12:00:00"))
    assert hours.is_open(at("2026-02-17T00:00:00"))
    assert hours.next_change(at("2026-03-01T00:00:00")) == at("2027-02-16T00:00:00")


def test_the_spring_hour_that_the_clock_skips() -> None:
    """2026-03-29 in Vilnius: 03:00 becomes 04:00."""
    hours = OpeningHours.parse({"sun": "02:00-03:30"}, (), VILNIUS)
    opened = at("2026-03-29T02:00:00")
    assert hours.is_open(opened)
    assert hours.next_change(opened) == opened + 3600  # half the span does not exist
    assert not hours.is_open(opened + 3600)


def test_the_autumn_hour_that_the_clock_repeats() -> None:
    """2026-10-25 in Vilnius: 04:00 becomes 03:00."""
    hours = OpeningHours.parse({"sun": "03:00-03:30"}, (), VILNIUS)
    first, second = at("2026-10-25T03:00:00"), at("2026-10-25T03:00:00", fold=1)
    assert second == first + 3600
    assert hours.is_open(first)
    assert hours.next_change(first) == first + 1800
    assert hours.next_change(first + 1800) == second
    assert hours.next_change(second) == second + 1800


def test_hours_that_never_change() -> None:
    assert OpeningHours.parse({"daily": "00:00-24:00"}).next_change(at("2026-03-02T00:00:00")) is None
    never = OpeningHours.parse({"mon": "closed"})
    assert not never.is_open(at("2026-03-02T12:00:00"))
    assert never.next_change(at("2026-03-02T12:00:00")) is None


def test_the_zone_is_the_one_that_was_asked_for() -> None:
    kyiv = OpeningHours.parse({"daily": "09:00-10:00"}, (), "Europe/Kyiv")
    assert kyiv.is_open(at("2026-07-01T09:30:00", "Europe/Kyiv"))
    assert not kyiv.is_open(at("2026-07-01T09:30:00", "Europe/London"))


def test_days_may_wrap_and_be_listed() -> None:
    hours = OpeningHours.parse({"sat-mon": "10:00-11:00", "Wednesday,thu": "12:00-13:00"})
    assert [index for index, spans in enumerate(hours.week) if spans] == [0, 2, 3, 5, 6]


@pytest.mark.parametrize(
    ("spans", "holidays", "zone", "says"),
    [
        ({"mondey": "09:00-18:00"}, (), "UTC", '"mondey" is no day'),
        ({"mon-fry": "09:00-18:00"}, (), "UTC", '"mon-fry" is no day'),
        ({"mon": "9-18"}, (), "UTC", '"9-18" is no span'),
        ({"mon": "09:00-25:00"}, (), "UTC", "no span"),
        ({"mon": "09:00-24:30"}, (), "UTC", "not on the clock"),
        ({"mon": "09:00-09:00"}, (), "UTC", "empty"),
        ({"mon": ""}, (), "UTC", "no span"),
        ({"mon-fri": "09:00-18:00", "wed": "closed"}, (), "UTC", "wed is given twice"),
        ({"mon": "09:00-18:00"}, ("2026-02-29",), "UTC", "2026-02-29"),
        ({"mon": "09:00-18:00"}, ("25.12.",), "UTC", "no holiday"),
        ({"mon": "09:00-18:00"}, (), "Europe/Vilna", "unknown time zone"),
        ({"mon": "09:00-18:00"}, (), "../etc/passwd", "unknown time zone"),
        ({"mon": "09:00-18:00"}, (), "Europe", "unknown time zone"),
    ],
)
def test_what_cannot_be_understood_is_named(
    spans: dict[str, str], holidays: tuple[str, ...], zone: str, says: str
) -> None:
    with pytest.raises(LocalError, match=says):
        OpeningHours.parse(spans, holidays, zone)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(int(at("2026-01-01T00:00:00")), int(at("2027-06-01T00:00:00"))),
    st.lists(
        st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda s: s[0] != s[1]), min_size=1, max_size=4
    ),
)
def test_nothing_changes_before_the_next_change(now: int, spans: list[tuple[int, int]]) -> None:
    text = ",".join(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in spans)
    hours = OpeningHours.parse({"daily": text}, ("04-01",), VILNIUS)
    change = hours.next_change(now)
    state = hours.is_open(now)
    if change is not None:
        assert hours.is_open(change) != state
        for step in range(1, 50):
            assert hours.is_open(now + (change - now) * step / 50) == state


def test_the_eve_of_a_clock_change_does_not_hide_midnight() -> None:
    """2027-03-28: clocks in Vilnius go from 03:00 to 04:00; opening at 00:00 comes before that."""
    hours = OpeningHours.parse({"daily": "00:00-04:01"}, (), VILNIUS)
    assert hours.next_change(at("2027-03-27T04:01:00")) == at("2027-03-28T00:00:00")
