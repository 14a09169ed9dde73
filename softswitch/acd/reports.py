"""Reports: tables out of a fold. Pure: the same for a running switch, a database file and a simulated day."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from softswitch.acd.figures import AGENT, CALLBACK, CALLBACKS, QUEUE, SURVEY, TRUNK, Figure, Value
from softswitch.acd.fold import Fold
from softswitch.acd.followed import Rules
from softswitch.acd.intervals import Calendar
from softswitch.acd.model import ServiceLevelDefinition
from softswitch.acd.tally import AgentTotals, QueueTotals, Sums, SurveyTotals, TrunkTotals, merge, ratio
from softswitch.kernel.clock import Instant

Kind: TypeAlias = Literal[
    "queues", "agents", "skills", "trunks", "intervals", "surveys", "callbacks", "outcomes", "pauses"
]
KINDS: Final = ("queues", "agents", "skills", "trunks", "intervals", "surveys", "callbacks", "outcomes", "pauses")
Step: TypeAlias = Literal["15m", "30m", "1h", "day", "week", "month"]

ALL: Final = "all"
_CHART_SLOTS: Final = 1500  # intervals that a picture can show


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`since` ≤ t < `until`. `interval`: rows by interval too (None: the whole time in one; `intervals` needs one).
    `queues`, `agents`: only these; empty: all. `charts`: with what pictures need. `now`: states of agents last until
    then; None: until the last fact."""

    kind: Kind
    since: Instant
    until: Instant
    now: Instant | None = None
    timezone: str = "UTC"
    interval: Step | None = None
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    definition: ServiceLevelDefinition = "standard"
    fcr_days: float = 7.0
    fcr_scope: str = "queue"
    charts: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """`unit`: text, time (an instant), count, seconds, percent, number."""

    name: str
    title: str
    unit: str


@dataclass(frozen=True, slots=True)
class Point:
    """What happened in one interval, for pictures; shares in percent."""

    start: Instant
    end: Instant
    offered: int
    answered: int
    abandoned: int
    service_level: float | None
    abandonment: float | None
    occupancy: float | None
    asa: float | None
    aht: float | None


@dataclass(frozen=True, slots=True)
class Charts:
    """`arrivals`: mean number of calls by weekday (Monday first) and hour of local time; None: never seen. `waits`:
    answered calls by wait: counts up to each of `wait_steps` seconds and beyond."""

    step: str
    points: tuple[Point, ...]
    arrivals: tuple[tuple[float | None, ...], ...]
    wait_steps: tuple[int, ...]
    waits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`rows` in order, `total` over all of them, each by the columns. `facts`: how many were counted."""

    question: Question
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Value], ...]
    total: dict[str, Value] = field(default_factory=dict)
    facts: int = 0
    charts: Charts | None = None


def fold_for(question: Question) -> Fold:
    """The fold that a question needs. It wants facts from `warm_up` seconds before `since` on, and as long after
    `until`, for repeated calls."""
    step = _step(question)
    rules = Rules(fcr_days=question.fcr_days, fcr_scope=question.fcr_scope)
    calendar = Calendar(step, question.timezone) if step else None
    return Fold(calendar, question.since, question.until, rules=rules)


def warm_up(question: Question) -> float:
    """Seconds before and after the question's time in which callers may have come back."""
    return question.fcr_days * 86400.0


def report(question: Question, fold: Fold) -> Report:
    """The answer, once all facts are in. The fold can count no more after it."""
    until = min(fold.last if question.now is None else question.now, question.until)
    fold.finish(until)
    charts = _charts(question, fold, until) if question.charts else None
    columns, rows, total = _TABLES[question.kind](replace(question, until=until), _grouped(question, fold))
    return Report(question, columns, tuple(rows), total, fold.facts, charts)


# ------------------------------------------------------------------------------------------------------------- tables

_Groups: TypeAlias = "list[tuple[Instant | None, Instant | None, Sums]]"
_Table: TypeAlias = "tuple[tuple[Column, ...], list[dict[str, Value]], dict[str, Value]]"


def _step(question: Question) -> Step | None:
    """The finest interval that anything of the answer needs."""
    if not question.charts:
        return question.interval
    asked = question.interval or _fitting(question.until - question.since)
    return asked if asked in ("15m", "30m") else "1h"


