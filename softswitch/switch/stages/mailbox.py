"""A mailbox opened by its owner: messages are heard, kept and deleted, who left one is called back, and the greeting
is spoken anew. Reached by feature code: `*97` the phone's own box, `*98` any box by its number and PIN.

The rows below say what a key, the end of a prompt, or silence does where. Numbers and PINs end with `#` or a pause.
"""

from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias
from zoneinfo import ZoneInfo

from softswitch.call.leg import Leg
from softswitch.call.speech import say_digits, say_number
from softswitch.kernel.clock import Instant
from softswitch.switch.records import SavedMessage
from softswitch.switch.stages.sounds import PlayStage
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import Edge, FileItem, PlayItem, Record, ToneItem
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_BEEP: Final = (ToneItem((1000.0,), 500, level=-10.0),)
_TRIES: Final = 3  # wrong boxes or PINs in one call
_REPEAT: Final = 2  # times that a menu is said to somebody who presses nothing
_PAUSE: Final = 5.0  # seconds without a key: the menu is said again, or a number is complete
_GREETING_SECONDS: Final = 60.0
_LONGEST_NUMBER: Final = 20
_PARTING: Final = "voicemail-goodbye"


class State(Enum):
    """Where the owner is."""

    NUMBER = auto()  # the box is asked for
    PIN = auto()
    MENU = auto()
    MESSAGE = auto()  # a message is played
    CHOICE = auto()  # it was, and what to do with it is asked
    GREETING = auto()  # what to say is explained
    BEEP = auto()
    SPEAKING = auto()  # the greeting is recorded
    WRITING = auto()  # media closes its file
    REVIEW = auto()  # it is played, and what to do with it is asked
    PARTING = auto()


class Input(Enum):
    """What can happen."""

    KEY = auto()
    PLAYED = auto()
    SILENCE = auto()
    WRITTEN = auto()  # the greeting's file is whole


