"""`conference:NAME`: everybody who is sent there hears the others. One party in it, and the keys that it presses."""

from typing import TYPE_CHECKING, Final

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant, earliest, is_due
from softswitch.switch.conferences import Member, Room
from softswitch.switch.stages.in_call import KeyRun
from softswitch.switch.stages.spoken_name import own_name
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import ToneItem

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_NOT_YOURS: Final = (ToneItem((220.0,), 300, level=-19.0),)
_ANYBODY: Final = frozenset({"mute", "count", "louder", "quieter"})
_SAID: Final = {"full": "conference-full", "locked": "conference-closed"}


def come_to(call: "Call", name: str, now: Instant) -> bool:
    """Bring the caller's leg to where the conference is; False when it could not be, and the call has ended."""
    try:
        worker = call.office.conferences.place(name, call.leg.worker)
        if worker != call.leg.worker:
            call.recording.stop(now)  # a recorder cannot come along
        call.drive(call.leg.move_to(worker, now))
    except NoPort as error:
        call.fail(error, now)
        return False
    return True


class ConferenceStage(Stage):
    """One party in the conference `at`. `spoken`: the file with the name that it has said for this. `invited`: it comes
    in whether the conference is locked or not."""

    label = "talking"

    def __init__(
        self, call: "Call", name: str, moderator: bool = False, spoken: str = "", invited: bool = False
    ) -> None:
        super().__init__(call, name)
        self._moderator = moderator
        self._spoken = spoken
        self._invited = invited
        self._member: Member | None = None
        self._room: Room | None = None
        self._keys = KeyRun(call.office.settings.codes.conference)

    def enter(self, now: Instant) -> None:
        call, conferences = self.call, self.call.office.conferences
        why = conferences.refusal(self.at, moderator=self._moderator or self._invited)
        if why:
            call.office.fact("conference.refused", now, call.id, conference=self.at, party=call.leg.peer, why=why)
            self._forget_name()
            call.play_and_end(_SAID[why], now, reason=f"conference {self.at} is {why}")
            return
        if not come_to(call, self.at, now) or not call.answer(now):
            self._forget_name()
            return
        call.served(now, f"conference:{self.at}")
        call.check_audible(call.leg)
        named = conferences.rules(self.at).announce == "name"
        name = self._spoken or (own_name(call) if named else "")
        member = Member(self, call, call.leg, self._moderator, now, name=name, spoken=bool(self._spoken))
        self._member, self._spoken = member, ""
        room = self._room = conferences.join(self.at, member, now)
        call.office.fact(
            "conference.joined", now, call.id, conference=self.at, party=call.leg.peer, members=len(room.members),
            moderator=self._moderator,
        )  # fmt: skip
        call.talking((call.leg,), now)
        self._welcome(room, member)

    def leave(self, now: Instant) -> None:
        member, room = self._member, self._room
        if member is None or room is None:
            return
        self._member = self._room = None
        call = self.call
        if not call.over:
            member.leg.hear()
        call.office.conferences.part(room, call.id, now)
        call.office.fact("conference.left", now, call.id, conference=self.at, party=member.leg.peer)
        call.talking((), now)

    def held(self) -> bool:
        return self.call.leg.held_at is not None

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        if self._room is not None and self._member is not None:
            self.call.office.conferences.tune(self._room, self._member)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        """What it heard for itself is over; who waits goes on with the music."""
        if self._room is not None and not self._room.begun:
            self.call.music(self._room.rules.music)

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is self.call.leg:
            pressed = self._keys.press(digit, now)
            if pressed is not None:
                self._obey(pressed.verb, now)
            self.look()

    def wake(self, now: Instant) -> None:
        room = self._room
        if room is not None and self.call.office.conferences.wake(room, now):
            return
        if is_due(self._keys.deadline, now):
            self._keys.wake(now)
        self.look()

    def look(self) -> None:
        """The deadline may be another."""
        alone = None if self._room is None else self._room.alone_until
        self.deadline = earliest(self._keys.deadline, alone)
        if self.call.stage is self:
            self.call.rearm()

    def _welcome(self, room: Room, member: Member) -> None:
        """What the member hears, and nobody else."""
        names: list[str] = []
        if room.rules.record != "none":
            names.append("conference-recorded")
        if member.muted:
            names.append("conference-you-are-muted")
        if not room.begun:
            names.append("conference-wait")
        elif len(room.members) == 1 and room.rules.announce != "none":
            names.append("conference-alone")
        if names:
            self.call.play_prompts(*names)
        elif not room.begun:
            self.call.music(room.rules.music)

    def _obey(self, verb: str, now: Instant) -> None:
        room, member, conferences = self._room, self._member, self.call.office.conferences
        if room is None or member is None:
            return
        if verb not in _ANYBODY and not member.moderator:
            self.call.play(_NOT_YOURS)
            return
        by = member.leg.peer
        match verb:
            case "mute":
                self._mute(room, member, now)
            case "count":
                self.call.play_prompts(*conferences.count(room, self.call.language))
            case "louder" | "quieter":
                conferences.volume(room, member, verb == "louder")
            case "mute_all" | "unmute_all":
                conferences.silence_all(room, verb == "mute_all", by, now)
            case "lock":
                conferences.lock(room, not room.locked, by, now)
            case "eject_last" if (last := conferences.last_of(room)) is not None:
                conferences.eject(room, last, by, now)
            case "end":
                conferences.end(room, now, by=by, why="the moderator has ended it")

    def _mute(self, room: Room, member: Member, now: Instant) -> None:
        if member.silenced:
            self.call.play_prompts("conference-muted")
            return
        self.call.office.conferences.mute(room, member, not member.muted, now)
        self.call.play_prompts("conference-you-are-muted" if member.muted else "conference-you-are-heard")

    def _forget_name(self) -> None:
        self.call.office.conferences.forget_name(self._spoken)
        self._spoken = ""
