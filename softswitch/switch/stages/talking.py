"""Two parties talk; a third may be consulted or join, and supervisors may listen, whisper or speak.

Who hears whom follows from what they are (`wire`): each party hears those of its circle and not itself. Hold is handled
here, at our side: who is put on hold hears our music, and the other phone need not know. Digits pass by RFC 4733 within
media; INFO and conversions are done here, and so is everything when somebody's keys may be commands.
"""

from typing import TYPE_CHECKING, Protocol

from softswitch.acd.model import TalkEnded
from softswitch.call.causes import reason_header
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant, is_due
from softswitch.switch import presentation
from softswitch.switch.settings import Supervising
from softswitch.switch.stages import transferring
from softswitch.switch.stages.in_call import KeyRun
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.surveying import survey_after
from softswitch.switch.stages.transferring import Transfer
from softswitch.wire.control import LISTEN_SPEECH, PlayItem, ToneItem
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call

DONE: tuple[PlayItem, ...] = (ToneItem((880.0,), on=120, off=100),)
DONE_TWICE: tuple[PlayItem, ...] = (ToneItem((880.0,), on=120, off=100, repeat=2),)
REFUSED: tuple[PlayItem, ...] = (ToneItem((220.0,), on=600),)


class Watcher(Protocol):
    """A supervisor at this talk."""

    @property
    def leg(self) -> Leg:
        """The supervisor's own, in the same media process."""

    @property
    def mode(self) -> Supervising:
        """What the supervisor does."""

    def released(self, now: Instant) -> None:
        """The talk is over."""