class MailboxStage(Stage):
    """`box` is empty when it is to be asked for; `phone` is who calls. `proven`: no PIN is asked."""

    label = "mailbox"

    def __init__(self, call: "Call", phone: str, box: str = "", proven: bool = False) -> None:
        super().__init__(call, "mailbox")
        self._phone = phone
        self._box = box
        self._proven = proven
        self._state = State.PIN if box else State.NUMBER
        self._player = 0
        self._typed = ""
        self._wrong = 0
        self._silences = 0
        self._messages: list[SavedMessage] = []
        self._number = 0  # of the message at hand
        self._recorder = 0
        self._file = ""

    # ---------------------------------------------------------------------------------------------------- what happens

    def enter(self, now: Instant) -> None:
        call = self.call
        if not call.answer(now):
            return
        call.served(now, "mailbox:")
        if self._box and self._proven:
            self._opened(now)
        else:
            self._ask(self._state, "mailbox-pin" if self._box else "mailbox-number")

    def leave(self, now: Instant) -> None:
        self._stop_recording()

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is self.call.leg and digit != FLASH:
            self._happen(Input.KEY, digit, now)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if player == self._player:
            self._player = 0
            self._happen(Input.PLAYED, cause, now)

    def on_recorded(self, recorder: int, good: bool, now: Instant) -> None:
        if recorder == self._recorder:
            self._recorder = 0
            self._happen(Input.WRITTEN, "yes" if good else "", now)

    def wake(self, now: Instant) -> None:
        self._happen(Input.SILENCE, "", now)

    def _happen(self, what: Input, key: str, now: Instant) -> None:
        row = _ROWS.get((self._state, what))
        if row is not None:
            if what is Input.KEY:
                self._silences = 0
            row(self, key, now)

    def _say(self, state: State, *names: str, files: tuple[PlayItem, ...] = (), after: tuple[str, ...] = ()) -> None:
        """Say the prompts, then the files, then the prompts `after`, and be in `state`."""
        call = self.call
        self._state = state
        self.deadline = None
        prompts = call.office.prompts
        self._player = call.play(prompts(names, call.language) + files + prompts(after, call.language))

    def _ask(self, state: State, *names: str) -> None:
        self._typed = ""
        self._say(state, *names)

    def _wait(self, _key: str, now: Instant) -> None:
        self.deadline = now + _PAUSE

    def _part(self, _key: str, now: Instant) -> None:
        self._say(State.PARTING, _PARTING)

    def _end(self, _key: str, now: Instant) -> None:
        self.call.end(now, by="switch", reason="mailbox")

    # ------------------------------------------------------------------------------------------------- which box, whose

    def _type(self, key: str, now: Instant) -> None:
        if not self._typed:
            self.call.silence()
        if key == "#" or len(self._typed) >= _LONGEST_NUMBER:
            self._typed_in("", now)
        elif key.isdecimal():
            self._typed += key
            self.deadline = now + _PAUSE

    def _typed_in(self, _key: str, now: Instant) -> None:
        typed, self._typed = self._typed, ""
        call = self.call
        mailboxes = call.office.mailboxes
        if self._state is State.NUMBER:
            self._file = typed  # until the PIN is known nobody learns whether there is such a box
            self._ask(State.PIN, "mailbox-pin")
            return
        box = self._box or mailboxes.box_of_number(self._file)
        if mailboxes.opens(box, call, typed, now):
            self._box = box
            self._opened(now)
            return
        self._wrong += 1
        if self._wrong >= _TRIES:
            self._say(State.PARTING, "mailbox-wrong", _PARTING)
        elif self._box:
            self._ask(State.PIN, "mailbox-wrong", "mailbox-pin")
        else:
            self._ask(State.NUMBER, "mailbox-wrong", "mailbox-number")

    def _opened(self, now: Instant) -> None:
        self.at = f"mailbox:{self._box}"
        self.call.facts.destination = self.at
        self.call.office.fact("voicemail.opened", now, self.call.id, box=self._box, phone=self._phone)
        self._menu("", now)

    # ------------------------------------------------------------------------------------------------------- the menu

    def _menu(self, _key: str, now: Instant) -> None:
        new, saved = self.call.office.mailboxes.count(self._box)
        language = self.call.language
        names: tuple[str, ...] = ("mailbox-empty",)
        if new or saved:
            names = ("mailbox-new", *say_number(new, language), "mailbox-saved", *say_number(saved, language))
        self._say(State.MENU, *names, "mailbox-menu")

    def _menu_key(self, key: str, now: Instant) -> None:
        match key:
            case "1":
                self._messages = self.call.office.mailboxes.messages(self._box)
                self._number = -1
                self._next(now)
            case "0":
                self._say(State.GREETING, "greeting-record")
            case "#":
                self._part("", now)
            case _:
                self._say(State.MENU, "invalid-choice", "mailbox-menu")

    def _silent(self, _key: str, now: Instant) -> None:
        """Nobody pressed anything: say it again, but not for ever."""
        self._silences += 1
        if self._silences > _REPEAT:
            self._part("", now)
        elif self._state is State.CHOICE:
            self._say(State.CHOICE, "message-menu")
        elif self._state is State.REVIEW:
            self._say(State.REVIEW, "greeting-menu")
        else:
            self._say(State.MENU, "mailbox-menu")

    # ------------------------------------------------------------------------------------------------------- messages

    @property
    def _message(self) -> SavedMessage:
        return self._messages[self._number]

    def _next(self, now: Instant, *before: str) -> None:
        self._number += 1
        if self._number < len(self._messages):
            self._play(now, *before)
        else:
            self._say(State.MENU, *before, "no-more-messages", "mailbox-menu")

    def _play(self, now: Instant, *before: str) -> None:
        message, office = self._message, self.call.office
        path = f"{office.settings.recording.directory}/{message.path}"
        self._say(State.MESSAGE, *before, *self._about(message, now), files=(FileItem(path),))

    def _about(self, message: SavedMessage, now: Instant) -> tuple[str, ...]:
        """Who left it, and when: numbers stand alone, as in all our sentences."""
        language = self.call.language
        digits = "".join(sign for sign in message.caller if sign in "+0123456789")
        who = ("message-from", *say_digits(digits, language)) if digits else ("message-hidden",)
        zone = ZoneInfo(self.call.office.settings.server.timezone)
        left, today = datetime.fromtimestamp(message.at, zone), datetime.fromtimestamp(now, zone)
        days = (today.date() - left.date()).days
        day: tuple[str, ...] = ("message-today",)
        if days == 1:
            day = ("message-yesterday",)
        elif days > 1:
            day = ("message-days-ago", *say_number(days, language))
        minute = say_number(left.minute, language)
        clock = (*say_number(left.hour, language), *((say_number(0, language)) if left.minute < 10 else ()), *minute)
        return (*who, *day, "message-time", *clock)

    def _heard(self, cause: str, now: Instant) -> None:
        if cause != "end":  # its file could not be read
            self._next(now, "try-later")
            return
        self.call.office.mailboxes.heard(self._box, self._message.path, now)
        self._say(State.CHOICE, "message-menu")

    def _message_key(self, key: str, now: Instant) -> None:
        message, mailboxes = self._message, self.call.office.mailboxes
        match key:
            case "1":
                self._play(now)
            case "2":
                mailboxes.heard(self._box, message.path, now)
                self._next(now, "message-saved")
            case "3":
                mailboxes.delete(self._box, message.path, f"phone:{self._phone}", now)
                self._next(now, "message-deleted")
            case "4":
                self._call_back(message, now)
            case "*":
                self._menu("", now)
            case "#":
                self._part("", now)
            case _ if self._state is State.CHOICE:
                self._say(State.CHOICE, "invalid-choice", "message-menu")

    def _call_back(self, message: SavedMessage, now: Instant) -> None:
        """To whom this phone could have dialled itself."""
        call = self.call
        target = call.office.directory.dialled(self._phone, message.caller, now) if message.caller else None
        if target is None:
            self._say(State.CHOICE, "unavailable", "message-menu")
            return
        call.office.mailboxes.heard(self._box, message.path, now)
        call.number = message.caller
        call.go(target, now)

    # ------------------------------------------------------------------------------------------------------- greeting

    def _beep(self, _key: str, now: Instant) -> None:
        self._state = State.BEEP
        self.deadline = None
        self._player = self.call.play(_BEEP)

    def _record(self, _key: str, now: Instant) -> None:
        call, office = self.call, self.call.office
        if office.recording_refusal:
            self._say(State.MENU, "try-later", "mailbox-menu")
            return
        folder = f"{office.settings.server.data_dir}/greetings"
        # Two files a box take turns: callers hear the one while the other is spoken.
        first = f"{folder}/{self._box}-1.wav"
        self._file = first if office.mailboxes.greeting(self._box) != first else f"{folder}/{self._box}-2.wav"
        call.silence()
        worker = call.leg.worker
        self._recorder = office.fabric.new_id()
        office.dictations[self._recorder] = call.id
        office.fabric.record(worker, Record(self._recorder, self._file, 1))
        office.fabric.connect(worker, Edge(call.leg.id, self._recorder, 0))
        self._state = State.SPEAKING
        self.deadline = now + _GREETING_SECONDS

    def _spoken(self, _key: str, now: Instant) -> None:
        self._state = State.WRITING
        self.deadline = None
        self.call.office.fabric.stop_record(self.call.leg.worker, self._recorder)

    def _written(self, good: str, now: Instant) -> None:
        if good and self._state is State.WRITING:
            self._review("", now)
        else:
            self._say(State.MENU, "try-later", "mailbox-menu")

    def _review(self, _key: str, now: Instant) -> None:
        self._say(State.REVIEW, files=(FileItem(self._file),), after=("greeting-menu",))

    def _review_key(self, key: str, now: Instant) -> None:
        mailboxes = self.call.office.mailboxes
        match key:
            case "1":
                mailboxes.greet(self._box, self._file, now)
                self._say(State.MENU, "greeting-kept", "mailbox-menu")
            case "2":
                self._say(State.GREETING, "greeting-record")
            case "3":
                mailboxes.greet(self._box, "", now)
                self._say(State.MENU, "greeting-kept", "mailbox-menu")
            case "*":
                self._menu("", now)
            case _:
                self._say(State.REVIEW, "invalid-choice", "greeting-menu")

    def _stop_recording(self) -> None:
        if self._recorder:
            self.call.office.dictations.pop(self._recorder, None)
            self.call.office.fabric.stop_record(self.call.leg.worker, self._recorder)
            self._recorder = 0


