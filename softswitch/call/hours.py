"""Opening hours: weekly spans on the wall clock of a time zone, minus holidays.

A span belongs to the day on which it starts: `fri = "22:00-06:00"` ends on Saturday morning. A holiday closes its
date from midnight to midnight, and spans that start on it do not open at all. Spans follow the wall clock, so an hour
that daylight saving repeats counts twice, and one that it skips does not count.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY: Final = {name: index for names in (DAYS, _FULL) for index, name in enumerate(names)}
_MIDNIGHT: Final = 24 * 60
_TIME: Final = r"([01]?[0-9]|2[0-4]):([0-5][0-9])"
_SPAN: Final = re.compile(rf"{_TIME}\s*[-–]\s*{_TIME}")
_DATE: Final = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")
_DAY_ANYWHERE: Final = 50 * 3600  # a date lasts from its midnight at UTC+14 to its end at UTC-12
_HORIZON_DAYS: Final = 400  # beyond a year of holidays nothing new can come

Span = tuple[int, int]  # minutes after midnight; the end may pass 24 h, into the next day


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """`week` holds the spans of Monday to Sunday, `dates` single holidays, `yearly` holidays as (month, day)."""

    week: tuple[tuple[Span, ...], ...]
    dates: frozenset[date]
    yearly: frozenset[tuple[int, int]]
    zone: ZoneInfo

    @classmethod
    def parse(
        cls, spans: Mapping[str, str], holidays: tuple[str, ...] | list[str] = (), timezone: str = "UTC"
    ) -> "OpeningHours":
        """From the configuration: `{"mon-fri": "09:00-13:00, 14:00-18:00", "sat": "10:00-14:00"}`; days are joined by
        `-` and `,`, `daily` means all of them, `closed` is no span, `00:00-24:00` the whole day. Holidays are
        `YYYY-MM-DD` or, for every year, `MM-DD`. Raises `LocalError` that says what cannot be understood."""
        week: list[list[Span]] = [[] for _ in DAYS]
        seen: dict[int, str] = {}
        for key, text in spans.items():
            parsed = _spans(text)
            for day in _days(key):
                if day in seen:
                    raise LocalError(f'hours: {DAYS[day]} is given twice, by "{seen[day]}" and by "{key}"')
                seen[day] = key
                week[day].extend(parsed)
        dates: set[date] = set()
        yearly: set[tuple[int, int]] = set()
        for text in holidays:
            match = _DATE.fullmatch(text.strip())
            try:
                if match is None:
                    raise ValueError
                year = match[1]
                when = date(int(year or 2000), int(match[2]), int(match[3]))  # 2000: a leap year, so 02-29 passes
            except ValueError:
                raise LocalError(
                    f'hours: "{text}" is no holiday; write "YYYY-MM-DD", or "MM-DD" for every year'
                ) from None
            if year is None:
                yearly.add((when.month, when.day))
            else:
                dates.add(when)
        try:
            zone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):  # what ZoneInfo raises on unknown keys, bad keys and directories
            raise LocalError(
                f'hours: unknown time zone "{timezone}"; write an IANA name such as "Europe/Vilnius"'
            ) from None
        return cls(tuple(tuple(sorted(day_spans)) for day_spans in week), frozenset(dates), frozenset(yearly), zone)

    def is_open(self, now: Instant) -> bool:
        """Whether `now` lies within a span."""
        local = datetime.fromtimestamp(now, self.zone)
        today = local.date()
        if self.is_holiday(today):
            return False
        minute = local.hour * 60 + local.minute
        weekday = today.weekday()
        if any(start <= minute < end for start, end in self.week[weekday]):
            return True
        overnight = any(minute < end - _MIDNIGHT for _, end in self.week[weekday - 1])
        return overnight and not self.is_holiday(today - timedelta(days=1))

    def is_holiday_at(self, now: Instant) -> bool:
        """Whether the day of `now` there is one of the holidays."""
        return self.is_holiday(datetime.fromtimestamp(now, self.zone).date())

    def is_holiday(self, day: date) -> bool:
        """Whether `day` is one of the holidays."""
        return day in self.dates or (day.month, day.day) in self.yearly

    def next_change(self, now: Instant) -> Instant | None:
        """When `is_open` changes next; None if it does not within 400 days."""
        if not any(self.week):
            return None
        state = self.is_open(now)
        first = datetime.fromtimestamp(now, self.zone).date()
        for offset in range(_HORIZON_DAYS):
            for at in sorted(self._edges(first + timedelta(days=offset))):
                if at > now and self.is_open(at) != state:
                    return at
        return None

    def _edges(self, day: date) -> Iterator[Instant]:
        """The instants of `day` at which the answer may change."""
        minutes = {0}
        for start, end in self.week[day.weekday()]:
            minutes |= {start, end} if end < _MIDNIGHT else {start}
        minutes |= {end - _MIDNIGHT for _, end in self.week[day.weekday() - 1] if end > _MIDNIGHT}
        for minute in minutes:
            for fold in (0, 1):  # both readings of an hour that daylight saving repeats
                wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60, fold=fold, tzinfo=self.zone)
                yield wall.timestamp()
        yield from self._clock_change(day)

    def _clock_change(self, day: date) -> Iterator[Instant]:
        """The instant of `day` at which the zone's offset changes, if there is one."""

        def offset(at: Instant) -> timedelta | None:
            return datetime.fromtimestamp(at, self.zone).utcoffset()

        low = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 14 * 3600
        before = offset(low)
        if offset(low + _DAY_ANYWHERE) != before:
            change = low + bisect_right(range(_DAY_ANYWHERE), False, key=lambda second: offset(low + second) != before)
            if datetime.fromtimestamp(change, self.zone).date() == day:  # a neighbour's change comes in its turn
                yield float(change)


def _days(key: str) -> list[int]:
    """`mon-fri,sun` as weekday numbers; `fri-mon` passes over the week's end."""
    if key.strip().lower() == "daily":
        return list(range(7))
    days: list[int] = []
    for part in key.lower().split(","):
        first, _, last = (name.strip() for name in part.partition("-"))
        if first not in _DAY or (last and last not in _DAY):
            raise LocalError(f'hours: "{key}" is no day; write e.g. "mon-fri", "sat", "mon,wed" or "daily"')
        start = _DAY[first]
        length = (_DAY[last] - start) % 7 if last else 0
        days += [(start + step) % 7 for step in range(length + 1)]
    return days


def _spans(text: str) -> list[Span]:
    """`09:00-13:00, 14:00-18:00` in minutes."""
    if text.strip().lower() == "closed":
        return []
    spans: list[Span] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        if match is None:
            raise LocalError(f'hours: "{part.strip()}" is no span; write e.g. "09:00-18:00", or "closed"')
        start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
        start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
        if start >= _MIDNIGHT or end > _MIDNIGHT or start == end:
            raise LocalError(
                f'hours: "{part.strip()}" is an empty span or not on the clock; a whole day is "00:00-24:00"'
            )
        spans.append((start, end if end > start else end + _MIDNIGHT))
    return spans
