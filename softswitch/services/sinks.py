"""Where batches of rows go: one transaction each, the whole of it or nothing.

SQLite gets a thread of its own and one hop to it a transaction. Through aiosqlite every cursor, statement and commit is
a hop, some thirty a batch, each waking two threads that fight for the interpreter's lock: beside the call-control loop
that cost more than all the rest of the store (measured at 200 calls/s: 56 futex calls a telephone call).
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from softswitch.services.rows import Parameters, Sql, Statement, batch

Rows: TypeAlias = Sequence[tuple[Statement, Parameters]]


class Sink(Protocol):
    """Raises what SQLAlchemy and the driver raise."""

    async def save(self, rows: Rows) -> None:
        """One transaction."""

    async def close(self) -> None:
        """Let go of the database."""


class AsyncSink:
    """By an asynchronous driver."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sql = Sql(engine.dialect)
        self._connection: AsyncConnection | None = None

    async def save(self, rows: Rows) -> None:
        if self._connection is None:
            self._connection = await self._engine.connect()
        connection = self._connection
        try:
            for statement, values in batch(list(rows)):
                for text, flat in self._sql.parts(statement, values):
                    await connection.exec_driver_sql(text, flat)
            await connection.commit()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            except (SQLAlchemyError, OSError):
                await connection.invalidate()


class ThreadSink:
    """By a blocking driver in a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sql = Sql(engine.dialect)
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")

    async def save(self, rows: Rows) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._save, rows)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._engine.dispose()

    def _save(self, rows: Rows) -> None:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        try:
            for statement, values in batch(list(rows)):
                for text, flat in self._sql.parts(statement, values):
                    connection.exec_driver_sql(text, flat)
            connection.commit()
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (SQLAlchemyError, OSError):
                connection.invalidate()