def _grouped(question: Question, fold: Fold) -> _Groups:
    """Sums by the question's interval, in order; without one, all in one."""
    slots = sorted(fold.slots.items())
    if question.interval is None:
        whole = Sums()
        for _, totals in slots:
            whole.merge(totals)
        return [(None, None, whole)]
    calendar = Calendar(question.interval, question.timezone)
    found: dict[Instant, tuple[Instant, Sums]] = {}
    for start, totals in slots:
        first, end = calendar.around(start)
        if first not in found:
            found[first] = (end, Sums())
        found[first][1].merge(totals)
    return [(start, end, totals) for start, (end, totals) in sorted(found.items())]


def _times(question: Question) -> tuple[Column, ...]:
    return (Column("start", "From", "time"),) if question.interval is not None else ()


def _columns(question: Question, first: str, title: str, figures: tuple[Figure, ...]) -> tuple[Column, ...]:
    own = (Column(first, title, "text"),) if first else ()
    return (*_times(question), *own, *(Column(figure.name, figure.title, figure.unit) for figure in figures))


def _row(
    start: Instant | None, name: tuple[str, str] | None, figures: tuple[Figure, ...], cell: Any
) -> dict[str, Value]:
    row: dict[str, Value] = {} if start is None else {"start": start}
    if name is not None:
        row[name[0]] = name[1]
    for figure in figures:
        row[figure.name] = figure.value(cell)
    return row


def _judged(row: dict[str, Value], cell: QueueTotals, question: Question) -> dict[str, Value]:
    """The service level by the definition that was asked for."""
    level = cell.service_level_by(question.definition)
    row["service_level"] = None if level is None else round(100.0 * level, 2)
    return row


