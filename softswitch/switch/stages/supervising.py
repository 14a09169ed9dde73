"""A supervisor with an agent: listens, whispers, speaks with all, takes over; keys 1 to 4 change between them.

The supervisor's call is a call of its own; its leg is a watcher of the agent's talk, which decides who hears it.
"""

from typing import TYPE_CHECKING, Final

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.secured import downgrades, passes_on
from softswitch.switch.settings import Supervising
from softswitch.switch.stages.in_call import Pressed
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.stages.transferring import obey
from softswitch.switch.supervision import name_of

if TYPE_CHECKING:
    from softswitch.switch.call import Call

KEYS: Final[dict[str, Supervising]] = {"1": "listen", "2": "whisper", "3": "barge", "4": "take"}
RECORDING_KEYS: Final = {"7": "pause_recording", "8": "resume_recording", "9": "record"}  # of the supervised call


class SuperviseStage(Stage):
    """`follow`: the supervisor stays when the talk ends, and hears the agent's next one."""

    label = "supervising"
    speaks = False

    def __init__(self, call: "Call", agent: str, phone: str, mode: Supervising, *, follow: bool, by: str = "") -> None:
        super().__init__(call, agent)
        self.agent = agent
        self.phone = phone
        self.mode: Supervising = mode
        self._follow = follow
        self._by = by or f"phone:{phone}"
        self._talk: TalkStage | None = None
        self._since: Instant = 0.0

    @property
    def leg(self) -> Leg:
        return self.call.leg

    def enter(self, now: Instant) -> None:
        call, office = self.call, self.call.office
        talk = office.supervision.talk_of(self.agent)
        call.facts.destination = f"supervise:{self.agent}"
        allowed = office.supervision.allowed(self.phone, self.agent, talk)
        if self.mode not in allowed:
            self._fact("supervise.refused", now, mode=self.mode)
            office.log("warning", "supervision refused", call=call.id, phone=self.phone, agent=self.agent)
            call.refuse(now, 403)
            return
        if talk is None and not self._follow:
            call.refuse(now, 480)
            return
        try:
            if talk is not None:
                call.drive(call.leg.move_to(talk.call.leg.worker, now))
        except NoPort as error:
            call.fail(error, now)
            return
        if not call.answer(now):
            return
        call.served(now, call.facts.destination)
        office.supervision.enlist(self)
        if talk is not None:
            self.began(talk, now)
        else:
            self._fact("supervise.waiting", now, mode=self.mode)

    def leave(self, now: Instant) -> None:
        self._part("hung up" if self.call.over else "moved", now)
        self.call.office.supervision.dismiss(self)
        if not self.call.over:
            self.call.leg.take_keys(False)

    # ------------------------------------------------------------------------------------------------------------ talks

    def began(self, talk: TalkStage, now: Instant) -> None:
        """The agent talks."""
        call = self.call
        allowed = call.office.supervision.allowed(self.phone, self.agent, talk)
        if self._talk is not None or self.mode not in allowed:
            return  # a second talk of the agent, or one of a queue that is none of the supervisor's
        silent = next((party for party in (*talk.parties(), call.leg) if not party.audible), None)
        try:
            if silent is not None:
                raise NoPort(f"the codec of {silent.peer} only passes through")
            if downgrades((call, talk.call), (*talk.parties(), call.leg)):
                raise NoPort("a sips call is heard by TLS only")
            call.drive(call.leg.move_to(talk.call.leg.worker, now))
        except NoPort as error:
            call.office.log("warning", "supervision impossible", call=talk.call.id, phone=self.phone, reason=str(error))
            if not self._follow:
                call.end(now, 480, by="switch", reason=str(error))
            return
        self._talk = talk
        self._since = now
        talk.watchers.append(self)
        self._fact("supervise.started", now, mode=self.mode, by=self._by, follow=self._follow)
        if self.mode == "take":
            self._take(now)
        else:
            talk.wire(now)

    def released(self, now: Instant) -> None:
        """The talk is over."""
        self._ended("talk ended", now)
        if not self._follow:
            self.call.end(now, by="switch", reason="the supervised talk is over")

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if digit in RECORDING_KEYS and self._talk is not None:
            obey(self._talk, leg, Pressed(RECORDING_KEYS[digit]), now)
            return
        mode = KEYS.get(digit)
        if mode is not None and not self.change(mode, f"phone:{self.phone}", now) and self._talk is not None:
            self._talk.refuse(leg, now)

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        self.on_renegotiated(leg, now)

    def on_renegotiated(self, leg: Leg, now: Instant) -> None:
        if self._talk is not None:
            self._talk.wire(now)

    def recheck(self, now: Instant) -> None:
        """The settings have changed; what is allowed no longer ends."""
        if self.mode not in self.call.office.supervision.allowed(self.phone, self.agent, self._talk):
            self._fact("supervise.refused", now, mode=self.mode)
            self.call.end(now, 403, by="switch", reason="not allowed any more")

    def change(self, mode: Supervising, by: str, now: Instant) -> bool:
        """Listen, whisper, speak, or take over from now on; False when that is not allowed."""
        talk = self._talk
        if mode not in self.call.office.supervision.allowed(self.phone, self.agent, talk):
            self._fact("supervise.refused", now, mode=mode)
            return False
        if talk is None and mode == "take":
            return False
        if mode != self.mode:
            self.mode = mode
            self._fact("supervise.mode", now, mode=mode, by=by)
        if talk is not None and mode == "take":
            self._take(now)
        elif talk is not None:
            talk.confirm(self.call.leg, now)
        return True

    # ----------------------------------------------------------------------------------------------------------- within

    def _take(self, now: Instant) -> None:
        """The agent leaves, the supervisor has the call; the supervisor's own ends here."""
        talk, call = self._talk, self.call
        if talk is None:
            return
        target = talk.call
        self._part("took over", now)
        passes_on(call, target)
        leg = call.give_leg(target.id)
        call.end(now, by="switch", reason=f"took over call {target.id}")
        target.join(leg, f"phone:{self.phone}", record=False, music=talk.music, now=now)

    def _part(self, why: str, now: Instant) -> None:
        talk = self._talk
        if talk is not None:
            talk.watchers.remove(self)
            self.call.leg.hear()
            self._ended(why, now)
            talk.wire(now)

    def _ended(self, why: str, now: Instant) -> None:
        self._fact("supervise.ended", now, mode=self.mode, why=why, lasted=round(now - self._since, 3))
        self._talk = None

    def _fact(self, kind: str, now: Instant, **data: object) -> None:
        """In the story of the call that is supervised, while there is one."""
        office, talk = self.call.office, self._talk
        supervisor = name_of(office.settings, self.phone)
        about = self.call.id if talk is None else talk.call.id
        office.fact(kind, now, about, agent=self.agent, supervisor=supervisor, phone=self.phone, **data)
