"""Two parties talk. Hold is handled here, at our side: who is put on hold hears our music, and the other phone need
not know. Digits pass by RFC 4733 within media; INFO and conversions are done here."""

from typing import TYPE_CHECKING

from softswitch.acd.model import TalkEnded
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.stage import Stage

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class TalkStage(Stage):
    """`callee` has answered. `agent`: the ACD joined them, and is told when it is over."""

    label = "talking"

    def __init__(
        self, call: "Call", callee: Leg, at: str, *, record: bool, music: str = "hold", agent: str = ""
    ) -> None:
        super().__init__(call, at)
        self._callee = callee
        self._agent = agent
        self._music = music
        self._record = record
        self._since: Instant = 0.0

    def legs(self) -> tuple[Leg, ...]:
        return (self._callee,)

    def enter(self, now: Instant) -> None:
        call, callee = self.call, self._callee
        if not call.answer(now, prefer=callee.codec):
            return
        self._since = now
        if call.facts.answered is None:
            call.facts.answered = now
        call.facts.ring_seconds += now - callee.ring_at if callee.ring_at is not None else 0.0
        call.facts.destination = self.at
        call.facts.outcome = "answered"
        self._wire()
        if self._record:
            call.recording.start(callee, now)
        call.office.fact("call.answered", now, call.id, by=callee.peer, agent=self._agent)

    def leave(self, now: Instant) -> None:
        call, callee = self.call, self._callee
        self._account(now)
        held = callee.held_seconds + call.leg.held_seconds
        call.drive(callee.hang_up(now))
        call.facts.hold_seconds += held
        call.closed(callee)
        call.leg.hear()
        if self._agent:
            call.office.acd(TalkEnded(call.id, self._agent), now)

    def on_gone(self, leg: Leg, now: Instant) -> None:
        if leg is self._callee:
            self.call.end(now, by="callee", reason="callee hung up")

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        self._wire()
        self.call.office.fact("call.held" if held else "call.resumed", now, self.call.id, by=leg.peer)

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant) -> None:
        other = self._callee if leg is self.call.leg else self.call.leg
        if other.policy.dtmf == "info":
            body = f"Signal={digit}\r\nDuration=160\r\n".encode()
            self.call.drive(
                self.call.office.ua.send_in_dialog(other.session, "INFO", now, body, "application/dtmf-relay")
            )
        elif method == "info":
            other.send_digits(digit)

    def _wire(self) -> None:
        """Who hears whom, from who holds whom."""
        caller, callee = self.call.leg, self._callee
        for party, other in ((caller, callee), (callee, caller)):
            if other.held_at is not None:
                party.hear(self.call.music_source(self._music))
            elif party.held_at is not None:
                party.hear()
            else:
                party.hear(other.id)

    def _account(self, now: Instant) -> None:
        if self._since:
            self.call.facts.talk_seconds += now - self._since
