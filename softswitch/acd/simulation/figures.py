"""The figures of simulated policies, their intervals over replications, and the difference that a policy makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from softswitch.acd.model import QueueName
from softswitch.acd.simulation.confidence import Estimate, estimate
from softswitch.acd.simulation.outcome import Outcome
from softswitch.acd.tally import AgentTotals, QueueTotals

Estimates: TypeAlias = dict[str, Estimate | None]

ALL: Final = "all"  # queues together


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


# Of a queue: name, value by its totals and its definition of the service level. Shares are 0-1, times seconds.
QUEUE_FIGURES: Final[dict[str, Callable[[QueueTotals, str], float | None]]] = {
    "calls": lambda q, _: float(q.entered),
    "service_level": lambda q, definition: q.service_level_by(definition),
    "asa": lambda q, _: q.average_speed_of_answer,
    "longest_wait": lambda q, _: q.longest_wait if q.entered else None,
    "answered": lambda q, _: _share(q.answered, q.entered),
    "abandoned": lambda q, _: _share(q.abandoned, q.entered),
    "overflowed": lambda q, _: _share(q.overflowed.total(), q.entered),
    "called_back": lambda q, _: _share(q.callbacks["connected"], q.entered),
    "aht": lambda q, _: q.average_handling_time,
}
AGENT_FIGURES: Final[dict[str, Callable[[AgentTotals], float | None]]] = {
    "served": lambda a: float(a.answered),
    "occupancy": lambda a: a.occupancy,
    "calls_per_hour": lambda a: a.calls_per_hour,
    "missed": lambda a: float(a.missed),
}
LESS_IS_BETTER: Final = frozenset(("asa", "longest_wait", "abandoned", "overflowed"))
JUDGED: Final = ("service_level", "asa", "longest_wait", "abandoned", "overflowed")


@dataclass(frozen=True, slots=True)
class Interval:
    """Half an hour of the day (`start` seconds after midnight): calls a day, and how they fared."""

    queue: QueueName
    start: float
    calls: float
    service_level: float | None
    asa: float | None
    abandoned: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one policy: by queue (and `all`), of all agents together, by agent, by interval of the day."""

    queues: dict[str, Estimates]
    everybody: Estimates
    agents: dict[str, Estimates]
    intervals: tuple[Interval, ...]


def figures(outcomes: Sequence[Outcome], definitions: Mapping[QueueName, str], days: float, level: float) -> Figures:
    """Estimates from replications of `days` days each."""
    queues = sorted({name for outcome in outcomes for name in outcome.sums.queues})
    by_queue = {name: queue_estimates(outcomes, name, definitions, level) for name in queues}
    if len(queues) > 1:
        by_queue[ALL] = queue_estimates(outcomes, ALL, definitions, level)
    everybody = [outcome.everybody for outcome in outcomes]
    names = sorted({name for outcome in outcomes for name in outcome.sums.agents})
    return Figures(
        by_queue,
        _agent_estimates(everybody, level),
        {name: _agent_estimates([outcome.sums.agent(name) for outcome in outcomes], level) for name in names},
        tuple(_intervals(outcomes, days)),
    )


def queue_estimates(
    outcomes: Sequence[Outcome], name: str, definitions: Mapping[QueueName, str], level: float
) -> Estimates:
    """Every figure of one queue, or of `all`."""
    return {figure: estimate(_values(outcomes, name, definitions, figure), level) for figure in QUEUE_FIGURES}


def differences(
    base: Sequence[Outcome],
    other: Sequence[Outcome],
    definitions: tuple[Mapping[QueueName, str], Mapping[QueueName, str]],
    level: float,
) -> dict[str, Estimates]:
    """By queue that both policies have: other less base, replication by replication. Both met the same callers, so the
    interval of the difference is narrower than those of the two (common random numbers)."""
    queues = {name for outcome in base for name in outcome.sums.queues}
    queues &= {name for outcome in other for name in outcome.sums.queues}
    found: dict[str, Estimates] = {}
    for name in [*sorted(queues), *((ALL,) if len(queues) > 1 else ())]:
        found[name] = {}
        for figure in QUEUE_FIGURES:
            before = _values(base, name, definitions[0], figure)
            after = _values(other, name, definitions[1], figure)
            pairs = [None if one is None or two is None else two - one for one, two in zip(before, after, strict=True)]
            found[name][figure] = estimate(pairs, level)
    found["agents"] = {
        "occupancy": estimate(
            [
                None if (one := a.everybody.occupancy) is None or (two := b.everybody.occupancy) is None else two - one
                for a, b in zip(base, other, strict=True)
            ],
            level,
        )
    }
    return found


def verdict(figure: str, difference: Estimate | None) -> str:
    """`better`, `worse`, or `no difference shown`: the interval holds 0. Empty where there is nothing to judge."""
    if difference is None or difference.half is None or figure not in JUDGED:
        return ""
    if difference.holds(0.0):
        return "no difference shown"
    return "better" if (difference.mean < 0) == (figure in LESS_IS_BETTER) else "worse"


def _values(
    outcomes: Sequence[Outcome], name: str, definitions: Mapping[QueueName, str], figure: str
) -> list[float | None]:
    of = QUEUE_FIGURES[figure]
    if name == ALL:
        return [of(outcome.all_calls, "standard") for outcome in outcomes]
    return [of(outcome.sums.queue(name), definitions.get(name, "standard")) for outcome in outcomes]


def _agent_estimates(totals: Sequence[AgentTotals], level: float) -> Estimates:
    return {name: estimate([of(cell) for cell in totals], level) for name, of in AGENT_FIGURES.items()}


def _intervals(outcomes: Sequence[Outcome], days: float) -> list[Interval]:
    whole = Outcome()
    for outcome in outcomes:
        whole.add(Outcome(slots=outcome.slots))
    count = max(1.0, days * len(outcomes))
    return [
        Interval(
            *(queue, number * 1800.0, slot.calls / count, _share(slot.within, slot.judged)),
            *(_share(slot.waited, slot.answered), _share(slot.abandoned, slot.calls)),
        )
        for queue, slots in sorted(whole.slots.items())
        for number, slot in sorted(slots.items())
    ]
