"""Calls that come and go beside those that are measured: 200 legs a second, each call two seconds long."""

import time
from collections import deque
from typing import Any, Final

from bench.media.generator import Board, Load
from bench.media.scenes import Scene
from bench.media.subjects import Media
from softswitch.wire import control

_GROUP: Final = 20  # legs that come together
_EVERY: Final = 0.1  # seconds between two groups: 200 legs a second
_TALK: Final = 2.0
_REST: Final = 4.0  # quarantine of a slot, and the second until it is told
_GROUPS: Final = int((_TALK + _REST) / _EVERY)


class Churn:
    """Phones behind those of the scene, in groups; a group talks, closes, rests and comes again with new leg ids."""

    def __init__(self, plan: Scene, calls: int) -> None:
        self._first = len(plan.codecs)
        self._next_id = self._first + 1
        self._calls = calls
        self._resting: deque[tuple[float, int]] = deque((0.0, group) for group in range(_GROUPS))
        self._talking: deque[tuple[float, int, range]] = deque()
        self._opened = self._closed = self._skipped = 0
        self._next = 0.0

    def load(self, load: Load) -> Load:
        """With the phones that come and go, whose packets are not judged."""
        more = _GROUP * _GROUPS
        pair = [self._first + (n ^ 1) for n in range(more)]
        load.codecs += ["PCMU"] * more
        load.speaker += pair
        load.numbered += [True] * more
        load.judged += [False] * more
        return load

    def begin(self, media: Media, phones: list[tuple[str, int]], board: Board) -> None:
        """Nobody of them talks yet."""
        self._media, self._phones = media, phones
        self._active = board.active()
        self._active[self._first :] = 0

    def wait(self, seconds: float) -> None:
        """Let calls come and go for a while."""
        end = time.perf_counter() + seconds
        while True:
            self._step(time.perf_counter())
            left = end - time.perf_counter()
            if left <= 0:
                return
            self._media.poll(min(left, 0.01))
            self._media.reports[:] = [report for report in self._media.reports if isinstance(report, control.Failed)]

    def results(self) -> dict[str, Any]:
        """How many legs came and went, and groups that had no place."""
        return {"legs_opened": self._opened, "legs_closed": self._closed, "groups_skipped": self._skipped}

    def _step(self, now: float) -> None:
        while self._talking and self._talking[0][0] <= now:
            _, group, legs = self._talking.popleft()
            self._active[self._phones_of(group)] = 0
            self._media.send(*(control.CloseLeg(leg) for leg in legs))
            self._closed += _GROUP
            self._resting.append((now + _REST, group))
        if now < self._next:
            return
        self._next = max(self._next + _EVERY, now)
        if not self._resting or self._resting[0][0] > now:
            self._skipped += 1
            return
        _, group = self._resting.popleft()
        where = self._phones_of(group)
        legs = range(self._next_id, self._next_id + _GROUP)
        self._next_id += _GROUP
        commands: list[control.Command] = []
        for leg, phone in zip(legs, range(where.start, where.stop), strict=True):
            address = self._phones[phone]
            spec = control.LegSpec("PCMU", 0, 101, address, (address[0], address[1] + 1))
            commands.append(control.OpenLeg(leg, self._media.free[phone].slot, spec))
        edges = [control.Edge(legs[n], legs[n ^ 1]) for n in range(_GROUP)]
        self._media.send(*commands, control.Connect(tuple(edges)))
        self._active[where] = 1
        self._opened += _GROUP
        self._talking.append((now + _TALK, group, legs))

    def _phones_of(self, group: int) -> slice:
        first = self._first + group * _GROUP
        return slice(first, first + _GROUP)
