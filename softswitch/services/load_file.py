"""Load files for `simulate`: TOML to `Load`, with every fault found at once, each with its line."""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from softswitch.acd.simulation.days import DAYS, clock, date_of, day_numbers
from softswitch.acd.simulation.load import Behaviour, Load, QueueLoad, ShiftLoad
from softswitch.acd.simulation.times import Times, TimesLike
from softswitch.kernel.errors import LocalError
from softswitch.services.faults import ConfigurationError, Fault, closest, key_text
from softswitch.services.key_lines import KeyPath, key_lines, line_of

_adapter: Final = TypeAdapter(Load)
_KEYS: Final = {
    *(
        "start",
        "queues",
        "shifts",
        "agents",
        "calls",
        "profile",
        "days",
        "patience",
        "talk",
        "wrap_up",
        "kinds",
        "redial",
    ),
    *("redial_after", "share", "needs", "head_start", "begin", "end", "breaks", "spread", "stagger", "at", "minutes"),
    *(
        "reason",
        "pick_up",
        "no_answer",
        "rejected",
        "mean",
        "distribution",
        "cv",
        "values",
        "never",
        "callback",
        "after",
        "reached",
    ),
    "answers_after",
}


def read_load(path: Path) -> Load:
    """The load of the file. Raises `ConfigurationError` with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError([Fault(str(path), 0, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([Fault(str(path), 0, "", "not UTF-8 text")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([Fault(str(path), 0, "", f"not TOML: {error}")]) from error
    lines = key_lines(text)
    try:
        load = _adapter.validate_json(to_json(data), strict=True)
    except ValidationError as error:
        found: dict[KeyPath, Fault] = {}
        for detail in error.errors(include_url=False, include_context=True, include_input=False):
            place = _path(data, detail["loc"])
            unknown = detail["type"] == "unexpected_keyword_argument"
            message = "unknown key" if unknown else detail["msg"][:1].lower() + detail["msg"][1:]
            hint = closest(str(place[-1]), _KEYS) if unknown and place else ""
            found.setdefault(place, Fault(str(path), line_of(lines, place), key_text(place), message, hint))
        raise ConfigurationError(_sorted(list(found.values()))) from error
    faults = [Fault(str(path), line_of(lines, place), key_text(place), message) for place, message in _check(load)]
    if faults:
        raise ConfigurationError(_sorted(faults))
    return load


def _sorted(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.line, fault.key, fault.message))


def _path(data: Any, loc: tuple[str | int, ...]) -> KeyPath:
    """The place in the file: pydantic names members of unions between the keys."""
    path: KeyPath = ()
    for part in loc:
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
            path = (*path, part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            path = (*path, part)
    return path


def _check(load: Load) -> Iterator[tuple[KeyPath, str]]:
    yield from _try(("start",), date_of, load.start)
    for name, queue in load.queues.items():
        yield from _queue(("queues", name), queue)
    for name, shift in load.shifts.items():
        yield from _shift(("shifts", name), shift)
    yield from _agents(("agents",), load.agents)


def _queue(path: KeyPath, queue: QueueLoad) -> Iterator[tuple[KeyPath, str]]:
    yield from _not_negative(path, calls=queue.calls)
    for text, calls in queue.profile.items():
        yield from _try((*path, "profile", text), clock, text)
        yield from _not_negative((*path, "profile"), **{text: calls})
    for day, factor in queue.days.items():
        if day not in DAYS:
            yield (*path, "days", day), f"no day of the week; there are {', '.join(DAYS)}"
        yield from _not_negative((*path, "days"), **{day: factor})
    yield from _share(path, redial=queue.redial)
    for key, times in (("patience", queue.patience), ("talk", queue.talk), ("wrap_up", queue.wrap_up)):
        yield from _times((*path, key), times)
    yield from _times((*path, "redial_after"), queue.redial_after)
    back = queue.callback
    yield from _share((*path, "callback"), share=back.share, reached=back.reached)
    yield from _times((*path, "callback", "after"), back.after)
    yield from _times((*path, "callback", "answers_after"), back.answers_after)
    for number, kind in enumerate(queue.kinds):
        here = (*path, "kinds", number)
        yield from _not_negative(here, share=kind.share)
        yield from _times((*here, "talk"), kind.talk)
        yield from _times((*here, "patience"), kind.patience)
    if queue.kinds and not any(kind.share > 0 for kind in queue.kinds):
        yield (*path, "kinds"), "no kind has a share"


def _shift(path: KeyPath, shift: ShiftLoad) -> Iterator[tuple[KeyPath, str]]:
    yield from _try((*path, "days"), day_numbers, shift.days)
    yield from _try((*path, "begin"), clock, shift.begin)
    yield from _try((*path, "end"), clock, shift.end)
    yield from _not_negative(path, spread=shift.spread, stagger=shift.stagger)
    for number, rest in enumerate(shift.breaks):
        here = (*path, "breaks", number)
        yield from _try((*here, "at"), clock, rest.at)
        yield from _not_negative(here, minutes=rest.minutes)


def _agents(path: KeyPath, agents: Behaviour) -> Iterator[tuple[KeyPath, str]]:
    yield from _times((*path, "pick_up"), agents.pick_up)
    yield from _share(path, no_answer=agents.no_answer, rejected=agents.rejected)
    if agents.no_answer + agents.rejected >= 1:
        yield path, "agents must answer some calls: no_answer and rejected together are below 1"


def _times(path: KeyPath, times: TimesLike | None) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(times, Times):
        yield from _not_negative(path, mean=times.mean)
        yield from _share(path, never=times.never)
        if times.cv <= 0:
            yield (*path, "cv"), "must be above 0"
        if any(value < 0 for value in times.values):
            yield (*path, "values"), "must not be negative"
        if not times.values and times.mean == 0 and times.distribution != "constant":
            yield path, "has neither mean nor values"
    elif times is not None and times < 0:
        yield path, "must not be negative"


def _try(path: KeyPath, read: Callable[[str], object], text: str) -> Iterator[tuple[KeyPath, str]]:
    try:
        read(text)
    except LocalError as error:
        yield path, str(error)


def _not_negative(path: KeyPath, **values: float) -> Iterator[tuple[KeyPath, str]]:
    for key, value in values.items():
        if not 0 <= value < float("inf"):
            yield (*path, key), "must be 0 or more"


def _share(path: KeyPath, **values: float) -> Iterator[tuple[KeyPath, str]]:
    for key, value in values.items():
        if not 0 <= value <= 1:
            yield (*path, key), "is a share, 0 to 1"
