"""Rates, shares and targets as options say them."""

import re
from typing import Final

import click

_PER: Final = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*(?:([1-9]\d*)\s*)?([a-z]+))?")
_TARGET: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%?\s*/\s*(\d+(?:\.\d+)?)\s*s?")


def rate(text: str) -> float:
    """`120/h`, `2/min`, `60/30min`; a bare number is an hour's. Calls a second. Raises `BadParameter`."""
    found = _RATE.fullmatch(text.strip())
    unit = "h" if found is None or found[3] is None else found[3]
    if found is None or unit not in _PER:
        raise click.BadParameter(f'"{text}" is not a rate; write for example 120/h, 2/min or 60/30min')
    return float(found[1]) / (float(found[2] or 1) * _PER[unit])


def share(text: str) -> float:
    """`5`, `5%`, `12.5 %`: a share of 0.05, 0.05, 0.125. Raises `BadParameter`."""
    try:
        found = float(text.strip().removesuffix("%")) / 100.0
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise click.BadParameter(f'"{text}" is not a percentage, 0 to 100')
    return found


def service_level(text: str) -> tuple[float, float]:
    """`80/20`: 80 % within 20 seconds, as (0.8, 20). Raises `BadParameter`."""
    found = _TARGET.fullmatch(text.strip())
    if found is None or float(found[1]) > 100:
        raise click.BadParameter(f'"{text}" is not a service level; write for example 80/20: 80 % within 20 s')
    return float(found[1]) / 100.0, float(found[2])


def percent(value: float | None, digits: int = 1) -> str:
    """`83.9 %`; nothing for None."""
    return "" if value is None else f"{100.0 * value:.{digits}f} %"


def seconds(value: float | None) -> str:
    """`5.1 s`, `∞`; nothing for None."""
    if value is None:
        return ""
    return "∞" if value == float("inf") else f"{value:.1f} s"
