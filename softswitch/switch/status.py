"""The operator's desk: pictures of the running switch, and today's totals as a fold over the ledger."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from softswitch import __version__
from softswitch.acd.fold import Fold
from softswitch.acd.followed import Rules
from softswitch.acd.intervals import Calendar
from softswitch.acd.model import AgentName, AgentState, Fact, QueueName
from softswitch.acd.tally import QueueTotals, Spreads, ratio
from softswitch.acd.watchdog import INVARIANTS
from softswitch.acd.why import AgentStory, CallStory
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.switch.conference_orders import check_conference, conference_rows
from softswitch.switch.customers import Customers
from softswitch.switch.events import ConferenceCommand, DialCommand
from softswitch.switch.notices import contacts
from softswitch.switch.origination import check_dial
from softswitch.switch.quality import Distribution
from softswitch.switch.records import SavedMessage
from softswitch.switch.seats import refusal
from softswitch.switch.settings import Settings, Supervising
from softswitch.switch.transfers import check_transfer
from softswitch.switch.views import (
    AgentRow,
    CallbackRow,
    CallView,
    ConferenceRow,
    HookRow,
    InvariantRow,
    LockRow,
    MailboxRow,
    PhoneRow,
    QueueRow,
    RegistrationRow,
    Status,
    TrunkRow,
    WaitingRow,
    WorkerRow,
)
from softswitch.switch.waiting import callback_refusal, callback_rows, estimates, waiting_rows

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch

_AT_WORK = (AgentState.TALKING, AgentState.OFFERED)
_MOST_CASES = 20_000  # callers remembered for today's repeated calls: some 10 MB


class Desk:
    """Totals start anew at midnight of the server's time zone; those of yesterday are kept for calls that came then."""

    def __init__(self, switch: "Switch", now: Instant) -> None:
        self._switch = switch
        self.started = now
        self.calls_total = 0
        self.calls_failed = 0
        self.quality = Distribution()
        settings = switch.office.settings
        self._zone = settings.server.timezone
        self._fold = Fold(Calendar("day", self._zone), rules=_rules(settings), most_cases=_MOST_CASES)
        self._past: dict[QueueName, Spreads] = {}  # before yesterday, since the start
        self._day: Instant = 0.0
        self._day_ends: Instant = 0.0

    def restore(self, facts: Iterable[Fact]) -> None:
        """The ledger since midnight, after a restart."""
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        if fact.at >= self._day_ends:
            self._turn(fact.at)
        self._fold.add(fact)

    def histograms(self) -> dict[QueueName, Spreads]:
        """By queue, all that was counted since the start, and since midnight before it."""
        whole: dict[QueueName, Spreads] = {}
        for name, past in self._past.items():
            whole.setdefault(name, Spreads()).add(past)
        for totals in self._fold.slots.values():
            for name, cell in totals.queues.items():
                whole.setdefault(name, Spreads()).add(cell)
        return whole

    def configure(self, settings: Settings) -> None:
        """New rules for what comes; the day stays that of the time zone at the start."""
        self._fold.follow(_rules(settings))

    def _turn(self, at: Instant) -> None:
        """A new day."""
        self._day, self._day_ends = Calendar("day", self._zone).around(at)
        yesterday = self._day - 1.0
        self._fold.at(at)
        for totals in self._fold.forget_before(midnight_before(yesterday, self._zone)):
            for name, cell in totals.queues.items():
                self._past.setdefault(name, Spreads()).add(cell)

    def _today(self, name: QueueName, now: Instant) -> QueueTotals:
        return self._fold.at(now).queues.get(name) or QueueTotals()

    # ---------------------------------------------------------------------------------------------------------- views

    def status(self, now: Instant) -> Status:
        switch, office = self._switch, self._switch.office
        agents = [office.engine.agent_view(name, now) for name in office.engine.agent_names()]
        trunks = self.trunks(now)
        return Status(
            name=office.settings.server.name,
            version=__version__,
            timezone=office.settings.server.timezone,
            started=self.started,
            draining=switch.draining,
            calls=len(switch.calls),
            waiting=sum(1 for call in switch.calls.values() if call.stage.label == "queued"),
            agents_ready=sum(1 for view in agents if view is not None and view.state is AgentState.READY),
            agents_logged_in=sum(1 for view in agents if view is not None and view.logged_in),
            registrations=len(self.registrations(now)),
            trunks_up=sum(1 for trunk in trunks if trunk.health != "down" and trunk.registration != "failed"),
            trunks=len(trunks),
            calls_total=self.calls_total,
            calls_failed=self.calls_failed,
            workers=self.workers(),
            recovery=switch.recovery.view,
            live={
                **office.ua.counts(),
                "legs": sum(office.fabric.parties.values()),
                "streams": len(office.fabric.legs) + len(office.fabric.streams),
                "players": len(office.fabric.players),
                "recordings": len(office.recordings),
                "offers": len(office.offers),
                "supervision": office.supervision.counts(),
                "conferences": len(office.conferences.by_name),
                "parked": len(office.parked.calls),
                "names": len(office.conferences.discarded),
            },
        )

    def workers(self) -> tuple[WorkerRow, ...]:
        rows = []
        for worker in self._switch.office.fabric.workers.values():
            ready, stats = worker.ready, worker.stats
            rows.append(
                WorkerRow(
                    worker=worker.number,
                    pid=ready.pid if ready else 0,
                    backend=ready.backend if ready else "",
                    backend_why=ready.why if ready else "",
                    up=ready is not None,
                    legs=len(worker.legs),
                    slots_free=len(worker.free),
                    late_ticks=stats.late_ticks if stats else 0,
                    ticks=stats.ticks if stats else 0,
                    dropped=stats.dropped if stats else 0,
                )
            )
        return tuple(rows)

    def calls(self, now: Instant) -> list[CallView]:
        return [call.view(now) for call in self._switch.calls.values()]

    def conferences(self) -> list[ConferenceRow]:
        """Those that somebody is in."""
        return conference_rows(self._switch.office)

    def check_dial(self, order: DialCommand, now: Instant) -> None:
        """Raises `PeerError` when the call cannot be begun."""
        check_dial(self._switch, order, now)

    def check_conference(self, order: ConferenceCommand, now: Instant) -> None:
        """Whether the order can be carried out. Raises `PeerError` (404, 409, 422, 503)."""
        check_conference(self._switch, order, now)

    def check_supervision(self, target: str, mode: Supervising, phone: str, follow: bool) -> str:
        """The agent whom a call or an agent's name stands for, if `phone` may. Raises `PeerError` (403, 404, 409)."""
        return self._switch.office.supervision.check(target, mode, phone, follow)

    def check_transfer(self, call: str, verb: str, target: str) -> None:
        """Whether the order can be carried out. Raises `PeerError` (404, 409, 422)."""
        check_transfer(self._switch.office, call, verb, target)

    def call(self, id: str, now: Instant) -> CallView | None:
        call = self._switch.calls.get(id)
        return None if call is None else call.view(now)

    def knows(self, host: str, now: Instant) -> bool:
        """Whether that address is a trunk's, a phone's, or somebody's with a password."""
        return self._switch.office.defence.knows(host, now)

    def locked(self, now: Instant) -> list[LockRow]:
        """Who is not listened to after wrong passwords."""
        return self._switch.office.defence.locked(now)

    def spent(self, now: Instant) -> dict[str, float]:
        """What calls out have cost today, by party."""
        return self._switch.office.guards.spent(now)

    def invariants(self) -> list[InvariantRow]:
        """What is true of the ACD at any time, and how often it had to be repaired today."""
        repaired = self._fold.at(max(self._fold.last, self.started)).repaired
        return [InvariantRow(name=name, text=text, repaired=repaired[text]) for name, text in INVARIANTS.items()]

    def why_call(self, id: str, now: Instant) -> list[CallStory]:
        """A call's stays in queues, with every offer and skip; empty when none is remembered."""
        return self._switch.office.engine.why_call(id, now)

    def outcome_refusal(self, agent: str, call: str, code: str) -> str:
        """Why the agent cannot note that outcome; empty when it can."""
        return self._switch.office.engine.outcome_refusal(agent, call, code)

    def pause_refusal(self, reason: str) -> str:
        """Why nobody can pause for that reason; empty when one can."""
        return self._switch.office.engine.pause_refusal(reason)

    def why_agent(self, name: str, now: Instant) -> AgentStory | None:
        """An agent's offers, and why it does not have the calls that wait."""
        story = self._switch.office.engine.why_agent(name, now)
        return None if story is None else replace(story, reason=self._reason(name, story.state, story.reason, now))

    def _reason(self, name: AgentName, state: AgentState, reason: str, now: Instant) -> str:
        """The ACD's; of an agent who cannot be rung what is the matter with the phones."""
        office = self._switch.office
        phones = office.settings.agents[name].devices if name in office.settings.agents else ()
        if state is not AgentState.UNREACHABLE or any(office.takes_calls(phone, now) for phone in phones):
            return reason
        disturbed = any(office.registrations.reachable(phone, now) for phone in phones)
        return "do not disturb" if disturbed else "not registered"

    def agents(self, now: Instant) -> list[AgentRow]:
        office = self._switch.office
        rows = []
        for name, agent in office.settings.agents.items():
            view = office.engine.agent_view(name, now)
            if view is None:
                continue
            totals = self._fold.agent_by(name, now)
            rows.append(
                AgentRow(
                    name=name,
                    display=agent.name or name,
                    phone=agent.phone,
                    state=view.state.value,
                    reason=self._reason(name, view.state, view.reason, now),
                    since=view.since,
                    queues=view.queues,
                    calls_today=totals.answered,
                    talk_seconds=totals.talk,
                    call=view.call,
                    occupancy=_percent(totals.occupancy),
                    utilisation=_percent(totals.utilisation),
                    handling_seconds=_or(totals.average_handling_time),
                    logged_in_seconds=totals.logged_in,
                    paused_seconds=totals.paused,
                    conversations=len(view.calls),
                    capacity=view.capacity,
                    available=view.available,
                )
            )
        return rows

    def queues(self, now: Instant) -> list[QueueRow]:
        engine = self._switch.office.engine
        queues = self._switch.office.settings.queues
        agents: dict[AgentName, tuple[float, float]] = {}  # at work, staffed; in seconds
        rows = []
        for name in engine.queue_names():
            view = engine.queue_view(name, now)
            if view is None:
                continue
            totals = self._today(name, now)
            settings = queues.get(name)
            definition = settings.service_level.definition if settings is not None else "standard"
            at_work = staffed = 0.0
            for agent in settings.agents if settings is not None else ():
                if agent not in agents:
                    own = self._fold.agent_by(agent, now)
                    agents[agent] = (own.at_work, own.staffed)
                at_work += agents[agent][0]
                staffed += agents[agent][1]
            rows.append(
                QueueRow(
                    name=name,
                    waiting=view.waiting,
                    longest_wait=view.longest_wait,
                    ready=view.states.get(AgentState.READY, 0),
                    talking=sum(view.states.get(state, 0) for state in _AT_WORK),
                    logged_in=view.logged_in,
                    offered=totals.entered,
                    answered=totals.answered,
                    abandoned=totals.abandoned,
                    overflowed=totals.overflowed.total(),
                    service_level=_percent(totals.service_level_by(definition)),
                    average_wait=totals.average_speed_of_answer or 0.0,
                    abandonment=_percent(totals.abandonment),
                    short_abandoned=totals.short_abandoned,
                    average_handling=_or(totals.average_handling_time),
                    average_abandoned_wait=_or(totals.average_abandoned_wait),
                    repeat_rate=_percent(totals.repeat_rate),
                    occupancy=_percent(ratio(at_work, staffed)),
                    callbacks=view.callbacks,
                    resumed=totals.resumed,
                    open=self.open_queue(name, now),
                    **estimates(engine.estimate(name, now), totals),
                )
            )
        return rows

    @property
    def customers(self) -> Customers:
        """Who is known."""
        return self._switch.office.customers

    def hooks(self, now: Instant) -> list[HookRow]:
        """All hooks, with what came of their questions."""
        office, rows = self._switch.office, []
        for name, hook in office.settings.hooks.items():
            state = office.hooks.state(name)
            failed = {cause: count for cause, count in state.counts.items() if cause != "answered"}
            rest = max(0.0, state.resting_until - now)
            answered = state.counts["answered"]
            rows.append(
                HookRow(name=name, url=hook.url, running=state.running, answered=answered, failed=failed, resting=rest)
            )
        return rows

    def seat_refusal(self, agent: str, phone: str, now: Instant) -> str:
        """Why the agent cannot log in there; empty when it can."""
        return refusal(self._switch.office, agent, phone, now)

    def open_queue(self, name: str, now: Instant) -> bool:
        """Whether the queue takes calls now."""
        office = self._switch.office
        queue = office.settings.queues.get(name)
        return queue is not None and not queue.shut and office.calendar.is_open(queue.hours, now)

    def waiting(self, queue: str, now: Instant) -> list[WaitingRow]:
        return waiting_rows(self._switch.office, queue, now)

    def callbacks(self, now: Instant) -> list[CallbackRow]:
        return callback_rows(self._switch.office, now)

    def callback_refusal(self, queue: str, number: str) -> str:
        return callback_refusal(self._switch.office, queue, number)

    def trunks(self, now: Instant) -> list[TrunkRow]:
        return self._switch.office.trunks.rows(now)

    def phones(self, now: Instant) -> list[PhoneRow]:
        return self._switch.office.phones.rows(now)

    def check_phone(self, phone: str, what: str, value: object, now: Instant) -> None:
        """Whether that can be set. Raises `PeerError` (404, 422)."""
        self._switch.office.phones.check(phone, what, value, now)

    def mailboxes(self) -> list[MailboxRow]:
        return self._switch.office.mailboxes.rows()

    def messages(self, box: str) -> list[SavedMessage]:
        return self._switch.office.mailboxes.messages(box)

    def reachable(self, phone: str, now: Instant) -> int:
        """At how many contacts the phone can be told something. Raises `PeerError` (404)."""
        if phone not in self._switch.office.settings.phones:
            raise PeerError(f"no phone {phone}", status=404)
        return len(contacts(self._switch.office, phone, now))

    def registrations(self, now: Instant) -> list[RegistrationRow]:
        return self._switch.office.registrations.rows(now)


def _rules(settings: Settings) -> Rules:
    return Rules(fcr_days=settings.statistics.fcr_days, fcr_scope=settings.statistics.fcr_scope)


def _percent(share: float | None) -> float:
    return -1.0 if share is None else 100.0 * share


def _or(value: float | None) -> float:
    return -1.0 if value is None else value


def midnight_before(now: Instant, timezone: str) -> Instant:
    """The midnight with which the day of `now` began there."""
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(now, zone)
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
