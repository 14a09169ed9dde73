"""The switch: the one place where SIP, calls and the ACD meet.

A pure core: events in, effects out. What the user agent and the ACD say on the way is worked off until both are quiet,
so every step leaves a settled state behind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from softswitch.acd.model import (
    AgentChanged,
    AgentOutcome,
    AgentWrapUp,
    Announce,
    Bridge,
    CallbackEnded,
    Fact,
    Offer,
    Overflow,
    Refuse,
    Withdraw,
)
from softswitch.acd.strategies import FindStrategy, built_in
from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant, is_due
from softswitch.kernel.errors import PeerError
from softswitch.sip.flow import Addressing, Send
from softswitch.sip.privacy import ANONYMOUS
from softswitch.switch import records, seats
from softswitch.switch.call import Call
from softswitch.switch.conference_orders import order_conference
from softswitch.switch.customers import Customer
from softswitch.switch.events import (
    AgentCommand,
    Arrived,
    AskCallback,
    CallerVerified,
    CancelCallback,
    Certified,
    ConferenceCommand,
    CustomersChanged,
    DeleteMessage,
    DialCommand,
    Drain,
    Drained,
    Effect,
    FlowFailed,
    HangUpCall,
    HookAnswered,
    HopsLocated,
    LetIn,
    MediaLost,
    MoveCall,
    OutcomeCommand,
    PhoneCommand,
    PrioritiseCall,
    Readdressed,
    RecordingCommand,
    RecordingMoved,
    RecordingRoom,
    Reload,
    Reported,
    ResyncPhone,
    Retune,
    Save,
    SendAway,
    SuperviseCommand,
    SwitchEvent,
    ToMedia,
    TransferCommand,
    WrapUpCommand,
)
from softswitch.switch.journal import JOURNAL, Journal
from softswitch.switch.live_orders import LiveOrders
from softswitch.switch.media_reports import MEDIA_STATS, MediaReports
from softswitch.switch.notices import notify
from softswitch.switch.office import FindPrompt, Office
from softswitch.switch.origination import dial, supervise
from softswitch.switch.recovery import RECOVERY, Recovery
from softswitch.switch.settings import Settings
from softswitch.switch.signalling import Signalling
from softswitch.switch.stages.calling_back import CallbackStage
from softswitch.switch.stages.codes import agent_event
from softswitch.switch.stages.stage import Stage
from softswitch.switch.status import Desk
from softswitch.switch.stir import Sign, no_key
from softswitch.switch.transfers import order_recording, transfer_call

_WATCH = "acd watch"  # the key of a deadline, beside calls' ids
_WATCH_EVERY = 10.0  # seconds
_SAID = frozenset({"agent.login", "agent.logout", "agent.moved", "agent.pause", "agent.ready"})
_STATS_SECONDS = 2.0  # how long a call record waits for the last numbers of its streams


class Switch:
    """`find_prompt(name, language)` gives a sound file's path or raises `LocalError`. `dice` make names that peers see;
    `vault` makes keys, which must not be told from those names (in tests the dice do). `find_strategy` gives the class
    of a queue's strategy. `sign` makes ES256 signatures (`switch/stir.py`)."""

    def __init__(
        self,
        settings: Settings,
        addressing: Addressing,
        dice: Random,
        now: Instant,
        find_prompt: FindPrompt,
        vault: Random | None = None,
        find_strategy: FindStrategy = built_in,
        sign: Sign = no_key,
    ) -> None:
        self.office = Office(settings, addressing, find_prompt, dice, now, vault, find_strategy)
        self.office.sign = sign
        self.calls = self.office.calls
        self.desk = Desk(self, now)
        self.office.tally = self.desk.add
        self.draining = False
        self._drained = False
        self._ending: dict[str, Call] = {}
        self._remembered: frozenset[str] = frozenset()
        self.journal = Journal(self.office)
        self.recovery = Recovery(self)
        self._agents_saved: dict[str, tuple[bool, str | None, str]] = {}
        self._signalling = Signalling(self)
        self._media = MediaReports(self)
        self._live = LiveOrders(self)
        self._on: dict[type, Callable[[Any, Instant], None]] = {
            Arrived: self._arrived,
            FlowFailed: self._flow_failed,
            Certified: self._certified,
            Reported: self._reported,
            MediaLost: self._media_lost,
            Reload: self._reload,
            Drain: self._drain,
            HangUpCall: self._hang_up,
            AgentCommand: self._live.agent,
            PhoneCommand: self._live.phone,
            LetIn: self._live.let_in,
            WrapUpCommand: self._wrap_up,
            OutcomeCommand: self._outcome,
            AskCallback: self._ask_callback,
            CancelCallback: self._cancel_callback,
            RecordingCommand: self._recording,
            RecordingRoom: self._recording_room,
            TransferCommand: self._transfer,
            SuperviseCommand: self._supervise,
            DialCommand: lambda order, now: dial(self, order, now),
            ConferenceCommand: lambda order, now: order_conference(self, order, now),
            HopsLocated: self._hops_located,
            Readdressed: lambda _, now: self.office.trunks.readdressed(now),
            HookAnswered: self._live.hook_answered,
            CallerVerified: self._live.caller_verified,
            Retune: self._live.retune,
            CustomersChanged: self._live.customers,
            PrioritiseCall: self._live.prioritise,
            MoveCall: self._live.move,
            SendAway: self._live.send_away,
            RecordingMoved: self._recording_moved,
            DeleteMessage: self._delete_message,
            ResyncPhone: self._resync,
        }
        self._on_decision: dict[type, Callable[[Any, Instant], None]] = {
            Fact: self._fact,
            AgentChanged: self._agent_changed,
            Offer: self._offer,
            Withdraw: self._about_offer,
            Refuse: self._about_offer,
            Bridge: self._about_call,
            Announce: self._about_call,
            Overflow: self._about_call,
            CallbackEnded: self._about_call,
        }

    # ------------------------------------------------------------------------------------------------------- the core

    def restore(
        self,
        bindings: Iterable[records.SavedBinding],
        agents: Mapping[str, Mapping[str, object]],
        facts: Iterable[Fact],
        now: Instant,
        customers: Iterable[Customer] = (),
        last_agents: Iterable[tuple[str, str, Instant]] = (),
        callbacks: Iterable[Fact] = (),
        messages: Iterable[records.SavedMessage] = (),
        greetings: Iterable[records.SavedGreeting] = (),
        phones: Iterable[records.SavedPhone] = (),
        calls: Iterable[records.SavedLiveCall] = (),
        seen: Instant = 0.0,
    ) -> None:
        """Before `start`: what the store remembers: registrations, agents' states, the ledger since midnight,
        customers, who talked last with a number (number, agent, when; in order of time), and of call-backs also from
        before; calls that were alive, and until when at least (`seen`) the last run lived."""
        self.recall(tuple(facts))
        self.office.registrations.restore(bindings, now)
        self.office.phones.restore(phones)
        self.office.customers.load(customers)
        self.office.mailboxes.restore(messages, greetings)
        for number, agent, at in last_agents:
            self.office.last_agents.talked(number, agent, at)
        logged_in = {name: memory for name, memory in agents.items() if memory.get("logged_in")}
        self.office.seats.restore(logged_in)
        self.office.reseat()
        engine = self.office.engine
        self.office.decisions.extend(engine.restore(logged_in, now))
        self.office.decisions.extend(engine.restore_callbacks(callbacks, now))
        self._remembered = frozenset(agents)
        self.recovery.restore(calls, seen)

    def recall(self, facts: Sequence[Fact]) -> None:
        """Before `restore`: the ledger since midnight in pieces, in order."""
        self.desk.restore(facts)
        self.office.engine.learn(facts)
        self.office.guards.learn(facts)
        self.recovery.learn(facts)

    def start(self, now: Instant) -> list[Effect]:
        office = self.office
        office.fact("switch.started", now)
        self.recovery.start(now)
        for name, agent in office.settings.agents.items():
            for phone in agent.devices:
                self.office.tell_reachable(phone, now)
            if agent.logged_in and name not in self._remembered:
                office.acd(agent_event("login", name, "", "configuration"), now)
        office.trunks.start(now)
        office.recording_servers.configure(now)
        office.deadlines.set(_WATCH, now + _WATCH_EVERY)
        return self._settle(now)

    def receive(self, event: SwitchEvent, now: Instant) -> list[Effect]:
        self._on[type(event)](event, now)
        return self._settle(now)

    def wake(self, now: Instant) -> list[Effect]:
        office = self.office
        if is_due(office.ua.deadline(), now):
            office.drive(office.ua.wake(now))
        if is_due(office.engine.deadline(), now):
            office.decisions.extend(office.engine.wake(now))
        self._work(now)
        for key, _ in office.deadlines.due(now):
            call = self.calls.get(key)
            if call is not None:
                call.stage.deadline = None
                call.stage.wake(now)
                call.rearm()
            elif key in self._ending:
                self._finish(self._ending[key])
            elif key == MEDIA_STATS:
                self._media.ask_stats(now)
            elif key == JOURNAL:
                self.journal.write(now)
            elif key == _WATCH:
                self._watch(now)
            elif key == RECOVERY:
                self.recovery.wake(now)
            self._work(now)
        if is_due(office.registrations.deadline(), now):
            for phone in office.registrations.wake(now):
                self.office.tell_reachable(phone, now)
        if is_due(office.trunks.deadline(), now):
            office.trunks.wake(now)
        if is_due(office.subscriptions.deadline(), now):
            office.subscriptions.wake(now)
        if is_due(office.recording_servers.deadline(), now):
            office.recording_servers.wake(now)
        return self._settle(now)

    def deadline(self) -> Instant | None:
        office = self.office
        first = office.ua.deadline()
        for time in (
            office.engine.deadline(),
            office.deadlines.next(),
            office.registrations.deadline(),
            office.trunks.deadline(),
            office.subscriptions.deadline(),
            office.recording_servers.deadline(),
        ):
            if time is not None and (first is None or time < first):
                first = time
        return first

    # --------------------------------------------------------------------------------------------------------- events

    def _arrived(self, event: Arrived, now: Instant) -> None:
        self.office.drive(self.office.ua.receive(event.message, event.flow, now))

    def _certified(self, event: Certified, _now: Instant) -> None:
        self.office.admission.certified(event.flow, event.names)

    def _flow_failed(self, event: FlowFailed, now: Instant) -> None:
        self.office.admission.flow_failed(event.flow)
        self.office.drive(self.office.ua.flow_failed(event.flow, now))
        self.office.trunks.flow_failed(event.flow, now)
        for phone in self.office.registrations.flow_failed(event.flow, now):
            self.office.tell_reachable(phone, now)

    def _reported(self, event: Reported, now: Instant) -> None:
        for report in event.reports:
            self._media.report(event.worker, report, now)
            self._work(now)

    def _media_lost(self, event: MediaLost, now: Instant) -> None:
        self._media.lost(event.worker, now)

    def _reload(self, event: Reload, now: Instant) -> None:
        office = self.office
        before = office.settings.agents
        office.configure(event.settings, now)
        self.desk.configure(event.settings)
        for phone in dict.fromkeys(phone for agent in event.settings.agents.values() for phone in agent.devices):
            self.office.tell_reachable(phone, now)
            self.office.tell_busy(phone, now)
        for name, agent in event.settings.agents.items():
            if agent.logged_in and name not in before and name not in self._remembered:
                office.acd(agent_event("login", name, "", "configuration"), now)
        self.office.log("info", "configuration reloaded")

    def _drain(self, event: Drain, now: Instant) -> None:
        self.draining = True
        self._drained = False
        self.office.log("info", "draining", calls=len(self.calls))
        self.office.trunks.stop(now)
        self.office.recording_servers.health.stop()
        for call in [call for call in self.calls.values() if call.callback and not call.stage.legs()]:
            if not call.leg.up:  # nobody is on the line, and nobody will be called any more
                call.end(now, by="switch", reason="draining")

    def _hang_up(self, event: HangUpCall, now: Instant) -> None:
        call = self.calls.get(event.call)
        if call is not None:
            call.end(now, 480, by="switch", reason="operator")

    def _wrap_up(self, event: WrapUpCommand, now: Instant) -> None:
        self.office.acd(AgentWrapUp(event.agent, event.seconds, event.by), now)

    def _outcome(self, event: OutcomeCommand, now: Instant) -> None:
        self.office.acd(AgentOutcome(event.agent, event.call, event.code, event.by), now)

    def _watch(self, now: Instant) -> None:
        """The ACD's invariants; none is ever broken, but an agent in a call that is no more would get no other."""
        office = self.office
        effects = office.engine.watch(now, self.calls.keys())
        for effect in effects:
            if isinstance(effect, Fact) and effect.kind == "acd.repaired":
                office.log("error", "ACD repaired", **effect.data)
        office.decisions.extend(effects)
        office.guards.watch(now)
        self.journal.pulse()
        office.deadlines.set(_WATCH, now + _WATCH_EVERY)

    def _ask_callback(self, event: AskCallback, now: Instant) -> None:
        self.office.callbacks.ask(event.queue, event.number, now, own=True, by=event.by, head_start=event.head_start)

    def _cancel_callback(self, event: CancelCallback, now: Instant) -> None:
        self.office.callbacks.cancel(event.callback, event.by, now)

    def _recording(self, event: RecordingCommand, now: Instant) -> None:
        call = self.calls.get(event.call)
        if call is not None:
            order_recording(call, event.verb, now, by=event.by, reason=event.reason)

    def _transfer(self, event: TransferCommand, now: Instant) -> None:
        call = self.calls.get(event.call)
        if call is not None and (why := transfer_call(call, event, now)):
            self.office.log("warning", "transfer refused", call=call.id, verb=event.verb, by=event.by, reason=why)

    def _supervise(self, event: SuperviseCommand, now: Instant) -> None:
        there = self.office.supervision.at(event.phone, event.agent)
        if there is not None:
            there.change(event.mode, event.by, now)
        else:
            supervise(self, event, now)

    def _recording_room(self, event: RecordingRoom, now: Instant) -> None:
        self.office.recording_refusal = event.refusal

    def _recording_moved(self, event: RecordingMoved, now: Instant) -> None:
        self.office.mailboxes.moved(event.path, event.to, now)

    def _delete_message(self, event: DeleteMessage, now: Instant) -> None:
        self.office.mailboxes.delete(event.box, event.path, event.by, now)

    def _resync(self, event: ResyncPhone, now: Instant) -> None:
        notify(self.office, event.phone, "check-sync", now)

    def _hops_located(self, event: HopsLocated, now: Instant) -> None:
        self.office.next_hops.located(event.place, event.hops)
        kind, _, name = event.place.partition(":")
        if kind == "trunk":
            self.office.trunks.located(name, now)
            self.office.admission.forget_hosts()

    # ------------------------------------------------------------------------------------------- what the ACD decides

    def _fact(self, fact: Fact, now: Instant) -> None:
        if fact.kind == "strategy.failed":
            self.office.log("error", "strategy failed, longest idle goes on in its place", **fact.data)
        if fact.kind in _SAID:
            if fact.kind == "agent.logout":
                seats.leave(self.office, fact.agent, now)
            self._save_agent(fact.agent, now)
        elif fact.kind == "talk.ended":
            call = self.calls.get(fact.call)
            if call is not None and call.caller != ANONYMOUS:
                self.office.last_agents.talked(call.caller, fact.agent, now)
        self.office.note(fact)
        self.office.subscriptions.fact(fact, now)

    def _agent_changed(self, change: AgentChanged, now: Instant) -> None:
        self._save_agent(change.agent, now)

    def _save_agent(self, agent: str, now: Instant) -> None:
        said = self.office.engine.agent_said(agent)
        if said is not None and self._agents_saved.get(agent) != said:  # what the phone does is not what the agent said
            self._agents_saved[agent] = said
            self.office.subscriptions.agent_changed(agent, now)
            logged_in, pause, phone = said
            self.office.outbox.append(
                Save(records.SavedAgent(agent, logged_in, pause is not None, pause or "", now, phone))
            )

    def _offer(self, offer: Offer, now: Instant) -> None:
        call = self.calls.get(offer.call)
        if call is None and offer.callback:
            call = self._begin_callback(offer, now)
        if call is not None:
            self.office.offers[offer.offer] = offer.call
            call.offers.append(offer.offer)
        self._about_call(offer, now)

    def _about_offer(self, effect: Withdraw | Refuse, now: Instant) -> None:
        call = self.calls.get(self.office.offers.get(effect.offer, ""))
        if call is not None:
            call.stage.on_acd(effect, now)
            call.rearm()

    def _begin_callback(self, offer: Offer, now: Instant) -> Call | None:
        """The call that tries a call-back begins with its first offer."""
        office = self.office
        call = office.callbacks.begin(offer, self.draining, now)
        wanted = office.engine.callback(offer.callback)
        if call is None or wanted is None:
            return None
        self.enter(call, CallbackStage(call, offer.queue, office.settings.queues[offer.queue], wanted.to), now)
        return call

    def _about_call(self, effect: Offer | Bridge | Announce | Overflow | CallbackEnded, now: Instant) -> None:
        call = self.calls.get(effect.call)
        if call is not None:
            call.stage.on_acd(effect, now)
            call.rearm()

    # ------------------------------------------------------------------------------------------------------- settling

    def _settle(self, now: Instant) -> list[Effect]:
        self._work(now)
        office = self.office
        if self.draining and not self._drained and not self.calls and not self._ending:
            self._drained = True
            office.subscriptions.stop(now)
            self._work(now)
            office.fact("switch.stopped", now)
            office.outbox.append(Drained(now))
        if office.fabric.touched:
            self.journal.look(now)
        effects = office.outbox
        frames = office.fabric.flush()
        office.outbox = []
        if frames:
            # Media first: a port is open before the SDP that names it leaves.
            return [ToMedia(worker, commands) for worker, commands in frames] + effects
        return effects

    def _work(self, now: Instant) -> None:
        """Work off what the user agent and the ACD said, until both are quiet."""
        office = self.office
        outputs, decisions = office.outputs, office.decisions
        while True:
            if outputs:
                output = outputs.popleft()
                if type(output) is Send:
                    office.outbox.append(output)
                else:
                    self._signalling.handle(output, now)
            elif decisions:
                decision = decisions.popleft()
                self._on_decision[type(decision)](decision, now)
            elif office.fabric.changed:
                self._parties_changed(now)
            elif office.ended:
                self._ended(now)
            elif office.fabric.moved:
                office.subscriptions.work(now)
            else:
                return

    def _parties_changed(self, now: Instant) -> None:
        office = self.office
        changed, office.fabric.changed = office.fabric.changed, {}
        for party in changed:
            kind, _, name = party.partition(":")
            if kind == "phone":
                self.office.tell_busy(name, now)
            elif kind == "agent" and name in office.settings.agents:
                for phone in office.settings.agents[name].devices:
                    if len(office.directory.agents_of_phone[phone]) > 1:
                        self.office.tell_busy(phone, now)

    # ---------------------------------------------------------------------------------------------------------- calls

    def begin(self, call: Call, target: str, now: Instant) -> None:
        """A new call goes to its first target."""
        self._add(call)
        call.go(target, now)

    def enter(self, call: Call, stage: Stage, now: Instant) -> None:
        """A new call goes to a stage that no target names."""
        self._add(call)
        call.move(stage, now)

    def _add(self, call: Call) -> None:
        self.calls[call.id] = call
        self.desk.calls_total += 1

    def full(self) -> str:
        """Why no more calls are taken now; empty when they are."""
        most = self.office.settings.server.max_calls
        if self.draining:
            return "the switch is draining"
        return f"server.max_calls = {most} is reached" if len(self.calls) >= most else ""

    def call_of(self, leg: Leg) -> Call | None:
        return self.calls.get(leg.owner)

    def media_done(self, id: str) -> None:
        """Media told the last of a stream or a recording of that call."""
        call = self._ending.get(id)
        if call is not None and call.complete:
            self._finish(call)

    def recording_done(self, id: str, recorder: int) -> None:
        """Media has closed a recording of that call."""
        call = self.calls.get(id) or self._ending.get(id)
        if call is not None:
            call.recording.done(recorder)
            self.media_done(id)

    def fail_leg(self, leg: Leg, error: PeerError | NoPort, now: Instant) -> None:
        """A stream that was promised cannot be had."""
        call = self.call_of(leg)
        if call is not None and not call.stage.let_go(leg, now):
            call.fail(error, now)

    def _ended(self, now: Instant) -> None:
        office = self.office
        ended, office.ended = office.ended, []
        for call in ended:
            self.calls.pop(call.id, None)
            if call.complete:
                self._finish(call)
            else:
                self._ending[call.id] = call
                office.deadlines.set(call.id, now + _STATS_SECONDS)

    def _finish(self, call: Call) -> None:
        """The record, the ledger's last word and the log line of a call."""
        self._ending.pop(call.id, None)
        office = self.office
        office.deadlines.cancel(call.id)
        record = call.record()
        office.guards.ended(call, record.ended)
        if record.outcome not in ("answered", "abandoned"):
            self.desk.calls_failed += 1
        for leg in record.legs:
            if leg.quality is not None:
                self.desk.quality.add(leg.quality)
        office.outbox.append(Save(record))
        self.journal.ended(call)
        office.fact(
            "call.ended", record.ended, call.id, outcome=record.outcome, cause=record.cause, by=record.hung_up_by,
            talk=round(record.talk_seconds, 3), **call.over_trunks(),
        )  # fmt: skip
        office.log(
            "info", "call ended", call=call.id, source=call.source, caller=call.caller, called=call.called,
            destination=record.destination, outcome=record.outcome, cause=record.cause, by=record.hung_up_by,
            talk=round(record.talk_seconds, 2),
        )  # fmt: skip
        for offer in call.offers:
            office.offers.pop(offer, None)
        call.part()
