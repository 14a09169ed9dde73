"""A call that the switch itself begins: a phone is rung, and whoever answers is the call's own party."""

from typing import TYPE_CHECKING

from softswitch.call.causes import kind
from softswitch.call.dial import Dial, Fails, News, Wins
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.sip.counterpart import SWITCH
from softswitch.sip.events import Output
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.records import Outcome
from softswitch.switch.stages.stage import Stage
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class RingFirstStage(Stage):
    """`ringing` is rung for a call whose own leg stands for nobody yet; `then` follows the answer."""

    label = "ringing"
    speaks = False

    def __init__(self, call: "Call", ringing: Ringing, then: Stage) -> None:
        super().__init__(call, ringing.target)
        self._ringing = ringing
        self._then = then
        self._dial = Dial(
            call.id,
            ringing.waves,
            worker=call.leg.worker,
            far=SWITCH,
            further={},
            max_forwards=call.max_forwards,
            ua=call.office.ua,
            fabric=call.office.fabric,
            dice=call.office.dice,
        )

    def legs(self) -> tuple[Leg, ...]:
        return tuple(self._dial.legs)

    def enter(self, now: Instant) -> None:
        self.call.facts.destination = self.at
        if self._ringing.refusal:
            self._news(Fails(self._ringing.refusal), now)
        else:
            self._work(self._dial.start(now), now)

    def leave(self, now: Instant) -> None:
        self.call.drive(self._dial.give_up(now, self.call.parting))
        self.call.dialled(self._dial, now)

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        self._dial.progressed(leg, response, body, now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        self._work(self._dial.accepted(leg, body, now), now)

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        self._work(self._dial.rejected(leg, status, response, now), now)

    def wake(self, now: Instant) -> None:
        self._work(self._dial.wake(now), now)

    def _work(self, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self.call.drive(outputs)
        self.deadline = self._dial.deadline
        self.call.dialled(self._dial, now)
        self._news(news, now)

    def _news(self, news: News, now: Instant) -> None:
        match news:
            case Wins(leg):
                self.call.leg.ended(now)
                self.call.leg = leg
                self.call.move(self._then, now)
            case Fails(status):
                how = "no-answer" if news.timed_out else kind(status)
                self.call.facts.outcome = _OUTCOMES.get(how, "failed")
                self.call.end(now, status, by="switch", reason=f"{self.at}: {how}")


_OUTCOMES: dict[str, Outcome] = {"busy": "busy", "no-answer": "no-answer", "rejected": "rejected"}
