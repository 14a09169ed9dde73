"""How well the streams of calls fare: the figures of a leg for people and records, and their distribution over all."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from softswitch.wire.control import LegStats

MOS_STEPS: Final = (1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.1, 4.2, 4.3, 4.4)
LOSS_STEPS: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
JITTER_STEPS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Terms of RFC 3550 §6.4 and ITU-T G.107. What we hear: `loss` is the percentage of packets that never came
    (`lost`) or came too `late`; `concealed_ms` of sound were made up; packets wait `buffer_ms` in the jitter buffer.
    What the peer hears, by its own reports: `remote_…`, where `remote_loss` is the percentage of its last report.
    `round_trip_ms` is −1 and estimates (`…mos`) are 0 while nothing is known. `bye`: the peer's RTCP took its leave."""

    received: int
    sent: int
    lost: int
    late: int
    duplicate: int
    rejected: int
    loss: float
    concealed_ms: int
    burst_ratio: float
    jitter_ms: float
    max_jitter_ms: float
    buffer_ms: float
    buffer_mean_ms: float
    round_trip_ms: float
    mos: float
    listening_mos: float
    remote_lost: int
    remote_loss: float
    remote_jitter_ms: float
    remote_mos: float
    bye: bool


_NOTHING: Final = Quality(
    received=0, sent=0, lost=0, late=0, duplicate=0, rejected=0, loss=0.0, concealed_ms=0, burst_ratio=1.0,
    jitter_ms=0.0, max_jitter_ms=0.0, buffer_ms=0.0, buffer_mean_ms=0.0, round_trip_ms=-1.0, mos=0.0,
    listening_mos=0.0, remote_lost=0, remote_loss=0.0, remote_jitter_ms=0.0, remote_mos=0.0, bye=False,
)  # fmt: skip


def quality(stats: LegStats) -> Quality:
    """For people: rounded to what means something."""
    if not (stats.received or stats.sent or stats.rejected or stats.expected or stats.reports):
        return _NOTHING  # nothing went through, so there is nothing to round: 8 µs a leg
    missed = min(stats.lost + stats.late, stats.expected)
    return Quality(
        received=stats.received,
        sent=stats.sent,
        lost=stats.lost,
        late=stats.late,
        duplicate=stats.duplicate,
        rejected=stats.rejected,
        loss=round(100 * missed / stats.expected, 2) if stats.expected else 0.0,
        concealed_ms=stats.concealed_ms,
        burst_ratio=round(stats.burst_ratio, 2),
        jitter_ms=round(stats.jitter_ms, 2),
        max_jitter_ms=round(stats.max_jitter_ms, 2),
        buffer_ms=round(stats.buffer_ms, 1),
        buffer_mean_ms=round(stats.buffer_mean_ms, 1),
        round_trip_ms=round(stats.round_trip_ms, 1),
        mos=round(stats.mos, 2),
        listening_mos=round(stats.listening_mos, 2),
        remote_lost=stats.remote_lost,
        remote_loss=round(100 * stats.remote_loss, 2),
        remote_jitter_ms=round(stats.remote_jitter_ms, 2),
        remote_mos=round(stats.remote_mos, 2),
        bye=stats.bye,
    )


class Histogram:
    """Counts of values up to each of `steps`, and beyond the last."""

    __slots__ = ("counts", "steps", "total")

    def __init__(self, steps: tuple[float, ...]) -> None:
        self.steps = steps
        self.counts = [0] * (len(steps) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.steps, value)] += 1
        self.total += value


class Distribution:
    """Of all legs that ended since the start and were heard: one value a leg."""

    __slots__ = ("jitter", "loss", "mos", "remote_mos")

    def __init__(self) -> None:
        self.mos = Histogram(MOS_STEPS)
        self.remote_mos = Histogram(MOS_STEPS)
        self.loss = Histogram(LOSS_STEPS)
        self.jitter = Histogram(JITTER_STEPS)

    def add(self, leg: Quality) -> None:
        if leg.received:
            self.mos.add(leg.mos)
            self.loss.add(leg.loss)
            self.jitter.add(leg.jitter_ms)
        if leg.remote_mos:
            self.remote_mos.add(leg.remote_mos)
