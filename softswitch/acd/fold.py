"""The fold: facts in, sums by interval out. `stats.py` has the list of facts.

What a later fact takes back (an agent who left before a word was said, a dropped caller who called again) is taken
back where it was counted.
"""

from collections.abc import Callable, Mapping, Sized
from copy import copy
from typing import Final

from softswitch.acd.followed import DEFAULT_RULES, Case, Conversation, FactLike, Rules, Visit
from softswitch.acd.intervals import Calendar
from softswitch.acd.model import AgentName, AgentState, CallId, QueueName
from softswitch.acd.tally import AgentTotals, QueueTotals, Sums, SurveyTotals, TrunkTotals, Work
from softswitch.kernel.clock import Duration, Instant

_RESUMABLE: Final = 10_000  # dropped callers whose visit may still be taken back
_LOGGED_OUT: Final = AgentState.LOGGED_OUT.value
_PAUSED: Final = AgentState.PAUSED.value
_FOREVER: Final = float("inf")
_NOBODY: Final = frozenset(("", "anonymous", "unavailable", "unknown", "restricted", "private", "withheld"))


class Fold:
    """Facts in, totals out, by interval.

    `slots` are the totals by the interval's first instant. `calendar` cuts the time `since` ≤ t < `until` into
    intervals; without it that time is one. What belongs to other times is followed (a call may enter before) but not
    counted. A call counts where it entered its queue, a conversation, a wrap-up, an offer and a carrier's call where
    they ended, a state of an agent in each interval by the seconds that it lasted there. `most_cases`: so many callers
    are remembered for first-call resolution."""

    def __init__(
        self,
        calendar: Calendar | None = None,
        since: Instant = -_FOREVER,
        until: Instant = _FOREVER,
        *,
        rules: Rules = DEFAULT_RULES,
        most_cases: float = _FOREVER,
        whole: Sums | None = None,
    ) -> None:
        self.slots: dict[Instant, Sums] = {} if whole is None else {since: whole}
        self.facts = 0
        self.last: Instant = since
        self._calendar = calendar
        self._since = since
        self._until = until
        self._start, self._end = _FOREVER, -_FOREVER  # of `_current`; nothing yet
        self._current = Sums()
        self._most_cases = most_cases
        self.follow(rules)
        self._visits: dict[CallId, Visit] = {}
        self._talks: dict[CallId, Conversation] = {}
        self._cut: dict[CallId, tuple[Conversation, list[Work]]] = {}  # lost with a switch, unless the next one goes on
        self._down = False  # the switch has stopped
        self._last_talk: Conversation | None = None  # that has ended
        self._wrapping: dict[tuple[CallId, AgentName], Conversation] = {}
        self._sources: dict[CallId, str] = {}
        self._states: dict[AgentName, tuple[str, str, Instant]] = {}  # state, reason, since
        self._transfers: dict[CallId, tuple[str, QueueName, AgentName]] = {}  # verb, from whom
        self._abandons: dict[CallId, tuple[Visit, bool, bool]] = {}  # lately; short, within; the oldest first
        self._cases: dict[tuple[QueueName, str], Case] = {}  # the one served longest ago first

    def add(self, fact: FactLike) -> None:
        """Count one fact; kinds that nothing is counted from are fine."""
        count = COUNT.get(fact.kind)
        if count is not None:
            self.facts += 1
            count(self, fact)
        elif fact.kind.startswith("callback."):
            self._callback(fact)
        if fact.at > self.last:
            self.last = fact.at

    def follow(self, rules: Rules) -> None:
        """Other rules for what comes."""
        self._window = rules.fcr_days * 86400.0
        self._by_queue = rules.fcr_scope == "queue"

    def at(self, at: Instant) -> Sums:
        """The totals of the interval that `at` is in; of other times, some that nobody looks at."""
        if not self._start <= at < self._end:
            self._turn(at)
        return self._current

    def finish(self, now: Instant) -> None:
        """Once, at the end: states of agents last until now, and cases that are young may still come back."""
        if not self._down:
            self._rest(now)
        for case in self._cases.values():
            if not case.reopened and case.at > now - self._window:
                for cell in case.cells:
                    cell.pending += 1

    def agent_by(self, name: AgentName, now: Instant) -> AgentTotals:
        """The agent's totals of the interval of `now`, with the state that lasts."""
        totals = copy(self.at(now).agent(name))
        totals.states, totals.pauses = dict(totals.states), dict(totals.pauses)
        state, reason, since = self._states.get(name, ("", "", now))
        if state:
            _lasted(totals, state, reason, now - max(since, self._start))
        return totals

    def open(self) -> dict[str, int]:
        """What is followed and not over: visits, conversations, wrap-ups, calls; nothing when nobody is there."""
        followed: dict[str, Sized] = {
            "visits": self._visits, "talks": self._talks, "wrap-ups": self._wrapping, "sources": self._sources,
            "transfers": self._transfers,
        }  # fmt: skip
        return {name: len(what) for name, what in followed.items() if what}

    def forget_before(self, at: Instant) -> list[Sums]:
        """Let go of the totals of intervals that began before; late news of calls that entered then is no longer
        counted with them."""
        return [self.slots.pop(start) for start in sorted(self.slots) if start < at and start != self._start]

    # ---------------------------------------------------------------------------------------------------------- within

    def _turn(self, at: Instant) -> None:
        if at < self._since:
            self._start, self._end, self._current = -_FOREVER, self._since, Sums()
            return
        if at >= self._until:
            self._start, self._end, self._current = self._until, _FOREVER, Sums()
            return
        start, end = (self._since, self._until) if self._calendar is None else self._calendar.around(at)
        self._start, self._end = max(start, self._since), min(end, self._until)
        current = self.slots.get(self._start)
        if current is None:
            current = self.slots[self._start] = Sums()
        self._current = current

    def _spend(self, agent: AgentName, state: str, reason: str, since: Instant, until: Instant) -> None:
        """An agent was in `state`: each interval gets its seconds; nobody asks how long people were away."""
        if state == _LOGGED_OUT:
            return
        while since < until:
            totals = self.at(since)
            upto = min(until, self._end)
            _lasted(totals.agent(agent), state, reason, upto - since)
            since = upto

    def _cells(self, at: Instant, queue: QueueName, needs: tuple[str, ...], source: str) -> list[QueueTotals]:
        """Where a call counts: its queue, its skills, its trunk."""
        totals = self.at(at)
        cells = [totals.queue(queue)]
        for skill in needs:
            part = totals.skills.get(skill)
            if part is None:
                part = totals.skills[skill] = QueueTotals()
            cells.append(part)
        if source:
            cell = totals.sources.get(source)
            if cell is None:
                cell = totals.sources[source] = QueueTotals()
            cells.append(cell)
        return cells

    def _visit(self, fact: FactLike) -> Visit:
        """The visit that ends; one that began before the ledger's part that is read is made up."""
        visit = self._visits.pop(fact.call, None)
        if visit is None or visit.queue != fact.queue:
            entered = fact.at - _seconds(fact, "waited")
            source = self._sources.get(fact.call, "")
            cells = self._cells(entered, fact.queue, (), source)
            visit = Visit(fact.queue, entered, "", (), source, cells)
        return visit

    def _talk(self, fact: FactLike, talk: Conversation | None) -> list[Work]:
        """The cells of a conversation or wrap-up that ends now, the agent's first."""
        needs, source = (talk.needs, talk.source) if talk is not None else ((), "")
        return [self.at(fact.at).agent(fact.agent), *self._cells(fact.at, fact.queue, needs, source)]

    def _case_of(self, queue: QueueName, caller: str) -> tuple[QueueName, str]:
        return (queue if self._by_queue else "", caller)

    # ---------------------------------------------------------------------------------------- one method a kind of fact

    def _started(self, fact: FactLike) -> None:
        """The switch that wrote the last facts is gone, and all that lived with it."""
        for visit in self._visits.values():
            for cell in visit.cells:
                cell.lost += 1
        self._cut.clear()
        for call, talk in self._talks.items():
            parts: list[Work] = [self.at(self.last).agent(talk.agent), self.at(self.last).queue(talk.queue)]
            for part in parts:
                part.lost_talks += 1
            self._cut[call] = (talk, parts)
        if not self._down:
            self._rest(self.last)
        self._down = False
        self._states.clear()
        self._visits.clear()
        self._talks.clear()
        self._wrapping.clear()
        self._sources.clear()
        self._transfers.clear()
        self._abandons.clear()

    def _adopted(self, fact: FactLike) -> None:
        """The next switch goes on with the call: its talk was not lost."""
        if (cut := self._cut.pop(fact.call, None)) is not None:
            self._talks[fact.call], parts = cut
            for part in parts:
                part.lost_talks -= 1

    def _recovered(self, fact: FactLike) -> None:
        """What has not been gone on with by now never will."""
        self._cut.clear()

    def _stopped(self, fact: FactLike) -> None:
        """The agents' states end here, but for what is still to come from a switch that stops."""
        self._down = True
        self._rest(fact.at)

    def _rest(self, until: Instant) -> None:
        for agent, (state, reason, since) in self._states.items():
            self._spend(agent, state, reason, since, until)
            self._states[agent] = (state, reason, max(since, until))

    def _call_started(self, fact: FactLike) -> None:
        source = str(fact.data.get("source", ""))
        if source.startswith("trunk:"):
            self._sources[fact.call] = source[6:]

    def _call_ended(self, fact: FactLike) -> None:
        self._sources.pop(fact.call, None)
        self._transfers.pop(fact.call, None)
        self._talks.pop(fact.call, None)
        trunks = fact.data.get("trunks")
        if not isinstance(trunks, list | tuple):
            return
        totals = self.at(fact.at)
        for name, way, status, seconds in trunks:
            trunk = totals.trunks.get(name)
            if trunk is None:
                trunk = totals.trunks[name] = TrunkTotals()
            answered = seconds is not None
            if way == "in":
                trunk.inbound += 1
                trunk.answered_inbound += answered
                trunk.seconds_inbound += seconds or 0.0
            else:
                trunk.outbound += 1
                trunk.answered_outbound += answered
                trunk.seconds_outbound += seconds or 0.0
            if not answered:
                trunk.failures[str(status)] += 1

    def _entered(self, fact: FactLike) -> None:
        needs = fact.data.get("needs")
        skills = tuple(needs) if isinstance(needs, Mapping) else ()
        source = self._sources.get(fact.call, "")
        cells = self._cells(fact.at, fact.queue, skills, source)
        caller = str(fact.data.get("caller") or "")
        self._visits[fact.call] = Visit(fact.queue, fact.at, caller, skills, source, cells)
        for cell in cells:
            cell.entered += 1
        if caller.lower() in _NOBODY:
            return
        self._visits[fact.call].known = True
        case = self._cases.get(self._case_of(fact.queue, caller))
        again = case is not None and case.call != fact.call and fact.at - case.at <= self._window
        for cell in cells:
            cell.known += 1
            cell.repeats += again
        if again and case is not None and not case.reopened:
            case.reopened = True
            for work in case.cells:
                work.reopened += 1

    def _answered(self, fact: FactLike) -> None:
        waited, rang, within = _seconds(fact, "waited"), _seconds(fact, "rang"), bool(fact.data.get("within"))
        visit = self._visit(fact)
        for cell in visit.cells:
            cell.answered += 1
            cell.within += within
            cell.answered_wait += waited
            cell.ring += rang
            cell.longest_wait = max(cell.longest_wait, waited)
            cell.waits.add(waited)
            cell.rings.add(rang)
        agent = self.at(fact.at).agent(fact.agent)
        agent.answered += 1
        agent.ring += rang
        agent.ringing += rang
        talk = Conversation(fact.queue, fact.agent, visit.needs, visit.source, visit, waited, rang)
        self._talks[fact.call] = talk
        if visit.known:
            talk.opened = self._served(fact, visit, [agent, *visit.cells])
        if "estimate" in fact.data:
            error = waited - _seconds(fact, "estimate")
            held = _seconds(fact, "low") <= waited <= _seconds(fact, "high")
            for cell in visit.cells:
                cell.estimates += 1
                cell.estimate_error += error
                cell.estimate_off += abs(error)
                cell.estimates_held += held

    def _returned(self, fact: FactLike) -> None:
        """The agent left before a word was said: the call waits on, as if it had not been answered."""
        talk = self._talks.pop(fact.call, None)
        if talk is None or talk.visit is None:
            return
        agent = self.at(fact.at).agent(fact.agent)
        agent.answered -= 1
        agent.ring -= talk.rang
        within = bool(fact.data.get("within"))
        for cell in talk.visit.cells:
            cell.answered -= 1
            cell.within -= within
            cell.answered_wait -= talk.waited
            cell.ring -= talk.rang
            cell.waits.take_back(talk.waited)
            cell.rings.take_back(talk.rang)
        if talk.opened and (case := self._cases.pop(self._case_of(talk.queue, talk.visit.caller), None)):
            for work in case.cells:
                work.cases -= 1
                work.reopened -= case.reopened
        self._visits[fact.call] = talk.visit

    def _served(self, fact: FactLike, visit: Visit, cells: list[Work]) -> bool:
        """A caller with a number was answered: a new case (True), or the next call of an old one."""
        cases = self._cases
        key = self._case_of(fact.queue, visit.caller)
        case = cases.pop(key, None)
        opened = case is None or visit.entered - case.at > self._window
        if case is None or opened:
            case = Case(fact.at, fact.call, cells)
            for cell in cells:
                cell.cases += 1
        case.at, case.call = fact.at, fact.call
        cases[key] = case
        oldest = next(iter(cases))  # one goes for each that comes, so memory stays in bounds and no fact takes long
        if cases[oldest].at < fact.at - self._window or len(cases) > self._most_cases:
            del cases[oldest]
        return opened

    def _abandoned(self, fact: FactLike) -> None:
        waited = _seconds(fact, "waited")
        short, within = bool(fact.data.get("short")), bool(fact.data.get("within"))
        visit = self._visit(fact)
        self._abandons[fact.call] = (visit, short, within)
        if len(self._abandons) > _RESUMABLE:
            del self._abandons[next(iter(self._abandons))]
        for cell in visit.cells:
            cell.abandoned += 1
            cell.short_abandoned += short
            cell.abandoned_within += within
            cell.abandoned_wait += waited
            cell.longest_abandoned = max(cell.longest_abandoned, waited)
            cell.longest_wait = max(cell.longest_wait, waited)

    def _resumed_place(self, fact: FactLike) -> None:
        """A caller who was dropped has called again and is counted there: the first visit is taken back."""
        visit, short, within = self._abandons.pop(fact.call, (None, False, False))
        self.at(fact.at).queue(fact.queue).resumed += 1
        if visit is None:
            return
        for cell in visit.cells:
            cell.entered -= 1
            cell.abandoned -= 1
            cell.short_abandoned -= short
            cell.abandoned_within -= within
            cell.abandoned_wait -= _seconds(fact, "waited")
            cell.known -= visit.known

    def _overflowed(self, fact: FactLike) -> None:
        waited, cause = _seconds(fact, "waited"), str(fact.data.get("cause"))
        for cell in self._visit(fact).cells:
            cell.overflowed[cause] += 1
            cell.longest_wait = max(cell.longest_wait, waited)

    def _left(self, fact: FactLike) -> None:
        waited = _seconds(fact, "waited")
        for cell in self._visit(fact).cells:
            cell.left += 1
            cell.longest_wait = max(cell.longest_wait, waited)

    def _offer_made(self, fact: FactLike) -> None:
        totals = self.at(fact.at)
        totals.queue(fact.queue).offers += 1
        totals.agent(fact.agent).offers += 1

    def _offer_failed(self, fact: FactLike) -> None:
        cause = str(fact.data.get("cause"))
        totals = self.at(fact.at)
        agent = totals.agent(fact.agent)
        totals.queue(fact.queue).failed[cause] += 1
        agent.failed[cause] += 1
        agent.ringing += _seconds(fact, "rang")

    def _offer_withdrawn(self, fact: FactLike) -> None:
        totals = self.at(fact.at)
        agent = totals.agent(fact.agent)
        totals.queue(fact.queue).withdrawn += 1
        agent.withdrawn += 1
        agent.ringing += _seconds(fact, "rang")

    def _held(self, fact: FactLike) -> None:
        talk = self._talks.get(fact.call)
        if talk is not None:
            if not talk.holders:
                talk.held_since = fact.at
                talk.was_held = True
            talk.holders.add(str(fact.data.get("by")))

    def _resumed(self, fact: FactLike) -> None:
        talk = self._talks.get(fact.call)
        if talk is not None and talk.holders:
            talk.holders.discard(str(fact.data.get("by")))
            if not talk.holders:
                talk.held += fact.at - talk.held_since

    def _talk_started(self, fact: FactLike) -> None:
        """A call that another passed on."""
        before = self._talks.get(fact.call)
        needs, source = (before.needs, before.source) if before is not None else ((), "")
        self._talks[fact.call] = Conversation(fact.queue, fact.agent, needs, source)

    def _talk_moved(self, fact: FactLike) -> None:
        """From the call `before` to this one."""
        talk = self._talks.pop(str(fact.data.get("before")), None)
        self._talks[fact.call] = talk if talk is not None else Conversation(fact.queue, fact.agent)

    def _transfer_started(self, fact: FactLike) -> None:
        talk = self._talks.get(fact.call)
        queue, agent = (talk.queue, talk.agent) if talk is not None else ("", str(fact.data.get("agent") or ""))
        self._transfers[fact.call] = (str(fact.data.get("verb")), queue, agent)

    def _transfer_completed(self, fact: FactLike) -> None:
        verb, queue, agent = self._transfers.pop(fact.call, ("", "", ""))
        totals = self.at(fact.at)
        if queue:
            totals.queue(queue).transfers[verb] += 1
        if agent:
            totals.agent(agent).transfers[verb] += 1

    def _callback(self, fact: FactLike) -> None:
        """By what became of them; an agent who is there for one has answered an offer."""
        totals = self.at(fact.at)
        what = fact.kind.removeprefix("callback.")
        if what == "restored":
            return
        totals.queue(fact.queue).callbacks[what] += 1
        if what == "connected":
            totals.queue(fact.queue).callback_wait += _seconds(fact, "waited")
        if what == "connected" and fact.agent:
            totals.agent(fact.agent).answered += 1
            self._talks[fact.call] = Conversation(fact.queue, fact.agent)
        elif what == "taken":
            totals.agent(fact.agent).ringing += _seconds(fact, "rang")

    def _talk_ended(self, fact: FactLike) -> None:
        seconds = _seconds(fact, "talk")
        talk = self._talks.get(fact.call)
        if talk is not None and talk.agent == fact.agent:
            del self._talks[fact.call]
            if talk.holders:
                talk.held += fact.at - talk.held_since
        else:
            talk = None
        cells = self._talk(fact, talk)
        for cell in cells:
            cell.talks += 1
            cell.talk += seconds
            cell.longest_talk = max(cell.longest_talk, seconds)
            if talk is not None and talk.was_held:
                cell.holds += 1
                cell.hold += min(talk.held, seconds)
        for cell in cells[1:]:
            assert isinstance(cell, QueueTotals)
            cell.talk_times.add(seconds)
        self._last_talk = talk

    def _wrap_up_started(self, fact: FactLike) -> None:
        """In the step in which the conversation ended."""
        talk = self._last_talk
        if talk is not None and talk.agent == fact.agent:
            self._wrapping[fact.call, fact.agent] = talk

    def _wrap_up_ended(self, fact: FactLike) -> None:
        lasted = _seconds(fact, "lasted")
        cells = self._talk(fact, self._wrapping.pop((fact.call, fact.agent), None))
        for cell in cells:
            cell.wrap_ups += 1
            cell.wrap_up += lasted
        for cell in cells[1:]:
            assert isinstance(cell, QueueTotals)
            cell.wrap_up_times.add(lasted)

    def _outcome(self, fact: FactLike) -> None:
        for part in self._queue_and_agent(fact):
            part.outcomes[str(fact.data.get("code"))] += 1

    def _login(self, fact: FactLike) -> None:
        self.at(fact.at).agent(fact.agent).logins += 1

    def _state(self, fact: FactLike) -> None:
        was = str(fact.data.get("was"))
        before, reason, since = self._states.get(fact.agent, ("", "", 0.0))
        if before != was:
            reason, since = "", fact.at - _seconds(fact, "lasted")
        self._spend(fact.agent, was, reason, since, fact.at)
        state = str(fact.data.get("state"))
        if state == _LOGGED_OUT:
            self._states.pop(fact.agent, None)
        else:
            self._states[fact.agent] = (state, str(fact.data.get("reason") or ""), fact.at)

    def _ignored(self, fact: FactLike) -> None:
        self.at(fact.at).ignored[str(fact.data.get("why"))] += 1

    def _repaired(self, fact: FactLike) -> None:
        self.at(fact.at).repaired[str(fact.data.get("invariant"))] += 1

    def _queue_and_agent(self, fact: FactLike) -> list[Work]:
        totals = self.at(fact.at)
        parts: list[Work] = [totals.queue(fact.queue)] if fact.queue else []
        return [*parts, totals.agent(fact.agent)] if fact.agent else parts

    def _surveys(self, fact: FactLike) -> list[SurveyTotals]:
        totals = self.at(fact.at)
        name = str(fact.data.get("survey"))
        own = totals.surveys.get(name)
        if own is None:
            own = totals.surveys[name] = SurveyTotals()
        return [own, *(part.survey for part in self._queue_and_agent(fact))]

    def _survey_asked(self, fact: FactLike) -> None:
        for survey in self._surveys(fact):
            survey.asked += 1

    def _survey_answer(self, fact: FactLike) -> None:
        kind, value = fact.data.get("kind"), fact.data.get("value")
        for survey in self._surveys(fact):
            survey.answered += bool(fact.data.get("first"))
            if kind == "csat" and isinstance(value, int):
                survey.csat[value] += 1
            elif kind == "nps" and isinstance(value, int):
                survey.nps[value] += 1
            elif kind == "voice":
                survey.messages += 1
            else:
                survey.digits += 1

    def _survey_ended(self, fact: FactLike) -> None:
        for survey in self._surveys(fact):
            survey.completed += bool(fact.data.get("completed"))


