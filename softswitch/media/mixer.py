"""The sound of a tick: pulled from the jitter buffers, read from the players, brought to the plane where it is heard,
mixed, and handed to the sender, the recorders and whoever listens."""

from typing import Final, Protocol

import numpy as np

from softswitch.kernel.clock import Instant
from softswitch.media.account import Account
from softswitch.media.arena import FRAME, Floats, Ints, Packets, Samples
from softswitch.media.codecs import LINEAR, NARROW, WIDE
from softswitch.media.legs import Legs
from softswitch.media.limiter import Limiter, fit
from softswitch.media.meters import SILENCE, levels
from softswitch.media.mix import Matrix
from softswitch.media.plan import ONE_BY_ONE, RECORDED, Plan
from softswitch.media.resample import Resampler
from softswitch.media.sender import Sender
from softswitch.media.sounds import Sounds
from softswitch.media.tapes import Tapes
from softswitch_codecs import g711

_WIDTHS: Final = (FRAME, 2 * FRAME)
_TAIL: Final = 64  # samples: 8 ms, over which a sound that ends without us fades
_FADE: Floats = np.linspace(1.0, 0.0, _TAIL, endpoint=False, dtype=np.float32)
_RISE: Floats = np.linspace(0.0, 1.0, FRAME, endpoint=False, dtype=np.float32)
_PATIENCE: Final = 25  # ticks in which a leg that is pulled from now on is expected to be heard

_NOBODY: Ints = np.zeros(0, np.int64)
_NO_FRAMES: Samples = np.zeros((0, FRAME), np.int16)


class Hearer(Protocol):
    """Something that listens to legs: detectors, meters."""

    @property
    def busy(self) -> bool:
        """Whether it cares for anybody."""

    def hear(self, rows: Ints, frames: Samples, tick: int) -> None:
        """`frames` [n, 160] at 8 kHz of the legs `rows` [n] at `tick`; which of them it cares for is its own affair."""


