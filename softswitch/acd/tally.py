"""What is counted: one cell of numbers for a queue, an agent, a skill or a trunk in one interval.

Cells hold only what can be added up (and longest times, which are compared), so cells of intervals make the cell of
a day, and those of queues the cell of all. Every figure that people see is a property over these numbers; None means
that there is nothing to judge by yet. `docs/statistics.md` has the formulas.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Final

from softswitch.acd.model import AgentName, AgentState, QueueName
from softswitch.kernel.clock import Duration

WAIT_STEPS: Final = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600)
TALK_STEPS: Final = (5, 10, 20, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 7200)


def ratio(part: float, whole: float) -> float | None:
    """`part` of `whole`; None when there is no whole."""
    return part / whole if whole else None


class Spread:
    """How durations are spread: counts up to each of `steps` (seconds) and beyond the last, and their sum."""

    __slots__ = ("counts", "steps", "total")

    def __init__(self, steps: tuple[int, ...]) -> None:
        self.steps = steps
        self.counts: list[int] = []
        self.total: Duration = 0.0

    def add(self, seconds: Duration) -> None:
        if not self.counts:
            self.counts = [0] * (len(self.steps) + 1)
        self.counts[bisect_left(self.steps, seconds)] += 1
        self.total += seconds

    def take_back(self, seconds: Duration) -> None:
        """What was added is no longer true."""
        if self.counts:
            self.counts[bisect_left(self.steps, seconds)] -= 1
            self.total -= seconds

    def merge(self, other: "Spread") -> None:
        if other.counts:
            mine = self.counts or [0] * len(other.counts)
            self.counts = [one + two for one, two in zip(mine, other.counts, strict=True)]
            self.total += other.total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spread) and (self.counts, self.total) == (other.counts, other.total)

    __hash__ = None  # type: ignore[assignment]  # a cell changes while it is counted in


@dataclass(slots=True)
class Spreads:
    """How a queue's durations are spread."""

    waits: Spread = field(default_factory=lambda: Spread(WAIT_STEPS))
    rings: Spread = field(default_factory=lambda: Spread(WAIT_STEPS))
    talk_times: Spread = field(default_factory=lambda: Spread(TALK_STEPS))
    wrap_up_times: Spread = field(default_factory=lambda: Spread(TALK_STEPS))

    def add(self, cell: "QueueTotals | Spreads") -> None:
        self.waits.merge(cell.waits)
        self.rings.merge(cell.rings)
        self.talk_times.merge(cell.talk_times)
        self.wrap_up_times.merge(cell.wrap_up_times)


@dataclass(slots=True)
class SurveyTotals:
    """After-call surveys. `asked`: callers who heard the first question; `answered`: who gave an answer or more;
    `completed`: who answered to the end. Answers by value."""

    asked: int = 0
    answered: int = 0
    completed: int = 0
    csat: Counter[int] = field(default_factory=Counter)
    nps: Counter[int] = field(default_factory=Counter)
    digits: int = 0
    messages: int = 0

    @property
    def response_rate(self) -> float | None:
        return ratio(self.answered, self.asked)

    @property
    def csat_share(self) -> float | None:
        """CSAT: the share of answers 4 and 5."""
        return ratio(self.csat[4] + self.csat[5], self.csat.total())

    @property
    def csat_mean(self) -> float | None:
        return ratio(sum(value * count for value, count in self.csat.items()), self.csat.total())

    @property
    def csat_answers(self) -> int:
        return self.csat.total()

    @property
    def nps_answers(self) -> int:
        return self.nps.total()

    @property
    def promoters(self) -> int:
        return self.nps[9] + self.nps[10]

    @property
    def detractors(self) -> int:
        return sum(count for value, count in self.nps.items() if value <= 6)

    @property
    def passives(self) -> int:
        return self.nps[7] + self.nps[8]

    @property
    def nps_score(self) -> float | None:
        """NPS, −100 to 100: promoters (9, 10) less detractors (0 to 6), in percent of all answers."""
        share = ratio(self.promoters - self.detractors, self.nps.total())
        return None if share is None else 100.0 * share


