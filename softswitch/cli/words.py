"""Times and figures as people read them, and back."""

import re
import time
from datetime import datetime, tzinfo
from typing import Final

import click

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST: Final = 50 * 366 * 86400.0  # there is nothing before 1970
_EPOCH: Final = re.compile(r"\d{9,}(\.\d+)?")
_CLOCKS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_DATES: Final = (*_CLOCKS, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def duration(seconds: float | None) -> str:
    """`0:07`, `1:23`, `2:03:04`; a day and more as `3d 4:05:06`; nothing for None."""
    if seconds is None:
        return ""
    whole = int(max(0.0, seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours or days else f"{minutes}:{rest:02d}"
    return f"{days}d {text}" if days else text


def age(since: float) -> str:
    """How long ago an epoch time is."""
    return duration(time.time() - since)


def moment(at: float | None) -> str:
    """Local time: the clock alone for today, else with the date; nothing for None."""
    if at is None:
        return ""
    there = datetime.fromtimestamp(at).astimezone()
    today = there.date() == datetime.now().astimezone().date()
    return there.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def size(count: int) -> str:
    """`812 B`, `1.4 MB`."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def span(text: str) -> float:
    """A length of time as an option says it: `30m`, `8h`, `7d`, `4w`; seconds. Raises `BadParameter`."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not 0 < float(found[1]) * _UNITS[found[2]] <= _LONGEST:
        raise click.BadParameter(f'"{text}" is not a length of time; write for example 30m, 8h, 7d, 4w')
    return float(found[1]) * _UNITS[found[2]]


def past(text: str, zone: tzinfo | None = None) -> float:
    """A point in time as an option says it, in local time (or that of `zone`): seconds since 1970, `2026-08-01`,
    `2026-08-01 14:30`, `14:30` today, or `2h` ago. Raises `BadParameter`."""
    text = text.strip()
    if span := _SPAN.fullmatch(text):
        return max(0.0, time.time() - float(span[1]) * _UNITS[span[2]])
    if _EPOCH.fullmatch(text):
        return float(text)
    for form in _DATES:
        try:
            return _there(text, form, zone)
        except ValueError:
            continue
    today = datetime.now(zone).astimezone(zone).strftime("%Y-%m-%d")
    for form in _CLOCKS:
        try:
            return _there(f"{today} {text}", form, zone)
        except ValueError:
            continue
    raise click.BadParameter(f'"{text}" is not a time; write for example 2h (ago), 14:30, 2026-08-01, 2026-08-01 14:30')


def _there(text: str, form: str, zone: tzinfo | None) -> float:
    if zone is None:
        return datetime.strptime(text, form).astimezone().timestamp()
    return datetime.strptime(text, form).replace(tzinfo=zone).timestamp()
