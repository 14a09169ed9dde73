"""The way into a conference: who may come at all, the PIN, the name that the others will hear."""

from typing import TYPE_CHECKING, Final

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.pin_locks import TRIES
from softswitch.switch.stages.conferring import ConferenceStage, come_to
from softswitch.switch.stages.sounds import PlayStage, RefuseStage
from softswitch.switch.stages.spoken_name import NameStage, name_file, own_name
from softswitch.switch.stages.stage import Stage

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_PAUSE: Final = 6.0  # seconds without a key: what was typed is the PIN
_LONGEST: Final = 20


def entrance(call: "Call", name: str) -> Stage:
    """The first stage of a call that goes to `conference:NAME`."""
    conferences = call.office.conferences
    rules, phone = conferences.rules(name), _phone(call)
    call.language = rules.language or call.language
    if phone and rules.phones and phone not in rules.phones and phone not in rules.moderators:
        return RefuseStage(call, 403)
    if conferences.refusal(name, moderator=True) and not call.leg.up:
        return RefuseStage(call, 486)  # full
    moderator = bool(phone) and phone in rules.moderators
    if (rules.pin or rules.moderator_pin) and not moderator:
        return PinStage(call, name)
    return _inside(call, name, moderator)


def _phone(call: "Call") -> str:
    """At which phone the party is that comes: who began the call may have sent somebody else on."""
    return call.office.directory.seat(call.leg.peer)


def _inside(call: "Call", name: str, moderator: bool) -> Stage:
    """After the PIN: the conference, or first the name of who has not said it for good."""
    if call.office.conferences.rules(name).announce != "name" or own_name(call):
        return ConferenceStage(call, name, moderator)
    path = name_file(call, f"call-{call.id}")

    def named(spoken: str) -> Stage:
        return ConferenceStage(call, name, moderator, spoken=spoken)

    return NameStage(call, f"conference:{name}", path, named, lasting=False)


class PinStage(Stage):
    """The PIN is asked for, three times at most; it ends with `#` or a pause."""

    label = "playing"

    def __init__(self, call: "Call", name: str) -> None:
        super().__init__(call, name)
        self._typed = ""
        self._wrong = 0

    def enter(self, now: Instant) -> None:
        call = self.call
        if not call.leg.up and not come_to(call, self.at, now):
            return
        if call.answer(now):
            call.served(now, f"conference:{self.at}")
            self._ask()

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        self.deadline = now + _PAUSE

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is not self.call.leg:
            return
        self.call.silence()
        if digit.isdecimal():
            self._typed += digit
            self.deadline = now + _PAUSE
        if digit == "#" or len(self._typed) >= _LONGEST:
            self.wake(now)

    def wake(self, now: Instant) -> None:
        """The PIN is complete, or nothing came."""
        typed, self._typed = self._typed, ""
        call, conferences = self.call, self.call.office.conferences
        role = call.office.pins.role(self.at, conferences.rules(self.at), call, typed, now)
        if role:
            call.move(_inside(call, self.at, role == "moderator"), now)
            return
        self._wrong += 1
        if self._wrong < TRIES:
            self._ask("conference-pin-wrong")
        else:
            call.facts.reason = "wrong PIN"
            call.move(PlayStage(call, "conference-pin-wrong", "voicemail-goodbye"), now)

    def _ask(self, *before: str) -> None:
        self.deadline = None
        asked = "conference-pin" if self.call.office.conferences.rules(self.at).pin else "conference-moderator-pin"
        self.call.play_prompts(*before, asked)
