"""Simulations over all cores: stretches of days are the pieces of work, and what comes of them does not depend on how
many processes share them."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from softswitch.acd.simulation.arrivals import calls_a_day
from softswitch.acd.simulation.days import DAY, instant
from softswitch.acd.simulation.outcome import Outcome
from softswitch.acd.simulation.replay import BEFORE, KINDS, Day, DayHabits
from softswitch.acd.simulation.run import Stretch, live_through, run_stretch
from softswitch.acd.simulation.site import Site
from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError
from softswitch.services.ledger_reader import read_facts
from softswitch.services.own_strategies import finder
from softswitch.switch.settings import Settings

Tell: TypeAlias = Callable[[Duration], None]

_POLL: Final = 0.02
_AHEAD: Final = 16  # jobs a worker that are handed over
_AFTER: Final = 6 * 3600.0  # a call may end after midnight

_counter: Any = None  # of a worker process: virtual seconds done, shared with all


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded day, lived through once more."""

    day: Day
    seed: int
    replication: int


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work: `key` is (policy, replication, first day)."""

    key: tuple[int, int, int]
    site: Site
    work: Stretch | Replay

    @property
    def seconds(self) -> Duration:
        """Of virtual time."""
        work = self.work
        return work.days * 86400.0 if isinstance(work, Stretch) else work.day.until - work.day.since

    @property
    def calls(self) -> float:
        """About how many."""
        work = self.work
        if isinstance(work, Replay):
            return len(work.day.calls)
        return sum(calls_a_day(queue) for queue in work.load.queues.values()) * work.days


def site_of(settings: Settings) -> Site:
    """What a simulation needs of a configuration."""
    server = settings.server
    return Site(
        queues=settings.queues,
        agents=settings.agents,
        acd=settings.acd,
        timezone=server.timezone,
        data_dir=server.data_dir,
    )


def read_day(settings: Settings, database: str | None, day: date) -> Day:
    """The facts of that day on the clocks of the configured time zone. Raises `LocalError` when there are no calls."""
    server = settings.server
    zone = ZoneInfo(server.timezone)
    since, until = instant(day, 0.0, zone), instant(day, DAY, zone)
    given = {
        name: -queue.service_level.seconds if queue.order == "deadline" else queue.priority
        for name, queue in settings.queues.items()
    }
    found = Day(since, until, given)
    data_dir = Path(server.data_dir)
    source = database or server.database
    agents = [kind for kind in KINDS if kind.startswith("agent.")]
    read_facts(source, data_dir, found.add, since=since - BEFORE, until=since, kinds=agents)
    read_facts(source, data_dir, found.add, since=since, until=until + _AFTER, kinds=KINDS)
    if not found.calls:
        raise LocalError(f"the ledger has no queued calls on {day}")
    return found


def do(job: Job, tell: Tell) -> Outcome:
    """One piece, here and now. Raises `LocalError` when load and site do not fit."""
    last: list[Instant] = []

    def progress(now: Instant) -> None:
        tell(now - last[0] if last else 0.0)
        last[:] = [now]

    find = finder(Path(job.site.data_dir))
    if isinstance(job.work, Stretch):
        return run_stretch(job.site, job.work, find, progress)
    return replay(job.site, job.work, progress=progress)


def replay(
    site: Site,
    work: Replay,
    progress: Callable[[Instant], None] | None = None,
    record: Callable[[Any], None] | None = None,
) -> Outcome:
    """The recorded day under `site`'s policy: the same ledger, configuration and seed give the same decisions."""
    seed, day = f"{work.seed}/{work.replication}", work.day
    arrivals = [one for one in day.arrivals(Random(f"{seed}/callers")) if one.queue in site.queues]
    habits = DayHabits(day.failed_shares(), Random(f"{seed}/habits"))
    find = finder(Path(site.data_dir))
    dice = Random(f"{seed}/engine")
    roster = day.roster(site.agents)
    return live_through(site, arrivals, roster, habits, dice, day.since, day.until, 0.0, find, progress, record)


def run_jobs(jobs: Sequence[Job], workers: int, tell: Tell) -> Iterator[tuple[tuple[int, int, int], Outcome]]:
    """Results as they come. With one worker in this process, else in so many processes. Leaving early (Ctrl-C) stops
    them."""
    if workers <= 1 or len(jobs) == 1:
        for job in jobs:
            yield job.key, do(job, tell)
        return
    context = multiprocessing.get_context("spawn")
    counter = context.Value("d", 0.0)
    told = 0.0
    with _pool(workers, context, counter) as pool:
        # `concurrent.futures.wait` holds the locks of all futures: Ctrl-C meanwhile would leave them held for ever.
        ahead, left = deque(jobs), dict[Future[Outcome], Job]()
        while ahead or left:
            while ahead and len(left) < _AHEAD * workers:
                job = ahead.popleft()
                left[pool.submit(_work, job)] = job
            done = [future for future in left if future.done()]
            if not done:
                time.sleep(_POLL)
            reached = float(counter.value)
            tell(reached - told)
            told = reached
            for future in done:
                yield left.pop(future).key, future.result()


@contextmanager
def _pool(workers: int, context: Any, counter: Any) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(workers, context, _begin, (counter,))
    try:
        yield pool
    except BaseException:
        processes = list((pool._processes or {}).values())  # shutdown alone waits for what is running
        # What stands half-written in a pipe when workers go would hold up our end: a job that nobody reads any more, a
        # result of which the rest never comes as long as we could write it ourselves (Python before 3.12, gh-109047).
        inside: Any = pool
        inside._call_queue.cancel_join_thread()
        inside._result_queue._writer.close()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    pool.shutdown()


def _begin(counter: Any) -> None:
    global _counter
    _counter = counter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides


def _work(job: Job) -> Outcome:
    last = 0.0

    def tell(seconds: Duration) -> None:
        nonlocal last
        last += seconds
        now = time.monotonic()
        if now - tell_at[0] > _POLL:
            tell_at[0] = now
            with _counter.get_lock():
                _counter.value += last
            last = 0.0

    tell_at = [time.monotonic()]
    outcome = do(job, tell)
    with _counter.get_lock():
        _counter.value += last
    return outcome


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))
