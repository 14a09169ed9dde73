"""Keys that a party presses during a call, on their way to be a command: `*2` 1 0 0 3 `#`."""

from dataclasses import fields

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.switch.settings import ConferenceKeys, InCall

NUMBERED = ("blind", "consult", "join")
END = "#"


class Pressed(msgspec.Struct, frozen=True, gc=False):
    """`verb` is a field of `InCall` or `ConferenceKeys`, with the `number` that followed it."""

    verb: str
    number: str = ""


class KeyRun:
    """The keys of one party. `passed` are those that turned out to be none of ours: they go on to the other side.
    `parking`: there is a place to park calls. `deadline`: when a run that nothing follows ends."""

    def __init__(self, codes: InCall | ConferenceKeys, *, parking: bool = False) -> None:
        none = {"digit_timeout", "who"} if parking else {"digit_timeout", "who", "park"}
        self._codes = {
            code: item.name for item in fields(codes) if item.name not in none and (code := getattr(codes, item.name))
        }
        self._patience = codes.digit_timeout
        self._run = ""
        self.passed = ""
        self.deadline: Instant | None = None

    def press(self, digit: str, now: Instant) -> Pressed | None:
        """A key; the command that it completes, or None. Look at `passed` afterwards."""
        self.passed = ""
        run = self._run + digit
        numbered, number = self._numbered(run)
        if numbered and number.endswith(END):
            return self._done(numbered, number[:-1])
        if not numbered and run in self._codes:
            return self._done(self._codes[run], "")
        if numbered or any(code.startswith(run) for code in self._codes):
            self._run, self.deadline = run, now + self._patience
            return None
        self._run, self.deadline, self.passed = "", None, run
        return None

    def wake(self, now: Instant) -> Pressed | None:
        """The time for a further key has passed: a number that was begun is complete."""
        run, self._run, self.deadline = self._run, "", None
        numbered, number = self._numbered(run)
        self.passed = "" if numbered else run
        return Pressed(numbered, number) if number else None

    def _numbered(self, run: str) -> tuple[str, str]:
        """The verb that takes a number and the number so far; two empty words when it is none."""
        for code, verb in self._codes.items():
            if verb in NUMBERED and run.startswith(code):
                return verb, run[len(code) :]
        return "", ""

    def _done(self, verb: str, number: str) -> Pressed | None:
        self._run, self.deadline = "", None
        return Pressed(verb, number) if number or verb not in NUMBERED else None