class Mixer:
    """`hearers` get the frames of all rows that are `listened` to."""

    __slots__ = (
        "_account",
        "_awaited",
        "_bounded",
        "_heard",
        "_legs",
        "_limiters",
        "_plan",
        "_ranks",
        "_resampler",
        "_sounds",
        "_tapes",
        "_up_before",
        "hearers",
    )

    def __init__(self, legs: Legs, plan: Plan, sounds: Sounds, tapes: Tapes, account: Account) -> None:
        self._legs = legs
        self._plan = plan
        self._sounds = sounds
        self._tapes = tapes
        self._limiters = (Limiter(), Limiter())
        self._resampler: Resampler | None = None  # made when there is something to resample
        self._up_before: tuple[Ints, Ints] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._heard: list[tuple[Ints, Samples | None]] = []  # of this tick
        self._awaited: dict[int, int] = {}  # row → until which tick
        self._ranks: Ints = _NOBODY  # of the narrow matrix, as it was `_bounded`
        self._bounded: list[int] = [0, 0, 0]
        self.hearers: list[Hearer] = []
        self._account = account

    def tick(self, tick: int, sender: Sender, now: Instant) -> Packets | None:
        """Mix the frame `tick`; returns what is sent in bulk."""
        plan = self._plan
        pulled = [self._legs.pull(rows, plane) if len(rows) else None for plane, rows in enumerate(plan.rows)]
        self._raise(pulled, tick)
        self._heard = list(zip(plan.rows, pulled, strict=True))
        down, up = self._resample(pulled)
        narrow, wide = plan.matrices
        others: list[tuple[int, Samples]] = []  # legs whose packets are made one by one
        bulk, ulaw, frames = _NOBODY, 0, _NO_FRAMES
        if len(narrow.sinks):
            sinks = narrow.sinks
            frames = narrow(self._sound(NARROW, pulled[NARROW], down, tick), self._limiters[NARROW])
            self._join(narrow, frames)
            ulaw, count, legs = self._bounds(narrow)
            if legs > count:
                others += zip(sinks[count:legs].tolist(), frames[count:legs], strict=True)
            if len(sinks) > legs:
                self._tapes.recorders.write(sinks[legs:] - self._legs.capacity, frames[legs:], tick)
            bulk, frames = sinks[:count], frames[:count]
        if len(wide.sinks):
            heard = wide(self._sound(WIDE, pulled[WIDE], up, tick), self._limiters[WIDE])
            self._join(wide, heard)
            others += zip(wide.sinks.tolist(), heard, strict=True)
        if any(hearer.busy for hearer in self.hearers):
            self._listen(pulled[NARROW], down, tick)
        return sender.pack(bulk, frames, ulaw, others, now)

    def _bounds(self, matrix: Matrix) -> list[int]:
        """Where in the order of the sinks A-law legs begin, legs one by one, and recorder channels."""
        if matrix.ranks is not self._ranks:
            self._ranks = matrix.ranks
            self._bounded = np.searchsorted(matrix.ranks, (1, ONE_BY_ONE, RECORDED)).tolist()
        return self._bounded

    def _sound(self, plane: int, pulled: Samples | None, crossed: Samples | None, tick: int) -> Samples:
        """All sources of a plane: legs, players, legs of the other plane: [sources, width]."""
        players = self._plan.players[plane]
        if pulled is not None and crossed is None and not len(players):
            return pulled
        first = 0 if pulled is None else len(pulled)
        after = first + len(players)
        sound = np.empty((after + (0 if crossed is None else len(crossed)), _WIDTHS[plane]), np.int16)
        if pulled is not None:
            sound[:first] = pulled
        for i, place in enumerate(players.tolist(), first):
            self._sounds.at(place).read(tick, sound[i])
        if crossed is not None:
            sound[after:] = crossed
        return sound

    def _resample(self, pulled: list[Samples | None]) -> tuple[Samples | None, Samples | None]:
        """Legs that are heard in the plane that is not theirs: wide ones in the narrow plane, narrow ones in the
        wide one."""
        plan = self._plan
        if not len(plan.down) and not len(plan.up):
            return None, None
        if self._resampler is None:
            self._resampler = Resampler(self._legs.capacity)
        if plan.down is not self._up_before[0] or plan.up is not self._up_before[1]:
            for now, before in zip((plan.down, plan.up), self._up_before, strict=True):
                if len(fresh := np.setdiff1d(now, before, assume_unique=True)):
                    self._resampler.reset(fresh)
            self._up_before = plan.down, plan.up
        down = up = None
        if len(plan.down) and (wide := pulled[WIDE]) is not None:
            at = np.searchsorted(plan.rows[WIDE], plan.down)
            down = fit(self._resampler.down(plan.down, wide[at]))
        if len(plan.up) and (narrow := pulled[NARROW]) is not None:
            at = np.searchsorted(plan.rows[NARROW], plan.up)
            up = fit(self._resampler.up(plan.up, narrow[at]))
        return down, up

    # ------------------------------------------------------------------------------------- between the relay and us

    def _join(self, matrix: Matrix, frames: Samples) -> None:
        """Sinks that change between the relay and the mix get a frame that joins the two. One that leaves the relay
        still hears the last relayed sound mirrored at its end, fading. One that goes back to it hears how the mix
        becomes what came last, so that the packets that follow go on from there."""
        plan = self._plan
        if not plan.leaving and not plan.crossing:
            return
        at = {sink: i for i, sink in enumerate(matrix.sinks.tolist())}
        for source, sink in plan.leaving:
            if sink in at and (last := self._last_of(source)) is not None and len(last) > _TAIL:
                frame = frames[at[sink]]
                frame[:_TAIL] = fit(frame[:_TAIL] + last[: -1 - _TAIL : -1] * _FADE)
        for source, sink in plan.crossing:
            if sink in at:
                frame = frames[at[sink]]
                newest = self._legs.newest(source)
                rise = _RISE if len(frame) == FRAME else np.repeat(_RISE, len(frame) // FRAME)
                joined = frame * (1 - rise)
                if newest is not None:
                    joined += newest * rise
                frame[:] = fit(joined)

    def _last_of(self, row: int) -> Samples | None:
        """The sound of the last packet of `row` in this tick, when there is one and it is of a law."""
        law = int(self._legs.received["codec"][row])
        octets = self._account.last_of(row) if law < LINEAR else None
        return None if octets is None else g711.decode(octets, law)

    def _raise(self, pulled: list[Samples | None], tick: int) -> None:
        """A leg that is pulled from now on is heard from somewhere in its sound on: it rises."""
        plan, legs = self._plan, self._legs
        if plan.begun:
            self._awaited.update(dict.fromkeys(plan.begun, tick + _PATIENCE))
            plan.begun = []
        if not self._awaited:
            return
        for row, until in list(self._awaited.items()):
            if legs.buffer(row).state["on"][row]:
                for rows, frames in zip(plan.rows, pulled, strict=True):
                    if frames is not None and len(at := np.flatnonzero(rows == row)):
                        frame = frames[at[0]]
                        frame[:_TAIL] = fit(frame[:_TAIL] * (1 - _FADE))
                del self._awaited[row]
            elif tick >= until:
                del self._awaited[row]

    def levels(self, rows: Ints) -> tuple[Floats, Floats]:
        """Mean and peak level of the last frame of legs, in dBm0; `SILENCE` of those that are neither mixed nor
        listened to. Costs nothing while nobody asks."""
        mean, peak = np.full((2, len(rows)), SILENCE, np.float32)
        for some, frames in self._heard:
            if frames is None:
                continue
            at = np.minimum(np.searchsorted(some, rows), len(some) - 1)
            there = np.flatnonzero(some[at] == rows)
            mean[there], peak[there] = levels(frames[at[there]])
        return mean, peak

    def _listen(self, narrow: Samples | None, down: Samples | None, tick: int) -> None:
        plan, listened = self._plan, self._legs.listened
        for rows, frames in ((plan.rows[NARROW], narrow), (plan.down, down)):
            if frames is not None:
                heard = np.flatnonzero(listened[rows])
                if len(heard):
                    for hearer in self.hearers:
                        hearer.hear(rows[heard], frames[heard], tick)
