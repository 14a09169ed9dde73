"""What is said with a caller who wants to be called back: the number, a key that confirms it, or another number.

    CONFIRMING ── 1 ─► done          CONFIRMING ── 2 ─► TYPING ── # ─► CONFIRMING
        │ 0, silence, too many faults ─► back to the queue

A core as the menu is: prompts go out, keys and the ends of prompts come in. The caller waits on meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from softswitch.call.speech import say_digits
from softswitch.kernel.clock import Duration, Instant

CONFIRM: Final = "1"
ANOTHER: Final = "2"
BACK: Final = "0"
_END: Final = "#"
_PATIENCE: Duration = 8.0  # after the prompt, for a key
_PAUSE: Duration = 5.0  # between the digits of a number
_TRIES: Final = 3
_MOST_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class Say:
    """Play these prompts, and tell `said` when they have ended."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """This number is to be called."""

    number: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The caller waits on as before."""

    reason: str


Step: TypeAlias = Say | Confirmed | Declined | None


class CallbackDialogue:
    """`number` is the caller's own, empty when it is not known or may not be called. `allowed` judges a number that
    is typed; with `may_type` False there is none."""

    def __init__(self, number: str, language: str, *, may_type: bool, allowed: Callable[[str], bool]) -> None:
        self._number = number
        self._language = language
        self._may_type = may_type
        self._allowed = allowed
        self._typed: str | None = None  # None: not typing
        self._tries = 0
        self.deadline: Instant | None = None

    def start(self) -> Step:
        """The first words."""
        if self._number:
            return self._confirm()
        return self._ask() if self._may_type else self._end("no number")

    def said(self, now: Instant) -> Step:
        """The prompts have ended: now it is the caller's turn."""
        self.deadline = now + _PATIENCE
        return None

    def key(self, digit: str, now: Instant) -> Step:
        """A key; it cuts the prompt off."""
        if self._typed is not None:
            return self._type(digit, now)
        if digit == CONFIRM and self._number:
            self.deadline = None
            return Confirmed(self._number)
        if digit == ANOTHER and self._may_type:
            return self._ask()
        if digit == BACK:
            return self._end("declined")
        return self._fault(self._confirm)

    def wake(self, now: Instant) -> Step:
        """Nothing was pressed for too long."""
        if self._typed:
            return self._type(_END, now)
        return self._fault(self._confirm if self._typed is None else self._ask)

    def _type(self, digit: str, now: Instant) -> Step:
        typed = self._typed or ""
        if digit == _END:
            if not self._allowed(typed):
                return self._fault(self._ask, "invalid-entry")
            self._number, self._typed = typed, None
            return self._confirm()
        if digit.isdigit() or (digit == "*" and not typed):
            self._typed = typed + ("+" if digit == "*" else digit)
            if len(self._typed) > _MOST_DIGITS:
                return self._fault(self._ask, "invalid-entry")
        self.deadline = now + _PAUSE
        return None

    def _confirm(self, *before: str) -> Step:
        self.deadline = None
        other = ("callback-other-number",) if self._may_type else ()
        return Say((*before, "callback-number", *say_digits(self._number, self._language), "callback-confirm", *other))

    def _ask(self, *before: str) -> Step:
        self.deadline = None
        self._typed = ""
        return Say((*before, "enter-number"))

    def _fault(self, again: Callable[..., Step], *before: str) -> Step:
        self._tries += 1
        return self._end("no choice") if self._tries >= _TRIES else again(*before)

    def _end(self, reason: str) -> Step:
        self.deadline = None
        return Declined(reason)
