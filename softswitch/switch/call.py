"""A call: one caller, the stages it passes, and the record it leaves.

The caller's leg lives as long as the call. Everything else (callee legs, dials, players, a place in a queue) belongs
to the stage; leaving a stage takes it back, so an end in any stage leaks nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from softswitch.acd.model import OfferId, TalkStarted
from softswitch.call.causes import BUSY, kind, reason_header
from softswitch.call.dial import Dial
from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg, LegState
from softswitch.call.tones import tone
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.diversion import Diversion
from softswitch.sip.events import Output
from softswitch.switch import presentation
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.facts import Facts
from softswitch.switch.identity import told
from softswitch.switch.office import Office
from softswitch.switch.quality import quality
from softswitch.switch.recording import CallRecording, stars
from softswitch.switch.records import CallRecord, HungUpBy, LegRecord, Speech
from softswitch.switch.stages.build import stage_for
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.sounds import PlayStage, ToneStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage, Watcher
from softswitch.switch.stir import Wanted
from softswitch.switch.targets import parse_target
from softswitch.switch.templates import by_default, filled
from softswitch.switch.views import CallView, LegView
from softswitch.switch.wishes import Wishes, variables
from softswitch.wire.control import PlayItem, SpeechFacts

MAX_TARGETS = 30  # targets one call may pass: menus loop, forwardings must not


@dataclass(frozen=True, slots=True)
class PassedOn:
    """A transfer to `target` that is not complete yet; `agent` is whom the ACD knew to have the call, `phone` where the
    party who passed it on is; `hears`: that party, while it is to hear where the call went."""

    target: str
    agent: str
    phone: str = ""
    hears: Leg | None = None


class Call:
    """`source` is who calls, as `trunk:carrier`; `caller`/`called` are numbers."""

    def __init__(
        self,
        id: str,
        office: Office,
        leg: Leg,
        *,
        source: str,
        caller: str,
        caller_name: str,
        called: str,
        language: str,
        max_forwards: int,
        now: Instant,
    ) -> None:
        self.id = id
        self.office = office
        self.leg = leg
        self.source = source
        self.caller = caller
        self.caller_name = caller_name
        self.called = called
        self.number = called  # what is dialled onward; a route may have changed it
        self.caller_id: str | None = None  # the number shown outward, when a route says so
        self.language = language
        self.max_forwards = max_forwards
        self.started = now
        self.facts = Facts()
        self.wishes = Wishes()
        self.stage: Stage = Stage(self)
        self.recording = CallRecording(self)
        self.over = False
        self.targets_passed = 0
        self.hung_up_by: HungUpBy = ""
        self.route_record: bool | None = None
        self.waited_since: Instant | None = None  # it overflowed from a queue that keeps the place
        self.sent_by = ""  # who passed it on to where it goes now, as `phone:1001`: answers for what that costs
        self.ordered_by = ""  # the API token that had it begun
        self.instance: tuple[str, str] | None = None  # a phone, and which of its instances is meant (RFC 5627)
        self.callback = ""  # this call is an attempt of that call-back
        self.vouched = False  # the number is the caller's own as far as a trunk or a digest can tell
        self.diversions: tuple[Diversion, ...] = ()  # who passed it on before it came here, or here
        self.diverted_before = 0  # how many of them were told when it came
        self.verstat = ""  # what a signature proved of the number (ATIS-1000074 §5.3.1); empty: nobody looked
        self.attestation = ""  # A, B or C of a signature that is good (RFC 8588 §4)
        self.identities: tuple[str, ...] = ()  # Identity header fields that it came with
        self.unsigned: dict[str, Wanted] = {}  # by party: what a signing service must be asked
        self.stir_reason = ""  # why the number is not proved (RFC 9410), for our responses
        self.user_to_user = ""  # from the caller's side for the callee's (RFC 7433)
        self.private = False  # the caller asked that the number be shown to nobody (RFC 3323)
        self.secured = False  # it came for a sips URI: every hop is TLS, or there is none (RFC 5630)
        self.language_chosen = False
        self.offers: list[OfferId] = []
        self.ended_legs: list[tuple[Leg, int]] = []
        self.secrets: set[str] = set()  # collected variables that nobody may read later
        self.withheld: set[str] = set()  # those of them that the agent's phone is not told either
        self.parting: tuple[tuple[str, str], ...] = ()  # the Reason that ended the call, for the other side
        self.retry_after = ""  # seconds, as the callee said
        self.first_queued: Instant | None = None
        self.referred: set[Leg] = set()  # who has sent a REFER before
        self.referred_by = ""  # of the REFER that is obeyed just now (RFC 3892)
        self.forwarded_by: tuple[str, ...] = ()  # phones that have sent it on since somebody talked with the caller
        self.passed_on: PassedOn | None = None  # an agent let it go, and nobody has taken it yet
        self.earlier: tuple[LegRecord, ...] = ()  # legs that ended in another control process
        self._talking: dict[Leg, Instant] = {}  # who speaks with the other side, since when
        self._talks: dict[Leg, tuple[tuple[Instant, Instant], ...]] = {}
        self._player: int = 0
        self._inaudible: set[int] = set()

    # ---------------------------------------------------------------------------------------------------------- moves

    def drive(self, outputs: list[Output]) -> None:
        self.office.drive(outputs)

    def touch(self) -> None:
        """Something has changed that another control process would have to know."""
        self.office.fabric.touched[self.id] = None

    def move(self, stage: Stage, now: Instant) -> None:
        """Leave the stage for another."""
        old, self.stage = self.stage, stage
        self.touch()
        old.leave(now)
        self.silence()
        stage.enter(now)
        if self.stage is stage and stage.speaks and self.leg.up and not self.leg.audible:
            outputs = self.leg.fall_back(now)
            if outputs is None:
                self.check_audible(self.leg)
            else:
                self.drive(outputs)
        self.rearm()

    def go(self, target: str, now: Instant) -> None:
        """On to a target of the configuration, or to its default when variables name one that is not there."""
        self.targets_passed += 1
        if self.targets_passed > MAX_TARGETS:
            self.office.log("error", "call loops through targets", call=self.id, target=target)
            self.facts.outcome = "failed"
            self.refuse(now, 482)
            return
        if "{" in target:
            target = self._filled(target)
        self.move(stage_for(self, parse_target(target), now), now)

    def _filled(self, target: str) -> str:
        named = filled(target, variables(self))
        if self.office.there(named):
            return named
        self.office.log("warning", "variables name a target that is not there", call=self.id, target=named)
        return by_default(target)

    def parked_by(self, leg: Leg, target: str, agent: str, now: Instant, *, told: bool = False) -> None:
        """It leaves the party for a parking place; `told`: the party stays to hear which."""
        self.transferred(target, agent, now, self.office.directory.seat(leg.peer), leg if told else None)
        self.office.fact("transfer.started", now, self.id, verb="park", target=target, by=leg.peer, agent=agent)

    def transferred(self, target: str, agent: str, now: Instant, phone: str = "", hears: Leg | None = None) -> None:
        """It leaves `agent` (or nobody whom the ACD knows) for `target`; `arrived_at` tells how that ended."""
        before = self.passed_on
        if before is not None:
            self.office.fact("transfer.cancelled", now, self.id, target=before.target, why="passed on again")
            agent = agent or before.agent
        self.passed_on = PassedOn(target, agent, phone, hears)

    def arrived_at(self, at: str, to: str, now: Instant) -> None:
        """Somebody talks with the caller, or the switch itself serves it: a transfer is complete."""
        if self.passed_on is not None:
            target, self.passed_on = self.passed_on.target, None
            self.office.fact("transfer.completed", now, self.id, target=target, at=at, to=to)

    def place(self, now: Instant) -> tuple[Instant | None, str]:
        """As what it enters a queue: since when it counts as waiting (None: now), and the agent whom it is not for."""
        first, transfers = self.first_queued, self.office.settings.transfers
        self.first_queued = now if first is None else first
        if self.passed_on is None:
            return None, ""
        return first if transfers.keep_place else None, self.passed_on.agent if transfers.leave_out else ""

    def join(self, leg: Leg, at: str, *, record: bool, now: Instant, music: str = "hold", agent: str = "") -> None:
        """Talk with `leg`, which has answered; it is `agent`'s, whose talk began in another call."""
        self.move(TalkStage(self, leg, at, record=record, music=music, agent=agent), now)

    def ring_on(self, ringing: Ringing, dial: Dial, now: Instant) -> None:
        """Wait for those who ring already."""
        self.move(DialStage(self, ringing, dial), now)

    def next_agent(self, leg: Leg, at: str, now: Instant) -> str:
        """When an agent passed the call on, and who answered at `at` is an agent, too: the ACD counts that talk from
        here on."""
        passed_on, queue = self.passed_on, self.facts.queue
        if passed_on is None or not passed_on.agent or not queue:
            return ""
        kind, _, name = at.partition(":")
        office = self.office
        here = office.directory.agents_of_phone.get(office.directory.seat(leg.peer), ())
        if kind != "agent":
            views = ((agent, office.engine.agent_view(agent, now)) for agent in here)
            logged_in = [agent for agent, view in views if view is not None and view.logged_in]
            name = logged_in[0] if len(logged_in) == 1 else ""
        if name:
            office.acd(TalkStarted(self.id, name, queue, by=f"agent:{passed_on.agent}"), now)
        if not name or not office.engine.talks(name, self.id):
            return ""
        leg.belong(self.id, f"agent:{name}")
        return name

    def refuse(self, now: Instant, status: int, header: str = "") -> None:
        """No one is there for the caller: the status while it rings, a tone and the end once it was answered."""
        if self.facts.outcome is None:
            how = kind(status)
            self.facts.outcome = "busy" if how == "busy" else "rejected" if how == "rejected" else "failed"
        self.facts.cause = status
        if not self.leg.up:
            self.end(now, status, by="switch", header=header)
        elif status in BUSY:
            self.move(ToneStage(self, tone("busy", self.office.settings.server.tones), "busy"), now)
        else:
            self.play_and_end("unavailable", now, reason=f"refused with {status}")

    def play_and_end(self, prompt: str, now: Instant, reason: str) -> None:
        """A last word to the caller."""
        self.facts.reason = self.facts.reason or reason
        self.move(PlayStage(self, prompt), now)

    def wants_recording(self, place: bool) -> bool:
        """Whether a talk here is recorded: the route's word first, then the place's, as `[recording] calls` allows."""
        if self.route_record is not None:
            return self.route_record
        return {"none": False, "queue": place, "all": True}[self.office.settings.recording.calls]

    def rearm(self) -> None:
        """The stage's deadline may have moved."""
        deadline = None if self.over else self.stage.deadline
        if deadline is None:
            self.office.deadlines.cancel(self.id)
        elif self.office.deadlines.get(self.id) != deadline:
            self.office.deadlines.set(self.id, deadline)

    def answer(self, now: Instant, like: Leg | None = None) -> bool:
        """Answer the caller, as it fits the party `like`. False when that failed; the call has then ended."""
        if self.leg.up:
            return True
        try:
            connected = presentation.connected(self, like, "")
            self.drive(self.leg.take(now, like, headers=(("X-Call-Id", self.id), *connected)))
        except (PeerError, NoPort) as error:
            self.fail(error, now)
            return False
        return True

    def check_audible(self, leg: Leg) -> None:
        """Say once of a party that it cannot be played to or recorded: its codec only passes from end to end."""
        if not leg.audible and leg.id not in self._inaudible:
            self._inaudible.add(leg.id)
            self.office.log(
                "warning", "codec only passes through: no music, no prompts, a silent recording",
                call=self.id, peer=leg.peer, codec=leg.codec,
            )  # fmt: skip

    def fail(self, error: PeerError | NoPort, now: Instant) -> None:
        """The caller's stream cannot be set up."""
        status = error.status if isinstance(error, PeerError) else 503
        self.office.log("warning", "call failed", call=self.id, source=self.source, error=str(error), status=status)
        self.facts.outcome = "failed"
        self.facts.broken = True
        self.facts.cause = status
        self.end(now, status, by="switch", reason=str(error))

    def served(self, now: Instant, destination: str) -> None:
        """The switch itself is what the caller wanted (a prompt, an echo, a feature code): that counts as answered.
        After a failure or an overflow it is but the last word, and the failure stands."""
        facts = self.facts
        if self.over or facts.outcome not in (None, "answered"):
            return
        self.arrived_at(destination, destination, now)
        if facts.outcome is not None:
            return
        facts.outcome = "answered"
        facts.destination = destination
        if facts.answered is None:
            facts.answered = now
        self.office.fact("call.answered", now, self.id, by=destination, agent="")

    def end(self, now: Instant, status: int = 480, *, by: HungUpBy, reason: str = "", header: str = "") -> None:
        """The call is over: hang up whoever is left, write the record. `status` answers a caller who still rings;
        `header` is a Reason header value to pass on."""
        if self.over:
            return
        self.over = True
        self.hung_up_by = by
        answered = self.leg.up or self.leg.answered_at is not None
        if not self.facts.cause:
            self.facts.cause = 200 if answered else status
        if reason and not self.facts.reason:
            self.facts.reason = reason
        if header:
            self.parting = (("Reason", header),)
        name, value = reason_header(status, 16 if answered else None)
        stage, self.stage = self.stage, Stage(self)
        stage.leave(now)
        if self.passed_on is not None:
            target, self.passed_on = self.passed_on.target, None
            self.office.fact("transfer.failed", now, self.id, target=target, status=self.facts.cause, how="ended")
        self.silence()
        headers: tuple[tuple[str, str], ...] = ((name, header or value),)
        if self.retry_after and not answered:
            headers += (("Retry-After", self.retry_after),)
        self.drive(self.leg.hang_up(now, status, headers=headers))
        self.ended_legs.insert(0, (self.leg, self.facts.cause))
        self.recording.stop(now)
        self.office.deadlines.cancel(self.id)
        self.office.ended.append(self)

    def talking(self, legs: Iterable[Leg], now: Instant) -> None:
        """From now on these legs speak with each other, and nobody else does."""
        here = frozenset(legs)
        for leg, since in tuple(self._talking.items()):
            if leg not in here:
                del self._talking[leg]
                self._talks[leg] = (*self._talks.get(leg, ()), (since, now))
        for leg in here:
            self._talking.setdefault(leg, now)

    def swap(self, other: Leg) -> Leg:
        """The call goes on with `other`, a party of it; who was its own party until now."""
        own, self.leg = self.leg, other
        self.recording.swap()
        return own

    def replace(self, other: Leg) -> Leg:
        """`other` is its own party from now on; who was until now."""
        old, self.leg = self.leg, other
        return old

    def give_leg(self, owner: str) -> Leg:
        """Its own party goes to the call `owner`; this one is about to end, and its record tells of the party."""
        leg = self.leg
        self.leg = self._ghost(leg)
        leg.belong(owner)
        return leg

    def gave(self, leg: Leg, now: Instant) -> None:
        """Another party has gone to another call; the record of this one tells of it."""
        ghost = self._ghost(leg)
        ghost.ended(now)
        self._talks[ghost] = self._talks.pop(leg, ())
        self.closed(ghost)

    def _ghost(self, leg: Leg) -> Leg:
        ghost = Leg(self.id, leg.peer, leg.worker, leg.policy, leg.ua, leg.fabric)
        ghost.sip_call_id, ghost.ring_at, ghost.answered_at = leg.sip_call_id, leg.ring_at, leg.answered_at
        return ghost

    # ---------------------------------------------------------------------------------------------------------- sound

    def play(self, items: tuple[PlayItem, ...], loops: int = 1, *, leg: Leg | None = None) -> int:
        """Play to the caller (or to `leg`) in place of what was heard; the player's id."""
        self.silence()
        party = leg or self.leg
        self._player = self.office.fabric.play(party.worker, items, loops, owner=self.id)
        party.hear(self._player)
        return self._player

    def play_prompts(self, *names: str, leg: Leg | None = None) -> int:
        return self.play(self.office.prompts(names, self.language), leg=leg)

    def music(self, name: str) -> None:
        """Let the caller hear music on hold, shared by all who wait."""
        self.silence()
        self.leg.hear(self.music_source(name))

    def music_source(self, name: str = "hold") -> int:
        items = self.office.prompts((f"music/{name}",), self.language)
        return self.office.fabric.music(self.leg.worker, name, items)

    def silence(self) -> None:
        """Stop this call's player, if one plays."""
        if self._player:
            self.office.fabric.stop_play(self.leg.worker, self._player)
            if not self.leg.opened and self._player in self.leg.hears:
                self.leg.hear()  # else it would be joined to what is gone when it opens
            self._player = 0

    @property
    def playing(self) -> bool:
        """Whether a player of this call's own is heard, which is not music."""
        return bool(self._player)

    def played(self, player: int, cause: str, now: Instant) -> None:
        if player == self._player:
            self._player = 0
        self.stage.on_played(player, cause, now)
        self.rearm()

    # ---------------------------------------------------------------------------------------------------------- record

    def closed(self, leg: Leg, status: int = 200) -> None:
        """A leg of this call is over; the record will name it."""
        self.ended_legs.append((leg, status))

    def dialled(self, dial: Dial, now: Instant) -> None:
        """Take note of the branches that ended in `dial`, and of trunks that said nothing."""
        self.ended_legs += dial.ended
        dial.ended.clear()
        for peer, flow in dial.silent:
            if peer.startswith("trunk:"):
                self.office.trunks.observed(peer.removeprefix("trunk:"), flow.remote, 408, now)
        dial.silent.clear()

    @property
    def complete(self) -> bool:
        """Over, the recording closed, and media has told the last numbers of every leg."""
        if not self.over or self.recording.writing:
            return False
        return all(leg.stats is not None or not leg.was_open for leg, _ in self.ended_legs)

    def over_trunks(self) -> dict[str, object]:
        """The carriers' part in the ledger's last word: name, way, status and seconds since the answer (None: never
        answered) of each leg over a trunk."""
        legs = [
            [leg.party[6:], "out", leg.status, None if leg.answered is None else (leg.ended or 0.0) - leg.answered]
            for leg in self.earlier
            if leg.party.startswith("trunk:")
        ]
        legs += [
            [leg.peer[6:], "in" if leg is self.leg else "out", status, _talked(leg)]
            for leg, status in self.ended_legs
            if leg.peer.startswith("trunk:")
        ]
        return {"trunks": legs} if legs else {}

    def part(self) -> None:
        """The record is written: let go of what points back here, so that memory comes back without the collector."""
        del self.stage, self.recording
        for leg, _ in self.ended_legs:
            leg.forget()

    def record(self) -> CallRecord:
        """The row for the store, once the call is over and its legs are closed."""
        facts = self.facts
        ended = self.leg.ended_at or self.started
        outcome = facts.outcome
        if outcome is None:
            outcome = "answered" if facts.answered else "abandoned" if self.hung_up_by == "caller" else "failed"
        elif facts.talk_seconds and not facts.broken and outcome != "interrupted":
            outcome = "answered"  # whatever a transfer led to afterwards
        ring_seconds = facts.ring_seconds
        if not facts.talk_seconds:  # nobody: what counts is who was rung last
            rung = [leg for leg, _ in self.ended_legs if leg is not self.leg and leg.ring_at is not None]
            ring_seconds = (rung[-1].ended_at or ended) - (rung[-1].ring_at or ended) if rung else 0.0
        return CallRecord(
            id=self.id,
            started=self.started,
            ended=ended,
            outcome=outcome,
            answered=facts.answered,
            source=self.source,
            caller=self.caller,
            called=self.called,
            destination=facts.destination,
            queue=facts.queue,
            agent=facts.agent,
            wait_seconds=facts.wait_seconds,
            ring_seconds=ring_seconds,
            talk_seconds=facts.talk_seconds,
            hold_seconds=facts.hold_seconds,
            cause=facts.cause,
            reason=facts.reason,
            hung_up_by=self.hung_up_by,
            language=self.language,
            collected=self.collected(),
            recording=self.recording.name,
            legs=self.earlier_legs(),
        )

    def collected(self) -> dict[str, str]:
        """What is known of the caller, without secrets."""
        found = self.facts.collected
        return {name: stars(value) if name in self.secrets else value for name, value in found.items()} | told(self)

    def earlier_legs(self) -> tuple[LegRecord, ...]:
        """Those that are over."""
        ended = (_leg_record(leg, status, self._talks.get(leg, ())) for leg, status in self.ended_legs)
        return (*self.earlier, *ended)

    def spoken(self, leg: Leg) -> tuple[tuple[tuple[Instant, Instant], ...], Instant | None]:
        """When the leg spoke with the other side, and since when it does."""
        return self._talks.get(leg, ()), self._talking.get(leg)

    def recall_spoken(self, leg: Leg, times: tuple[tuple[Instant, Instant], ...], since: Instant | None) -> None:
        """The same, from another control process."""
        self._talks[leg] = times
        if since is not None:
            self._talking[leg] = since

    @property
    def watchers(self) -> list[Watcher]:
        """The supervisors who are with it."""
        return self.stage.watchers if isinstance(self.stage, TalkStage) else []

    def view(self, now: Instant) -> CallView:
        legs = (self.leg, *self.stage.legs())
        held_by = tuple(leg.peer for leg in legs if leg.held_at is not None)
        state = "on hold" if self.stage.held() else self.stage.label
        return CallView(
            id=self.id,
            state="ended" if self.over else state,
            held_by=held_by,
            at=self.stage.at,
            source=self.source,
            caller=self.caller,
            called=self.called,
            started=self.started,
            answered=self.facts.answered,
            duration=now - self.started,
            queue=self.facts.queue,
            agent=self.facts.agent,
            recording=self.recording.name,
            recording_paused=self.recording.paused,
            recording_server=self.recording.server,
            ordered_by=self.ordered_by,
            supervisors=tuple(f"{watcher.leg.peer} {watcher.mode}" for watcher in self.watchers),
            legs=tuple(_leg_view(leg) for leg in legs),
        )


