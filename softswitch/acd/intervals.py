"""Intervals of local time: a quarter of an hour to a month, in a zone whose clocks are put forward and back.

An interval is a stretch of real time, from one instant to another, so nothing falls into two of them and nothing
between them. A day has 23, 24 or 25 hours. The hour that the clocks repeat is two intervals with the same clock times;
their starts, as instants, differ. Where the offset changes within an interval, it is cut there.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from softswitch.kernel.clock import Duration, Instant

STEPS: Final = {"15m": 900.0, "30m": 1800.0, "1h": 3600.0, "day": 0.0, "week": 0.0, "month": 0.0}


class Calendar:
    """Cuts time into intervals of `step`, a key of `STEPS`; weeks begin on Monday (ISO 8601). Raises `ValueError` for
    another step, `zoneinfo.ZoneInfoNotFoundError` for an unknown zone."""

    def __init__(self, step: str, timezone: str) -> None:
        if step not in STEPS:
            raise ValueError(f'"{step}" is no interval: {", ".join(STEPS)}')
        self.step = step
        self.zone = ZoneInfo(timezone)
        self._seconds = STEPS[step]
        self._last: tuple[Instant, Instant] = (0.0, 0.0)

    def around(self, at: Instant) -> tuple[Instant, Instant]:
        """The interval that `at` is in: from the first instant to the one after the last."""
        start, end = self._last
        if not start <= at < end:
            self._last = start, end = self._clock(at) if self._seconds else self._days(at)
        return start, end

    def between(self, since: Instant, until: Instant) -> Iterator[tuple[Instant, Instant]]:
        """All intervals that touch `since` ≤ t < `until`, in order."""
        at = since
        while at < until:
            start, end = self.around(at)
            yield start, end
            at = end

    def local(self, at: Instant) -> datetime:
        """The clock there."""
        return datetime.fromtimestamp(at, self.zone)

    def _offset(self, at: Instant) -> Duration:
        offset = datetime.fromtimestamp(at, self.zone).utcoffset()
        return offset.total_seconds() if offset is not None else 0.0

    def _clock(self, at: Instant) -> tuple[Instant, Instant]:
        offset = self._offset(at)
        start = (at + offset) // self._seconds * self._seconds - offset
        end = start + self._seconds
        if self._offset(start) != offset:
            start = self._change(start, at)
        if self._offset(end - 1) != offset:
            end = self._change(at, end)
        return start, end

    def _change(self, before: Instant, after: Instant) -> Instant:
        """When the clocks are changed between the two; to the second, as zones are written."""
        low, high = int(before), int(after)
        offset = self._offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == offset else (low, middle)
        return float(high)

    def _days(self, at: Instant) -> tuple[Instant, Instant]:
        day = datetime.fromtimestamp(at, self.zone).date()
        if self.step == "day":
            first, following = day, day + timedelta(days=1)
        elif self.step == "week":
            first = day - timedelta(days=day.weekday())
            following = first + timedelta(days=7)
        else:
            first = day.replace(day=1)
            following = (first + timedelta(days=31)).replace(day=1)
        return self._midnight(first), self._midnight(following)

    def _midnight(self, day: date) -> Instant:
        """The first instant of the day; a midnight that the clocks leave out is the moment of the change."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()


def day_of(at: Instant, timezone: str) -> tuple[Instant, Instant]:
    """The day there that `at` is in."""
    return Calendar("day", timezone).around(at)