@dataclass(slots=True)
class Work:
    """What queues and agents have in common. `ring`: seconds that phones rang for calls they answered. `cases`:
    answered calls of known numbers that were no repeat; `reopened`: those whose caller came back within the days of
    first-call resolution; `pending`: those that still may."""

    answered: int = 0
    ring: Duration = 0.0
    talks: int = 0
    talk: Duration = 0.0
    holds: int = 0
    hold: Duration = 0.0
    wrap_ups: int = 0
    wrap_up: Duration = 0.0
    longest_talk: Duration = 0.0
    offers: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    cases: int = 0
    reopened: int = 0
    pending: int = 0
    lost_talks: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    transfers: Counter[str] = field(default_factory=Counter)
    survey: SurveyTotals = field(default_factory=SurveyTotals)

    @property
    def average_handling_time(self) -> Duration | None:
        """AHT: talk (with hold) and wrap-up a conversation."""
        return ratio(self.talk + self.wrap_up, self.talks)

    @property
    def average_talk(self) -> Duration | None:
        """Of a conversation, without its hold."""
        return ratio(self.talk - self.hold, self.talks)

    @property
    def average_hold(self) -> Duration | None:
        """Hold a conversation (whether it had any or not)."""
        return ratio(self.hold, self.talks)

    @property
    def average_wrap_up(self) -> Duration | None:
        return ratio(self.wrap_up, self.talks)

    @property
    def average_ring(self) -> Duration | None:
        """How long the phones of those who answered rang."""
        return ratio(self.ring, self.answered)

    @property
    def hold_share(self) -> float | None:
        """Share of conversations that were put on hold."""
        return ratio(self.holds, self.talks)

    @property
    def transferred(self) -> int:
        """Conversations that their agent passed on."""
        return self.transfers.total()

    @property
    def transfer_rate(self) -> float | None:
        return ratio(self.transferred, self.talks)

    @property
    def first_call_resolution(self) -> float | None:
        """FCR: the share of cases whose caller did not come back; of those that still may, as of now."""
        return ratio(self.cases - self.reopened, self.cases)

    @property
    def failed_offers(self) -> int:
        return self.failed.total()

    @property
    def missed(self) -> int:
        """Offers that rang out."""
        return self.failed["no-answer"]


