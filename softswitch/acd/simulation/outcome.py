"""What came of a run: the same fold over the same facts as a live switch's statistics, and the day in intervals."""

from dataclasses import dataclass, field
from typing import Final

from softswitch.acd.fold import Fold
from softswitch.acd.model import Fact, QueueName
from softswitch.acd.tally import AgentTotals, QueueTotals, Sums, merge
from softswitch.kernel.clock import Duration, Instant

INTERVAL: Final = 1800.0

_COUNTED: Final = frozenset(("queue.answered", "queue.abandoned", "queue.overflowed"))


@dataclass(slots=True)
class Slot:
    """Calls that entered in one interval of the day, over all days."""

    calls: int = 0
    answered: int = 0
    within: int = 0
    judged: int = 0
    abandoned: int = 0
    waited: Duration = 0.0


@dataclass(slots=True)
class Outcome:
    """`sums` are the totals; `slots` by queue and interval of the day, counted from the first midnight. `events` the
    engine's world had, `facts` it wrote, `seconds` of virtual time."""

    sums: Sums = field(default_factory=Sums)
    slots: dict[QueueName, dict[int, Slot]] = field(default_factory=dict)
    events: int = 0
    facts: int = 0
    seconds: Duration = 0.0

    def add(self, other: "Outcome") -> None:
        """Put another stretch of the same run beside this one."""
        self.sums.merge(other.sums)
        for queue, slots in other.slots.items():
            mine = self.slots.setdefault(queue, {})
            for number, slot in slots.items():
                merge(mine.setdefault(number, Slot()), slot)
        self.events += other.events
        self.facts += other.facts
        self.seconds += other.seconds

    @property
    def everybody(self) -> AgentTotals:
        """All agents as one."""
        total = AgentTotals()
        for cell in self.sums.agents.values():
            merge(total, cell)
        return total

    @property
    def all_calls(self) -> QueueTotals:
        """All queues as one."""
        total = QueueTotals()
        for cell in self.sums.queues.values():
            merge(total, cell)
        return total


class Collector:
    """Takes the facts of a run that begins at `midnight`. Calls that enter from `since` until `until` count, and states
    of agents as far as they last within that time."""

    def __init__(self, midnight: Instant, since: Instant, until: Instant) -> None:
        self._outcome = Outcome()
        self._fold = Fold(since=since, until=until, whole=self._outcome.sums)
        self._midnight = midnight
        self._since = since

    def take(self, fact: Fact) -> None:
        """Count one fact."""
        self._outcome.facts += 1
        self._fold.add(fact)
        if fact.kind in _COUNTED:
            self._slot(fact)

    def finish(self, events: int, seconds: Duration) -> Outcome:
        """The run is over."""
        self._outcome.events, self._outcome.seconds = events, seconds
        return self._outcome

    def _slot(self, fact: Fact) -> None:
        data = fact.data
        waited: float = data["waited"]  # type: ignore[assignment]  # the engine's own number
        entered = fact.at - waited
        if entered < self._since:
            return
        slots = self._outcome.slots.get(fact.queue)
        if slots is None:
            slots = self._outcome.slots[fact.queue] = {}
        number = int((entered - self._midnight) % 86400.0 // INTERVAL)
        slot = slots.get(number)
        if slot is None:
            slot = slots[number] = Slot()
        slot.calls += 1
        slot.judged += 1
        if fact.kind == "queue.answered":
            slot.answered += 1
            slot.within += bool(data["within"])
            slot.waited += waited
        elif fact.kind == "queue.abandoned":
            slot.abandoned += 1
            slot.judged -= bool(data["short"])
