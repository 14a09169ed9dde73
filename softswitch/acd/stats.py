"""Every number is a fold over the ledger's facts, and over nothing else: what is added up live, and what is added up
again from the ledger after a crash, is the same.

The facts, with their `data` (times in seconds; every fact has `at`, and names its call, queue and agent):

=====================  ===============================================================================================
`queue.entered`        caller, rank, ahead
`queue.answered`       offer, waited, rang, within (the service level's seconds)      — the four outcomes of a call:
`queue.abandoned`      waited, position, short (under the queue's `short_abandon`)      exactly one follows each
`queue.overflowed`     cause, target, waited, position                                  `queue.entered`
`queue.left`           reason, waited, position (taken out by other means)
`offer.made`           offer, waited; ended by exactly one `queue.answered`, `offer.failed` or `offer.withdrawn`
`offer.failed`         offer, cause, rang
`offer.withdrawn`      offer, reason, rang
`offer.refused`        offer (an answer that came too late)
`talk.ended`           talk
`wrapup.started`       seconds
`wrapup.extended`      left (seconds from now), by
`wrapup.ended`         lasted, cause
`call.outcome`         code, by (what an agent noted for a call)
`ring.opened`          ring, waited, agents, logged_in (of the ring's pool; ring -1 is the sticky agent)
`strategy.failed`      strategy, error (longest idle goes on in its place)
`agent.moved`          phone, by (hot-desking: logged in at another phone)
`agent.login`          by, phone            `agent.logout`  by            `agent.restored`  pause
`agent.pause`          reason, by           `agent.ready`   by
`agent.state`          state, reason, was, lasted (in `was`)
`acd.reconfigured`     queues, agents       `acd.ignored`   event, why    `acd.repaired`    invariant, subject, detail
=====================  ===============================================================================================
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from softswitch.acd.model import AgentName, AgentState, Fact, QueueName
from softswitch.kernel.clock import Duration

_AT_WORK = (AgentState.TALKING.value, AgentState.WRAP_UP.value)


@dataclass(slots=True)
class QueueTotals:
    """`within`: answered within the service level's seconds. `overflowed` counts by cause, `failed` offers by cause.
    Sums are seconds; `longest_wait` is the longest of any caller whose wait has ended."""

    entered: int = 0
    answered: int = 0
    within: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    left: int = 0
    overflowed: Counter[str] = field(default_factory=Counter)
    offers: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    answered_wait: Duration = 0.0
    abandoned_wait: Duration = 0.0
    longest_wait: Duration = 0.0
    talks: int = 0
    talk: Duration = 0.0
    wrap_up: Duration = 0.0

    @property
    def waiting(self) -> int:
        """Callers still in the queue: those who entered and have no outcome."""
        return self.entered - self.answered - self.abandoned - self.left - self.overflowed.total()

    @property
    def service_level(self) -> float | None:
        """The share (0–1) answered in time, of all answered, abandoned and overflowed calls; short abandons do not
        count. None before there is a call to judge by."""
        judged = self.answered + self.abandoned - self.short_abandoned + self.overflowed.total()
        return self.within / judged if judged else None

    @property
    def average_speed_of_answer(self) -> Duration | None:
        """ASA: mean wait of the answered calls."""
        return self.answered_wait / self.answered if self.answered else None

    @property
    def average_handling_time(self) -> Duration | None:
        """AHT: talk and wrap-up a conversation."""
        return (self.talk + self.wrap_up) / self.talks if self.talks else None


@dataclass(slots=True)
class AgentTotals:
    """`states` are seconds by state left; the state that lasts is not in it yet."""

    offers: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    ringing: Duration = 0.0
    talks: int = 0
    talk: Duration = 0.0
    wrap_up: Duration = 0.0
    logins: int = 0
    states: dict[str, Duration] = field(default_factory=dict)

    @property
    def occupancy(self) -> float | None:
        """Talk and wrap-up as a share (0–1) of the logged-in time; None before there is any."""
        logged_in = sum(lasted for state, lasted in self.states.items() if state != AgentState.LOGGED_OUT.value)
        return sum(self.states.get(state, 0.0) for state in _AT_WORK) / logged_in if logged_in else None


class Totals:
    """The fold. `ignored` and `repaired` count what ought to be rare, by reason and by invariant."""

    __slots__ = ("agents", "ignored", "queues", "repaired")

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.queues: dict[QueueName, QueueTotals] = {}
        self.agents: dict[AgentName, AgentTotals] = {}
        self.ignored: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        """Count one fact; kinds that nothing is counted from are fine."""
        count = _COUNT.get(fact.kind)
        if count is not None:
            count(self, fact)

    def queue(self, name: QueueName) -> QueueTotals:
        """The queue's totals, zero for one not heard of."""
        totals = self.queues.get(name)
        if totals is None:
            totals = self.queues[name] = QueueTotals()
        return totals

    def agent(self, name: AgentName) -> AgentTotals:
        """The agent's totals, zero for one not heard of."""
        totals = self.agents.get(name)
        if totals is None:
            totals = self.agents[name] = AgentTotals()
        return totals


