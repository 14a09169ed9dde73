"""Demand by interval of the week, from one's own ledger: arrivals, handling times and patience.

Patience is seen only of those who hung up; of the others it is known that it was longer than their wait. For
exponential patience the maximum-likelihood estimate from such censored times is: all seconds waited, by whomever,
divided by the number of abandonments (J. F. Lawless, Statistical Models and Methods for Lifetime Data, §4.1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import sqrt
from typing import Final
from zoneinfo import ZoneInfo

from softswitch.acd.followed import FactLike
from softswitch.acd.model import CallId, QueueName
from softswitch.acd.staffing.figures import Demand
from softswitch.kernel.clock import Duration, Instant

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KINDS: Final = (
    *("queue.entered", "queue.answered", "queue.abandoned", "queue.overflowed", "queue.left"),
    *("talk.ended", "wrapup.ended"),
)

_ENOUGH: Final = 20  # calls handled: below, an interval's handling time is that of the whole queue


@dataclass(slots=True)
class Seen:
    """What was seen of an interval, or of the whole: counts, and sums in seconds. `waited` is everybody's wait."""

    calls: int = 0
    answered: int = 0
    within: int = 0
    abandoned: int = 0
    short: int = 0
    waited: Duration = 0.0
    rang: Duration = 0.0
    talks: int = 0
    talk: Duration = 0.0
    wrap_up: Duration = 0.0

    @property
    def handling(self) -> Duration | None:
        """Seconds of an agent's time a call: its phone rings, it talks, it wraps up. None when nothing was handled."""
        if not self.talks:
            return None
        return (self.talk + self.wrap_up) / self.talks + (self.rang / self.answered if self.answered else 0.0)

    @property
    def service_level(self) -> float | None:
        """As it was."""
        judged = self.answered + self.abandoned - self.short
        return self.within / judged if judged else None


@dataclass(frozen=True, slots=True)
class Patience:
    """The mean, with a 95 % interval: its logarithm is about normal, with deviation 1/√abandonments."""

    mean: Duration
    low: Duration
    high: Duration
    abandoned: int


@dataclass(frozen=True, slots=True)
class WeekInterval:
    """An interval of the week: `day` 0 is Monday, `start` minutes after midnight, `times` it was in the span."""

    day: int
    start: int
    times: int
    seen: Seen
    demand: Demand

    @property
    def label(self) -> str:
        """`mon 09:30`."""
        return f"{DAYS[self.day]} {self.start // 60:02d}:{self.start % 60:02d}"


@dataclass(slots=True)
class Weekly:
    """The fold: facts of `queue` from `since` until `until`, by intervals of `minutes` on the clocks of `zone`. A call
    is counted when it entered."""

    queue: QueueName
    zone: ZoneInfo
    since: Instant
    until: Instant
    minutes: int = 30
    total: Seen = field(default_factory=Seen)
    cells: dict[tuple[int, int], Seen] = field(default_factory=dict)
    _of_call: dict[CallId, Seen] = field(default_factory=dict)

    def add(self, fact: FactLike) -> None:
        """Count one fact; others than `KINDS`, and those of other queues, are fine."""
        if fact.queue != self.queue:
            return
        if fact.kind == "queue.entered":
            if self.since <= fact.at < self.until:
                cell = self._of_call[fact.call] = self._cell(fact.at)
                cell.calls += 1
                self.total.calls += 1
            return
        found = self._of_call.get(fact.call)
        if found is not None:
            for seen in (found, self.total):
                _count(seen, fact)

    def patience(self) -> Patience | None:
        """None when nobody hung up."""
        gone = self.total.abandoned
        if not gone or self.total.waited <= 0:
            return None
        mean = self.total.waited / gone
        factor = 2.718281828459045 ** (1.959964 / sqrt(gone))
        return Patience(mean, mean / factor, mean * factor, gone)

    def intervals(self, patience: Duration | None, short: Duration) -> Iterator[WeekInterval]:
        """Those of the week that had calls, in order."""
        times = self._times()
        overall = self.total.handling
        for (day, start), seen in sorted(self.cells.items()):
            handling = seen.handling if seen.talks >= _ENOUGH else overall
            rate = seen.calls / (max(1, times[day]) * self.minutes * 60.0)
            demand = Demand(rate=rate, handling=handling or 0.0, patience=patience, short=short)
            yield WeekInterval(day, start, times[day], seen, demand)

    def _cell(self, at: Instant) -> Seen:
        there = datetime.fromtimestamp(at, self.zone)
        start = (there.hour * 60 + there.minute) // self.minutes * self.minutes
        return self.cells.setdefault((there.weekday(), start), Seen())

    def _times(self) -> list[int]:
        """How many of each day of the week the span has, a day begun counted whole."""
        counts = [0] * 7
        day = datetime.fromtimestamp(self.since, self.zone).date()
        last = datetime.fromtimestamp(self.until - 1e-6, self.zone).date()
        while day <= last:
            counts[day.weekday()] += 1
            day += timedelta(days=1)
        return counts


def _count(seen: Seen, fact: FactLike) -> None:
    data = fact.data
    match fact.kind:
        case "queue.answered":
            seen.answered += 1
            seen.within += bool(data.get("within"))
            seen.waited += _seconds(data, "waited")
            seen.rang += _seconds(data, "rang")
        case "queue.abandoned":
            seen.abandoned += 1
            seen.short += bool(data.get("short"))
            seen.waited += _seconds(data, "waited")
        case "queue.overflowed" | "queue.left":
            seen.waited += _seconds(data, "waited")
        case "talk.ended":
            seen.talks += 1
            seen.talk += _seconds(data, "talk")
        case "wrapup.ended":
            seen.wrap_up += _seconds(data, "lasted")


def _seconds(data: Mapping[str, object], name: str) -> Duration:
    value = data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
