"""The store: call records, ledger, registrations, agents and recordings, in SQLite or PostgreSQL.

SQLite runs with a write-ahead log: one switch writes, any number of readers (`read_only=True`) look on. What has been
flushed survives a kill of the process; a power cut may take the last transactions (`synchronous = NORMAL`), never the
file's soundness.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Select, and_, create_engine, event, func, select
from sqlalchemy.engine import RowMapping, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from softswitch.acd.model import Fact
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.services import schema, tables
from softswitch.services.call_journal import FILE as JOURNAL_FILE
from softswitch.services.call_journal import CallJournal
from softswitch.services.ledger import Ledger
from softswitch.services.recording_archive import RecordingArchive
from softswitch.services.rows import (
    LedgerEntry,
    read_binding,
    read_call,
    read_customer,
    read_entry,
    read_fact,
    read_phone,
    read_setting,
)
from softswitch.services.sinks import AsyncSink, Sink, ThreadSink
from softswitch.services.writer import BACKLOG, INTERVAL, Alarm, Writer
from softswitch.switch.customers import Customer
from softswitch.switch.recording import VOICEMAIL
from softswitch.switch.records import (
    CallRecord,
    SavedAgent,
    SavedBinding,
    SavedGreeting,
    SavedMessage,
    SavedPhone,
    SavedRecording,
    SavedSetting,
)

FILE: Final = "softswitch.db"
_BUSY_MS: Final = 5000
_PAGE: Final = 10_000
_ASKED: Final = 400  # names in one question


class Store:
    """An open database. Made by `open`; `close` drains what is still to be written."""

    def __init__(self, engine: AsyncEngine, where: str, lock: IO[str] | None) -> None:
        self._engine = engine
        self._where = where
        self._lock = lock
        self._writer: Writer | None = None
        self._ledger: Ledger | None = None
        self._journal: CallJournal | None = None

    @classmethod
    async def open(
        cls,
        database: str,
        data_dir: Path,
        *,
        alarm: Alarm,
        read_only: bool = False,
        interval: float = INTERVAL,
        backlog: int = BACKLOG,
    ) -> "Store":
        """Open `database` (`sqlite`: a file in `data_dir`; or a URL) and bring its schema up to date.

        Raises `LocalError` when another switch writes to it, when it is damaged, newer than this program, or cannot be
        reached."""
        url, path = _url(database, data_dir)
        if path is not None and read_only and not path.exists():
            raise LocalError(f"there is no database at {path}")
        lock = _lock(path) if path is not None and not read_only else None
        try:
            engine = create_async_engine(url, pool_size=4, max_overflow=0)
        except (ArgumentError, ImportError) as error:
            raise LocalError(f"the database {_shown(url)} cannot be used: {error}") from error
        if path is not None:
            event.listen(engine.sync_engine, "connect", _reading if read_only else _writing)
        store = cls(engine, str(path) if path is not None else _shown(url), lock)
        try:
            await store._start(alarm, read_only, interval, backlog)
            if not read_only:
                store._journal = CallJournal(data_dir / JOURNAL_FILE, alarm, store.writer)
        except BaseException:
            await store.close()
            raise
        return store

    async def _start(self, alarm: Alarm, read_only: bool, interval: float, backlog: int) -> None:
        try:
            async with self._engine.connect() as connection:
                await connection.run_sync(schema.require if read_only else schema.migrate)
                last = (await connection.execute(select(func.max(tables.ledger.c.seq)))).scalar()
        except DatabaseError as error:
            raise LocalError(f"the database {self._where} cannot be opened: {error.orig}") from error
        except (SQLAlchemyError, OSError) as error:
            raise LocalError(f"the database {self._where} cannot be reached: {error}") from error
        if not read_only:
            self._writer = Writer(self._sink(), alarm, interval=interval, backlog=backlog)
            self._ledger = Ledger(self._writer, last or 0)

    def _sink(self) -> Sink:
        if self._engine.dialect.name != "sqlite":
            return AsyncSink(self._engine)
        engine = create_engine(self._engine.url.set(drivername="sqlite"), connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _writing)
        return ThreadSink(engine)

    @property
    def writer(self) -> Writer:
        """Where rows go. Raises `LocalError` on a store that is open for reading."""
        if self._writer is None:
            raise LocalError(f"the database {self._where} is open for reading only")
        return self._writer

    @property
    def ledger(self) -> Ledger:
        """Where facts go. Raises `LocalError` on a store that is open for reading."""
        if self._ledger is None:
            raise LocalError(f"the database {self._where} is open for reading only")
        return self._ledger

    @property
    def journal(self) -> CallJournal:
        """Where live calls are kept. Raises `LocalError` on a store that is open for reading."""
        if self._journal is None:
            raise LocalError(f"the database {self._where} is open for reading only")
        return self._journal

    async def close(self) -> None:
        """Drain, and let go of the database."""
        if self._writer is not None:
            await self._writer.close()
        if self._journal is not None:
            self._journal.close()
        await self._engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # ----------------------------------------------------------------------------------------------------- reading

    async def calls(
        self,
        limit: int = 100,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        queue: str | None = None,
        agent: str | None = None,
        outcome: str | None = None,
        number: str | None = None,
    ) -> list[CallRecord]:
        """Call records, the latest first. `since` ≤ start < `until`; `number` is the caller's or the called one."""
        table = tables.calls.c
        query = select(tables.calls).order_by(table.started.desc(), table.id).limit(limit)
        if since is not None:
            query = query.where(table.started >= since)
        if until is not None:
            query = query.where(table.started < until)
        for column, value in ((table.queue, queue), (table.agent, agent), (table.outcome, outcome)):
            if value is not None:
                query = query.where(column == value)
        if number is not None:
            query = query.where((table.caller == number) | (table.called == number))
        return [read_call(row) for row in await self._rows(query)]

    async def call(self, id: str) -> tuple[CallRecord | None, list[LedgerEntry]]:
        """A call's record (None while it lives, or when there is no such call) and its ledger, in order."""
        rows = await self._rows(select(tables.calls).where(tables.calls.c.id == id))
        return (read_call(rows[0]) if rows else None), await self.ledger_entries(call=id)

    async def ledger_entries(
        self,
        limit: int | None = None,
        *,
        after: int = 0,
        since: Instant | None = None,
        call: str | None = None,
        queue: str | None = None,
        agent: str | None = None,
        kind: str | None = None,
        kinds: str | None = None,
    ) -> list[LedgerEntry]:
        """Ledger entries with a number above `after`, in order. `kinds`: how the kind begins."""
        table = tables.ledger.c
        tests = [table.seq > after]
        tests += [table.at >= since] if since is not None else []
        for column, value in ((table.call, call), (table.queue, queue), (table.agent, agent), (table.kind, kind)):
            if value is not None:
                tests.append(column == value)
        if kinds is not None:
            tests.append(table.kind.startswith(kinds, autoescape=True))
        query = select(tables.ledger).where(and_(*tests)).order_by(table.seq).limit(limit)
        return [read_entry(row) for row in await self._rows(query)]

    async def facts(self, since: Instant, size: int = _PAGE) -> AsyncIterator[list[Fact]]:
        """Everything of the ledger from then on, in order, in pieces: a day may have a million facts."""
        table = tables.ledger.c
        first = (await self._rows(select(func.min(table.seq).label("seq")).where(table.at >= since)))[0]["seq"]
        columns = (table.seq, table.kind, table.at, table.call, table.queue, table.agent, table.data)
        while first is not None:
            query = select(*columns).where(table.seq >= first, table.at >= since).order_by(table.seq).limit(size)
            rows = await self._tuples(query)
            if rows:
                yield [read_fact(*row[1:]) for row in rows]
            first = rows[-1][0] + 1 if len(rows) == size else None

    async def last_entry(self, kind: str) -> LedgerEntry | None:
        """The latest ledger entry of that kind."""
        table = tables.ledger.c
        query = select(tables.ledger).where(table.kind == kind).order_by(table.seq.desc()).limit(1)
        rows = await self._rows(query)
        return read_entry(rows[0]) if rows else None

    async def bindings(self, now: Instant) -> list[SavedBinding]:
        """Registrations that have not expired by `now`."""
        query = select(tables.bindings).where(tables.bindings.c.expires > now)
        return [read_binding(row) for row in await self._rows(query)]

    async def agents(self) -> list[SavedAgent]:
        """What every agent said last."""
        return [SavedAgent(**row) for row in await self._rows(select(tables.agents).order_by(tables.agents.c.name))]

    async def phones(self) -> list[SavedPhone]:
        """What phones said of themselves."""
        return [read_phone(row) for row in await self._rows(select(tables.phones))]

    async def customers(self) -> list[Customer]:
        """All of them."""
        return [read_customer(row) for row in await self._rows(select(tables.customers))]

    async def live_settings(self) -> list[SavedSetting]:
        """What was changed while the switch ran."""
        query = select(tables.live_settings).order_by(tables.live_settings.c.path)
        return [read_setting(row) for row in await self._rows(query)]

    async def messages(self) -> list[SavedMessage]:
        """What is in the mailboxes."""
        return [SavedMessage(**row) for row in await self._rows(select(tables.messages))]

    async def greetings(self) -> list[SavedGreeting]:
        """What the owners of mailboxes have spoken."""
        table = tables.greetings
        return [SavedGreeting(**row) for row in await self._rows(select(table).where(table.c.path != ""))]

    async def with_record(self, calls: Sequence[str]) -> set[str]:
        """Those of `calls` that have a record."""
        found: set[str] = set()
        for start in range(0, len(calls), _ASKED):
            query = select(tables.calls.c.id).where(tables.calls.c.id.in_(calls[start : start + _ASKED]))
            found.update(row["id"] for row in await self._rows(query))
        return found

    async def last_moment(self) -> Instant:
        """When the last fact was written; 0 without any."""
        query = select(tables.ledger.c.at).order_by(tables.ledger.c.seq.desc()).limit(1)
        rows = await self._rows(query)
        return float(rows[0]["at"]) if rows else 0.0

    async def last_agents(self, since: Instant) -> list[tuple[str, str, Instant]]:
        """Who talked last with each number since then: number, agent, when; in order of time."""
        calls = tables.calls.c
        here = and_(calls.agent != "", calls.caller != "", calls.started >= since, calls.talk_seconds > 0)
        last = select(calls.caller, func.max(calls.started).label("started")).where(here).group_by(calls.caller)
        newest = last.subquery()
        same = and_(calls.caller == newest.c.caller, calls.started == newest.c.started)
        query = select(calls.caller, calls.agent, calls.ended).join(newest, same).where(here).order_by(calls.ended)
        return [(row["caller"], row["agent"], row["ended"]) for row in await self._rows(query)]

    async def recordings(
        self,
        limit: int = 100,
        *,
        call: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        queue: str | None = None,
        agent: str | None = None,
        number: str | None = None,
        held: bool | None = None,
        deleted: bool | None = None,
        kind: str | None = None,
        box: str | None = None,
    ) -> list[SavedRecording]:
        """Recordings, the latest first. `since` ≤ start < `until`; `number` is the caller's or the called one; `held`
        and `deleted`: only those, or only the others. `kind`: `call` or `voicemail`; `box`: of that voicemail."""
        table = tables.recordings.c
        query = select(tables.recordings).order_by(table.started.desc(), table.path).limit(limit)
        if since is not None:
            query = query.where(table.started >= since)
        if until is not None:
            query = query.where(table.started < until)
        for column, value in ((table.call, call), (table.queue, queue), (table.agent, agent)):
            if value is not None:
                query = query.where(column == value)
        if number is not None:
            query = query.where((table.caller == number) | (table.called == number))
        if kind is not None:
            message = table.path.startswith(VOICEMAIL)
            query = query.where(message if kind == "voicemail" else ~message)
        if box is not None:
            query = query.where(table.path.startswith(f"{VOICEMAIL}{box}/", autoescape=True))
        if held is not None:
            query = query.where(table.held != "" if held else table.held == "")
        if deleted is not None:
            query = query.where(table.deleted.is_not(None) if deleted else table.deleted.is_(None))
        return [SavedRecording(**row) for row in await self._rows(query)]

    @property
    def archive(self) -> RecordingArchive:
        """Recordings and their chain, for who keeps them."""
        return RecordingArchive(self._engine)

    async def _tuples(self, query: Select[Any]) -> Sequence[Any]:
        try:
            async with self._engine.connect() as connection:
                rows: Sequence[Any] = (await connection.execute(query)).all()
                return rows
        except DatabaseError as error:
            raise LocalError(f"the database {self._where} cannot be read: {error.orig}") from error

    async def _rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        try:
            async with self._engine.connect() as connection:
                rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
                return rows
        except DatabaseError as error:
            raise LocalError(f"the database {self._where} cannot be read: {error.orig}") from error


def _url(database: str, data_dir: Path) -> tuple[str, Path | None]:
    """The SQLAlchemy URL, and the file when there is one."""
    if database.startswith("postgresql://"):
        return database.replace("postgresql://", "postgresql+asyncpg://", 1), None
    path = data_dir / FILE if database == "sqlite" else Path(database.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"cannot make the directory {path.parent}: {error.strerror}") from error
    return f"sqlite+aiosqlite:///{path}", path


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _lock(path: Path) -> IO[str]:
    """One writer a database, so that ledger numbers are given once."""
    try:
        file = path.with_suffix(".lock").open("a+")
    except OSError as error:
        raise LocalError(f"cannot write beside {path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise LocalError(f"another switch (process {holder or 'unknown'}) uses {path}") from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _writing(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"busy_timeout = {_BUSY_MS}", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _reading(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("query_only = ON", f"busy_timeout = {_BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
