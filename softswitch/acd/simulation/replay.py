"""A day of the ledger as a load: the same callers at the same moments, the same conversations, the same agents.

What the day did not show is drawn: how long who was answered would have waited (patience is exponential and has no
memory: the wait, and then a new time of the mean estimated from that day), and talk and wrap-up of who was not answered
(those of another call of the day). Who asked for a call-back asks again at that moment, where the policy offers it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from softswitch.acd.followed import FactLike
from softswitch.acd.model import (
    AcdEvent,
    AgentLogin,
    AgentLogout,
    AgentName,
    AgentPause,
    AgentReady,
    CallId,
    Needs,
    Offer,
    QueueName,
)
from softswitch.acd.simulation.arrivals import Arrival
from softswitch.acd.simulation.times import NEVER
from softswitch.kernel.clock import Duration, Instant

KINDS: Final = (
    *("queue.entered", "queue.answered", "queue.abandoned", "queue.overflowed", "queue.left"),
    *("talk.ended", "wrapup.ended", "offer.failed", "offer.withdrawn"),
    *("callback.asked", "callback.connected", "callback.attempted"),
    *("agent.login", "agent.logout", "agent.pause", "agent.ready", "agent.restored"),
)
BEFORE: Final = 14 * 86400.0  # how far back the day's first state of agents is looked for

_BY_ENGINE: Final = "acd"  # pauses that the engine itself decided: it will decide anew
_OFFERS: Final = frozenset(("no-answer", "busy", "rejected", "unreachable", "error"))


@dataclass(slots=True)
class _Visit:
    """`waited`: in all queues; `rang_for`: of a phone when the caller hung up; `asks` for a call-back."""

    at: Instant
    queue: QueueName
    caller: str
    needs: Needs
    head_start: float
    waited: Duration | None = None
    abandoned: bool = False
    answered: bool = False
    rang: Duration | None = None
    rang_for: Duration = 0.0
    asks: Duration = NEVER
    talk: Duration | None = None
    wrap_up: Duration | None = None


@dataclass(slots=True)
class Day:
    """The fold: facts from `BEFORE` the day until a while after it, in order; then `arrivals` and `roster`."""

    since: Instant
    until: Instant
    head_starts: dict[QueueName, float] = field(default_factory=dict)
    calls: dict[CallId, _Visit] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    tried: int = 0
    reached: int = 0
    _callbacks: dict[str, _Visit] = field(default_factory=dict)
    _attempts: dict[CallId, _Visit] = field(default_factory=dict)
    _here: dict[AgentName, str | None] = field(default_factory=dict)
    _said: list[tuple[Instant, AcdEvent]] = field(default_factory=list)

    def add(self, fact: FactLike) -> None:
        """Take one fact."""
        kind = fact.kind
        if kind.startswith("agent."):
            self._agent(fact, str(getattr(fact, "agent", "")))
        elif kind.startswith("callback."):
            self._callback(fact)
        elif (attempt := self._attempts.get(fact.call)) is not None:
            if kind in ("talk.ended", "wrapup.ended"):
                _ended(attempt, fact)
        elif kind == "queue.entered":
            if self.since <= fact.at < self.until and fact.call not in self.calls:
                self.calls[fact.call] = self._entered(fact)
        elif kind == "offer.failed":
            if self.since <= fact.at < self.until:
                cause = str(fact.data.get("cause"))
                self.failures[cause] = self.failures.get(cause, 0) + 1
        elif (visit := self.calls.get(fact.call)) is not None:
            _ended(visit, fact)

    def arrivals(self, dice: Random) -> list[Arrival]:
        """The callers in order. A call counts where it came in first; where it overflowed to is for the policy."""
        patience = self.patience()
        visits = sorted(self.calls.items(), key=lambda item: (item[1].at, item[0]))
        talks = [visit.talk for _, visit in visits if visit.talk is not None] or [180.0]
        wraps = [visit.wrap_up for _, visit in visits if visit.wrap_up is not None]
        rings = [visit.rang for _, visit in visits if visit.rang is not None] or [3.0]
        found = []
        for call, visit in visits:
            longer = NEVER if patience is None else dice.expovariate(1.0 / patience)
            other = (dice.choice(talks), dice.choice(wraps) if wraps else None, dice.choice(rings))
            luck = dice.random()
            waited = visit.waited or 0.0
            found.append(
                Arrival(
                    *(visit.at, call, visit.queue),
                    waited if visit.abandoned else waited + longer,
                    other[0] if visit.talk is None else visit.talk,
                    other[1] if visit.wrap_up is None else visit.wrap_up,
                    max(other[2], visit.rang_for + 1.0 * (visit.rang_for > 0)) if visit.rang is None else visit.rang,
                    luck,
                    visit.needs,
                    visit.head_start,
                    visit.caller,
                    asks=visit.asks,
                    reached=self.reached / self.tried if self.tried else 1.0,
                    answers_after=8.0,
                )
            )
        return found

    def roster(self, agents: Iterable[AgentName]) -> list[tuple[Instant, AcdEvent]]:
        """What `agents` said on that day, beginning with who was logged in or paused then."""
        known = set(agents)
        events: list[tuple[Instant, AcdEvent]] = []
        for name, pause in self._here.items():
            events.append((self.since, AgentLogin(name)))
            if pause is not None:
                events.append((self.since, AgentPause(name, pause)))
        events += self._said
        return [(at, event) for at, event in events if getattr(event, "agent", "") in known]

    def patience(self) -> Duration | None:
        """Mean patience by the censored estimate; None when nobody hung up."""
        gone = sum(visit.abandoned for visit in self.calls.values())
        waited = sum(visit.waited or 0.0 for visit in self.calls.values())
        return waited / gone if gone and waited > 0 else None

    def failed_shares(self) -> dict[str, float]:
        """Of the day's offers that were answered or failed: the share that failed, by cause."""
        answered = sum(visit.answered for visit in self.calls.values())
        whole = answered + sum(self.failures.values())
        return {cause: count / whole for cause, count in sorted(self.failures.items())} if whole else {}

    def _callback(self, fact: FactLike) -> None:
        """Who asked at what time of its wait, and how long it talked when it was called back."""
        id = str(fact.data.get("callback"))
        if fact.kind == "callback.asked":
            visit = self.calls.get(fact.call)
            if visit is not None:
                visit.asks = fact.at - visit.at
                self._callbacks[id] = visit
        elif id in self._callbacks and fact.kind == "callback.connected":
            self.tried += 1
            self.reached += 1
            self._attempts[fact.call] = self._callbacks[id]
        elif id in self._callbacks and fact.kind == "callback.attempted":
            self.tried += bool(fact.data.get("counted"))

    def _entered(self, fact: FactLike) -> _Visit:
        needs = fact.data.get("needs")
        rank = fact.data.get("rank")
        head_start = 0.0
        if isinstance(rank, int | float):  # arrival less head start; what the queue gives is not the call's own
            head_start = fact.at - rank - self.head_starts.get(fact.queue, 0.0)
        return _Visit(
            fact.at,
            fact.queue,
            str(fact.data.get("caller") or ""),
            tuple(sorted((str(skill), int(least)) for skill, least in needs.items()))
            if isinstance(needs, dict)
            else (),
            head_start if abs(head_start) > 1e-3 else 0.0,
        )

    def _agent(self, fact: FactLike, agent: AgentName) -> None:
        event: AcdEvent
        match fact.kind:
            case "agent.login":
                event = AgentLogin(agent)
            case "agent.logout":
                event = AgentLogout(agent)
            case "agent.pause" if fact.data.get("by") != _BY_ENGINE:
                event = AgentPause(agent, str(fact.data.get("reason") or ""))
            case "agent.ready":
                event = AgentReady(agent)
            case "agent.restored":
                pause = fact.data.get("pause")
                if fact.at < self.since:
                    self._here[agent] = pause if isinstance(pause, str) else None
                return
            case _:
                return
        if fact.at >= self.until:
            return
        if fact.at >= self.since:
            self._said.append((fact.at, event))
        elif isinstance(event, AgentLogin):
            self._here[agent] = None
        elif isinstance(event, AgentLogout):
            self._here.pop(agent, None)
        elif agent in self._here:
            self._here[agent] = event.reason if isinstance(event, AgentPause) else None


