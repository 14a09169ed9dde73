"""The ledger read in pieces out of a database that a switch may be writing, for reports, staffing and replays."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.services.store import FILE

Progress: TypeAlias = Callable[[int, int], None]
"""Told entries read and their number (0: not known)."""

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
    take: Callable[[Row], object],
    *,
    since: Instant,
    until: Instant,
    kinds: Sequence[str],
    queue: str | None = None,
) -> None:
    """Hand `take` every fact of `kinds` with `since` ≤ at < `until`, in the ledger's order. Raises `LocalError` when
    the database cannot be read."""
    values: dict[str, object] = {"since": since, "until": until}
    values |= {f"kind{number}": kind for number, kind in enumerate(kinds)}
    names = ", ".join(f":kind{number}" for number in range(len(kinds)))
    where = f"at >= :since AND at < :until AND kind IN ({names})"
    if queue is not None:
        where += " AND queue = :queue"
        values["queue"] = queue
    read(database, data_dir, where, values, take)


def read(
    database: str,
    data_dir: Path,
    where: str,
    values: Mapping[str, object],
    take: Callable[[Row], object],
    progress: Progress | None = None,
) -> None:
    """Hand `take` the rows that the SQL condition `where` with `values` finds, in the ledger's order. `database`:
    `sqlite` (in `data_dir`), a file, `sqlite:///PATH` or `postgresql://…`. Raises `LocalError` when it cannot be
    read."""
    if database.startswith("postgresql://"):
        asyncio.run(_postgresql(database, where, values, take, progress))
    else:
        _sqlite(database_file(database, data_dir), where, values, take, progress)


def database_file(database: str, data_dir: Path) -> Path:
    """Where an SQLite database is."""
    return data_dir / FILE if database == "sqlite" else Path(database.removeprefix("sqlite:///"))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The SQLite database at `path`, to read only. Raises `LocalError`."""
    if not path.is_file():
        raise LocalError(f"there is no database at {path}")
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LocalError(f"the database {path} cannot be read: {error}") from error


def _sqlite(
    path: Path, where: str, values: Mapping[str, object], take: Callable[[Row], object], progress: Progress | None
) -> None:
    with opened(path) as connection:
        low, high, count = connection.execute(
            f"SELECT min(seq), max(seq), count(*) FROM ledger WHERE {where}", values
        ).fetchone()
        if not count:
            return
        cursor = connection.execute(
            f"{_SELECT} WHERE seq BETWEEN :low AND :high AND {where} ORDER BY seq", {"low": low, "high": high, **values}
        )
        done = 0
        while rows := cursor.fetchmany(_CHUNK):
            _hand_over(rows, take)
            done += len(rows)
            if progress is not None:
                progress(done, count)


async def _postgresql(
    database: str, where: str, values: Mapping[str, object], take: Callable[[Row], object], progress: Progress | None
) -> None:
    done = 0
    async for rows in _pieces(database, where, values):
        _hand_over(rows, take)
        done += len(rows)
        if progress is not None:
            progress(done, 0)


async def _pieces(database: str, where: str, values: Mapping[str, object]) -> AsyncIterator[Sequence[Any]]:
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


def _hand_over(rows: Sequence[Any], take: Callable[[Row], object]) -> None:
    decode = msgspec.json.decode
    for seq, at, kind, call, queue, agent, data in rows:
        take(Row(seq, at, kind, call, queue, agent, decode(data) if len(data) > 2 else _NOTHING))
