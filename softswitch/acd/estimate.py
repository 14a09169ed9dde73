"""How long a caller will have to wait, with an interval that holds four times out of five, and how wrong that was.

The model: the caller is served by the (n+1)-th conversation that ends, n being those before it in the one order of
all queues that the same agents serve, less those who are likely to give up. Of `s` agents at work one becomes free
every `handling / s` seconds, so the wait is (n + 1) · handling / s; its spread is that of a sum of n + 1 exponential
times (a gamma distribution; quantiles after Wilson and Hilferty, PNAS 17, 1931). `handling` is talk and wrap-up of the
queue's last fifty or so conversations. This is the refined queue-length estimator of Ibrahim and Whitt (MSOM 11,
2009), which they found hard to beat while the staff stays the same.

What the model leaves out (agents' other work, higher ranks to come) shows in its error, which is measured for each
answered call that was given an estimate: the mean is corrected by the ratio of what came to what was said, and the
interval is widened after a miss and narrowed after a hit so that in the long run it holds as often as it says
(adaptive conformal inference: Gibbs and Candès, NeurIPS 2021).

All of it is a fold over facts: a restarted engine that is shown the ledger estimates as before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, sqrt
from typing import TYPE_CHECKING, Final

from softswitch.acd.agent import Agent
from softswitch.acd.model import AgentState, QueueName
from softswitch.kernel.clock import Duration, Instant

if TYPE_CHECKING:
    from softswitch.acd.pool import Pool
    from softswitch.acd.queue import Queue
    from softswitch.acd.state import State

HOLDS: Final = 0.8  # the share of waits that the interval is meant to hold

_MEMORY: Final = 0.98  # of what came before, at each conversation: the last fifty count
_PRIOR: Final = 180.0  # seconds of handling where nothing is known,
_PRIOR_WEIGHT: Final = 2.0  # as if that many conversations had shown it
_TRUST: Final = 600.0  # seconds said and waited before the measured ratio is believed as much as the model
_RATIO: Final = (0.25, 4.0)
_STEP: Final = 0.1
_WIDTH: Final = (0.3, 4.0)
_Z: Final = 1.2816  # the standard normal deviate of 0.9
_DOUBT: Final = 0.02  # squared relative error of the handling time itself: the interval never vanishes
_LOOK_EVERY: Final = (1.0, 5.0)  # seconds for which a count of agents is good, longer for larger pools
_QUEUES: Final = 32  # others that are looked at
_SERVING: Final = frozenset(
    {
        *(AgentState.READY, AgentState.OFFERED, AgentState.TALKING, AgentState.WRAP_UP),
        *(AgentState.BUSY, AgentState.RESTING),
    }
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds to come. `raw` is what the model said before its error was corrected."""

    seconds: Duration
    low: Duration
    high: Duration
    raw: Duration

    def facts(self) -> dict[str, object]:
        """As the ledger has it, beside what came."""
        return {
            "estimate": round(self.seconds, 1),
            "low": round(self.low, 1),
            "high": round(self.high, 1),
            "raw": round(self.raw, 1),
        }


class Habits:
    """What a queue's calls have been like; all sums fade."""

    __slots__ = ("abandoned", "answered", "said", "talk", "talks", "waited", "width", "wrap_up")

    def __init__(self) -> None:
        self.talks = self.talk = self.wrap_up = 0.0
        self.answered = self.abandoned = 0.0
        self.said = self.waited = 0.0
        self.width = 1.0

    def talked(self, seconds: Duration) -> None:
        self.talks = self.talks * _MEMORY + 1.0
        self.talk = self.talk * _MEMORY + seconds
        self.wrap_up *= _MEMORY

    def ended(self, answered: bool) -> None:
        self.answered = self.answered * _MEMORY + answered
        self.abandoned = self.abandoned * _MEMORY + (not answered)

    def handling(self, prior: Duration) -> Duration:
        """Talk and wrap-up of a conversation."""
        return (_PRIOR_WEIGHT * prior + self.talk + self.wrap_up) / (_PRIOR_WEIGHT + self.talks)

    @property
    def giving_up(self) -> float:
        """The share of callers who hang up while they wait."""
        return self.abandoned / (self.answered + self.abandoned + 5.0)

    @property
    def ratio(self) -> float:
        """What came for a second that was said."""
        return min(max((_TRUST + self.waited) / (_TRUST + self.said), _RATIO[0]), _RATIO[1])

    def measured(self, raw: Duration, low: Duration, high: Duration, waited: Duration) -> None:
        """A caller with that estimate has been answered."""
        self.said = self.said * _MEMORY + raw
        self.waited = self.waited * _MEMORY + waited
        missed = not low <= waited <= high
        width = self.width * exp(_STEP * (missed - (1.0 - HOLDS)))
        self.width = min(max(width, _WIDTH[0]), _WIDTH[1])