@dataclass(slots=True)
class QueueTotals(Work):
    """Calls by how they left the queue, counted in the interval in which they entered. `within`: answered within the
    service level's seconds; `abandoned_within`: abandoned within them. `overflowed` counts by cause, `failed` offers
    by cause. `lost`: callers who waited when the switch died. Sums are seconds; `longest_wait` is the longest of any
    caller whose wait has ended. `known`: calls with a number; `repeats`: of callers who had been served lately.
    `resumed`: dropped callers who called again and are counted once. `callbacks` counts by what became of them
    (`asked`, `connected` …). `estimates`: answered callers who had been given one."""

    entered: int = 0
    within: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    abandoned_within: int = 0
    left: int = 0
    lost: int = 0
    overflowed: Counter[str] = field(default_factory=Counter)
    answered_wait: Duration = 0.0
    abandoned_wait: Duration = 0.0
    longest_wait: Duration = 0.0
    longest_abandoned: Duration = 0.0
    known: int = 0
    repeats: int = 0
    resumed: int = 0
    callbacks: Counter[str] = field(default_factory=Counter)
    callback_wait: Duration = 0.0
    estimates: int = 0
    estimate_error: Duration = 0.0
    estimate_off: Duration = 0.0
    estimates_held: int = 0
    waits: Spread = field(default_factory=lambda: Spread(WAIT_STEPS))
    rings: Spread = field(default_factory=lambda: Spread(WAIT_STEPS))
    talk_times: Spread = field(default_factory=lambda: Spread(TALK_STEPS))
    wrap_up_times: Spread = field(default_factory=lambda: Spread(TALK_STEPS))

    @property
    def waiting(self) -> int:
        """Callers still in the queue: those who entered and have no outcome."""
        return self.entered - self.answered - self.abandoned - self.left - self.lost - self.overflowed.total()

    @property
    def callback_success(self) -> float | None:
        """The share of call-backs that came about, of those that are over."""
        ends = ("connected", "cancelled", "expired", "failed")
        return ratio(self.callbacks["connected"], sum(self.callbacks[end] for end in ends))

    @property
    def average_callback_wait(self) -> Duration | None:
        """From the wish until both talked."""
        return ratio(self.callback_wait, self.callbacks["connected"])

    @property
    def estimate_bias(self) -> Duration | None:
        """How much longer than estimated answered callers waited, mean; below zero: shorter."""
        return ratio(self.estimate_error, self.estimates)

    @property
    def mean_estimate_error(self) -> Duration | None:
        """How far from the estimate the waits were, mean."""
        return ratio(self.estimate_off, self.estimates)

    @property
    def estimate_held(self) -> float | None:
        """The share (0–1) of waits that the estimate's interval held."""
        return ratio(self.estimates_held, self.estimates)

    @property
    def overflows(self) -> int:
        return self.overflowed.total()

    @property
    def finished(self) -> int:
        """Calls that have an outcome."""
        return self.entered - self.waiting

    @property
    def service_level(self) -> float | None:
        """The share (0–1) answered in time, of all answered, abandoned and overflowed calls; short abandons do not
        count. None before there is a call to judge by."""
        return self.service_level_by("standard")

    def service_level_by(self, definition: str) -> float | None:
        """The service level by one of `SERVICE_LEVELS`. Raises `KeyError` for another."""
        met, judged = SERVICE_LEVELS[definition](self)
        return ratio(met, judged)

    @property
    def average_speed_of_answer(self) -> Duration | None:
        """ASA: mean wait of the answered calls."""
        return ratio(self.answered_wait, self.answered)

    @property
    def average_abandoned_wait(self) -> Duration | None:
        return ratio(self.abandoned_wait, self.abandoned)

    @property
    def abandonment(self) -> float | None:
        """The share abandoned, of the calls that have an outcome; short abandons count in neither."""
        return ratio(self.abandoned - self.short_abandoned, self.finished - self.short_abandoned)

    @property
    def repeat_rate(self) -> float | None:
        """Share of calls with a known number whose caller had been served within the days of first-call resolution."""
        return ratio(self.repeats, self.known)


SERVICE_LEVELS: Final = {
    "standard": lambda q: (q.within, q.answered + q.abandoned - q.short_abandoned + q.overflows),
    "answered": lambda q: (q.within, q.answered),
    "offered": lambda q: (q.within, q.finished),
    "without-overflow": lambda q: (q.within, q.answered + q.abandoned - q.short_abandoned),
    "abandoned-in-time": lambda q: (q.within + q.abandoned_within, q.answered + q.abandoned + q.overflows),
    "late-abandons": lambda q: (q.within, q.answered + q.abandoned - q.abandoned_within + q.overflows),
}


