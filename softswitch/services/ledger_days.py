"""Days of the ledger for staffing and replays, read in pieces beside a switch that may be writing."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.services.store import FILE

_CHUNK: Final = 20_000
_SELECT: Final = "SELECT seq, at, kind, call, queue, agent, data FROM ledger"
_NOTHING: Final[Mapping[str, object]] = {}


class Row(NamedTuple):
    """A line of the ledger."""

    seq: int
    at: Instant
    kind: str
    call: str
    queue: str
    agent: str
    data: Mapping[str, object]


def read_facts(
    database: str,
    data_dir: Path,
    take: Callable[[Row], None],
    *,
    since: Instant,
    until: Instant,
    kinds: Sequence[str],
    queue: str | None = None,
) -> None:
    """Hand `take` every fact of `kinds` with `since` ≤ at < `until`, in the ledger's order. `database`: `sqlite` (in
    `data_dir`), a file, `sqlite:///PATH` or `postgresql://…`. Raises `LocalError` when it cannot be read."""
    values: dict[str, object] = {"since": since, "until": until}
    values |= {f"kind{number}": kind for number, kind in enumerate(kinds)}
    names = ", ".join(f":kind{number}" for number in range(len(kinds)))
    where = f"at >= :since AND at < :until AND kind IN ({names})"
    if queue is not None:
        where += " AND queue = :queue"
        values["queue"] = queue
    if database.startswith("postgresql://"):
        asyncio.run(_postgresql(database, where, values, take))
    else:
        _sqlite(database_file(database, data_dir), where, values, take)


def database_file(database: str, data_dir: Path) -> Path:
    """Where an SQLite database is."""
    return data_dir / FILE if database == "sqlite" else Path(database.removeprefix("sqlite:///"))


def _sqlite(path: Path, where: str, values: dict[str, object], take: Callable[[Row], None]) -> None:
    if not path.is_file():
        raise LocalError(f"there is no database at {path}")
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            cursor = connection.execute(f"{_SELECT} WHERE {where} ORDER BY seq", values)
            while rows := cursor.fetchmany(_CHUNK):
                _hand_over(rows, take)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LocalError(f"the database {path} cannot be read: {error}") from error


async def _postgresql(database: str, where: str, values: dict[str, object], take: Callable[[Row], None]) -> None:
    async for rows in _pieces(database, where, values):
        _hand_over(rows, take)


async def _pieces(database: str, where: str, values: dict[str, object]) -> AsyncIterator[Sequence[Any]]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    try:
        engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    except (ImportError, SQLAlchemyError) as error:
        raise LocalError(f"the database cannot be used: {error}") from error
    try:
        async with engine.connect() as connection:
            after = 0
            query = text(f"{_SELECT} WHERE seq > :after AND {where} ORDER BY seq LIMIT {_CHUNK}")
            while rows := (await connection.execute(query, {"after": after, **values})).all():
                yield rows
                after = rows[-1][0]
    except (SQLAlchemyError, OSError) as error:
        raise LocalError(f"the database cannot be read: {error}") from error
    finally:
        await engine.dispose()


def _hand_over(rows: Sequence[Any], take: Callable[[Row], None]) -> None:
    decode = msgspec.json.decode
    for seq, at, kind, call, queue, agent, data in rows:
        take(Row(seq, at, kind, call, queue, agent, decode(data) if len(data) > 2 else _NOTHING))
