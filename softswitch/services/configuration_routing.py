"""What the settings of routing mean: lists of numbers, hooks, hours of queues, sticky agents, agents' numbers."""

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from softswitch.acd.model import QueueSettings
from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.sip.numbers import Pattern, plain_number
from softswitch.switch.settings import Route, Settings
from softswitch.switch.settings.routing import Hook, NumberList

_MOST_TIMEOUT: Final = 10.0  # seconds that a caller hears nothing
_MOST_LIST: Final = 1_000_000

Names = Mapping[str, Collection[str]]


def check_routing(settings: Settings, known: Names) -> list[Finding]:
    """Everything that is wrong with well-formed settings of routing; `known` are the file's names by section."""
    return [
        *(finding for name, own in settings.lists.items() for finding in _list(settings, name, own)),
        *(finding for name, hook in settings.hooks.items() for finding in _hook(name, hook)),
        *(finding for index, route in enumerate(settings.routes) for finding in _route(index, route, known)),
        *(finding for name, queue in settings.queues.items() for finding in _queue(name, queue, settings, known)),
        *_languages(settings),
        *_agents(settings),
    ]


def with_lists(settings: Settings, directory: Path) -> tuple[Settings, list[Finding]]:
    """The settings with the numbers of the CSV files that lists name, relative to `directory`; and what is wrong with
    those files."""
    findings: list[Finding] = []
    lists = dict(settings.lists)
    for name, own in settings.lists.items():
        if own.file is None:
            continue
        try:
            lists[name] = replace(own, numbers=own.numbers + read_numbers(directory / own.file))
        except LocalError as error:
            findings.append(Finding(("lists", name, "file"), str(error)))
    return (replace(settings, lists=lists) if lists else settings), findings


def read_numbers(path: Path) -> tuple[str, ...]:
    """The first column of a CSV file. A first line without a digit is a heading; empty lines and `#` comments are left
    out. Raises `LocalError` with the line of what is no number."""
    numbers: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in (reader := csv.reader(file)):
                text = row[0].partition(";")[0].strip() if row else ""  # Excel writes semicolons in half of Europe
                if not text or text.startswith("#"):
                    continue
                if reader.line_num == 1 and not any(sign.isdigit() for sign in text):
                    continue
                number = plain_number(text)
                _pattern(number, f"{path.name}, line {reader.line_num}: ")
                numbers.append(number)
                if len(numbers) > _MOST_LIST:
                    raise LocalError(f"{path.name} has more than {_MOST_LIST} numbers")
    except OSError as error:
        raise LocalError(f"cannot read {path.name}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LocalError(f"{path.name} is no CSV file in UTF-8: {error}") from error
    return tuple(numbers)


def _pattern(number: str, place: str = "") -> None:
    if not any(sign.isdigit() or sign in "XZN*." for sign in number):
        raise LocalError(f'{place}"{number}" is no number')
    try:
        Pattern(number)
    except LocalError as error:
        raise LocalError(f"{place}{error}") from error


def _list(settings: Settings, name: str, own: NumberList) -> Iterator[Finding]:
    path: KeyPath = ("lists", name)
    for index, number in enumerate(own.numbers):
        try:
            _pattern(number)
        except LocalError as error:
            yield Finding((*path, "numbers", index), str(error))
    if not own.numbers and own.file is None:
        yield Finding(path, "has no numbers: nobody is on it", severity="warning")
    if name not in {route.callers for route in settings.routes}:
        yield Finding(path, "not used by any route", severity="warning")


def _hook(name: str, hook: Hook) -> Iterator[Finding]:
    path: KeyPath = ("hooks", name)
    try:
        url = urlsplit(hook.url)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        yield Finding((*path, "url"), f'"{hook.url}" is no address, as in "http://127.0.0.1:9000/route"')
    if not 0 < hook.timeout <= _MOST_TIMEOUT:
        message = f"must be more than 0 and at most {_MOST_TIMEOUT:.0f} seconds: the caller hears nothing meanwhile"
        yield Finding((*path, "timeout"), message)
    if hook.at_once < 1:
        yield Finding((*path, "at_once"), "must be at least 1")
    if hook.on_error != "continue" and ":" not in hook.on_error:
        yield Finding((*path, "on_error"), f'"{hook.on_error}" is neither "continue" nor a target', "continue")


def _route(index: int, route: Route, known: Names) -> Iterator[Finding]:
    path: KeyPath = ("routes", index)
    if route.caller is not None:
        try:
            Pattern(route.caller)
        except LocalError as error:
            yield Finding((*path, "caller"), str(error))
    for key, section in (("callers", "lists"), ("hook", "hooks")):
        yield from _name((*path, key), getattr(route, key), section, known)


def _queue(name: str, queue: QueueSettings, settings: Settings, known: Names) -> Iterator[Finding]:
    path: KeyPath = ("queues", name)
    yield from _name((*path, "hours"), queue.hours, "hours", known)
    yield from _name((*path, "hook"), queue.hook, "hooks", known)
    if queue.on_holiday is not None and queue.hours is None:
        yield Finding((*path, "on_holiday"), "never used: the queue has no hours", severity="warning")
    if queue.shut:
        yield Finding((*path, "shut"), "the queue takes no calls until this line is gone", severity="warning")
    if queue.sticky != "none" and not queue.sticky_seconds:
        yield Finding((*path, "sticky"), "never used: sticky_seconds is 0", severity="warning")
    if not 0 <= queue.language_level <= 100:
        yield Finding((*path, "language_level"), "must be 0 to 100")
    for text, level in queue.call_needs.items():
        if level > 100:
            yield Finding((*path, "call_needs", text), "must be 0 to 100")
        if "{" not in text:
            yield Finding((*path, "call_needs", text), "names no variable, as in {product}: write it in needs")


def _languages(settings: Settings) -> Iterator[Finding]:
    known = {skill for agent in settings.agents.values() for skill in agent.skills}
    for code, skill in settings.acd.language_skills.items():
        if skill not in known:
            path: KeyPath = ("acd", "language_skills", code)
            yield Finding(path, f'no agent has the skill "{skill}"', closest(skill, known), "warning")


def _agents(settings: Settings) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name, agent in settings.agents.items():
        if agent.number is None:
            continue
        path: KeyPath = ("agents", name, "number")
        if not (agent.number.isascii() and agent.number.isdigit()):
            yield Finding(path, "must be digits")
        elif agent.number in owners:
            yield Finding(path, f'"{agent.number}" is also the number of agents.{owners[agent.number]}')
        elif agent.pin is None:
            yield Finding(path, "without a pin anybody may log in as this agent, at any phone", severity="warning")
        owners.setdefault(agent.number, name)


def _name(path: KeyPath, name: str | None, section: str, known: Names) -> Iterator[Finding]:
    names = known.get(section, ())
    if name is not None and name not in names:
        what = {"lists": "list", "hooks": "hook"}.get(section, section)
        yield Finding(path, f'no {what} "{name}"', closest(name, names))