def _wanted(names: tuple[str, ...], cells: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, cell in sorted(cells.items()):
        if name and (not names or name in names):
            yield name, cell


def _by_name(
    first: str, title: str, figures: tuple[Figure, ...], make: type, cells: Callable[[Question, Sums], dict[str, Any]]
) -> Callable[[Question, _Groups], _Table]:
    """A table with a row for each name (and interval)."""

    def table(question: Question, groups: _Groups) -> _Table:
        rows, whole = [], make()
        for start, _, totals in groups:
            for name, cell in cells(question, totals).items():
                row = _row(start, (first, name), figures, cell)
                rows.append(_judged(row, cell, question) if isinstance(cell, QueueTotals) else row)
                merge(whole, cell)
        total = _row(None, (first, ALL), figures, whole)
        if isinstance(whole, QueueTotals):
            _judged(total, whole, question)
        return _columns(question, first, title, figures), rows, total

    return table


def _intervals(question: Question, groups: _Groups) -> _Table:
    """A row for each interval, over the queues and agents that are asked for. The ledger does not tell whom a queue
    has; so there is no occupancy of some queues unless agents are named."""
    figures = (*QUEUE, Figure("occupancy", "Occupancy", "percent"))
    rows, whole, all_agents = [], QueueTotals(), AgentTotals()
    for start, _, totals in groups:
        cell, agents = _sum(question, totals)
        rows.append(_with_occupancy(start, cell, agents, question))
        merge(whole, cell)
        merge(all_agents, agents)
    total = _with_occupancy(None, whole, all_agents, question)
    return _columns(question, "", "", figures), rows, total


def _with_occupancy(
    start: Instant | None, cell: QueueTotals, agents: AgentTotals, question: Question
) -> dict[str, Value]:
    row = _judged(_row(start, None, QUEUE, cell), cell, question)
    row["occupancy"] = _percent(agents.occupancy)
    return row


def _sum(question: Question, totals: Sums) -> tuple[QueueTotals, AgentTotals]:
    cell, agents = QueueTotals(), AgentTotals()
    for _, own in _wanted(question.queues, totals.queues):
        merge(cell, own)
    if question.agents or not question.queues:
        for _, crew in _wanted(question.agents, totals.agents):
            merge(agents, crew)
    return cell, agents


def _trunks(question: Question, groups: _Groups) -> _Table:
    """Carriers' figures, and how their calls fared in queues."""
    queue = tuple(figure for figure in QUEUE if figure.name in ("offered", "service_level", "abandonment", "asa"))
    figures = (*TRUNK, Figure("erlangs", "Erlangs", "number"))
    rows: list[dict[str, Value]] = []
    whole, queued, seconds = TrunkTotals(), QueueTotals(), 0.0
    for start, end, totals in groups:
        since = max(question.since, start) if start is not None else question.since
        until = min(question.until, end if end is not None else question.until)
        seconds += max(0.0, until - since)
        for name in sorted(totals.trunks.keys() | totals.sources.keys()):
            cell, own = totals.trunks.get(name, TrunkTotals()), totals.sources.get(name, QueueTotals())
            rows.append(_trunk_row(start, name, cell, own, queue, max(0.0, until - since), question))
            merge(whole, cell)
            merge(queued, own)
    total = _trunk_row(None, ALL, whole, queued, queue, seconds, question)
    columns = (*_columns(question, "trunk", "Trunk", figures), *(Column(f.name, f.title, f.unit) for f in queue))
    return columns, rows, total


def _trunk_row(
    start: Instant | None, name: str, cell: TrunkTotals, own: QueueTotals, queue: tuple[Figure, ...], seconds: float,
    question: Question,
) -> dict[str, Value]:  # fmt: skip
    erlangs = ratio(cell.seconds, seconds)
    row = _row(start, ("trunk", name), TRUNK, cell)
    row["erlangs"] = None if erlangs is None else round(erlangs, 2)
    for figure in queue:
        row[figure.name] = figure.value(own)
    return _judged(row, own, question)


def _surveys(question: Question, groups: _Groups) -> _Table:
    """Each survey as a whole, then by queue and by agent."""
    rows: list[dict[str, Value]] = []
    whole = SurveyTotals()
    for start, _, totals in groups:
        parts: list[tuple[str, str, SurveyTotals]] = []
        if not question.queues and not question.agents:
            parts += [("survey", name, cell) for name, cell in sorted(totals.surveys.items())]
        if not question.agents or question.queues:
            parts += [("queue", name, cell.survey) for name, cell in _wanted(question.queues, totals.queues)]
        if not question.queues or question.agents:
            parts += [("agent", name, cell.survey) for name, cell in _wanted(question.agents, totals.agents)]
        for of, name, cell in parts:
            if cell.asked:
                rows.append(_row(start, ("of", f"{of} {name}"), SURVEY, cell))
        for cell in totals.surveys.values():
            merge(whole, cell)
    return _columns(question, "of", "Of", SURVEY), rows, _row(None, ("of", ALL), SURVEY, whole)


def _callbacks(question: Question, groups: _Groups) -> _Table:
    """What became of call-backs, and how long those who got one waited."""
    rows, whole = [], QueueTotals()
    for start, _, totals in groups:
        for name, cell in _wanted(question.queues, totals.queues):
            if cell.callbacks:
                rows.append(_callback_row(start, name, cell))
                merge(whole, cell)
    columns = _columns(question, "queue", "Queue", CALLBACK)
    counters = tuple(Column(what, what.capitalize(), "count") for what in CALLBACKS)
    place = len(columns) - len(CALLBACK)
    return (*columns[:place], *counters, *columns[place:]), rows, _callback_row(None, ALL, whole)


def _callback_row(start: Instant | None, name: str, cell: QueueTotals) -> dict[str, Value]:
    return _row(start, ("queue", name), CALLBACK, cell) | {what: cell.callbacks[what] for what in CALLBACKS}


def _counters(
    first: str, what: str, title: str, unit: str, cells: Callable[[Question, Sums], dict[str, Counter[str]]]
) -> Callable[[Question, _Groups], _Table]:
    """A table of counters: a row for each name (and interval), a column for each key that there is."""

    def table(question: Question, groups: _Groups) -> _Table:
        found = [
            (start, name, counter) for start, _, totals in groups for name, counter in cells(question, totals).items()
        ]
        keys = sorted({key for _, _, counter in found for key in counter})
        rows: list[dict[str, Value]] = []
        whole: Counter[str] = Counter()
        for start, name, counter in found:
            row: dict[str, Value] = {} if start is None else {"start": start}
            rows.append(row | {first: name} | {key: _short(counter[key]) for key in keys})
            whole.update(counter)
        columns = (
            *_times(question),
            Column(first, title, "text"),
            *(Column(key, key.replace("-", " ").replace(".", " ").capitalize() or what, unit) for key in keys),
        )
        total: dict[str, Value] = {first: ALL}
        return columns, rows, total | {key: _short(whole[key]) for key in keys}

    return table


def _short(value: float) -> Value:
    return value if isinstance(value, int) else round(value, 2)


def _queue_counters(name: str) -> Callable[[Question, Sums], dict[str, Counter[str]]]:
    return lambda question, totals: {
        queue: getattr(cell, name) for queue, cell in _wanted(question.queues, totals.queues) if getattr(cell, name)
    }


def _pauses(question: Question, totals: Sums) -> dict[str, Counter[str]]:
    return {
        agent: Counter({reason or "(none)": seconds for reason, seconds in cell.pauses.items()})
        for agent, cell in _wanted(question.agents, totals.agents)
        if cell.pauses
    }


_TABLES: Final[dict[str, Callable[[Question, _Groups], _Table]]] = {
    "queues": _by_name("queue", "Queue", QUEUE, QueueTotals, lambda q, t: dict(_wanted(q.queues, t.queues))),
    "agents": _by_name("agent", "Agent", AGENT, AgentTotals, lambda q, t: dict(_wanted(q.agents, t.agents))),
    "skills": _by_name("skill", "Skill", QUEUE, QueueTotals, lambda q, t: dict(sorted(t.skills.items()))),
    "trunks": _trunks,
    "intervals": _intervals,
    "surveys": _surveys,
    "callbacks": _callbacks,
    "outcomes": _counters("queue", "none", "Queue", "count", _queue_counters("outcomes")),
    "pauses": _counters("agent", "none", "Agent", "seconds", _pauses),
}


# ------------------------------------------------------------------------------------------------------------- pictures


def _charts(question: Question, fold: Fold, until: Instant) -> Charts:
    asked = question.interval or _fitting(question.until - question.since)
    calendar = Calendar(asked, question.timezone)
    hours: dict[tuple[int, int], list[int]] = {}
    groups: dict[Instant, tuple[Instant, QueueTotals, AgentTotals]] = {}
    whole = QueueTotals()
    for start, end in calendar.between(question.since, until):
        if len(groups) >= _CHART_SLOTS:
            break
        groups[start] = (end, QueueTotals(), AgentTotals())
    seen: Counter[tuple[int, int]] = Counter()
    for start, _ in Calendar("1h", question.timezone).between(question.since, until):
        local = calendar.local(start)
        seen[local.weekday(), local.hour] += 1
    for start, totals in fold.slots.items():
        cell, agents = _sum(question, totals)
        merge(whole, cell)
        first, _ = calendar.around(start)
        if first in groups:
            merge(groups[first][1], cell)
            merge(groups[first][2], agents)
        local = calendar.local(start)
        hours.setdefault((local.weekday(), local.hour), []).append(cell.entered)
    arrivals = tuple(
        tuple(
            round(sum(hours.get((day, hour), ())) / seen[day, hour], 2) if seen[day, hour] else None
            for hour in range(24)
        )
        for day in range(7)
    )
    points = tuple(
        Point(
            start,
            end,
            cell.entered,
            cell.answered,
            cell.abandoned,
            _percent(cell.service_level_by(question.definition)),
            _percent(cell.abandonment),
            _percent(agents.occupancy),
            cell.average_speed_of_answer,
            cell.average_handling_time,
        )
        for start, (end, cell, agents) in groups.items()
    )
    return Charts(asked, points, arrivals, whole.waits.steps, tuple(whole.waits.counts))


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100.0 * share, 2)


def _fitting(seconds: float) -> Step:
    """The interval in which a picture of that time is neither empty nor crowded."""
    days = seconds / 86400.0
    return "30m" if days <= 2 else "1h" if days <= 8 else "day" if days <= 120 else "week" if days <= 800 else "month"
