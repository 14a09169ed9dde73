"""Who has answered: a person or a machine, and when the machine beeps.

A person says a word or two and waits; a machine talks on. So what counts is how long the greeting is before the first
real pause. It is a guess, as all answering-machine detection is: `unsure` is an answer, too.
"""

from typing import Final

from softswitch.media.cadence import Found
from softswitch.media.progress import TICK_MS, Burst

HUMAN: Final = "human"
MACHINE: Final = "machine"
UNSURE: Final = "unsure"
BEEP: Final = "beep"

_WORD: Final = 120 // TICK_MS  # shorter sounds are no words
_BETWEEN: Final = 60 // TICK_MS  # longer pauses part words
_PAUSE: Final = 800 // TICK_MS  # ends a greeting
_GREETING: Final = 2200 // TICK_MS  # no person's is longer
_WORDS: Final = 6  # nor has more words
_SILENT: Final = 4000 // TICK_MS
_LONGEST: Final = 6000 // TICK_MS
_BEEP_WAIT: Final = 60000 // TICK_MS
_BEEP_MS: Final = (120, 2500)
_BEEP_HZ: Final = (350.0, 2450.0)


class Answering:
    """From answer on, tick by tick. `done` once nothing more will be found."""

    __slots__ = ("_began", "_decided", "_first", "_gap", "_last", "_run", "_toned", "_words", "done")

    def __init__(self, tick: int) -> None:
        self._began = tick
        self._first = self._last = -1  # active frames of words
        self._run = self._gap = 0
        self._words = 0
        self._toned = False
        self._decided = ""
        self.done = False

    def hear(self, active: bool, tick: int) -> Found | None:
        """One frame: whether it holds speech."""
        if self._decided:
            self.done = self.done or tick - self._began >= _BEEP_WAIT
            return None
        if active and not self._toned:
            self._gap = 0
            self._run += 1
            if self._run == _WORD:
                self._words += 1
                if self._first < 0:
                    self._first = tick - _WORD + 1
            if self._run >= _WORD:
                self._last = tick
        else:
            self._gap += 1
            if self._gap >= _BETWEEN:
                self._run = 0
        self._toned = False
        return self._judge(tick)

    def burst(self, burst: Burst) -> tuple[Found, ...]:
        """A tone sounds, or has ended. Call it before the frame's `hear`."""
        if not burst.over:
            self._toned, self._run = True, 0
            return ()
        frequency = burst.frequencies[0]
        if len(burst.frequencies) > 1 or not _BEEP_HZ[0] <= frequency <= _BEEP_HZ[1]:
            return ()
        if not _BEEP_MS[0] <= burst.ms <= _BEEP_MS[1]:
            return ()
        beep = Found(BEEP, f"{frequency:.0f} Hz {burst.ms} ms")
        self.done = True
        if self._decided:
            return (beep,)
        self._decided = MACHINE
        return (Found(MACHINE, "beep"), beep)

    def _judge(self, tick: int) -> Found | None:
        if not self._words:
            return self._decide(UNSURE, "silent") if tick - self._began >= _SILENT else None
        length = self._last - self._first + 1
        words = f"{self._words} word{'s'[: self._words != 1]} in {length * TICK_MS} ms"
        if length >= _GREETING or self._words > _WORDS:
            return self._decide(MACHINE, words)
        if tick - self._last >= _PAUSE:
            return self._decide(HUMAN, words)
        return self._decide(UNSURE, words) if tick - self._began >= _LONGEST else None

    def _decide(self, what: str, detail: str) -> Found:
        self._decided = what
        self.done = what == HUMAN
        return Found(what, detail)