def _seconds(fact: Fact, name: str) -> Duration:
    value = fact.data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _entered(totals: Totals, fact: Fact) -> None:
    totals.queue(fact.queue).entered += 1


def _answered(totals: Totals, fact: Fact) -> None:
    queue, agent = totals.queue(fact.queue), totals.agent(fact.agent)
    waited = _seconds(fact, "waited")
    queue.answered += 1
    queue.within += bool(fact.data.get("within"))
    queue.answered_wait += waited
    queue.longest_wait = max(queue.longest_wait, waited)
    agent.answered += 1
    agent.ringing += _seconds(fact, "rang")


def _abandoned(totals: Totals, fact: Fact) -> None:
    queue = totals.queue(fact.queue)
    waited = _seconds(fact, "waited")
    queue.abandoned += 1
    queue.short_abandoned += bool(fact.data.get("short"))
    queue.abandoned_wait += waited
    queue.longest_wait = max(queue.longest_wait, waited)


def _overflowed(totals: Totals, fact: Fact) -> None:
    queue = totals.queue(fact.queue)
    queue.overflowed[str(fact.data.get("cause"))] += 1
    queue.longest_wait = max(queue.longest_wait, _seconds(fact, "waited"))


def _left(totals: Totals, fact: Fact) -> None:
    queue = totals.queue(fact.queue)
    queue.left += 1
    queue.longest_wait = max(queue.longest_wait, _seconds(fact, "waited"))


def _offer_made(totals: Totals, fact: Fact) -> None:
    totals.queue(fact.queue).offers += 1
    totals.agent(fact.agent).offers += 1


def _offer_failed(totals: Totals, fact: Fact) -> None:
    cause = str(fact.data.get("cause"))
    agent = totals.agent(fact.agent)
    totals.queue(fact.queue).failed[cause] += 1
    agent.failed[cause] += 1
    agent.ringing += _seconds(fact, "rang")


def _offer_withdrawn(totals: Totals, fact: Fact) -> None:
    agent = totals.agent(fact.agent)
    totals.queue(fact.queue).withdrawn += 1
    agent.withdrawn += 1
    agent.ringing += _seconds(fact, "rang")


def _talk_ended(totals: Totals, fact: Fact) -> None:
    talk = _seconds(fact, "talk")
    for part in (totals.queue(fact.queue), totals.agent(fact.agent)):
        part.talks += 1
        part.talk += talk


def _wrap_up_ended(totals: Totals, fact: Fact) -> None:
    lasted = _seconds(fact, "lasted")
    totals.queue(fact.queue).wrap_up += lasted
    totals.agent(fact.agent).wrap_up += lasted


def _login(totals: Totals, fact: Fact) -> None:
    totals.agent(fact.agent).logins += 1


def _state(totals: Totals, fact: Fact) -> None:
    states = totals.agent(fact.agent).states
    was = str(fact.data.get("was"))
    states[was] = states.get(was, 0.0) + _seconds(fact, "lasted")


def _ignored(totals: Totals, fact: Fact) -> None:
    totals.ignored[str(fact.data.get("why"))] += 1


def _repaired(totals: Totals, fact: Fact) -> None:
    totals.repaired[str(fact.data.get("invariant"))] += 1


_COUNT: dict[str, Callable[[Totals, Fact], None]] = {
    "queue.entered": _entered,
    "queue.answered": _answered,
    "queue.abandoned": _abandoned,
    "queue.overflowed": _overflowed,
    "queue.left": _left,
    "offer.made": _offer_made,
    "offer.failed": _offer_failed,
    "offer.withdrawn": _offer_withdrawn,
    "talk.ended": _talk_ended,
    "wrapup.ended": _wrap_up_ended,
    "agent.login": _login,
    "agent.state": _state,
    "acd.ignored": _ignored,
    "acd.repaired": _repaired,
}
