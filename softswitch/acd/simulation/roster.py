"""When agents log in, take breaks and log out, as events for the engine."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from random import Random
from zoneinfo import ZoneInfo

from softswitch.acd.model import AcdEvent, AgentLogin, AgentLogout, AgentName, AgentPause, AgentReady
from softswitch.acd.simulation.days import DAY, clock, day_numbers, instant
from softswitch.acd.simulation.load import Load, ShiftLoad
from softswitch.kernel.clock import Instant


def roster(
    load: Load, agents: Iterable[AgentName], days: list[date], zone: ZoneInfo, dice: Random
) -> list[tuple[Instant, AcdEvent]]:
    """What the agents say during `days`, in order of time. Without shifts they log in at the beginning and stay. A
    shift that began the day before the first of `days` goes on into it."""
    names = list(agents)
    if not load.shifts:
        start = instant(days[0], 0.0, zone)
        return [(start, AgentLogin(name)) for name in names]
    events: list[tuple[Instant, int, AcdEvent]] = []
    begin = instant(days[0], 0.0, zone)
    for shift in load.shifts.values():
        on = day_numbers(shift.days)
        for day in (days[0] - timedelta(days=1), *days):
            if day.weekday() in on:
                for at, event in _shift(shift, names, day, zone, dice):
                    events.append((max(at, begin), len(events), event))
    events.sort(key=lambda entry: (entry[0], not isinstance(entry[2], AgentLogin), entry[1]))
    return list(_from(begin, _merged((at, event) for at, _, event in events)))


def _shift(
    shift: ShiftLoad, everybody: list[AgentName], day: date, zone: ZoneInfo, dice: Random
) -> Iterator[tuple[Instant, AcdEvent]]:
    begin, end = clock(shift.begin), clock(shift.end)
    if end <= begin:
        end += DAY
    for number, agent in enumerate(shift.agents or everybody):
        yield instant(day, begin, zone) + dice.random() * shift.spread, AgentLogin(agent)
        for rest in shift.breaks:
            at = clock(rest.at)
            start = instant(day, at if at >= begin else at + DAY, zone) + number * shift.stagger * 60.0
            yield start, AgentPause(agent, rest.reason)
            yield start + rest.minutes * 60.0, AgentReady(agent)
        yield instant(day, end, zone) + dice.random() * shift.spread, AgentLogout(agent)


def _merged(events: Iterable[tuple[Instant, AcdEvent]]) -> Iterator[tuple[Instant, AcdEvent]]:
    """Without what cancels out: shifts of one agent that touch or overlap, breaks of who is not there."""
    here: dict[AgentName, int] = {}
    paused: set[AgentName] = set()
    for at, event in events:
        if isinstance(event, AgentLogin):
            here[event.agent] = here.get(event.agent, 0) + 1
            if here[event.agent] == 1:
                yield at, event
        elif isinstance(event, AgentLogout):
            here[event.agent] -= 1
            if not here[event.agent]:
                paused.discard(event.agent)
                yield at, event
        elif isinstance(event, AgentPause) and here.get(event.agent) and event.agent not in paused:
            paused.add(event.agent)
            yield at, event
        elif isinstance(event, AgentReady) and event.agent in paused:
            paused.discard(event.agent)
            yield at, event


def _from(begin: Instant, events: Iterable[tuple[Instant, AcdEvent]]) -> Iterator[tuple[Instant, AcdEvent]]:
    """What happened before `begin` as what is left of it then: who is logged in, who is on a break."""
    here: dict[AgentName, AcdEvent | None] = {}
    later = iter(events)
    following: tuple[Instant, AcdEvent] | None = None
    for at, event in later:
        if at > begin:
            following = (at, event)
            break
        if isinstance(event, AgentLogin):
            here[event.agent] = None
        elif isinstance(event, AgentLogout):
            here.pop(event.agent, None)
        elif isinstance(event, AgentPause):
            here[event.agent] = event
        elif isinstance(event, AgentReady):
            here[event.agent] = None
    for agent, pause in here.items():
        yield begin, AgentLogin(agent)
        if pause is not None:
            yield begin, pause
    if following is not None:
        yield following
    yield from later
