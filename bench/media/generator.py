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

from bench.media import bursts, marks
from bench.media.bursts import Bursts
from bench.media.datagrams import Datagrams, Ints, Octets
from bench.media.sealed import Sealed
from bench.media.tally import Tally

_ROUND: Final = 0.0005  # seconds between two looks at the clock
_HEAD: Final = 12
_DRAIN: Final = 0.3
_MIXED_TAIL: Final = 4  # frames at the end that concealment repeats
_LAWS: Final = {"PCMU": 0, "PCMA": 1}
WARM: Final = 1.5
"""Seconds at the start that do not count."""


@dataclass
class Load:
    """What to play. `codecs[phone]` is what it speaks, `speaker[phone]` whom it should hear (−1 nobody),
    `numbered[phone]` whether its sound carries numbers (others breathe), `judged[phone]` whether its loss counts.
    `bursts`: marks for codecs that keep no sample. `keys` are those of SRTP, if it is spoken."""

    seconds: float
    codecs: list[str]
    speaker: list[int]
    numbered: list[bool]
    judged: list[bool]
    mixed: bool = False
    bursts: bool = False
    keys: list[tuple[bytes, bytes]] = field(default_factory=list)
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
    datagrams = Datagrams(len(load.codecs))
    try:
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
    except EOFError:
        return  # the parent has given up
    finally:
        datagrams.close()


