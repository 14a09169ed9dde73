"""Two parties talk. Hold is handled here, at our side: who is put on hold hears our music, and the other phone need
not know. Digits pass by RFC 4733 within media; INFO and conversions are done here."""

from typing import TYPE_CHECKING

from softswitch.acd.model import TalkEnded
from softswitch.call.causes import reason_header
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import LISTEN_SPEECH

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class TalkStage(Stage):
    """`callee` has answered. `agent`: the ACD joined them, and is told when it is over."""

    label = "talking"
    speaks = False

    def __init__(
        self, call: "Call", callee: Leg, at: str, *, record: bool, music: str = "hold", agent: str = ""
    ) -> None:
        super().__init__(call, at)
        self._callee = callee
        self._agent = agent
        self._music = music
        self._record = record
        self._since: Instant = 0.0
        self._held_since: Instant | None = None  # either side holds

    def legs(self) -> tuple[Leg, ...]:
        return (self._callee,)

    def enter(self, now: Instant) -> None:
        call, callee = self.call, self._callee
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
        self._wire()
        if call.office.settings.media.align:
            call.drive(call.leg.align(now))
        if self._record:
            for party in (call.leg, callee):
                call.check_audible(party)
            call.recording.start(callee, now)
        wanted = call.office.settings.media.speech_facts
        if wanted == "all" or (wanted == "recorded" and call.recording.running):
            call.leg.listen(LISTEN_SPEECH)
            callee.listen(LISTEN_SPEECH)
        call.office.fact("call.answered", now, call.id, by=callee.peer, agent=self._agent)
        for party in (call.leg, callee):
            if party.held_at is not None:
                self.on_hold(party, True, now)

    def leave(self, now: Instant) -> None:
        call, callee = self.call, self._callee
        if self._since:
            call.facts.talk_seconds += now - self._since
        if self._held_since is not None:
            call.facts.hold_seconds += now - self._held_since
        call.drive(callee.hang_up(now, headers=call.parting or (reason_header(200),)))
        call.closed(callee)
        if not call.over:  # else the caller's stream closes with all its edges
            call.leg.hear()
            call.leg.watch(None)
        if self._agent:
            call.office.acd(TalkEnded(call.id, self._agent), now)

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        if leg is self._callee:
            self.call.end(now, by="callee", reason="callee hung up", header=reason)

    def on_renegotiated(self, leg: Leg, now: Instant) -> None:
        self._wire()

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        self._wire()
        if held:
            self.call.check_audible(self._callee if leg is self.call.leg else self.call.leg)
        holds = self.call.leg.held_at is not None or self._callee.held_at is not None
        if holds and self._held_since is None:
            self._held_since = now
        elif not holds and self._held_since is not None:
            self.call.facts.hold_seconds += now - self._held_since
            self._held_since = None
        self.call.office.fact("call.held" if held else "call.resumed", now, self.call.id, by=leg.peer)

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        """What comes with the sound media passes on itself, but for parties that want INFO; what comes by INFO goes
        by whatever the other party wants."""
        other = self._callee if leg is self.call.leg else self.call.leg
        if method == "info" or other.policy.dtmf == "info":
            self.call.drive(other.send_digits(digit, now, duration_ms))

    def _wire(self) -> None:
        """Who hears whom, from who holds whom."""
        caller, callee = self.call.leg, self._callee
        for party, other in ((caller, callee), (callee, caller)):
            party.watch(other, now=party.held_at is None and other.held_at is None)
            if other.held_at is not None:
                party.hear(self.call.music_source(self._music))
            elif party.held_at is not None:
                party.hear()
            else:
                party.hear(other.id)
