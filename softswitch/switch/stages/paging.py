"""`page:NAME`: phones answer by themselves, all at once, and hear the caller; one way."""

from typing import TYPE_CHECKING

from softswitch.call.causes import reason_header
from softswitch.call.dial import Dial, Fails, News, Wins
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant, is_due
from softswitch.sip.events import Output
from softswitch.switch.settings import Paging
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import DONE
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_ANSWER_SECONDS = 5.0  # a phone that does not answer by itself must not go on ringing


class PageStage(Stage):
    """Phones in a call, with do not disturb, or that allow no intercom are left in peace."""

    label = "talking"

    def __init__(self, call: "Call", name: str, paging: Paging) -> None:
        super().__init__(call, name)
        self._paging = paging
        self._dials: list[Dial] = []
        self._listeners: list[Leg] = []
        self._ends: Instant = 0.0

    def legs(self) -> tuple[Leg, ...]:
        return (*(leg for dial in self._dials for leg in dial.legs), *self._listeners)

    def enter(self, now: Instant) -> None:
        call, office = self.call, self.call.office
        if not call.answer(now):
            return
        call.served(now, f"page:{self.at}")
        call.check_audible(call.leg)
        self._ends = now + self._paging.seconds
        own = office.directory.seat(call.leg.peer)
        for phone in self._paging.phones:
            ringing = None if phone == own else office.directory.intercom(phone, call, now, _ANSWER_SECONDS)
            if ringing is None or ringing.refusal:
                continue
            dial = Dial(
                call.id,
                ringing.waves,
                worker=call.leg.worker,
                far=call.leg.counterpart(through=False),
                further={},
                max_forwards=call.max_forwards - 1,
                ua=office.ua,
                fabric=office.fabric,
                dice=office.dice,
            )
            self._dials.append(dial)
            self._work(dial, dial.start(now), now)
        office.fact("page.started", now, call.id, paging=self.at, phones=len(self._dials))
        self._look(now)

    def leave(self, now: Instant) -> None:
        call = self.call
        for dial in self._dials:
            call.drive(dial.give_up(now, call.parting))
            call.dialled(dial, now)
        for leg in self._listeners:
            call.drive(leg.hang_up(now, headers=call.parting or (reason_header(200),)))
            call.closed(leg)
        self._dials, self._listeners = [], []

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        for dial in self._dials:
            if leg in dial.legs:
                dial.progressed(leg, response, body, now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        for dial in tuple(self._dials):
            if leg in dial.legs:
                self._work(dial, dial.accepted(leg, body, now), now)
        self._look(now)

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        for dial in tuple(self._dials):
            if leg in dial.legs:
                self._work(dial, dial.rejected(leg, status, response, now), now)
        self._look(now)

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        if leg in self._listeners:
            self._listeners.remove(leg)
            self.call.closed(leg)
            self._look(now)

    def let_go(self, leg: Leg, now: Instant) -> bool:
        if leg not in self._listeners:
            return False
        self.call.drive(leg.hang_up(now))
        self.on_gone(leg, now)
        return True

    def wake(self, now: Instant) -> None:
        if is_due(self._ends, now):
            self.call.end(now, by="switch", reason="paging time is over")
            return
        for dial in tuple(self._dials):
            if is_due(dial.deadline, now):
                self._work(dial, dial.wake(now), now)
        self._look(now)

    def _work(self, dial: Dial, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self.call.drive(outputs)
        self.call.dialled(dial, now)
        match news:
            case Wins(leg):
                self._dials.remove(dial)
                if not self._listeners:
                    self.call.play(DONE)  # speak now
                self._listeners.append(leg)
                leg.hear(self.call.leg.id)
            case Fails():
                self._dials.remove(dial)

    def _look(self, now: Instant) -> None:
        """Whether anybody hears, or may come to."""
        if self.call.over or self.call.stage is not self:
            return
        if not self._dials and not self._listeners:
            self.call.play_and_end("unavailable", now, reason="nobody was paged")
            return
        times = [dial.deadline for dial in self._dials if dial.deadline is not None]
        self.deadline = min([self._ends, *times])
        self.call.rearm()
