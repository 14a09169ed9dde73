"""`callback:QUEUE` outside the queue, from a menu or as an overflow: the number is confirmed, and the call-back begins
with the place that the caller had, or now."""

from typing import TYPE_CHECKING

from softswitch.call.callback_dialogue import CallbackDialogue, Confirmed, Declined, Say, Step
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.sounds import PlayStage
from softswitch.switch.stages.stage import Stage
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class AskCallbackStage(Stage):
    """A caller who declines, or whose number may not be called, hears a goodbye."""

    label = "menu"

    def __init__(self, call: "Call", queue: str) -> None:
        super().__init__(call, f"callback:{queue}")
        self._queue = queue
        callbacks = call.office.callbacks
        own = call.caller if call.vouched and callbacks.way(queue, call.caller, own=True) else ""
        self._dialogue = CallbackDialogue(
            own,
            call.language,
            may_type=callbacks.may_type(queue),
            allowed=lambda number: callbacks.way(queue, number) is not None,
        )
        self._asking = 0

    def enter(self, now: Instant) -> None:
        if self.call.answer(now):
            self.call.facts.destination = self.at
            self._said(self._dialogue.start(), now)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if player == self._asking:
            self._said(self._dialogue.said(now), now)

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is self.call.leg and digit != FLASH:
            self._said(self._dialogue.key(digit, now), now)

    def wake(self, now: Instant) -> None:
        self._said(self._dialogue.wake(now), now)

    def _said(self, step: Step, now: Instant) -> None:
        call = self.call
        match step:
            case Say(prompts):
                self._asking = call.play_prompts(*prompts)
            case Confirmed(number):
                own = number == call.caller
                call.office.callbacks.ask(
                    self._queue, number, now, own=own, arrived=call.waited_since, language=call.language
                )
                call.facts.outcome = call.facts.outcome or "overflow"
                call.facts.reason = "call-back asked for"
                call.move(PlayStage(call, "callback-confirmed"), now)
                return
            case Declined(reason):
                call.facts.outcome = call.facts.outcome or "abandoned"
                call.play_and_end("goodbye", now, reason=f"call-back: {reason}")
                return
        self.deadline = self._dialogue.deadline
