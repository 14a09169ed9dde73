"""One stretch of days of one replication under one policy: the smallest piece of work, the same wherever it runs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from heapq import merge
from operator import attrgetter
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from softswitch.acd.engine import Engine
from softswitch.acd.model import AcdEvent, Fact
from softswitch.acd.simulation.arrivals import Arrival, Callers
from softswitch.acd.simulation.days import DAY, date_of, instant
from softswitch.acd.simulation.load import Load
from softswitch.acd.simulation.outcome import Collector, Outcome
from softswitch.acd.simulation.roster import roster
from softswitch.acd.simulation.site import Site
from softswitch.acd.simulation.world import Behaves, Habits, World
from softswitch.acd.strategies import FindStrategy, built_in
from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError

STRETCH: Final = 7  # days that one engine lives through; longer runs are cut, so that pieces run side by side


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`days` of `load` from its day number `first` on. Seeds are of replication and day, not of stretches or policies:
    what a caller brings does not depend on how the work is cut, or on the policy. `warm_up` seconds at the beginning
    are not counted."""

    load: Load
    first: int = 0
    days: int = 1
    seed: int = 1
    replication: int = 0
    warm_up: Duration = 0.0


def stretches(load: Load, days: int, seed: int, replication: int, warm_up: Duration = 0.0) -> list[Stretch]:
    """A replication of so many days, cut."""
    return [
        Stretch(
            load=load,
            first=first,
            days=min(STRETCH, days - first),
            seed=seed,
            replication=replication,
            warm_up=warm_up,
        )
        for first in range(0, days, STRETCH)
    ]


def run_stretch(
    site: Site,
    stretch: Stretch,
    find_strategy: FindStrategy = built_in,
    progress: Callable[[Instant], None] | None = None,
    record: Callable[[Fact], None] | None = None,
) -> Outcome:
    """Simulate it. `record` gets every fact besides. Raises `LocalError` when load and site do not fit."""
    fits(site, stretch.load)
    zone = ZoneInfo(site.timezone)
    first = date_of(stretch.load.start) + timedelta(days=stretch.first)
    days = [first + timedelta(days=number) for number in range(stretch.days)]
    seed = f"{stretch.seed}/{stretch.replication}"
    load = _with_clones(stretch.load, site)
    arrivals = _arrivals(load, days, zone, seed)
    shifts = roster(load, site.agents, days, zone, Random(f"{seed}/{first}/shifts"))
    habits = Habits(load.agents, Random(f"{seed}/{first}/habits"))
    start, until = instant(days[0], 0.0, zone), instant(days[-1], DAY, zone)
    dice = Random(f"{seed}/{first}/engine")
    return live_through(
        site, arrivals, shifts, habits, dice, start, until, stretch.warm_up, find_strategy, progress, record
    )


def live_through(
    site: Site,
    arrivals: Iterable[Arrival],
    shifts: Iterable[tuple[Instant, AcdEvent]],
    habits: Behaves,
    dice: Random,
    start: Instant,
    until: Instant,
    warm_up: Duration = 0.0,
    find_strategy: FindStrategy = built_in,
    progress: Callable[[Instant], None] | None = None,
    record: Callable[[Fact], None] | None = None,
) -> Outcome:
    """An engine and its world from `start` until the last call that came before `until` is over."""
    engine = Engine(site.queues, site.agents, start, dice, site.acd, find_strategy)
    collector = Collector(start, start + warm_up, until)
    sink = collector.take
    if record is not None:

        def sink(fact: Fact, count: Callable[[Fact], None] = collector.take) -> None:
            record(fact)
            count(fact)

    world = World(engine, dict(site.queues), habits, Random(dice.random()), sink, progress)
    world.run(arrivals, shifts, start, until)
    return collector.finish(world.events, until - start - warm_up)


def fits(site: Site, load: Load) -> None:
    """Raises `LocalError` when the load is of queues, agents or pauses that the site does not have."""
    for name in load.queues:
        if name not in site.queues:
            raise LocalError(f"the load has calls for queue {name}, which the configuration does not have")
    known = {*site.agents, *site.names.values()}
    reasons = site.acd.pause_reasons
    for name, shift in load.shifts.items():
        for agent in shift.agents:
            if agent not in known and not site.names:
                raise LocalError(f"shift {name}: there is no agent {agent} in the configuration")
        for rest in shift.breaks:
            if reasons and rest.reason and rest.reason not in reasons:
                raise LocalError(f"shift {name}: no pause reason {rest.reason}; there are {', '.join(reasons)}")


def _with_clones(load: Load, site: Site) -> Load:
    """Clones work when their originals do."""
    if not site.names:
        return load
    shifts = {
        name: replace(
            shift,
            agents=tuple(clone for clone, original in site.names.items() if original in shift.agents)
            if shift.agents
            else (),
        )
        for name, shift in load.shifts.items()
    }
    kept = {name: shift for name, shift in shifts.items() if shift.agents or not load.shifts[name].agents}
    return replace(load, shifts=kept)


def _arrivals(load: Load, days: list[date], zone: ZoneInfo, seed: str) -> Iterator[Arrival]:
    callers = {name: Callers(name, queue, load.agents, zone) for name, queue in load.queues.items()}
    for day in days:
        streams = [queue.of_day(day, Random(f"{seed}/{day}/{name}")) for name, queue in callers.items()]
        yield from streams[0] if len(streams) == 1 else merge(*streams, key=attrgetter("at"))
