"""Transfers of a talk: blind, consultative, by REFER; and the third party that joins.

A blind transfer leaves the talk at once for its target. Otherwise somebody is rung while the talk goes on or waits:

| phase | who hears whom |
|---|---|
| ringing: consult | caller: music; agent: ringing tone |
| ringing: join | caller and agent each other |
| ringing: refer | caller: ringing tone; agent: nothing |
| private | agent and third each other; caller: music |
| joined | all three, nobody itself |
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from softswitch.call.causes import kind, reason_header
from softswitch.call.dial import Dial, Fails, News, Rings, Wins
from softswitch.call.leg import Leg
from softswitch.call.tones import tone
from softswitch.kernel.clock import Instant, is_due
from softswitch.sip.events import Output
from softswitch.switch import forwarding
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.stages.in_call import Pressed
from softswitch.switch.targets import parse_target
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.stages.talking import TalkStage

How: TypeAlias = Literal["consult", "join", "refer"]
Told: TypeAlias = Callable[[int, Instant], None]


class Phase(StrEnum):
    """Where a transfer stands."""

    RINGING = "ringing"
    PRIVATE = "private"
    JOINED = "joined"


class Transfer:
    """`target` is rung for the callee of `talk`. `told` gets the statuses that the transferor is to know of."""

    def __init__(
        self, talk: "TalkStage", ringing: Ringing, target: str, how: How, by: str, told: Told | None = None
    ) -> None:
        call = talk.call
        self.phase = Phase.RINGING
        self.third: Leg | None = None
        self._talk = talk
        self._call = call
        self._ringing = ringing
        self._target = target
        self._how = how
        self._by = by
        self._told = told
        self._tone = 0
        self._dial = Dial(
            call.id,
            ringing.waves,
            worker=call.leg.worker,
            far=call.leg.counterpart(through=False),
            further={},
            max_forwards=call.max_forwards - 1,
            ua=call.office.ua,
            fabric=call.office.fabric,
            dice=call.office.dice,
        )

    @property
    def deadline(self) -> Instant | None:
        return self._dial.deadline

    def legs(self) -> tuple[Leg, ...]:
        """The third, or those who are rung."""
        return tuple(self._dial.legs) if self.third is None else (self.third,)

    def circle(self) -> tuple[Leg, ...]:
        """Who speaks with each other."""
        caller, callee = self._call.leg, self._talk.callee
        if self.phase is Phase.RINGING or self.third is None:
            return {"join": (caller, callee), "consult": (callee,), "refer": ()}[self._how]
        return (callee, self.third) if self.phase is Phase.PRIVATE else (caller, callee, self.third)

    def heard_alone(self, party: Leg) -> int:
        """What is played to a party that is in no circle; 0: nothing."""
        if party is self._call.leg and self._how != "refer":
            return self._call.music_source(self._talk.music)
        wanted = self._call.leg if self._how == "refer" else self._talk.callee
        if party is not wanted or self.phase is not Phase.RINGING:
            return 0
        if not self._tone:
            tones = self._call.office.settings.server.tones
            self._tone = self._call.office.fabric.play(party.worker, tone("ringback", tones), 0, owner=self._call.id)
        return self._tone

    # ---------------------------------------------------------------------------------------------------------- orders

    def start(self, now: Instant) -> None:
        """Ring."""
        self._call.office.fact(
            "transfer.started", now, self._call.id,
            verb=self._how, target=self._target, by=self._by, agent=self._talk.agent,
        )  # fmt: skip
        self._talk.transfer = self
        if self._ringing.refusal:
            self._news(Fails(self._ringing.refusal), now)
        else:
            self._work(self._dial.start(now), now)
        self._talk.wire(now)
        self._talk.rearm()

    def complete(self, now: Instant) -> None:
        """The agent leaves; caller and third stay together, or the caller hears the third ring."""
        call, talk, third = self._call, self._talk, self.third
        self._silence()
        if self.phase is Phase.JOINED:
            call.office.fact("conference.ended", now, call.id, why="agent-left")
        talk.transfer = None
        if third is None:
            call.transferred(self._target, talk.agent, now)
            call.ring_on(self._ringing, self._dial, now)
            return
        self.third = None
        call.transferred(self._target, talk.agent, now)
        call.join(third, self._target, record=self._ringing.record, music=talk.music, now=now)

    def inherit(self, now: Instant) -> bool:
        """The agent has hung up, which completes the transfer."""
        self.complete(now)
        return True

    def join(self, now: Instant) -> None:
        """Three speak with each other."""
        self.phase = Phase.JOINED
        third = self.third
        self._call.office.fact("conference.started", now, self._call.id, to="" if third is None else third.peer)
        self._talk.wire(now)

    def stop(self, why: str, now: Instant) -> None:
        """The third leaves, or is rung no more."""
        call, third = self._call, self.third
        self._silence()
        self._talk.transfer = self.third = None
        call.drive(self._dial.give_up(now, call.parting))
        call.dialled(self._dial, now)
        if third is not None:
            call.drive(third.hang_up(now, headers=call.parting or (reason_header(200),)))
            call.closed(third)
        if self.phase is Phase.JOINED:
            call.office.fact("conference.ended", now, call.id, why=why)
        self._cancelled(why, now)
        self._say(487, now)
        self._talk.rearm()

    def release(self, now: Instant) -> Leg | None:
        """The third, if there is one, goes to another call, and this transfer is over."""
        call, third = self._call, self.third
        self._silence()
        self._talk.transfer = self.third = None
        if self.phase is Phase.JOINED:
            call.office.fact("conference.ended", now, call.id, why="went to a conference by name")
        self._cancelled("went to a conference by name", now)
        return third

    def _cancelled(self, why: str, now: Instant) -> None:
        self._call.office.fact("transfer.cancelled", now, self._call.id, target=self._target, why=why)

    # ------------------------------------------------------------------------------------------------- from the legs

    def progressed(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        if leg in self._dial.legs:
            self._news(self._dial.progressed(leg, response, body, now), now)

    def accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        if leg in self._dial.legs:
            self._work(self._dial.accepted(leg, body, now), now)

    def rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        if leg in self._dial.legs:
            self._work(self._dial.rejected(leg, status, response, now), now)

    def wake(self, now: Instant) -> None:
        if is_due(self._dial.deadline, now):
            self._work(self._dial.wake(now), now)

    def _work(self, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self._call.drive(outputs)
        self._call.dialled(self._dial, now)
        self._news(news, now)
        self._talk.rearm()

    def _news(self, news: News, now: Instant) -> None:
        match news:
            case Rings(status):
                self._say(status, now)
            case Wins(leg):
                self._answered(leg, now)
            case Fails(status):
                self._silence()
                self._talk.transfer = None
                office = self._call.office
                how = "no-answer" if news.timed_out else kind(status)
                office.fact(
                    "transfer.failed", now, self._call.id, target=self._target, status=status, how=how
                )  # fmt: skip
                self._say(status, now)
                if self._how != "refer":
                    self._talk.refuse(self._talk.callee, now)
                self._talk.wire(now)

    def _answered(self, third: Leg, now: Instant) -> None:
        self.third = third
        self._silence()
        self._call.check_audible(third)
        match self._how:
            case "refer":
                self._say(200, now)
                self.complete(now)
            case "join":
                self.join(now)
            case "consult":
                self.phase = Phase.PRIVATE
                self._call.office.fact("transfer.consulting", now, self._call.id, target=self._target, to=third.peer)
                self._talk.wire(now)

    def _say(self, status: int, now: Instant) -> None:
        if self._told is not None:
            self._told(status, now)

    def _silence(self) -> None:
        if self._tone:
            self._call.office.fabric.stop_play(self._call.leg.worker, self._tone)
            self._tone = 0


def order(talk: "TalkStage", verb: str, now: Instant, *, target: str = "", by: str, told: Told | None = None) -> str:
    """Carry out a transfer's verb for the callee of `talk`: `blind`, `consult`, `join`, `refer` to a target;
    `complete`, `cancel`, `three_way`. Returns why not, empty when it is done."""
    transfer, call = talk.transfer, talk.call
    match verb:
        case "blind" | "consult" | "join" | "refer":
            if transfer is not None:
                return "a transfer is under way already"
            if why := call.office.parked.refusal(parse_target(target)):
                return why
            if verb == "blind":
                blind(talk, target, by, now)
                return ""
            call.sent_by = by
            ringing = forwarding.follow(call, call.office.directory.ringing(parse_target(target), call, now), now)
            if ringing is None:
                return f"{target} cannot be rung: consultations are with phones, agents, groups and trunks"
            how: How = "consult" if verb == "consult" else "join" if verb == "join" else "refer"
            Transfer(talk, ringing, target, how, by, told).start(now)
            return ""
    if transfer is None:
        return "nobody is consulted"
    match verb:
        case "complete":
            transfer.complete(now)
        case "cancel":
            transfer.stop(f"cancelled by {by}", now)
            talk.wire(now)
        case "three_way":
            if transfer.phase is not Phase.PRIVATE:
                return "the third party has not answered" if transfer.third is None else "all three talk already"
            transfer.join(now)
    return ""


def blind(talk: "TalkStage", target: str, by: str, now: Instant) -> None:
    """The agent leaves at once; what becomes of the call at its target is the call's affair."""
    call = talk.call
    call.transferred(target, talk.agent, now, call.office.directory.seat(talk.callee.peer))
    call.sent_by = by
    call.office.fact("transfer.started", now, call.id, verb="blind", target=target, by=by, agent=talk.agent)
    call.go(target, now)


