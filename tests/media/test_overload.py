"""More work than a tick has time for: the clock falls behind and says so, and packets and control keep their turn."""

from types import SimpleNamespace

from softswitch.media.arena import TICK
from softswitch.media.worker import Worker


def test_ticks_that_cost_more_than_their_time_do_not_take_all_of_it():
    """Each tick takes 30 ms: the loop must come back after a few, or nobody could even end the process."""
    now = 1000.0
    ticks = []

    def slow(tick):
        nonlocal now
        now += 1.5 * TICK
        ticks.append(tick)

    worker = object.__new__(Worker)  # the clock alone: no sockets, no threads
    worker._engine = SimpleNamespace(
        busy=True, effects=[], tick=slow, skip=lambda tick: None, look=lambda tick, now: None
    )
    worker._backend = SimpleNamespace(recycle=lambda: None)
    worker._now = lambda: now
    worker._ticks = worker._late = 0
    worker._next_wake = float("inf")
    worker._next_tick = int(now / TICK) + 1
    for _ in range(20):
        now += TICK
        before = len(ticks)
        worker._clock()
        assert len(ticks) - before <= 6
    assert len(ticks) > 20
    assert ticks == sorted(set(ticks))
    assert worker._ticks == len(ticks)
    assert worker._late > 0