@dataclass(slots=True)
class AgentTotals(Work):
    """`states` are seconds by state left, while logged in; the state that lasts is not in it yet. `pauses` are seconds
    paused, by reason. `ringing`: seconds of all offers, answered or not."""

    ringing: Duration = 0.0
    logins: int = 0
    states: dict[str, Duration] = field(default_factory=dict)
    pauses: dict[str, Duration] = field(default_factory=dict)

    def state(self, state: AgentState) -> Duration:
        return self.states.get(state.value, 0.0)

    @property
    def logged_in(self) -> Duration:
        return sum(self.states.values())

    @property
    def staffed(self) -> Duration:
        """Logged in and not paused."""
        return self.logged_in - self.paused

    @property
    def paused(self) -> Duration:
        return self.state(AgentState.PAUSED)

    @property
    def at_work(self) -> Duration:
        return self.state(AgentState.TALKING) + self.state(AgentState.WRAP_UP)

    @property
    def ready(self) -> Duration:
        return self.state(AgentState.READY)

    @property
    def occupancy(self) -> float | None:
        """Talk and wrap-up as a share (0–1) of the time logged in and not paused."""
        return ratio(self.at_work, self.staffed)

    @property
    def utilisation(self) -> float | None:
        """Talk and wrap-up as a share (0–1) of all the time logged in."""
        return ratio(self.at_work, self.logged_in)

    @property
    def calls_per_hour(self) -> float | None:
        """Answered calls an hour logged in and not paused."""
        return ratio(3600.0 * self.answered, self.staffed)

    @property
    def accept_rate(self) -> float | None:
        """Share of offers that were answered, of those that were not withdrawn."""
        return ratio(self.answered, self.answered + self.failed.total())


@dataclass(slots=True)
class TrunkTotals:
    """Calls of a carrier, in the interval in which they ended. `seconds`: of answered calls, from answer to end."""

    inbound: int = 0
    outbound: int = 0
    answered_inbound: int = 0
    answered_outbound: int = 0
    seconds_inbound: Duration = 0.0
    seconds_outbound: Duration = 0.0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        return self.inbound + self.outbound

    @property
    def answered(self) -> int:
        return self.answered_inbound + self.answered_outbound

    @property
    def seconds(self) -> Duration:
        return self.seconds_inbound + self.seconds_outbound

    @property
    def answer_seizure_ratio(self) -> float | None:
        """ASR (ITU-T E.411): the share of attempts over the trunk, out, that were answered."""
        return ratio(self.answered_outbound, self.outbound)

    @property
    def average_call_duration(self) -> Duration | None:
        """Mean length of answered calls."""
        return ratio(self.seconds, self.answered)


def merge(into: Any, other: Any) -> None:
    """Add a cell to another of its class: sums are added, longest times compared."""
    for item in fields(into):
        mine, theirs = getattr(into, item.name), getattr(other, item.name)
        if isinstance(mine, Counter):
            mine.update(theirs)
        elif isinstance(mine, dict):
            for key, value in theirs.items():
                mine[key] = mine.get(key, 0.0) + value
        elif isinstance(mine, Spread):
            mine.merge(theirs)
        elif isinstance(mine, int | float):
            setattr(into, item.name, max(mine, theirs) if item.name.startswith("longest") else mine + theirs)
        else:
            merge(mine, theirs)


class Sums:
    """The numbers of one interval. `queues` by queue, `skills` and `sources` the same by needed skill and by the trunk
    that the call came from. `ignored` and `repaired` count what ought to be rare, by reason and by invariant."""

    __slots__ = ("agents", "ignored", "queues", "repaired", "skills", "sources", "surveys", "trunks")

    def __init__(self) -> None:
        self.queues: dict[QueueName, QueueTotals] = {}
        self.skills: dict[str, QueueTotals] = {}
        self.sources: dict[str, QueueTotals] = {}
        self.agents: dict[AgentName, AgentTotals] = {}
        self.trunks: dict[str, TrunkTotals] = {}
        self.surveys: dict[str, SurveyTotals] = {}
        self.ignored: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()

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

    def merge(self, other: "Sums") -> None:
        """Add another interval's numbers."""
        for name in ("queues", "skills", "sources", "agents", "trunks", "surveys"):
            mine = getattr(self, name)
            for key, cell in getattr(other, name).items():
                if key not in mine:
                    mine[key] = type(cell)()
                merge(mine[key], cell)
        self.ignored.update(other.ignored)
        self.repaired.update(other.repaired)