def _leg_record(leg: Leg, status: int, talk: tuple[tuple[Instant, Instant], ...]) -> LegRecord:
    stats = leg.stats
    remote = leg.spec.remote if leg.spec is not None else None
    return LegRecord(
        party=leg.peer,
        call_id=leg.sip_call_id,
        remote=f"{remote[0]}:{remote[1]}" if remote is not None else "",
        codec=leg.codec,
        status=status,
        received=stats.received if stats else 0,
        sent=stats.sent if stats else 0,
        lost=stats.lost if stats else 0,
        jitter_ms=stats.jitter_ms if stats else 0.0,
        round_trip_ms=stats.round_trip_ms if stats else -1.0,
        mos=stats.mos if stats else 0.0,
        speech=_speech(stats.speech) if stats is not None and stats.speech is not None else None,
        quality=quality(stats) if stats else None,
        srtp=leg.suite,
        answered=leg.answered_at,
        ended=leg.ended_at,
        talk=talk,
        reason=leg.said,
    )


def _talked(leg: Leg) -> float | None:
    if leg.answered_at is None:
        return None
    return round((leg.ended_at or leg.answered_at) - leg.answered_at, 3)


def _speech(facts: SpeechFacts) -> Speech:
    return Speech(
        talk=round(facts.talk, 2),
        silence=round(facts.heard - facts.talk, 2),
        overtalk=round(facts.overtalk, 2),
        dead_air=round(facts.dead_air, 2),
        spurts=facts.spurts,
        clipped=facts.clipped,
        level=round(facts.level, 1),
    )


def _leg_view(leg: Leg) -> LegView:
    return LegView(
        peer=leg.peer,
        state=leg.state.value if leg.state is not LegState.OVER else "ended",
        sip_call_id=leg.sip_call_id,
        codec=leg.codec,
        media_port=leg.port.number if leg.port is not None else 0,
        worker=leg.worker,
        quality=quality(leg.figures) if leg.figures is not None else None,
        srtp=leg.suite,
    )
