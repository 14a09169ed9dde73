"""Ringing somebody for the caller: a phone, an agent, a ring group, a number over a trunk."""

from typing import TYPE_CHECKING

from softswitch.call.causes import COMPLETED_ELSEWHERE, TONES, kind, told
from softswitch.call.dial import Dial, Fails, News, Rings, Wins
from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.call.tones import tone
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.events import Output
from softswitch.switch import forwarding, presentation
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.diverting import fall_back
from softswitch.switch.records import Outcome
from softswitch.switch.redirecting import redirect
from softswitch.switch.stages.stage import Stage
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class DialStage(Stage):
    """Rings what `ringing` says; a failure goes on to the fallback that the configuration names for it."""

    label = "ringing"
    speaks = False  # ringing tones alone: not worth another codec than the callee may want

    def __init__(self, call: "Call", ringing: Ringing, dial: Dial | None = None) -> None:
        """`dial`: it rings already."""
        super().__init__(call, ringing.target)
        self._ringing = ringing
        self._rings_heard = False
        self._early: Leg | None = None  # whose early media the caller hears
        self._running = dial is not None
        self._dial = dial or Dial(
            call.id,
            ringing.waves,
            worker=call.leg.worker,
            far=call.leg.counterpart(through=not ringing.record),
            further=call.leg.further_offered(),
            max_forwards=call.max_forwards - 1,
            ua=call.office.ua,
            fabric=call.office.fabric,
            dice=call.office.dice,
        )

    def legs(self) -> tuple[Leg, ...]:
        return tuple(self._dial.legs)

    def enter(self, now: Instant) -> None:
        self.call.facts.destination = self.at
        if self._ringing.forwards and self.call.caller and not self.call.private:
            self.call.office.phones.last_callers[self._ringing.target.partition(":")[2]] = self.call.caller
        self.call.facts.outcome = None  # what failed before does not count if this works
        if self._running:
            self.deadline = self._dial.deadline
            self._rings(180, None, now)
        elif self._ringing.always:
            self._divert(self._ringing.always, now)
        elif self._ringing.refusal:
            self._failed(Fails(self._ringing.refusal), now)
        else:
            self._work(self._dial.start(now), now)

    def taken(self, leg: Leg, at: str, now: Instant) -> None:
        """Somebody else has taken the call, who is in it already."""
        self.call.drive(self._dial.give_up(now, (COMPLETED_ELSEWHERE,)))
        self.call.dialled(self._dial, now)
        self.call.join(leg, at, record=self._ringing.record, now=now)

    def leave(self, now: Instant) -> None:
        self.call.drive(self._dial.give_up(now, self.call.parting))
        self.call.dialled(self._dial, now)
        if self.call.leg.hears:
            self.call.leg.hear()

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        self._news(self._dial.progressed(leg, response, body, now), now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        self._work(self._dial.accepted(leg, body, now), now)

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        self._work(self._dial.rejected(leg, status, response, now), now)

    def on_heard(self, leg: Leg, what: str, now: Instant) -> None:
        """A tone in early media says what no response has said."""
        if leg in self._dial.legs and what in TONES:
            self.call.drive(leg.hang_up(now))
            self._work(self._dial.rejected(leg, TONES[what], None, now), now)
        else:
            super().on_heard(leg, what, now)

    def wake(self, now: Instant) -> None:
        self._work(self._dial.wake(now), now)

    # ---------------------------------------------------------------------------------------------------------- within

    def _work(self, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self.call.drive(outputs)
        self.deadline = self._dial.deadline
        self.call.dialled(self._dial, now)
        if self._early is not None and self._early.over:
            self._early = None  # the next to ring is heard ringing
            self._rings_heard = False
            self.call.leg.hear()
        self._news(news, now)

    def _news(self, news: News, now: Instant) -> None:
        match news:
            case Rings(status, leg):
                self._rings(status, leg, now)
            case Wins(leg):
                self.call.join(leg, self.at, record=self._ringing.record, now=now)
            case Fails():
                self._failed(news, now)

    def _rings(self, status: int, early: Leg | None, now: Instant) -> None:
        caller = self.call.leg
        if early is not None:
            try:
                self.call.drive(caller.play_early(now, like=early))
            except (PeerError, NoPort) as error:
                self.call.fail(error, now)
                return
            self.call.silence()
            self._early = early
            if caller.opened:  # a caller without an offer has no stream yet
                caller.hear(early.id)
                early.hear(caller.id)
                caller.watch(early)
                early.watch(caller)
                if not (caller.audible and early.audible):  # nobody can be heard in another codec
                    self.call.drive(caller.align(now))
        elif caller.opened:  # after early media or an answer a phone makes no ringing of its own
            if not self._rings_heard:
                self.call.play(tone("ringback", self.call.office.settings.server.tones), loops=0)
        elif not self._rings_heard:
            reached = presentation.connected(self.call, None, self.at)
            self.call.drive(caller.ring(now, status if status in (181, 182) else 180, reached))
        self._rings_heard = True

    def _divert(self, to: str, now: Instant) -> None:
        """The phone forwards everything."""
        if not forwarding.divert(self.call, self._ringing.target.partition(":")[2], "unconditional", to, now):
            self.call.go(to, now)
        else:
            self.call.facts.reason = f"{self.at}: forwarding goes round"
            self.call.refuse(now, forwarding.LOOP)

    def _failed(self, failure: Fails, now: Instant) -> None:
        if self.call.over or self._redirected(failure, now):
            return
        how = "no-answer" if failure.timed_out else kind(failure.status)
        self.call.facts.outcome = _OUTCOMES[how]
        self.call.office.fact("dial.failed", now, self.call.id, target=self.at, status=failure.status, how=how)
        fallback = self._ringing.fallback(how)
        name = self._ringing.target.partition(":")[2]
        if fallback and not self._ringing.forwards:
            self.call.sent_by = self._ringing.target
            if fall_back(self.call, self.at, how):
                self.call.go(fallback, now)
            else:
                self.call.refuse(now, 482)
            return
        if fallback:
            reason = forwarding.why(self.call, name, how)
            match forwarding.divert(self.call, name, reason, fallback, now):
                case "":
                    self.call.go(fallback, now)
                    return
                case "long":
                    self.call.refuse(now, forwarding.LOOP)
                    return
        self.call.facts.reason = f"{self.at}: {how}"
        self.call.retry_after = failure.retry_after
        self.call.refuse(now, told(failure.status), header=failure.reason)

    def _redirected(self, failure: Fails, now: Instant) -> bool:
        """Whether the callee named another place to go on to."""
        response = failure.response
        if not 300 <= failure.status < 400 or response is None:
            return False
        onward = redirect(self.call, self.at, response, now)
        match onward:
            case None:
                return False
            case "":
                self.call.facts.reason = f"{self.at}: redirections go round"
                self.call.refuse(now, forwarding.LOOP)
            case str():
                self.call.go(onward, now)
            case Ringing():
                self.call.move(DialStage(self.call, onward), now)
        return True


_OUTCOMES: dict[str, Outcome] = {
    "busy": "busy",
    "no-answer": "no-answer",
    "rejected": "rejected",
    "unavailable": "failed",
    "failed": "failed",
}
