"""Days and times of the day as loads write them."""

import re
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY: Final = 86400.0

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)")


def clock(text: str) -> Duration:
    """Seconds after midnight; `24:00` is the day's end. Raises `LocalError`."""
    found = _CLOCK.fullmatch(text.strip())
    if found:
        minutes = int(found[1]) * 60 + int(found[2])
        if int(found[2]) < 60 and minutes <= 1440:
            return 60.0 * minutes
    raise LocalError(f'"{text}" is not a time of the day, such as 08:30')


def day_numbers(text: str) -> frozenset[int]:
    """`mon-fri`, `sat, sun`, `daily`: 0 is Monday. Raises `LocalError`."""
    found: set[int] = set()
    for part in text.lower().replace(",", " ").split():
        first, dash, last = part.partition("-")
        if part == "daily":
            found.update(range(7))
        elif first[:3] in DAYS and (not dash or last[:3] in DAYS):
            number = DAYS.index(first[:3])
            end = DAYS.index(last[:3]) if dash else number
            while number != end:
                found.add(number)
                number = (number + 1) % 7
            found.add(end)
        else:
            raise LocalError(f'"{part}" is not a day of the week, such as mon, mon-fri or daily')
    return frozenset(found)


def date_of(text: str) -> date:
    """`2026-11-20`. Raises `LocalError`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LocalError(f'"{text}" is not a day, such as 2026-11-20') from None


def instant(day: date, seconds: Duration, zone: ZoneInfo) -> Instant:
    """When clocks there show that many seconds after midnight; of an hour that they show twice, the first."""
    following, rest = divmod(seconds, DAY)
    midnight = datetime(day.year, day.month, day.day) + timedelta(days=following)  # noqa: DTZ001  # zone is added below
    return (midnight + timedelta(seconds=rest)).replace(tzinfo=zone).timestamp()