def _ended(visit: _Visit, fact: FactLike) -> None:
    data = fact.data
    match fact.kind:
        case "queue.answered" if not visit.answered:
            visit.answered = True
            visit.waited, visit.rang = fact.at - visit.at, _seconds(data.get("rang"))
        case "queue.abandoned" if not visit.answered:
            visit.abandoned = True
            visit.waited = fact.at - visit.at
        case "queue.overflowed" | "queue.left" if not visit.answered:
            visit.waited = fact.at - visit.at
        case "offer.withdrawn" if data.get("reason") == "caller-left":
            visit.rang_for = _seconds(data.get("rang"))
        case "talk.ended":
            visit.talk = (visit.talk or 0.0) + _seconds(data.get("talk"))
        case "wrapup.ended":
            visit.wrap_up = (visit.wrap_up or 0.0) + _seconds(data.get("lasted"))


def _seconds(value: object) -> Duration:
    return float(value) if isinstance(value, int | float) else 0.0


class DayHabits:
    """Agents who pick up as fast as they did for that call, and fail offers as often as on that day."""

    def __init__(self, shares: dict[str, float], dice: Random) -> None:
        self._shares = [(cause, share) for cause, share in shares.items() if cause in _OFFERS]
        self._dice = dice

    def pick_up(self, arrival: Arrival, offer: Offer, again: bool) -> tuple[Duration, str]:
        luck = self._dice.random() if again else arrival.luck
        for cause, share in self._shares:
            if luck < share:
                return (NEVER if cause == "no-answer" else arrival.pick_up), cause
            luck -= share
        return (0.0 if offer.auto_answer else arrival.pick_up), "answer"