Action: TypeAlias = Callable[[MailboxStage, str, Instant], None]
_ROWS: Final[dict[tuple[State, Input], Action]] = {
    (State.NUMBER, Input.KEY): MailboxStage._type,
    (State.NUMBER, Input.PLAYED): MailboxStage._wait,
    (State.NUMBER, Input.SILENCE): MailboxStage._typed_in,
    (State.PIN, Input.KEY): MailboxStage._type,
    (State.PIN, Input.PLAYED): MailboxStage._wait,
    (State.PIN, Input.SILENCE): MailboxStage._typed_in,
    (State.MENU, Input.KEY): MailboxStage._menu_key,
    (State.MENU, Input.PLAYED): MailboxStage._wait,
    (State.MENU, Input.SILENCE): MailboxStage._silent,
    (State.MESSAGE, Input.KEY): MailboxStage._message_key,
    (State.MESSAGE, Input.PLAYED): MailboxStage._heard,
    (State.CHOICE, Input.KEY): MailboxStage._message_key,
    (State.CHOICE, Input.PLAYED): MailboxStage._wait,
    (State.CHOICE, Input.SILENCE): MailboxStage._silent,
    (State.GREETING, Input.KEY): MailboxStage._beep,
    (State.GREETING, Input.PLAYED): MailboxStage._beep,
    (State.BEEP, Input.PLAYED): MailboxStage._record,
    (State.SPEAKING, Input.KEY): MailboxStage._spoken,
    (State.SPEAKING, Input.SILENCE): MailboxStage._spoken,
    (State.SPEAKING, Input.WRITTEN): MailboxStage._written,
    (State.WRITING, Input.WRITTEN): MailboxStage._written,
    (State.REVIEW, Input.KEY): MailboxStage._review_key,
    (State.REVIEW, Input.PLAYED): MailboxStage._wait,
    (State.REVIEW, Input.SILENCE): MailboxStage._silent,
    (State.PARTING, Input.PLAYED): MailboxStage._end,
}


def mailbox_stage(call: "Call", phone: str, number: str) -> Stage | None:
    """The stage of a mailbox's feature code, or None when `number` is none."""
    office, codes = call.office, call.office.settings.codes
    if codes.any_mailbox and number == codes.any_mailbox:
        return MailboxStage(call, phone)
    if not codes.mailbox or number != codes.mailbox:
        return None
    box = office.settings.phones[phone].mailbox
    settings = office.settings.voicemail.get(box) if box is not None else None
    if box is None or settings is None:
        office.log("info", "a phone without a mailbox asks for it", phone=phone, code=number)
        return PlayStage(call, "unavailable")
    return MailboxStage(call, phone, box, settings.ask_pin == "elsewhere")
