"""The write path of the store: rows gather in memory and go out in one transaction each tenth of a second.

`write` never blocks and never fails. A database that refuses (disk full, locked, gone) is tried again, ever more
slowly, with the rows kept in order; when the backlog is full, new rows are dropped, counted and told. What has been
flushed survives a kill of the process.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from softswitch.services.rows import Parameters, Pending, Statement, parameters
from softswitch.services.sinks import Sink

Alarm: TypeAlias = Callable[[str], None]

BATCH: Final = 250  # rows a transaction: keeps a flush under a millisecond of the loop; 100 cost a call 12 µs more
INTERVAL: Final = 0.1  # seconds until a lonely row is written
BACKLOG: Final = 20_000  # rows kept while the database refuses: some 20 MB
_RETRY: Final = (0.25, 5.0)  # seconds between attempts: first, most

_THE_ROWS_FAULT: Final = (IntegrityError, DataError, InterfaceError, ProgrammingError, OverflowError)


class Writer:
    """Rows on their way to the database. `alarm` gets a sentence when writing begins to fail, when rows are lost, and
    when all is well again; `written`, `dropped` and `rejected` count rows."""

    def __init__(self, sink: Sink, alarm: Alarm, *, interval: float = INTERVAL, backlog: int = BACKLOG) -> None:
        self.written = 0
        self.dropped = 0
        self.rejected = 0
        self._sink = sink
        self._alarm = alarm
        self._interval = interval
        self._backlog = backlog
        self._rows: list[Pending] = []
        self._unsaved: list[tuple[Statement, Parameters]] = []  # the batch that the database has not taken yet
        self._failing = ""
        self._told_dropped = False
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None  # one at a time: each that fires costs a hop and a commit
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = self._loop.create_task(self._run(), name="store-writer")

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet."""
        return len(self._rows) + len(self._unsaved)

    @property
    def taken(self) -> int:
        """Rows that were ever handed in and not dropped."""
        return self.done + self.waiting

    @property
    def done(self) -> int:
        """Rows that are in the database, or never will be."""
        return self.written + self.rejected

    def write(self, row: Pending) -> None:
        """Take `row`; it is in the database soon. After `close` rows are dropped."""
        rows = self._rows
        count = len(rows)
        if count >= self._backlog or self._task is None:
            self._drop()
            return
        rows.append(row)
        if count == 0:
            self._soon()
        elif count == BATCH - 1:
            self._due.set()

    async def flush(self) -> bool:
        """Write everything that has been handed in so far; whether the database took it."""
        async with self._lock:
            ahead = self.waiting
            while ahead > 0:
                before = self.waiting
                if not await self._save():
                    return False
                ahead -= max(1, before - self.waiting)
        return True

    async def close(self, patience: float = 5.0) -> None:
        """Drain and stop. A database that refuses for `patience` seconds loses the rest, which the alarm tells."""
        if self._task is None:
            return
        task, self._task = self._task, None
        self._not_yet()
        async with self._lock:  # a transaction under way in the thread cannot be called back: rows would go in twice
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        until = self._loop.time() + patience
        while not await self.flush() and self._loop.time() < until:
            await asyncio.sleep(min(_RETRY[0], patience))
        if self.waiting:
            self.dropped += self.waiting
            self._alarm(f"store: {self.waiting} rows are lost: {self._failing}")
            self._rows.clear()
            self._unsaved.clear()
        await self._sink.close()

    async def _run(self) -> None:
        delay = _RETRY[0]
        while True:
            await self._due.wait()
            self._due.clear()
            self._not_yet()
            async with self._lock:
                saved = await self._save()
            if not saved:
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RETRY[1])
                self._due.set()
                continue
            delay = _RETRY[0]
            if len(self._rows) >= BATCH or self._unsaved:
                self._due.set()
            elif self._rows:
                self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._interval, self._due.set)

    def _not_yet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _save(self) -> bool:
        """One batch to the database; False when it refused, with all rows kept."""
        if not self._unsaved:
            self._take()
        if not self._unsaved:
            return True
        try:
            await self._sink.save(self._unsaved)
        except Exception as error:  # whatever a driver raises: this task must not die unseen
            if _is_the_rows_fault(error):
                return await self._save_one_by_one()
            self._refused(error)
            return False
        self.written += len(self._unsaved)
        self._unsaved.clear()
        self._recovered()
        return True

    def _take(self) -> None:
        rows = self._rows[:BATCH]
        del self._rows[:BATCH]
        for row in rows:
            try:
                self._unsaved.append(parameters(row))
            except Exception as error:  # whatever hides in a row must not stop the rows behind it
                self._reject(f"{type(row).__name__}: {error}")

    async def _save_one_by_one(self) -> bool:
        while self._unsaved:
            try:
                await self._sink.save(self._unsaved[:1])
                self.written += 1
            except Exception as error:
                if not _is_the_rows_fault(error):
                    self._refused(error)
                    return False
                self._reject(f"{self._unsaved[0][0].name.lower()}: {_reason(error)}")
            del self._unsaved[0]
        self._recovered()
        return True

    def _drop(self) -> None:
        self.dropped += 1
        if not self._told_dropped:
            self._told_dropped = True
            self._alarm(f"store: rows are being lost: {self._failing or 'more than can be written'}")

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        self._alarm(f"store: a row was not written: {reason}")

    def _refused(self, error: Exception) -> None:
        reason = _reason(error)
        if not self._failing:
            self._alarm(f"store: cannot write, rows are kept and tried again: {reason}")
        self._failing = reason

    def _recovered(self) -> None:
        if self._failing or self._told_dropped:
            self._alarm(f"store: writing again, {self.dropped} rows lost so far")
            self._failing = ""
            self._told_dropped = False


def _is_the_rows_fault(error: Exception) -> bool:
    """Whether the same row would be refused again by a database in good health."""
    return isinstance(error, _THE_ROWS_FAULT) and not getattr(error, "connection_invalidated", False)


def _reason(error: Exception) -> str:
    """What the driver said, without the statement and its parameters."""
    return str(getattr(error, "orig", None) or error)