def _seconds(fact: FactLike, name: str) -> Duration:
    value = fact.data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _lasted(totals: AgentTotals, state: str, reason: str, seconds: Duration) -> None:
    totals.states[state] = totals.states.get(state, 0.0) + seconds
    if state == _PAUSED:
        totals.pauses[reason] = totals.pauses.get(reason, 0.0) + seconds


COUNT: Final[dict[str, Callable[[Fold, FactLike], None]]] = {
    "switch.started": Fold._started,
    "switch.stopped": Fold._stopped,
    "switch.recovered": Fold._recovered,
    "call.adopted": Fold._adopted,
    "call.started": Fold._call_started,
    "call.ended": Fold._call_ended,
    "call.held": Fold._held,
    "call.resumed": Fold._resumed,
    "call.outcome": Fold._outcome,
    "queue.entered": Fold._entered,
    "queue.answered": Fold._answered,
    "queue.abandoned": Fold._abandoned,
    "queue.returned": Fold._returned,
    "queue.resumed": Fold._resumed_place,
    "queue.overflowed": Fold._overflowed,
    "queue.left": Fold._left,
    "offer.made": Fold._offer_made,
    "offer.failed": Fold._offer_failed,
    "offer.withdrawn": Fold._offer_withdrawn,
    "talk.started": Fold._talk_started,
    "talk.moved": Fold._talk_moved,
    "talk.ended": Fold._talk_ended,
    "transfer.started": Fold._transfer_started,
    "transfer.completed": Fold._transfer_completed,
    "wrapup.started": Fold._wrap_up_started,
    "wrapup.ended": Fold._wrap_up_ended,
    "agent.login": Fold._login,
    "agent.state": Fold._state,
    "survey.asked": Fold._survey_asked,
    "survey.answer": Fold._survey_answer,
    "survey.ended": Fold._survey_ended,
    "acd.ignored": Fold._ignored,
    "acd.repaired": Fold._repaired,
}
