"""The process that plays all phones: sends 20 ms packets spread evenly over time, and hears what comes back."""

import gc
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawArray
from typing import Any, Final

import numpy as np

from bench.media import marks
from bench.media.datagrams import Datagrams, Ints, Octets
from bench.media.tally import Tally

_ROUND: Final = 0.0005  # seconds between two looks at the clock
_HEAD: Final = 12
_DRAIN: Final = 0.3
_MIXED_TAIL: Final = 4  # frames at the end that concealment repeats
_TYPES: Final = (0, 8)  # payload types of the laws
WARM: Final = 1.5
"""Seconds at the start that do not count."""


@dataclass
class Load:
    """What to play. `laws[phone]` is the companding law, `speaker[phone]` whom it should hear (−1 nobody),
    `numbered[phone]` whether its sound carries numbers, `judged[phone]` whether its loss counts."""

    seconds: float
    laws: list[int]
    speaker: list[int]
    numbered: list[bool]
    judged: list[bool]
    mixed: bool = False
    cores: set[int] = field(default_factory=set)


class Board:
    """What the generator and its parent both see while it runs."""

    def __init__(self, phones: int) -> None:
        self._counts: Any = RawArray("q", 2)
        self._active: Any = RawArray("b", [1] * phones)

    @property
    def sent(self) -> int:
        """Packets sent so far."""
        return int(self._counts[0])

    @sent.setter
    def sent(self, value: int) -> None:
        self._counts[0] = value

    @property
    def received(self) -> int:
        """Packets heard so far."""
        return int(self._counts[1])

    @received.setter
    def received(self, value: int) -> None:
        self._counts[1] = value

    def active(self) -> np.ndarray:
        """Which phones speak [phones], to be changed in place."""
        return np.frombuffer(self._active, np.int8)


def generate(load: Load, board: Board, link: Connection) -> None:
    """Tells the phones' addresses, is told the ports that they speak to, plays when told to, answers the results."""
    if load.cores:
        os.sched_setaffinity(0, load.cores)
    with suppress(OSError):
        os.nice(-15)
    datagrams = Datagrams(len(load.laws))
    link.send(datagrams.addresses)
    datagrams.ports[:] = link.recv()
    phones = _Phones(load, board, datagrams)
    link.send("ready")
    link.recv()
    gc.collect()
    gc.freeze()
    gc.disable()
    phones.play()
    link.send(phones.results())
    datagrams.close()