class _Phones:
    def __init__(self, load: Load, board: Board, datagrams: Datagrams) -> None:
        self._load = load
        self._board = board
        self._datagrams = datagrams
        self._active = board.active()
        self._count = count = len(load.codecs)
        self._names = sorted(set(load.codecs))
        self._kind = np.array([self._names.index(codec) for codec in load.codecs])
        speaker, judged, number = np.array(load.speaker), np.array(load.judged), np.arange(count)
        first = int(WARM * 50)
        self._tallies: list[Tally | Bursts] = []
        for kind, codec in enumerate(self._names):
            counts = judged & (self._kind == kind)
            if load.bursts:
                self._tallies.append(Bursts(speaker, counts, codec, first))
            else:
                self._tallies.append(Tally(speaker, counts, _LAWS[codec], load.mixed, first))
        self._packets = packets = datagrams.packets
        self._sealed: Sealed | None = None
        if load.keys:
            self._packets = packets = np.zeros_like(datagrams.packets)
            self._sealed = Sealed(load.keys, datagrams.packets, datagrams.arena)
        self._lengths = np.full(count, _HEAD + marks.SIZE)
        packets[:, 0], packets[:, 1] = 0x80, [bursts.TYPES[codec] for codec in load.codecs]
        self._sequences = packets.view(">u2")[:, 1]
        self._stamps = packets.view(">u4")[:, 1]
        packets.view(">u4")[:, 2] = number + 1
        self._steps = np.array([bursts.CLOCKS[codec] // 50 for codec in load.codecs])
        self._runs = _runs(self._kind if load.bursts else np.where(load.numbered, self._kind, -1))
        if load.bursts:
            self._cycles = [bursts.cycle(codec) for codec in self._names]
        else:
            self._number(np.array(load.numbered), number)
        datagrams.lengths[:] = self._lengths
        self._phone_of = np.full(65536, -1, np.int64)
        self._phone_of[datagrams.ports] = number
        self._lag = np.zeros(20_000, np.int64)  # rounds by how late they were, in steps of 10 µs
        self._refused = self._foreign = self._reports = 0

    def _number(self, numbered: np.ndarray, number: Ints) -> None:
        """What stays of every packet: the phone's part of the mark, or its breath."""
        self._parts = [marks.frame_parts(_LAWS[codec]) for codec in self._names]
        dice = np.random.default_rng(1)
        for kind, codec in enumerate(self._names):
            mine = self._kind == kind
            self._packets[mine, _HEAD : _HEAD + marks.SIZE] = np.where(
                numbered[mine, None],
                marks.payloads(number[mine], _LAWS[codec]),
                marks.noise(_LAWS[codec], dice, int(mine.sum())),
            )

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
        for tally in self._tallies:
            tally.finish(frames - _MIXED_TAIL if self._load.mixed else frames)

    def results(self) -> dict[str, float]:
        """Of all codecs together; percentiles are the worst codec's."""
        parts = [tally.results() for tally in self._tallies]
        out = {
            name: _worst([part[name] for part in parts]) if name.endswith("_ms") else sum(part[name] for part in parts)
            for name in parts[0]
        }
        late = np.cumsum(self._lag)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            out[f"generator_{name}_ms"] = float(np.searchsorted(late, late[-1] * share)) * 0.01
        out["generator_cpu"] = time.process_time()
        return {**out, "refused": self._refused, "foreign": self._foreign, "rtcp": self._reports}

    def _stop(self) -> None:
        for tally in self._tallies:
            tally.over = True

    def _send(self, n: int, due: int) -> int:
        """Packets `n` … `due` − 1 of the schedule, at most up to the end of their frame."""
        frame, first = divmod(n, self._count)
        last = min(first + due - n, self._count)
        if first == 0:
            for tally in self._tallies:
                tally.begin(frame)
        self._sequences[first:last] = frame & 0xFFFF
        self._stamps[first:last] = frame * self._steps[first:last] & 0xFFFFFFFF
        for kind, begin, end in self._runs:
            if kind >= 0 and begin < last and end > first:
                self._mark(kind, frame, slice(max(begin, first), min(end, last)))
        if self._active[first:last].all():
            self._push(frame, first, last)
        else:
            for active, begin, end in _runs(self._active[first:last]):
                if active:
                    self._push(frame, first + begin, first + end)
        return n + last - first

    def _mark(self, kind: int, frame: int, rows: slice) -> None:
        if self._load.bursts:
            table, lengths = self._cycles[kind]
            self._packets[rows, _HEAD : _HEAD + table.shape[1]] = table[frame % bursts.PERIOD]
            self._lengths[rows] = _HEAD + lengths[frame % bursts.PERIOD]
            self._datagrams.lengths[rows] = self._lengths[rows]
            return
        parts = self._parts[kind][:, frame % marks.FRAMES]
        self._packets[rows, _HEAD : _HEAD + 22] = parts[0]
        self._packets[rows, _HEAD + marks.HALF : _HEAD + marks.HALF + 22] = parts[1]

    def _push(self, frame: int, first: int, last: int) -> None:
        if self._sealed is not None:
            self._datagrams.packets[first:last] = self._packets[first:last]
            self._datagrams.lengths[first:last] = self._sealed.seal(first, last, self._lengths[first:last])
        start = time.time()
        self._refused += self._datagrams.send(first, last)
        end = time.time()
        for tally in self._tallies:
            tally.say(frame, first, last, start, end)
        self._board.sent += last - first

    def _listen(self) -> None:
        ports, at, lengths, octets = self._datagrams.receive()
        if not len(ports):
            return
        phones = self._phone_of[ports]
        if self._sealed is not None:
            lengths = self._sealed.open(phones, lengths)
        good = (phones >= 0) & (lengths > _HEAD if self._load.bursts else lengths == _HEAD + marks.SIZE)
        if not good.all():
            self._foreign += int(np.count_nonzero(~good))
            phones, at, octets = phones[good], at[good], octets[good]
        self._board.received += len(phones)
        octets = octets[:, : _HEAD + marks.SIZE]
        if len(self._tallies) == 1:
            self._tallies[0].hear(phones, at, octets)
            return
        kinds = self._kind[phones]
        for kind, tally in enumerate(self._tallies):
            mine = kinds == kind
            tally.hear(phones[mine], at[mine], octets[mine])


def _worst(values: list[float]) -> float:
    """Of those that are known; NaN when none is."""
    return max((value for value in values if value == value), default=float("nan"))


def _runs(values: np.ndarray | Ints | Octets) -> list[tuple[int, int, int]]:
    """Equal neighbours: value, first, one after the last."""
    edges = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *edges.tolist(), len(values)]
    return [(int(values[a]), a, b) for a, b in pairwise(bounds)]