class TalkStage(Stage):
    """`callee` has answered. `agent`: the ACD joined them, or knows of it, and is told when it is over."""

    label = "talking"
    speaks = False

    def __init__(
        self, call: "Call", callee: Leg, at: str, *, record: bool, music: str = "hold", agent: str = ""
    ) -> None:
        super().__init__(call, at)
        self.callee = callee
        self.agent = agent
        self.music = music
        self.transfer: Transfer | None = None
        self.watchers: list[Watcher] = []
        self._record = record
        self._given = False  # the callee is in another call from now on
        self._talks_on = False  # the agent's conversation goes on elsewhere
        self._since: Instant = 0.0
        self._held_since: Instant | None = None  # the caller does not hear whom it talks with
        self._runs: dict[Leg, KeyRun] = {}  # whose keys may be commands
        self._notes: dict[int, Leg] = {}  # tones that are played to one party over the talk

    @property
    def plain(self) -> bool:
        """Two parties and nobody who is consulted. Supervisors have calls of their own."""
        return self.transfer is None and not self._given

    @property
    def records(self) -> bool:
        """Whether the place asks for a recording."""
        return self._record

    @property
    def since(self) -> Instant:
        """When they began."""
        return self._since

    @property
    def held_since(self) -> Instant | None:
        """Since when the caller does not hear whom it talks with."""
        return self._held_since

    def go_on(self, since: Instant, held_since: Instant | None, now: Instant) -> None:
        """They have talked since then, in another control process; nothing begins anew."""
        self._since, self._held_since = since, held_since
        self._watch_keys()
        self.wire(now)

    def legs(self) -> tuple[Leg, ...]:
        return (self.callee, *(self.transfer.legs() if self.transfer is not None else ()))

    def parties(self) -> tuple[Leg, ...]:
        """Everybody who has answered."""
        third = None if self.transfer is None else self.transfer.third
        return (self.call.leg, self.callee) if third is None else (self.call.leg, self.callee, third)

    def circle(self) -> tuple[Leg, ...]:
        """Those who speak with each other."""
        return (self.call.leg, self.callee) if self.transfer is None else self.transfer.circle()

    def held(self) -> bool:
        circle = self.circle()
        return len(circle) > 1 and sum(leg.held_at is None for leg in circle) < 2

    def enter(self, now: Instant) -> None:
        call, callee = self.call, self.callee
        if not call.answer(now, like=callee):
            return
        self._since = now
        facts = call.facts
        if facts.answered is None:
            facts.answered = now
        if callee.ring_at is not None and callee.answered_at is not None:
            facts.ring_seconds = callee.answered_at - callee.ring_at
        facts.destination = self.at
        facts.outcome = "answered"
        self.agent = self.agent or call.next_agent(callee, self.at, now)
        if self.agent:
            facts.agent = self.agent
        call.forwarded_by, call.instance = (), None
        self._watch_keys()
        self.wire(now)
        if call.office.settings.media.align:
            call.drive(call.leg.align(now))
        if self._record or call.recording.running:  # a recording that runs goes on, whoever is next
            for party in (call.leg, callee):
                call.check_audible(party)
            call.recording.start((callee,), now)
            if call.id in call.office.faxes.alone:
                self.wire(now)  # and is paused
        wanted = call.office.settings.media.speech_facts
        if wanted == "all" or (wanted == "recorded" and call.recording.running):
            call.leg.listen(LISTEN_SPEECH)
            callee.listen(LISTEN_SPEECH)
        presentation.changed(call, call.leg, callee, now)
        presentation.changed(call, callee, call.leg, now)
        call.office.fact("call.answered", now, call.id, by=callee.peer, agent=self.agent)
        call.arrived_at(self.at, callee.peer, now)
        if self.agent:
            call.office.supervision.began(self, now)
        for party in (call.leg, callee):
            if party.held_at is not None:
                self.on_hold(party, True, now)
        call.recording.serve((callee,), now)

    def leave(self, now: Instant) -> None:
        call, callee = self.call, self.callee
        if self._since:
            call.facts.talk_seconds += now - self._since
        if self._held_since is not None:
            call.facts.hold_seconds += now - self._held_since
        if call.office.faxes.by_session or call.office.faxes.alone:
            staying = ((call.leg,) if not call.over else ()) + ((callee,) if self._given else ())
            call.office.faxes.left(call, staying, now)
        if self.transfer is not None:
            self.transfer.stop("call-ended", now)
        for player, leg in self._notes.items():
            call.office.fabric.stop_play(leg.worker, player)
        call.talking((), now)
        for watcher in self.watchers:
            watcher.leg.hear()
        if not self._given:
            call.drive(callee.hang_up(now, headers=call.parting or (reason_header(200),)))
            call.closed(callee)
        if not call.over:  # else the caller's stream closes with all its edges
            call.leg.hear()
            call.leg.watch(None)
            call.leg.take_keys(False)
            call.recording.follow((), now)
        if self.agent:
            call.office.supervision.ended(self)
            if not self._talks_on:
                call.office.acd(TalkEnded(call.id, self.agent), now)
        watchers, self.watchers = self.watchers, []
        for watcher in watchers:
            watcher.released(now)

    # ------------------------------------------------------------------------------------------------------ the parties

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        transfer = self.transfer
        if leg is self.callee:
            if transfer is None or not transfer.inherit(now):
                survey = survey_after(self.call, self.agent, now - self._since)
                if survey is not None:
                    self.call.move(survey, now)
                else:
                    self.call.end(now, by="callee", reason="callee hung up", header=reason)
        elif transfer is not None and leg is transfer.third:
            transfer.stop("third-left", now)
            self.wire(now)

    def let_go(self, leg: Leg, now: Instant) -> bool:
        if self.transfer is None or leg is not self.transfer.third:
            return False
        self.call.drive(leg.hang_up(now))
        self.on_gone(leg, now)
        return True

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        if self.transfer is not None:
            self.transfer.progressed(leg, response, body, now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        if self.transfer is not None:
            self.transfer.accepted(leg, body, now)

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        if self.transfer is not None:
            self.transfer.rejected(leg, status, response, now)

    def on_renegotiated(self, leg: Leg, now: Instant) -> None:
        self.wire(now)

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        self.wire(now)
        if held:
            for other in self.circle():
                if other is not leg:
                    self.call.check_audible(other)
        self.call.office.fact("call.held" if held else "call.resumed", now, self.call.id, by=leg.peer)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if self._notes.pop(player, None) is not None:
            self.wire(now)

    def wake(self, now: Instant) -> None:
        for leg, run in tuple(self._runs.items()):
            if is_due(run.deadline, now):
                pressed = run.wake(now)
                self._pass_on(leg, run.passed, "rfc4733", now)
                if pressed is not None:
                    transferring.obey(self, leg, pressed, now)
        if self.transfer is not None and self.call.stage is self:
            self.transfer.wake(now)
        self.rearm()

    def rearm(self) -> None:
        """Deadlines of this stage may have moved."""
        times = [run.deadline for run in self._runs.values()]
        if self.transfer is not None:
            times.append(self.transfer.deadline)
        self.deadline = min((time for time in times if time is not None), default=None)
        if self.call.stage is self:
            self.call.rearm()

    # ------------------------------------------------------------------------------------------------------------- keys

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        """What comes with the sound media passes on itself, but for parties that want INFO, and while keys may be
        commands; what comes by INFO goes by whatever the other party wants."""
        run = self._runs.get(leg)
        if run is None:
            self._pass_on(leg, digit, method, now, duration_ms)
            return
        pressed = run.press(digit, now)
        self._pass_on(leg, run.passed, method, now, duration_ms)
        if pressed is not None:
            transferring.obey(self, leg, pressed, now)
        self.rearm()

    def _pass_on(self, leg: Leg, digits: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        circle = self.circle()
        for other in circle if digits and leg in circle else ():
            ours = method == "info" or other.policy.dtmf == "info" or (method == "rfc4733" and self._keys_are_ours)
            if other is not leg and ours:
                self.call.drive(other.send_digits(digits, now, duration_ms))

    @property
    def _keys_are_ours(self) -> bool:
        return bool(self._runs or self.watchers)

    def _watch_keys(self) -> None:
        codes, directory = self.call.office.settings.codes.in_call, self.call.office.directory
        self._runs = {}
        for leg in (self.callee, self.call.leg) if codes is not None else ():
            is_agent = leg is self.callee and bool(self.agent)
            seat = directory.seat(leg.peer)
            ours = is_agent or directory.agents_of_phone.get(seat) or (seat and codes and codes.who == "phones")
            if codes is not None and ours:
                self._runs[leg] = KeyRun(codes, parking=bool(self.call.office.parked.first_lot))

    def start_recording(self, by: str, now: Instant) -> bool:
        """Record from here on, though the queue does not ask for it. False when the caller does not want it, or when
        nothing can be recorded."""
        recording = self.call.recording
        was_running = recording.running
        recording.start((), now)
        self.wire(now)
        if recording.running and not was_running:
            self.call.office.fact("recording.ordered", now, self.call.id, by=by)
        return recording.running

    def confirm(self, leg: Leg, now: Instant, *, twice: bool = False) -> None:
        """The party hears that its keys were obeyed."""
        self.note(leg, DONE_TWICE if twice else DONE, now)

    def refuse(self, leg: Leg, now: Instant) -> None:
        """The party hears that they were not."""
        self.note(leg, REFUSED, now)

    def note(self, leg: Leg, items: tuple[PlayItem, ...], now: Instant) -> None:
        """A tone to one party, who goes on hearing the others."""
        if leg.opened:
            player = self.call.office.fabric.play(leg.worker, items, owner=self.call.id)
            self._notes[player] = leg
            self.wire(now)

    # ----------------------------------------------------------------------------------------------------------- wiring

    def swap(self, now: Instant) -> None:
        """The caller hands over: the call goes on with the callee."""
        self.callee = self.call.swap(self.callee)
        self._watch_keys()
        self.wire(now)

    def replace_caller(self, leg: Leg, now: Instant) -> None:
        """Another party takes the caller's place: the same call, the same channel of the recording."""
        old = self.call.replace(leg)
        old.watch(None)
        self._watch_keys()
        self.wire(now)
        self.call.drive(old.hang_up(now, headers=(reason_header(200),)))
        self.call.closed(old)

    def talk_on(self) -> None:
        """The agent's conversation goes on when this stage is left."""
        self._talks_on = True

    def give_up_callee(self, now: Instant) -> None:
        """The callee goes to another call; this one is about to end."""
        self._given = True
        self.call.leg.hear()
        self.callee.hear()
        self.callee.take_keys(False)

    def wire(self, now: Instant) -> None:
        """Who hears whom, from who holds whom, who consults whom and who supervises."""
        if self.call.over or self.call.stage is not self:
            return
        self.call.touch()
        caller, callee = self.call.leg, self.callee
        circle, parties = self.circle(), self.parties()
        faxes = self.call.office.faxes
        if faxes.by_session or faxes.alone or any(party.negotiated is None for party in parties):
            two = () if self.transfer is not None or self.watchers else (caller, callee)
            faxes.between(self.call, parties, two, now)
        pair = circle == (caller, callee) and caller.held_at is None and callee.held_at is None
        for party, other in ((caller, callee), (callee, caller)):
            party.watch(other, now=pair)
        for party in parties:
            party.take_keys(self._keys_are_ours)
            party.hear(*self._heard_by(party, circle))
        for watcher in self.watchers:
            watcher.leg.take_keys(True)
            others = (other.leg for other in self.watchers if other is not watcher and other.mode == "barge")
            heard = () if watcher.leg.held_at is not None else (*parties, *others)
            notes = (player for player, leg in self._notes.items() if leg is watcher.leg)
            watcher.leg.hear(*(leg.id for leg in heard if leg.held_at is None), *notes)
        barging = (watcher.leg for watcher in self.watchers if watcher.mode == "barge" and caller in circle)
        self.call.recording.follow((*parties[1:], *barging), now)
        self.call.talking(circle if caller in circle else (), now)
        self._count_hold(circle, now)

    def _heard_by(self, party: Leg, circle: tuple[Leg, ...]) -> list[int]:
        if party.held_at is not None:
            return []
        heard = [player for player, leg in self._notes.items() if leg is party]
        heard += [watcher.leg.id for watcher in self.watchers if self._reaches(watcher, party, circle)]
        if party not in circle or len(circle) == 1:
            alone = 0 if self.transfer is None else self.transfer.heard_alone(party)
            return [*heard, alone] if alone else heard
        others = [other for other in circle if other is not party]
        voices = [other.id for other in others if other.held_at is None]
        return [*heard, *(voices or [self.call.music_source(self.music)])]

    def _reaches(self, watcher: Watcher, party: Leg, circle: tuple[Leg, ...]) -> bool:
        """Whether the supervisor speaks to that party: a whisper is for the agent alone."""
        if watcher.mode == "whisper":
            return party is self.callee
        return watcher.mode == "barge" and (party is self.callee or (party in circle and self.callee in circle))

    def _count_hold(self, circle: tuple[Leg, ...], now: Instant) -> None:
        caller = self.call.leg
        holds = caller not in circle or caller.held_at is not None
        holds = holds or not any(leg.held_at is None for leg in circle if leg is not caller)
        if holds and self._held_since is None:
            self._held_since = now
        elif not holds and self._held_since is not None:
            self.call.facts.hold_seconds += now - self._held_since
            self._held_since = None
