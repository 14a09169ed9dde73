"""Callers as a load has them: a Poisson process whose rate is constant between the times of its profile.

Everything that a caller brings is drawn when it comes, of dice that belong to its queue and day, so that two policies
meet the very same callers (common random numbers).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import log
from random import Random
from zoneinfo import ZoneInfo

from softswitch.acd.model import CallId, Needs, QueueName
from softswitch.acd.simulation.days import DAY, DAYS, clock, instant
from softswitch.acd.simulation.load import Behaviour, Kind, QueueLoad
from softswitch.acd.simulation.times import NEVER, Draw, drawer
from softswitch.kernel.clock import Duration, Instant


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call with everything that its caller and its conversation bring. `pick_up` and `luck` (0-1) are of the first
    agent whose phone rings for it; `wrap_up` None: as the queue says; `redial`: calls again so long after hanging up
    (infinite: does not). `asks`: for a call-back, after so long; `reached`: the chance that it is picked up then, after
    `answers_after`."""

    at: Instant
    call: CallId
    queue: QueueName
    patience: Duration = NEVER
    talk: Duration = 0.0
    wrap_up: Duration | None = None
    pick_up: Duration = 0.0
    luck: float = 1.0
    needs: Needs = ()
    head_start: float = 0.0
    caller: str = ""
    redial: Duration = NEVER
    asks: Duration = NEVER
    reached: float = 1.0
    answers_after: Duration = 0.0


class Callers:
    """The callers of one queue."""

    def __init__(self, queue: QueueName, load: QueueLoad, behaviour: Behaviour, zone: ZoneInfo) -> None:
        self._queue = queue
        self._load = load
        self._zone = zone
        self._pick_up = drawer(behaviour.pick_up)
        self._wrap_up = None if load.wrap_up is None else drawer(load.wrap_up)
        self._redial = drawer(load.redial_after)
        self._back = load.callback
        self._asks, self._answers = drawer(load.callback.after), drawer(load.callback.answers_after)
        kinds = load.kinds or (Kind(),)
        self._shares = [kind.share for kind in kinds]
        self._kinds = [self._kind(kind) for kind in kinds]
        self._pieces = pieces(load)

    def _kind(self, kind: Kind) -> tuple[Needs, float, Draw, Draw | None]:
        patience = self._load.patience if kind.patience is None else kind.patience
        talk = self._load.talk if kind.talk is None else kind.talk
        needs = tuple(sorted(kind.needs.items()))
        return needs, kind.head_start, drawer(talk), None if patience is None else drawer(patience)

    def of_day(self, day: date, dice: Random) -> Iterator[Arrival]:
        """Those who call on that day, in order."""
        factor = self._load.days.get(DAYS[day.weekday()], 1.0)
        name, serial, random = f"{self._queue}-{day:%y%m%d}", 0, dice.random
        for begin, end, calls in self._pieces:
            rate = calls * factor / 3600.0
            if rate <= 0:
                continue
            at, until = instant(day, begin, self._zone), instant(day, end, self._zone)
            while (at := at - log(1.0 - random()) / rate) < until:
                serial += 1
                yield self._arrival(at, f"{name}-{serial}", dice)

    def _arrival(self, at: Instant, call: CallId, dice: Random) -> Arrival:
        kinds = self._kinds
        kind = kinds[0] if len(kinds) == 1 else dice.choices(kinds, self._shares)[0]
        needs, head_start, talk, patience = kind
        redial = NEVER
        if self._load.redial > 0 and dice.random() < self._load.redial:
            redial = self._redial(dice)
        back, asks, answers = self._back, NEVER, 0.0
        if back.share > 0 and dice.random() < back.share:
            asks, answers = self._asks(dice), self._answers(dice)
        return Arrival(
            *(at, call, self._queue),
            NEVER if patience is None else patience(dice),
            talk(dice),
            None if self._wrap_up is None else self._wrap_up(dice),
            self._pick_up(dice),
            dice.random(),
            needs,
            head_start,
            "",
            redial,
            *(asks, back.reached, answers),
        )


def pieces(load: QueueLoad) -> list[tuple[Duration, Duration, float]]:
    """(from, to, calls an hour): the day in pieces of constant rate. Before its first time a profile is `calls`."""
    marks = sorted((clock(text), calls) for text, calls in load.profile.items())
    if not marks or marks[0][0] > 0:
        marks.insert(0, (0.0, load.calls))
    ends = [mark[0] for mark in marks[1:]] + [DAY]
    return [(begin, end, calls) for (begin, calls), end in zip(marks, ends, strict=True) if end > begin]


def calls_a_day(load: QueueLoad) -> float:
    """On an average day of the week."""
    factor = sum(load.days.get(day, 1.0) for day in DAYS) / len(DAYS)
    return factor * sum(calls * (end - begin) / 3600.0 for begin, end, calls in pieces(load))
