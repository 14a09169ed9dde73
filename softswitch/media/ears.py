"""Which rows are listened to, for what, and what was heard there: the detectors behind one interface."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softswitch.media.answering import Answering
from softswitch.media.arena import Ints, Samples
from softswitch.media.cadence import Cadence, Found
from softswitch.media.dtmf_tones import DtmfDetector, Keyed
from softswitch.media.progress import TICK_MS, ToneDetector
from softswitch.media.speech_facts import NOBODY, SpeechMeter
from softswitch.wire.control import LISTEN_ANSWER, LISTEN_DTMF, LISTEN_PROGRESS, LISTEN_SPEECH, SpeechFacts

DEAD_AIR: Final = "dead-air"

_ALL: Final = LISTEN_DTMF | LISTEN_SPEECH | LISTEN_PROGRESS | LISTEN_ANSWER
_METERED: Final = LISTEN_SPEECH | LISTEN_ANSWER
_TONES: Final = LISTEN_PROGRESS | LISTEN_ANSWER


@dataclass(frozen=True, slots=True)
class Noticed:
    """On `row` `what` was heard, `ms` after listening for it began."""

    row: int
    what: str
    detail: str
    ms: int


Hearing: TypeAlias = Keyed | Noticed


@dataclass(slots=True)
class _Ear:
    """What a listened row needs beside the detectors' tables."""

    bits: int
    dead_air: float
    since: dict[int, int] = field(default_factory=dict)  # bit → tick
    cadence: Cadence | None = None
    answering: Answering | None = None


class Ears:
    """`listen` when a row's wishes change, `hear` every tick with the frames of at least those rows, then `take`."""

    __slots__ = ("_bits", "_dtmf", "_ears", "_heard", "_speech", "_tones", "_waiting")

    def __init__(self, capacity: int) -> None:
        self._dtmf = DtmfDetector(capacity)
        self._speech = SpeechMeter(capacity)
        self._tones = ToneDetector(capacity)
        self._ears: dict[int, _Ear] = {}
        self._waiting: dict[int, _Ear] = {}  # ears that need each tick: pauses, answers
        self._bits: NDArray[np.uint8] = np.zeros(capacity, np.uint8)
        self._heard: list[Hearing] = []

    @property
    def busy(self) -> bool:
        """Whether any row is listened to."""
        return bool(self._ears)

    def __contains__(self, row: int) -> bool:
        """Whether `row` is listened to."""
        return row in self._ears

    def listen(self, row: int, bits: int, dead_air: float, tick: int) -> None:
        """From now on listen on `row` for what `bits` say (none: not at all). What goes on keeps its memory."""
        bits &= _ALL
        ear = self._ears.get(row)
        before = 0 if ear is None else ear.bits
        if bits == before and (ear is None or ear.dead_air == dead_air):
            return
        self._bits[row] = bits
        fresh = bits & ~before
        if not bits:
            self._ears.pop(row, None)
            self._waiting.pop(row, None)
            self._tones.reset(row)
            self._speech.reset(row)
            return
        if ear is None:
            ear = self._ears[row] = _Ear(bits, dead_air)
        ear.bits, ear.dead_air = bits, dead_air
        for bit in (LISTEN_DTMF, LISTEN_SPEECH, LISTEN_PROGRESS, LISTEN_ANSWER):
            if fresh & bit:
                ear.since[bit] = tick
        if fresh & LISTEN_DTMF:
            self._dtmf.reset(row)
        if fresh & _METERED and not before & _METERED:
            self._speech.reset(row)
        self._speech.limit(row, dead_air)
        if fresh & _TONES and not before & _TONES:
            self._tones.reset(row)
        if fresh & LISTEN_PROGRESS:
            ear.cadence = Cadence()
        if fresh & LISTEN_ANSWER:
            ear.answering = Answering(tick)
            self._waiting[row] = ear
        if not bits & LISTEN_PROGRESS:
            ear.cadence = None
        if not bits & LISTEN_ANSWER:
            ear.answering = None

    def pair(self, row: int, other: int) -> None:
        """`other` is whom `row` talks with; `NOBODY` when there is no such one, or it is not metered."""
        self._speech.pair(row, other if other in self._ears else NOBODY)

    def other(self, row: int) -> int:
        """Whom `row` talks with, as `pair` was told."""
        return self._speech.other(row)

    def facts(self, row: int) -> SpeechFacts | None:
        """What the speech meter knows of `row`; None when it is not metered."""
        ear = self._ears.get(row)
        return self._speech.facts(row) if ear is not None and ear.bits & LISTEN_SPEECH else None

    def hear(self, rows: Ints, frames: Samples, tick: int) -> None:
        """The frames [n, 160] of `rows` at `tick`; rows that nobody asked about are passed over. May be called for
        other rows in the same tick."""
        if not self._ears:
            return
        heard, ears = self._heard, self._ears
        bits = self._bits[rows]
        heard += self._dtmf.hear(*_chosen(rows, frames, bits & LISTEN_DTMF), tick)
        for row in self._speech.hear(*_chosen(rows, frames, bits & _METERED), tick):
            heard.append(Noticed(row, DEAD_AIR, f"{ears[row].dead_air:g} s", self._since(row, LISTEN_SPEECH, tick)))
        for row, burst in self._tones.hear(*_chosen(rows, frames, bits & _TONES), tick):
            ear = ears[row]
            if ear.cadence is not None:
                self._note(row, ear.cadence.burst(burst), LISTEN_PROGRESS, tick)
                if ear.cadence.waits:
                    self._waiting[row] = ear
            if ear.answering is not None:
                for found in ear.answering.burst(burst):
                    self._note(row, found, LISTEN_ANSWER, tick)

    def take(self, tick: int) -> list[Hearing]:
        """What was heard, pauses included: once a tick, after all that there is to `hear`."""
        for row, ear in tuple(self._waiting.items()):
            self._wait(row, ear, tick)
        heard, self._heard = self._heard, []
        return heard

    def _wait(self, row: int, ear: _Ear, tick: int) -> None:
        if ear.cadence is not None and ear.cadence.waits:
            self._note(row, ear.cadence.wake(tick), LISTEN_PROGRESS, tick)
        if ear.answering is not None:
            found = ear.answering.hear(bool(self._speech.active[row]), tick)
            self._note(row, found, LISTEN_ANSWER, tick)
            if ear.answering.done:
                ear.answering = None
        if ear.answering is None and (ear.cadence is None or not ear.cadence.waits):
            del self._waiting[row]

    def _note(self, row: int, found: Found | None, bit: int, tick: int) -> None:
        if found is not None:
            self._heard.append(Noticed(row, found.what, found.detail, self._since(row, bit, tick)))

    def _since(self, row: int, bit: int, tick: int) -> int:
        return (tick - self._ears[row].since.get(bit, tick)) * TICK_MS


def _chosen(rows: Ints, frames: Samples, wanted: NDArray[np.integer[Any]]) -> tuple[Ints, Samples]:
    """The rows that are `wanted`, and their frames; all of them need no copy."""
    at = np.flatnonzero(wanted)
    return (rows, frames) if len(at) == len(rows) else (rows[at], frames[at])
