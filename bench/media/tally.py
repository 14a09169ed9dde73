"""What became of the packets: loss, duplicates, order, delay and jitter, kept for all phones at once."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.media.datagrams import Floats, Ints, Octets
from bench.media.marks import FRAMES, HALF, Reader

_RING: Final = 256  # frames whose fate is still open: 5 s
_GRAIN: Final = 1e-5  # seconds of a histogram's step
_STEPS: Final = 50_000
HALF_TIME: Final = 0.01
HEAD: Final = 12


class Steps:
    """Histograms of delay and of jitter: how far the time between two packets of a phone is from 20 ms."""

    def __init__(self, phones: int) -> None:
        self._delays = np.zeros(_STEPS, np.int64)
        self._jitter = np.zeros(_STEPS, np.int64)
        self._last_at: Floats = np.zeros(phones)

    def delay(self, seconds: Floats) -> None:
        """What took so long."""
        _add(self._delays, seconds)

    def space(self, phones: Ints, at: Floats, counts: bool) -> None:
        """What came when; it is kept if it `counts`."""
        order = np.argsort(phones, kind="stable")
        phones, at = phones[order], at[order]
        before = self._last_at[phones]
        again = phones[1:] == phones[:-1]
        if again.any():
            before[1:][again] = at[:-1][again]
        self._last_at[phones] = at
        if counts:
            space = at - before
            _add(self._jitter, np.abs(space[(before > 0.0) & (space < 0.2)] - 0.02))

    def results(self) -> dict[str, float]:
        """Percentiles in ms."""
        out = {}
        for name, histogram in (("delay", self._delays), ("jitter", self._jitter)):
            for share in (50, 95, 99, 100):
                out[f"{name}_{'max' if share == 100 else f'p{share}'}_ms"] = _percentile(histogram, share)
        return out


class Tally:
    """`speaker[phone]` is whom the phone should hear (−1: nobody with a number); `judged` the phones that count.

    A frame counts from `first` on. `mixed` sound is looked at by halves: a jitter buffer works in 10 ms blocks."""

    def __init__(self, speaker: Ints, judged: NDArray[np.bool_], law: int, mixed: bool, first: int) -> None:
        self._speaker = speaker
        self._judged = judged & (speaker >= 0)
        self._reader = Reader(law)
        self._mixed = mixed
        self._first = first
        count = len(speaker)
        self._sent_at: Floats = np.zeros((_RING, count))
        self._seen = np.zeros((_RING, 1 + mixed, count), np.uint8)
        self._frame = 0
        self.over = False  # nothing is sent any more: what is heard from now on is concealment
        self._last_code = np.full(count, -1)  # frame · 2 + half that a phone heard last
        self._steps = Steps(count)
        self.sent = self.received = self.duplicates = 0
        self.lost = 0.0
        self.disordered = self.strange = self.unreadable = 0

    def begin(self, frame: int) -> None:
        """`frame` is about to be sent; the oldest one that is kept is judged."""
        self._frame = frame
        place = frame % _RING
        self._judge(frame - _RING)
        self._seen[place] = 0
        self._sent_at[place] = 0.0

    def say(self, frame: int, first: int, last: int, start: float, end: float) -> None:
        """The phones `first` … `last` − 1 sent `frame` from `start` to `end` (seconds)."""
        self._sent_at[frame % _RING, first:last] = np.linspace(start, end, last - first)

    def hear(self, phones: Ints, at: Floats, packets: Octets) -> None:
        """What came, in order of arrival: to whom, when, and the RTP packets [n, 172]."""
        self.received += len(phones)
        self._steps.space(phones, at, self._frame >= self._first)
        payloads = packets[:, HEAD:]
        speaker, frame, half = self._reader.read(payloads)
        fits = (speaker == self._speaker[phones]) & (speaker >= 0)
        self.strange += int(np.count_nonzero((speaker >= 0) & ~fits & (self._speaker[phones] >= 0)))
        fits &= self._judged[phones]
        if self._frame >= self._first and not self.over:
            self.unreadable += int(np.count_nonzero((speaker < 0) & self._judged[phones]))
        if not fits.all():
            phones, at, frame, half, payloads = phones[fits], at[fits], frame[fits], half[fits], payloads[fits]
        frame = self._unwrap(frame)
        place = frame % _RING
        self._mark(place, half, phones)
        late = at - self._sent_at[place, self._speaker[phones]] - half * HALF_TIME
        self._steps.delay(late[frame >= self._first])
        self._order(phones, frame * 2 + half)
        if self._mixed:
            speaker, frame, half = self._reader.read(payloads[:, HALF:])
            fits = speaker == self._speaker[phones]
            self._mark(self._unwrap(frame[fits]) % _RING, half[fits], phones[fits])

    def finish(self, last: int) -> None:
        """Nothing comes any more; frames before `last` are judged."""
        for frame in range(self._frame - _RING + 1, last):
            self._judge(frame)

    def results(self) -> dict[str, float]:
        """Counts; percentiles in ms."""
        return {
            "sent": self.sent,
            "received": self.received,
            "lost": self.lost,
            "duplicates": self.duplicates,
            "disordered": self.disordered,
            "strange": self.strange,
            "unreadable": self.unreadable,
            **self._steps.results(),
        }

    def _unwrap(self, frame: Ints) -> Ints:
        """Whole frame numbers: at most 10 s old."""
        return self._frame - ((self._frame - frame + FRAMES // 2) % FRAMES - FRAMES // 2)

    def _mark(self, place: Ints, half: Ints, phones: Ints) -> None:
        np.add.at(self._seen, (place, half if self._mixed else np.zeros_like(half), phones), 1)

    def _judge(self, frame: int) -> None:
        if frame < self._first:
            return
        place = frame % _RING
        told = self._judged.copy()
        told[self._judged] = self._sent_at[place, self._speaker[self._judged]] > 0.0
        seen = self._seen[place][:, told]
        self.sent += int(np.count_nonzero(told))
        self.lost += float(np.count_nonzero(seen == 0)) / len(seen)
        self.duplicates += int(np.count_nonzero(seen > 1))

    def _order(self, phones: Ints, code: Ints) -> None:
        order = np.argsort(phones, kind="stable")
        phones, code = phones[order], code[order]
        before = self._last_code[phones]
        again = phones[1:] == phones[:-1]
        if again.any():
            before[1:][again] = code[:-1][again]
        self.disordered += int(np.count_nonzero(code < before))
        self._last_code[phones] = code


def _add(histogram: Ints, seconds: Floats) -> None:
    steps = np.clip((seconds / _GRAIN).astype(np.int64), 0, _STEPS - 1)
    np.add.at(histogram, steps, 1)


def _percentile(histogram: Ints, share: float) -> float:
    total = int(histogram.sum())
    if not total:
        return float("nan")
    step = int(np.searchsorted(np.cumsum(histogram), total * share / 100))
    return min(step, _STEPS - 1) * _GRAIN * 1000
