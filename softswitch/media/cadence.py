"""What bursts of tone mean: ringing, busy, congestion, dial tone, special information tones, fax machines.

The cadences are those of ITU-T E.180 Supplement 2 for the countries named; whoever uses another's is understood too.
On and off times may be a fifth longer or shorter (E.180 §4), at least 45 ms; the nearest cadence wins.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from softswitch.media.progress import TICK_MS, Burst


@dataclass(frozen=True, slots=True)
class Found:
    """`what` was recognised; `detail` says by what, for people."""

    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """`cadence`: on, off, on, off … in ms, starting after the longest pause."""

    what: str
    frequencies: tuple[float, ...]
    cadence: tuple[int, ...]
    countries: str


BUSY: Final = "busy"
CONGESTION: Final = "congestion"
RINGBACK: Final = "ringback"
DIAL: Final = "dial-tone"
UNOBTAINABLE: Final = "unobtainable"
INFORMATION: Final = "information"
CALLING_FAX: Final = "fax-calling"
ANSWERING_FAX: Final = "fax-answering"

PATTERNS: Final = (
    Pattern(RINGBACK, (425,), (1000, 4000), "eu de lt ua"),
    Pattern(RINGBACK, (425,), (800, 3200), "ru"),
    Pattern(RINGBACK, (440, 480), (2000, 4000), "us ca"),
    Pattern(RINGBACK, (400, 450), (400, 200, 400, 2000), "gb"),
    Pattern(RINGBACK, (440,), (1500, 3500), "fr"),
    Pattern(BUSY, (425,), (500, 500), "eu de"),
    Pattern(BUSY, (425,), (350, 350), "lt ru ua"),
    Pattern(BUSY, (480, 620), (500, 500), "us ca"),
    Pattern(BUSY, (400,), (375, 375), "gb"),
    Pattern(BUSY, (440,), (500, 500), "fr"),
    Pattern(CONGESTION, (425,), (250, 250), "eu de"),
    Pattern(CONGESTION, (425,), (200, 200), "lt"),
    Pattern(CONGESTION, (425,), (175, 175), "ru ua"),
    Pattern(CONGESTION, (480, 620), (250, 250), "us ca"),
    Pattern(CONGESTION, (400,), (400, 350, 225, 525), "gb"),
    Pattern(CONGESTION, (440,), (250, 250), "fr"),
)

_OFF: Final = 12.0  # Hz
_RATIO: Final = 0.2
_LEAST_MS: Final = 45.0
_RINGING: Final = 60  # ticks of pause after which only ringing can be meant: no busy tone pauses so long
_KEPT: Final = 4

_STEADY: Final = 3000 // TICK_MS
_DIAL_TONES: Final = ((425.0,), (440.0,), (350.0, 440.0), (330.0, 440.0))
_UNOBTAINABLE_TONE: Final = (400.0,)

_FIRST, _SECOND_TONE, _THIRD = (913.8, 950.0, 985.2), (1370.6, 1400.0, 1428.5), (1776.7, 1800.0)
_SHORT_MS, _LONG_MS = 274, 380
_INFORMATION_MS: Final = (180, 460)
_SEAM: Final = 5  # ticks between the three tones: none, but the detector's edges are 20 ms wide
_INFORMATION_OFF: Final = 20.0  # Hz
_MEANINGS: Final[dict[tuple[int, ...], str]] = {
    (0, 0, 1): "intercept",
    (1, 0, 1): "vacant code",
    (0, 1, 1): "reorder",
    (1, 1, 1): "no circuit",
}
"""Whether each of the three tones is a long one (ANSI T1.401; E.180 knows one form only, with 330 ms each)."""

_CALLING_HZ, _CALLING_OFF, _CALLING_MS = 1100.0, 38.0, (400, 620)  # ITU-T T.30 §4.1.2: 0.5 s ± 15 %
_ANSWERING_HZ, _ANSWERING_OFF = 2100.0, 15.0  # T.30 §4.1.1, V.25: 2.6–4 s
_ANSWERING: Final = 1000 // TICK_MS


class Cadence:
    """The bursts of one leg. Each meaning is told once until another one is found."""

    __slots__ = ("_bursts", "_sounding", "_told")

    def __init__(self) -> None:
        self._bursts: list[Burst] = []
        self._sounding = -1
        self._told = ""

    def burst(self, burst: Burst) -> Found | None:
        """What `burst`, which still sounds or has ended, tells."""
        if not burst.over:
            found = None
            if burst.began != self._sounding:
                self._sounding = burst.began
                found = self._repeated(burst.began)
            return self._tell(found or _lasting(burst))
        self._sounding = -1
        self._bursts = [*self._bursts[1 - _KEPT :], burst]
        return self._tell(_calling(burst) or self._information())

    def wake(self, tick: int) -> Found | None:
        """What the pause tells; call it every tick while `waits`."""
        if self._sounding >= 0 or not self._bursts:
            return None
        last = self._bursts[-1]
        if tick - (last.began + last.ticks) != _RINGING:
            return None
        best: tuple[float, Pattern] | None = None
        for pattern in PATTERNS:
            if pattern.what == RINGBACK and _like(last.frequencies, pattern.frequencies):
                seen = self._times(len(pattern.cadence) // 2)[:-1]
                error = _error(seen, pattern.cadence[:-1]) if seen else 2.0
                if error <= 1 and (best is None or error < best[0]):
                    best = error, pattern
        return self._tell(_named(best[1], self._bursts[-1]) if best else None)

    @property
    def waits(self) -> bool:
        """Whether a pause may still tell something."""
        return self._sounding < 0 and bool(self._bursts)

    def _tell(self, found: Found | None) -> Found | None:
        if found is None or found.what == self._told:
            return None
        self._told = found.what
        return found

    def _times(self, bursts: int, next_began: int = 0) -> list[int]:
        """On and off times of the last `bursts`, in ms; empty when there are not so many of one kind."""
        some = self._bursts[-bursts:]
        if len(some) < bursts or any(not _like(one.frequencies, some[-1].frequencies) for one in some):
            return []
        begins = [*(one.began for one in some[1:]), next_began]
        times: list[int] = []
        for one, after in zip(some, begins, strict=True):
            times += (one.ms, (after - one.began) * TICK_MS - one.ms)
        return times

    def _repeated(self, began: int) -> Found | None:
        """Two whole periods have passed: a busy tone of some kind?"""
        seen = self._times(2, began)
        if not seen:
            return None
        best: tuple[float, Pattern] | None = None
        for pattern in PATTERNS:
            if pattern.what == RINGBACK or not _like(self._bursts[-1].frequencies, pattern.frequencies):
                continue
            whole = (pattern.cadence * 2)[:4]
            error = min(_error(seen, whole), _error(seen, whole[2:] + whole[:2]))
            if error <= 1 and (best is None or error < best[0]):
                best = error, pattern
        return _named(best[1], self._bursts[-1]) if best else None

    def _information(self) -> Found | None:
        """Three tones, each higher than the one before, one right after the other (E.180 §5.4)."""
        some = self._bursts[-3:]
        if len(some) < 3:
            return None
        for one, expected in zip(some, (_FIRST, _SECOND_TONE, _THIRD), strict=True):
            if len(one.frequencies) != 1 or not _INFORMATION_MS[0] <= one.ms <= _INFORMATION_MS[1]:
                return None
            if min(abs(one.frequencies[0] - frequency) for frequency in expected) > _INFORMATION_OFF:
                return None
        for one, after in pairwise(some):
            if after.began - (one.began + one.ticks) > _SEAM:
                return None
        middle = (_SHORT_MS + _LONG_MS) / 2 + TICK_MS
        lengths = tuple(int(one.ms > middle) for one in some)
        even = max(one.ms for one in some) - min(one.ms for one in some) <= 2 * TICK_MS
        return Found(INFORMATION, "special" if even and lengths != (1, 1, 1) else _MEANINGS.get(lengths, "special"))


def _lasting(burst: Burst) -> Found | None:
    if len(burst.frequencies) == 1 and abs(burst.frequencies[0] - _ANSWERING_HZ) <= _ANSWERING_OFF:
        return Found(ANSWERING_FAX, _hertz(burst)) if burst.ticks >= _ANSWERING else None
    if burst.ticks < _STEADY:
        return None
    if any(_like(burst.frequencies, tone) for tone in _DIAL_TONES):
        return Found(DIAL, _hertz(burst))
    return Found(UNOBTAINABLE, _hertz(burst)) if _like(burst.frequencies, _UNOBTAINABLE_TONE) else None


def _calling(burst: Burst) -> Found | None:
    right = len(burst.frequencies) == 1 and abs(burst.frequencies[0] - _CALLING_HZ) <= _CALLING_OFF
    return Found(CALLING_FAX, _hertz(burst)) if right and _CALLING_MS[0] <= burst.ms <= _CALLING_MS[1] else None


def _like(frequencies: tuple[float, ...], expected: tuple[float, ...]) -> bool:
    return len(frequencies) == len(expected) and all(
        abs(one - other) <= _OFF for one, other in zip(frequencies, expected, strict=True)
    )


def _error(seen: list[int], expected: tuple[int, ...]) -> float:
    """The worst deviation as a share of what is allowed."""
    return max(abs(one - other) / max(_RATIO * other, _LEAST_MS) for one, other in zip(seen, expected, strict=True))


def _hertz(burst: Burst) -> str:
    return "+".join(f"{frequency:.0f}" for frequency in burst.frequencies) + " Hz"


def _named(pattern: Pattern, burst: Burst) -> Found:
    times = "/".join(f"{ms / 1000:g}" for ms in pattern.cadence)
    return Found(pattern.what, f"{_hertz(burst)} {times} s ({pattern.countries})")