class Forecast:
    """One for the engine."""

    __slots__ = ("_all", "_looks", "_overlaps", "_queues")

    def __init__(self) -> None:
        self._all = Habits()
        self._queues: dict[QueueName, Habits] = {}
        self._looks: dict[Pool, tuple[Instant, float]] = {}
        self._overlaps: dict[tuple[Pool, Pool], float] = {}

    def forget_pools(self) -> None:
        """They were made anew."""
        self._looks.clear()
        self._overlaps.clear()

    def learn(self, kind: str, queue: QueueName, data: Mapping[str, object]) -> None:
        """A fact was written."""
        learner = _LEARNERS.get(kind)
        if learner is not None:
            for habits in (self._all, self.of(queue)):
                learner(habits, data)

    def of(self, queue: QueueName) -> Habits:
        """The queue's habits."""
        habits = self._queues.get(queue)
        if habits is None:
            habits = self._queues[queue] = Habits()
        return habits

    def expect(
        self, state: "State", queue: "Queue", pool: "Pool", rank: float, serial: int, at: Instant
    ) -> Estimate | None:
        """For a call of that rank in `queue`, for which no agent of `pool` is free. None when nobody is at work:
        nothing can be said then."""
        serving = self._serving(pool, at)
        if not serving:
            return None
        habits = self.of(queue.name)
        handling = habits.handling(self._all.handling(_PRIOR))
        before = queue.places.before(rank, serial) * (1.0 - habits.giving_up)
        for number, other in enumerate(state.crowded):
            if number >= _QUEUES:
                break
            if other is not queue and (share := self._overlap(other.pool, pool)):
                before += share * other.places.before(rank, serial) * (1.0 - self.of(other.name).giving_up)
        raw = (before + 1.0) * handling / serving
        seconds = raw * habits.ratio
        low, high = _interval(before + 1.0, habits.width)
        return Estimate(seconds, seconds * low, seconds * high, raw)

    def _serving(self, pool: "Pool", at: Instant) -> float:
        look = self._looks.get(pool)
        if look is None or look[0] <= at:
            count = float(sum(_at_once(agent) for agent in pool.agents))
            good_for = min(max(len(pool.agents) / 50.0, _LOOK_EVERY[0]), _LOOK_EVERY[1])
            look = self._looks[pool] = (at + good_for, count)
        return look[1]

    def _overlap(self, theirs: "Pool", ours: "Pool") -> float:
        """The share of their agents that are ours, too: of their calls, so many are in our way."""
        if theirs is ours:
            return 1.0
        found = self._overlaps.get((theirs, ours))
        if found is None:
            common = sum(1 for agent in theirs.agents if agent in ours.agents)
            found = self._overlaps[theirs, ours] = common / len(theirs.agents) if theirs.agents else 0.0
        return found


def _at_once(agent: Agent) -> int:
    """How many calls at once the agent works on."""
    return agent.settings.capacity if agent.state in _SERVING and agent.pause is None and agent.logged_in else 0


def _interval(stages: float, width: float) -> tuple[float, float]:
    """The 10 % and 90 % quantiles of a gamma distribution of that many stages and mean 1, stretched by `width`."""
    ninth = (1.0 / stages + _DOUBT) / 9.0
    spread = _Z * width * sqrt(ninth)
    return max(0.0, 1.0 - ninth - spread) ** 3, (1.0 - ninth + spread) ** 3


def _seconds(data: Mapping[str, object], name: str) -> Duration:
    value = data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _talk_ended(habits: Habits, data: Mapping[str, object]) -> None:
    habits.talked(_seconds(data, "talk"))


def _wrap_up_ended(habits: Habits, data: Mapping[str, object]) -> None:
    habits.wrap_up += _seconds(data, "lasted")


def _answered(habits: Habits, data: Mapping[str, object]) -> None:
    habits.ended(True)
    if "raw" in data:
        habits.measured(*(_seconds(data, name) for name in ("raw", "low", "high", "waited")))


def _abandoned(habits: Habits, data: Mapping[str, object]) -> None:
    habits.ended(False)


_LEARNERS: Final[dict[str, Callable[[Habits, Mapping[str, object]], None]]] = {
    "talk.ended": _talk_ended,
    "wrapup.ended": _wrap_up_ended,
    "queue.answered": _answered,
    "queue.abandoned": _abandoned,
}