def _park(talk: "TalkStage", leg: Leg, now: Instant) -> str:
    """The party leaves the call at a parking place, and hears at which before it is hung up. Why not, or empty."""
    call, parked = talk.call, talk.call.office.parked
    lot = parked.first_lot
    place = parked.free(lot)
    if not place:
        return "no free parking place"
    if talk.transfer is not None:
        return "a transfer is under way"
    if leg is call.leg:
        if talk.agent:
            return "the call is the agent's"
        talk.swap(now)
    target = f"park:{lot}/{place}"
    call.parked_by(leg, target, talk.agent, now, told=True)
    talk.give_up_callee(now)
    call.go(target, now)
    return ""


def obey(talk: "TalkStage", leg: Leg, pressed: Pressed, now: Instant) -> None:
    """A command by keys. A tone says that it cannot be done."""
    call, verb = talk.call, pressed.verb
    directory = call.office.directory
    if verb == "record":
        talk.confirm(leg, now) if talk.start_recording(leg.peer, now) else talk.refuse(leg, now)
        return
    if verb in ("pause_recording", "resume_recording"):
        set_recording = call.recording.pause if verb == "pause_recording" else call.recording.resume
        done = set_recording(now, by=leg.peer)
        talk.confirm(leg, now, twice=verb == "resume_recording") if done else talk.refuse(leg, now)
        return
    if verb == "park":
        why = _park(talk, leg, now)
        call.office.log("info", "keys in a call", call=call.id, by=leg.peer, verb=verb, number="", refused=why)
        if why:
            talk.refuse(leg, now)
        return
    target = directory.dialled(directory.seat(leg.peer), pressed.number, now) if pressed.number else ""
    why = "the number leads nowhere" if target is None else ""
    if not why and leg is call.leg:
        if talk.agent:
            why = "the call is the agent's"
        else:
            talk.swap(now)
    why = why or order(talk, verb, now, target=target or "", by=leg.peer)
    call.office.log(
        "info", "keys in a call", call=call.id, by=leg.peer, verb=verb, number=pressed.number, refused=why
    )  # fmt: skip
    if why and not call.over:
        talk.refuse(leg, now)
