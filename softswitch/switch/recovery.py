"""After the death of a control process: what becomes of the calls that its journal says were alive.

Media has gone on meanwhile. Once a media process has told what lives in it, each call that it carried is taken up
again: legs with their dialogs and streams, the recording, costs. Two who talk go on and notice nothing. Any other call
is ended in the usual way, so that phones get a BYE, streams close, recordings are sealed, and the record says what
there was. Calls that nobody had answered leave nothing but their beginning in the ledger, and get a record, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from softswitch.acd.model import Fact, TalkResumed
from softswitch.call import leg_memory
from softswitch.call.causes import reason_header
from softswitch.call.leg import Leg
from softswitch.call.leg_memory import LegMemory
from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.digest import Credentials
from softswitch.sip.flow import Flow
from softswitch.sip.session_memory import SessionMemory
from softswitch.switch.call import Call
from softswitch.switch.call_memory import CallMemory, TalkMemory
from softswitch.switch.events import Recovered, Save
from softswitch.switch.records import CallRecord, ForgottenLiveCall, SavedLiveCall
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.views import RecoveryView
from softswitch.wire.control import Inventory
from softswitch.wire.sip import Uri

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch

RECOVERY: Final = "recovery"  # the key of its deadline, beside calls' ids
PATIENCE: Final[Duration] = 20.0
"""A media process that has not told by then what lives in it is gone, and the streams of its calls with it."""
RETURN: Final[Duration] = 300.0
"""For so long a phone whose connection died with control may come back to hear that its call is over."""
WHY: Final = "control process died"
AS_IT_ENDED: Final = "control process died as it ended"
_REASON: Final = reason_header(503, 41)


class CutStage(Stage):
    """Parties of a call that is about to end, and what was counted of their talk."""

    label = "interrupted"
    speaks = False

    def __init__(self, call: Call, others: tuple[Leg, ...], memory: CallMemory, moment: Instant) -> None:
        super().__init__(call, "" if memory.talk is None else memory.talk.at)
        self._others = others
        self._memory = memory
        self._moment = moment

    def legs(self) -> tuple[Leg, ...]:
        return self._others

    def leave(self, now: Instant) -> None:
        call, memory, facts, moment = self.call, self._memory, self.call.facts, self._moment
        if (talk := memory.talk) is not None:
            facts.talk_seconds += max(0.0, moment - talk.since)
            if talk.held_since is not None:
                facts.hold_seconds += max(0.0, moment - talk.held_since)
        if memory.queued is not None:
            facts.wait_seconds += max(0.0, moment - memory.queued)
        call.talking((), moment)
        for leg in self._others:
            call.drive(leg.hang_up(now, headers=call.parting))
            call.closed(leg)


@dataclass(frozen=True, slots=True)
class _Unreached:
    """A dialog whose connection died with control. `leg` goes on by the next one; if it is over by then, or there is
    none, the peer is to hear that."""

    memory: SessionMemory
    leg: Leg | None


class Recovery:
    """One for the whole switch. `unreached` are dialogs by phone that wait for a way to it."""

    def __init__(self, switch: "Switch") -> None:
        self._switch = switch
        self._office = switch.office
        self._calls: dict[str, CallMemory] = {}
        self._finished: frozenset[str] = frozenset()
        self.unanswered: dict[str, Fact] = {}  # calls that have begun, by the ledger, and not ended
        self._seen: Instant = 0.0
        self._at: Instant | None = None
        self._adopted = 0
        self._ended = 0
        self.unreached: dict[str, list[_Unreached]] = {}
        self._until: Instant = 0.0
        self._office.registrations.came = self.came

    # ---------------------------------------------------------------------------------------------- before the start

    def learn(self, facts: Iterable[Fact]) -> None:
        """The ledger in order."""
        unanswered = self.unanswered
        for fact in facts:
            kind = fact.kind
            if kind == "call.started":
                unanswered[fact.call] = fact
            elif kind == "call.ended":
                unanswered.pop(fact.call, None)
            elif kind == "switch.stopped":
                unanswered.clear()
            self._seen = fact.at

    def finished(self, calls: Iterable[str]) -> None:
        """Those have a record, whatever the ledger and the journal say."""
        self._finished = frozenset(calls)

    def restore(self, calls: Iterable[SavedLiveCall], seen: Instant) -> None:
        """What the journal says was alive; `seen` is the last moment of which the store knows."""
        self._seen = max(self._seen, seen)
        for row in calls:
            self._seen = max(self._seen, row.at)
            if row.id in self._finished:
                pass
            elif isinstance(row.memory, CallMemory):
                self._calls[row.id] = row.memory
            else:
                self._office.log("error", "a stored call is unreadable", call=row.id)
            self._switch.journal.kept[row.id] = None

    @property
    def busy(self) -> bool:
        """Whether calls wait for what media says of them."""
        return bool(self._calls)

    @property
    def view(self) -> RecoveryView | None:
        """What was done, None when there was nothing to do."""
        if self._at is None:
            return None
        return RecoveryView(at=self._at, adopted=self._adopted, ended=self._ended, waiting=len(self._calls))

    # -------------------------------------------------------------------------------------------------- what is done

    def start(self, now: Instant) -> None:
        """The first step: records of those who had not been answered. The others wait for media."""
        office = self._office
        kept = self._switch.journal.kept
        for id in [id for id in kept if id not in self._calls]:
            del kept[id]
            office.outbox.append(Save(ForgottenLiveCall(id)))
        known = self._finished.union(self._calls)
        unanswered = [fact for id, fact in self.unanswered.items() if id not in known]
        self.unanswered.clear()
        for fact in unanswered:
            self._write_off(fact, now)
        if self._calls or unanswered:
            self._at = now
            self._until = now + RETURN
        if self._calls:
            office.deadlines.set(RECOVERY, now + PATIENCE)
        else:
            self._done(now)

    def _write_off(self, fact: Fact, now: Instant) -> None:
        """A call that nobody had answered: its caller hears nothing any more."""
        ended = max(fact.at, min(self._seen, now))
        source, caller, called = (str(fact.data.get(name, "")) for name in ("source", "caller", "called"))
        record = CallRecord(
            id=fact.call, started=fact.at, ended=ended, outcome="interrupted", cause=503, reason=WHY,
            hung_up_by="switch", source=source, caller=caller, called=called,
        )  # fmt: skip
        self._ended += 1
        self._office.outbox.append(Save(record))
        self._office.fact(
            "call.ended", now, fact.call, outcome="interrupted", cause=503, by="switch", talk=0.0
        )  # fmt: skip

    def claimed(self, worker: int) -> frozenset[int]:
        """Ids of legs and recorders in that media process that are about to be taken up."""
        ids: set[int] = set()
        for memory in self._calls.values():
            if memory.worker == worker:
                ids.update(leg.id for leg in memory.legs)
                if memory.recording is not None:
                    ids.add(memory.recording.recorder)
        return frozenset(ids)

    def inventory(self, worker: int, report: Inventory, now: Instant) -> None:
        """A media process has told what lives in it."""
        mine = [id for id, memory in self._calls.items() if memory.worker == worker]
        for id in mine:
            self._take_up(self._calls.pop(id), report, now)
        if mine and not self._calls:
            self._done(now)

    def wake(self, now: Instant) -> None:
        """No media process speaks for those that are left; or nobody is waited for any longer."""
        if self._calls:
            nothing = Inventory((), (), ())
            for id in tuple(self._calls):
                self._take_up(self._calls.pop(id), nothing, now)
            self._done(now)
        elif now >= self._until:
            self.unreached.clear()

    def _done(self, now: Instant) -> None:
        office = self._office
        if self._at is not None:
            office.fact("switch.recovered", now, adopted=self._adopted, ended=self._ended)
            office.log(
                "warning" if self._ended else "info",
                "calls of a dead control process",
                adopted=self._adopted,
                ended=self._ended,
            )
        if self.unreached:
            office.deadlines.set(RECOVERY, self._until)
        else:
            office.deadlines.cancel(RECOVERY)
        office.outbox.append(Recovered())

    # ---------------------------------------------------------------------------------------------------------- calls

    def _take_up(self, memory: CallMemory, report: Inventory, now: Instant) -> None:
        alive = all(leg.id in report.legs for leg in memory.legs)
        legs = {leg.id: self._leg(memory.id, leg, leg.id in report.legs, now) for leg in memory.legs}
        call = self._call(memory, legs, now)
        self._switch.calls[call.id] = call
        self._switch.desk.calls_total += 1
        if (recording := memory.recording) is not None:
            call.recording.recall(recording, runs=recording.recorder in report.recorders)
        self._office.guards.recall(call, memory.costs, legs)
        for orphan in memory.orphans:
            self._hang_up(orphan, "", now)
        others, before = tuple(legs[leg.id] for leg in memory.others), call.facts.outcome
        if memory.talk is not None and memory.whole and alive and all(leg.session for leg in legs.values()):
            self._adopt(call, others[0], memory, memory.talk, now)
        else:
            self._cut(call, others, memory, now if alive else min(self._seen, now), now)
            if self._had_ended(memory, report):
                call.facts.outcome, call.facts.cause, call.facts.reason = before, 200, AS_IT_ENDED
                call.hung_up_by = ""

    def _had_ended(self, memory: CallMemory, report: Inventory) -> bool:
        """Whether control had ended the call before it died: the media process that carried it has closed its streams.
        The record was on its way to the store."""
        carried = memory.media != 0 and memory.media == self._office.fabric.pid(memory.legs[0].worker)
        return carried and not any(leg.id in report.legs or leg.slot < 0 for leg in memory.legs)

    def _adopt(self, call: Call, callee: Leg, memory: CallMemory, talk: TalkMemory, now: Instant) -> None:
        """They talk on."""
        office = self._office
        stage = TalkStage(call, callee, talk.at, record=talk.record, music=talk.music, agent=talk.agent)
        call.stage = stage
        if talk.agent:
            office.acd(TalkResumed(call.id, talk.agent, call.facts.queue, talk.since), now)
        office.fact("call.adopted", now, call.id, by=callee.peer, agent=talk.agent)
        stage.go_on(talk.since, talk.held_since, now)
        if talk.agent:
            office.supervision.began(stage, now)
        call.recording.serve((callee,), now)
        for leg, held in zip((call.leg, callee), memory.legs, strict=True):
            if held.session.flow.reliable:
                self._remember(held, leg)
        self._adopted += 1

    def _cut(self, call: Call, others: tuple[Leg, ...], memory: CallMemory, moment: Instant, now: Instant) -> None:
        """End it; `moment` is when the parties heard each other last."""
        for held in memory.legs:
            if held.session.flow.reliable:
                self._remember(held, None)
        call.stage = CutStage(call, others, memory, moment)
        call.facts.outcome = "interrupted"
        call.facts.cause = 503
        call.end(now, 503, by="switch", reason=WHY, header=_REASON[1])
        for leg in (call.leg, *others):
            leg.ended_at = moment
        self._ended += 1

    def _call(self, memory: CallMemory, legs: dict[int, Leg], now: Instant) -> Call:
        office = self._office
        own = None if memory.own is None else legs[memory.own.id]
        if own is None:  # it was its other party that had answered
            like = next(iter(legs.values()))
            own = Leg(memory.id, memory.source, like.worker, like.policy, office.ua, office.fabric)
        call = Call(
            memory.id, office, own, source=memory.source, caller=memory.caller, caller_name=memory.caller_name,
            called=memory.called, language=memory.language, max_forwards=memory.max_forwards, now=memory.started,
        )  # fmt: skip
        call.number, call.caller_id, call.route_record = memory.number, memory.caller_id, memory.route_record
        call.sent_by, call.vouched, call.private = memory.sent_by, memory.vouched, memory.private
        call.secured, call.secrets, call.first_queued = memory.secured, set(memory.secrets), memory.first_queued
        call.ordered_by = memory.ordered_by
        call.facts, call.earlier = memory.facts, memory.earlier
        for spoken in memory.spoken:
            if spoken.leg in legs:
                call.recall_spoken(legs[spoken.leg], spoken.times, spoken.since)
        return call

    def _leg(self, call: str, memory: LegMemory, lives: bool, now: Instant) -> Leg:
        office = self._office
        session = self._resume(memory.session, memory.peer, now)
        return leg_memory.recall(memory, call, session, office.ua, office.fabric, streams=lives)

    def _resume(self, memory: SessionMemory, peer: str, now: Instant) -> int | None:
        """The session again; None when there is no way for it any more."""
        office, flow = self._office, memory.flow
        listen = office.settings.sip.listen
        if flow.transport == "udp" and not (flow.listener < len(listen) and listen[flow.listener].startswith("udp")):
            return None
        try:
            return office.ua.resume(memory, self._credentials(peer), now)
        except PeerError as error:
            office.log("error", "a stored dialog is unreadable", peer=peer, error=str(error))
            return None

    def _credentials(self, peer: str) -> Credentials | None:
        kind, _, name = peer.partition(":")
        trunk = self._office.settings.trunks.get(name) if kind == "trunk" else None
        return Credentials(trunk.username, trunk.password) if trunk and trunk.username and trunk.password else None

    # ---------------------------------------------------------------------------------------------------------- phones

    def _remember(self, memory: LegMemory, leg: Leg | None) -> None:
        """The connection to the phone died with control: it is spoken to once it has another."""
        for phone in self._phones(memory.peer):
            self.unreached.setdefault(phone, []).append(_Unreached(memory.session, leg))

    def _phones(self, peer: str) -> tuple[str, ...]:
        kind, _, name = peer.partition(":")
        if kind == "agent":
            agent = self._office.settings.agents.get(name)
            return () if agent is None else agent.devices
        return (name,) if kind == "phone" else ()

    def came(self, phone: str, destination: str, flow: Flow, now: Instant) -> None:
        """The phone has registered the contact `destination` by `flow`."""
        waiting = self.unreached.get(phone)
        if waiting is None:
            return
        for one in [one for one in waiting if same_place(one.memory.target, destination)]:
            waiting.remove(one)
            if one.leg is None or one.leg.over:  # a BYE may not have found it; one too many is answered 481
                self._hang_up(msgspec.structs.replace(one.memory, flow=flow), f"phone:{phone}", now, flow)
            else:
                self._office.ua.reroute(one.leg.session, flow)
        if not waiting:
            del self.unreached[phone]

    def _hang_up(self, memory: SessionMemory, peer: str, now: Instant, flow: Flow | None = None) -> None:
        """End a dialog that belongs to no call any more."""
        session = self._resume(memory, peer, now)
        if session is not None:
            if flow is not None:
                self._office.ua.reroute(session, flow)
            self._office.drive(self._office.ua.hang_up(session, now, headers=(_REASON,)))


def same_place(one: str, other: str) -> bool:
    """Whether two URIs name one user at one host and port."""
    try:
        first, second = Uri.parse(one), Uri.parse(other)
    except PeerError:
        return False
    return (first.user, first.host, first.port) == (second.user, second.host, second.port)