class _Phones:
    def __init__(self, load: Load, board: Board, datagrams: Datagrams) -> None:
        self._load = load
        self._board = board
        self._datagrams = datagrams
        self._active = board.active()
        count = len(load.laws)
        self._count = count
        laws = np.array(load.laws)
        numbered = np.array(load.numbered)
        speaker = np.array(load.speaker)
        first = int(WARM * 50)
        self._laws = laws
        self._tallies = {
            law: Tally(speaker, np.array(load.judged) & (laws == law), law, load.mixed, first) for law in set(load.laws)
        }
        self._parts = [marks.frame_parts(law) for law in (0, 1)]
        self._runs = _runs(np.where(numbered, laws, -1))
        packets = datagrams.packets
        number = np.arange(count)
        dice = np.random.default_rng(1)
        for law in set(load.laws):
            mine = laws == law
            packets[mine, _HEAD : _HEAD + marks.SIZE] = np.where(
                numbered[mine, None],
                marks.payloads(number[mine], law),
                marks.noise(law, dice, int(mine.sum())),
            )
            packets[mine, 1] = _TYPES[law]
        packets[:, 0] = 0x80
        self._sequences = packets.view(">u2")[:, 1]
        self._stamps = packets.view(">u4")[:, 1]
        packets.view(">u4")[:, 2] = number + 1
        datagrams.lengths[:] = _HEAD + marks.SIZE
        self._phone_of = np.full(65536, -1, np.int64)
        self._phone_of[datagrams.ports] = number
        self._lag = np.zeros(20_000, np.int64)  # rounds by how late they were, in steps of 10 µs
        self._refused = self._foreign = self._reports = 0

    def play(self) -> None:
        total = int(self._load.seconds * 50) * self._count
        step = 0.02 / self._count
        start = time.time() + 0.01
        end = start + self._load.seconds + _DRAIN
        n = 0
        look_at_reports = start
        while n < total or time.time() < end:
            now = time.time()
            due = min(int((now - start) / step) + 1, total) if now >= start else 0
            if due > n:
                self._lag[min(int((now - start - n * step) / 1e-5), len(self._lag) - 1)] += 1
                n = self._send(n, due)
                if n >= total:
                    self._stop()
            self._listen()
            if now > look_at_reports:
                self._reports += self._datagrams.drop_reports()
                look_at_reports = now + 0.2
            if n >= total or start + n * step > time.time() - _ROUND:
                time.sleep(_ROUND)
        frames = total // self._count
        for tally in self._tallies.values():
            tally.finish(frames - _MIXED_TAIL if self._load.mixed else frames)

    def results(self) -> dict[str, float]:
        """Of both laws together; percentiles are the worse law's."""
        parts = [tally.results() for tally in self._tallies.values()]
        out = {
            name: max(part[name] for part in parts) if name.endswith("_ms") else sum(part[name] for part in parts)
            for name in parts[0]
        }
        late = np.cumsum(self._lag)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            out[f"generator_{name}_ms"] = float(np.searchsorted(late, late[-1] * share)) * 0.01
        out["generator_cpu"] = time.process_time()
        return {**out, "refused": self._refused, "foreign": self._foreign, "rtcp": self._reports}

    def _stop(self) -> None:
        for tally in self._tallies.values():
            tally.over = True

    def _send(self, n: int, due: int) -> int:
        """Packets `n` … `due` − 1 of the schedule, at most up to the end of their frame."""
        frame, first = divmod(n, self._count)
        last = min(first + due - n, self._count)
        if first == 0:
            for tally in self._tallies.values():
                tally.begin(frame)
        packets = self._datagrams.packets
        self._sequences[first:last] = frame & 0xFFFF
        self._stamps[first:last] = frame * marks.SIZE & 0xFFFFFFFF
        for law, begin, end in self._runs:
            if law >= 0 and begin < last and end > first:
                rows = slice(max(begin, first), min(end, last))
                parts = self._parts[law][:, frame % marks.FRAMES]
                packets[rows, _HEAD : _HEAD + 22] = parts[0]
                packets[rows, _HEAD + marks.HALF : _HEAD + marks.HALF + 22] = parts[1]
        if self._active[first:last].all():
            self._push(frame, first, last)
        else:
            for active, begin, end in _runs(self._active[first:last]):
                if active:
                    self._push(frame, first + begin, first + end)
        return n + last - first

    def _push(self, frame: int, first: int, last: int) -> None:
        start = time.time()
        self._refused += self._datagrams.send(first, last)
        end = time.time()
        for tally in self._tallies.values():
            tally.say(frame, first, last, start, end)
        self._board.sent += last - first

    def _listen(self) -> None:
        ports, at, lengths, octets = self._datagrams.receive()
        if not len(ports):
            return
        phones = self._phone_of[ports]
        good = (phones >= 0) & (lengths == _HEAD + marks.SIZE)
        if not good.all():
            self._foreign += int(np.count_nonzero(~good))
            phones, at, octets = phones[good], at[good], octets[good]
        self._board.received += len(phones)
        sound = octets[:, _HEAD : _HEAD + marks.SIZE]
        if len(self._tallies) == 1:
            next(iter(self._tallies.values())).hear(phones, at, sound)
            return
        laws = self._laws[phones]
        for law, tally in self._tallies.items():
            mine = laws == law
            tally.hear(phones[mine], at[mine], sound[mine])


def _runs(values: np.ndarray | Ints | Octets) -> list[tuple[int, int, int]]:
    """Equal neighbours: value, first, one after the last."""
    edges = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *edges.tolist(), len(values)]
    return [(int(values[a]), a, b) for a, b in pairwise(bounds)]
