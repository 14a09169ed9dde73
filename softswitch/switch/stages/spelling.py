"""`directory:`: the caller spells a name on the keys and is connected with whom it means."""

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

from softswitch.call.keypad import spells
from softswitch.call.leg import Leg
from softswitch.call.speech import say_digits, say_key
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.spoken_name import name_file
from softswitch.switch.stages.stage import Stage
from softswitch.switch.targets import parse_target
from softswitch.wire.control import FileItem, PlayItem
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

MOST: Final = 8  # names that are read out
_PAUSE: Final = 4.0  # seconds without a key: the name is complete, or the list is said again
_TRIES: Final = 3
_LONGEST: Final = 30


class _State(Enum):
    SPELLING = auto()
    CHOOSING = auto()  # names were read out
    PARTING = auto()


class _Input(Enum):
    KEY = auto()
    PLAYED = auto()
    SILENCE = auto()


def listed(office: "Office", group: str) -> list[str]:
    """The phones of the directory, by name; of a ring group's members only, when `group` says so."""
    settings = office.settings
    names = [name for name, phone in settings.phones.items() if phone.listed and phone.name]
    if group:
        members = settings.groups[group].members if group in settings.groups else ()
        chosen = {target.name for target in map(parse_target, members) if target.kind == "phone"}
        names = [name for name in names if name in chosen]
    return sorted(names, key=lambda name: (settings.phones[name].name or "", name))


class DirectoryStage(Stage):
    """`group`: only its members; empty: every phone that is listed."""

    label = "menu"

    def __init__(self, call: "Call", group: str) -> None:
        super().__init__(call, f"directory:{group}")
        self._group = group
        self._state = _State.SPELLING
        self._typed = ""
        self._tries = 0
        self._found: list[str] = []

    def enter(self, now: Instant) -> None:
        if self.call.answer(now):
            self.call.served(now, self.at)
            self._ask()

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is self.call.leg and digit != FLASH:
            self._happen(_Input.KEY, digit, now)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        self._happen(_Input.PLAYED, "", now)

    def wake(self, now: Instant) -> None:
        self._happen(_Input.SILENCE, "", now)

    def _happen(self, what: _Input, key: str, now: Instant) -> None:
        row = _ROWS.get((self._state, what))
        if row is not None:
            row(self, key, now)

    def _ask(self, *before: str) -> None:
        self._state, self._typed, self.deadline = _State.SPELLING, "", None
        self.call.play_prompts(*before, "directory-spell")

    def _wait(self, _key: str, now: Instant) -> None:
        self.deadline = now + _PAUSE

    def _spell(self, key: str, now: Instant) -> None:
        self.call.silence()
        if key.isdecimal():
            self._typed += key
            self.deadline = now + _PAUSE
        if key == "*":
            self._ask()
        elif key == "#" or len(self._typed) >= _LONGEST:
            self._look_up("", now)

    def _look_up(self, _key: str, now: Instant) -> None:
        typed, self._typed = self._typed, ""
        office = self.call.office
        phones = office.settings.phones
        found = [name for name in listed(office, self._group) if spells(typed, phones[name].name or "")]
        office.fact("directory.asked", now, self.call.id, directory=self._group, keys=typed, found=len(found))
        if 1 <= len(found) <= MOST:
            self._found = found
            self._read_out("", now)
        else:
            self._again("directory-too-many" if found else "directory-nobody")

    def _again(self, why: str) -> None:
        self._tries += 1
        if self._tries < _TRIES:
            self._ask(why)
        else:
            self._part(why)

    def _part(self, *before: str) -> None:
        self._state, self.deadline = _State.PARTING, None
        self.call.play_prompts(*before, "voicemail-goodbye")

    def _read_out(self, _key: str, now: Instant) -> None:
        call, prompts = self.call, self.call.office.prompts
        self._state, self.deadline = _State.CHOOSING, None
        items: tuple[PlayItem, ...] = ()
        for number, name in enumerate(self._found, 1):
            items += self._said(name)
            items += prompts(("directory-press", *say_key(str(number), call.language)), call.language)
        call.play(items + prompts(("directory-again",), call.language))

    def _said(self, name: str) -> tuple[PlayItem, ...]:
        """The name as its owner has said it, else the extension."""
        call, office = self.call, self.call.office
        if own := office.sound(name_file(call, name)):
            return (FileItem(own),)
        digits = "".join(sign for sign in office.settings.phones[name].number or name if sign in "0123456789*#")
        return office.prompts(("directory-extension", *say_digits(digits, call.language)), call.language)

    def _choose(self, key: str, now: Instant) -> None:
        if key == "*":
            self._ask()
        elif key.isdecimal() and 1 <= int(key) <= len(self._found):
            self.call.go(f"phone:{self._found[int(key) - 1]}", now)
        else:
            self._again("invalid-choice")

    def _unchosen(self, key: str, now: Instant) -> None:
        self._tries += 1
        if self._tries < _TRIES:
            self._read_out(key, now)
        else:
            self._part()

    def _end(self, _key: str, now: Instant) -> None:
        self.call.end(now, by="switch", reason="directory")


_Action: TypeAlias = Callable[[DirectoryStage, str, Instant], None]
_ROWS: Final[dict[tuple[_State, _Input], _Action]] = {
    (_State.SPELLING, _Input.KEY): DirectoryStage._spell,
    (_State.SPELLING, _Input.PLAYED): DirectoryStage._wait,
    (_State.SPELLING, _Input.SILENCE): DirectoryStage._look_up,
    (_State.CHOOSING, _Input.KEY): DirectoryStage._choose,
    (_State.CHOOSING, _Input.PLAYED): DirectoryStage._wait,
    (_State.CHOOSING, _Input.SILENCE): DirectoryStage._unchosen,
    (_State.PARTING, _Input.PLAYED): DirectoryStage._end,
}
