"""Reports out of a database: the ledger is read in pieces, folded, and forgotten; a million facts take seconds and the
memory of one piece.

`python -m softswitch.services.reporting` answers one order (JSON on standard input: the database, and a question) with
a report (JSON) or `{"error": …}` on standard output. A running switch asks for reports that way, so that no call waits
for one: folding holds the interpreter.
"""

import asyncio
import contextlib
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from softswitch.acd.fold import COUNT, Fold
from softswitch.acd.reports import Question, Report, fold_for, report, warm_up
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError

Progress = Callable[[int, int], None]

FILE: Final = "softswitch.db"
_CHUNK: Final = 20_000
_REPEATS: Final = ("queue.entered", "queue.answered", "switch.started")  # what first-call resolution follows
_NICE: Final = 10
_SELECT: Final = "SELECT seq, at, kind, call, queue, agent, data FROM ledger"
_NOTHING: Final[Mapping[str, object]] = {}


class Row(NamedTuple):
    """A line of the ledger as the fold wants it."""

    at: Instant
    kind: str
    call: str
    queue: str
    agent: str
    data: Mapping[str, object]


class Order(msgspec.Struct):
    """`database` as in the configuration: `sqlite` (in `data_dir`), `sqlite:///PATH`, `postgresql://…`."""

    database: str
    data_dir: str
    question: Question


def make_report(database: str, data_dir: Path, question: Question, progress: Progress | None = None) -> Report:
    """Fold the ledger into the answer; `progress` is told entries read and their number. Raises `LocalError` when the
    database cannot be read."""
    fold = fold_for(question)
    if database.startswith("postgresql://"):
        asyncio.run(_from_postgresql(database, question, fold, progress))
    else:
        path = data_dir / FILE if database == "sqlite" else Path(database.removeprefix("sqlite:///"))
        _from_sqlite(path, question, fold, progress)
    return report(question, fold)


def first_and_last(database: str, data_dir: Path) -> tuple[Instant, Instant] | None:
    """When the ledger of an SQLite database begins and ends; None: it is empty, or no such database."""
    if database.startswith("postgresql://"):
        return None
    path = data_dir / FILE if database == "sqlite" else Path(database.removeprefix("sqlite:///"))
    with _opened(path) as connection:
        first, last = connection.execute("SELECT min(at), max(at) FROM ledger").fetchone()
    return None if first is None else (first, last)


# ------------------------------------------------------------------------------------------------------------- reading


def _from_sqlite(path: Path, question: Question, fold: Fold, progress: Progress | None) -> None:
    with _opened(path) as connection:
        where, values = _where(question)
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
            _take(fold, rows)
            done += len(rows)
            if progress is not None:
                progress(done, count)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
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


async def _from_postgresql(database: str, question: Question, fold: Fold, progress: Progress | None) -> None:
    done = 0
    async for rows in _pieces(database, question):
        _take(fold, rows)
        done += len(rows)
        if progress is not None:
            progress(done, 0)


async def _pieces(database: str, question: Question) -> AsyncIterator[Sequence[Any]]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    where, values = _where(question)
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


def _where(question: Question) -> tuple[str, dict[str, object]]:
    """The lines that matter: everything that is counted within the time and a day before (a call may have entered, a
    state begun), and what first-call resolution follows further out."""
    values: dict[str, object] = {}

    def value(given: object) -> str:
        name = f"v{len(values)}"
        values[name] = given
        return f":{name}"

    day = 86400.0
    around = warm_up(question)
    kinds = ", ".join(value(kind) for kind in COUNT)
    near = f"(at >= {value(question.since - day)} AND at < {value(question.until + day)} AND (kind IN ({kinds})"
    near += f" OR kind LIKE {value('callback.%')}))"
    repeats = ", ".join(value(kind) for kind in _REPEATS)
    far = f"(at >= {value(question.since - around)} AND at < {value(question.until + around)} AND kind IN ({repeats}))"
    return f"({near} OR {far})", values


def _take(fold: Fold, rows: Sequence[Any]) -> None:
    decode = msgspec.json.decode
    add = fold.add
    for _, at, kind, call, queue, agent, data in rows:
        add(Row(at, kind, call, queue, agent, decode(data) if len(data) > 2 else _NOTHING))


# ------------------------------------------------------------------------------------------------------- as a process


class Reporter:
    """Makes reports in processes of their own, one at a time. Raises `LocalError` when that fails."""

    def __init__(self, database: str, data_dir: Path) -> None:
        self._database = database
        self._data_dir = str(data_dir)
        self._lock = asyncio.Lock()

    async def make(self, question: Question) -> bytes:
        """The report as JSON."""
        order = msgspec.json.encode(Order(self._database, self._data_dir, question))
        async with self._lock:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "softswitch.services.reporting"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                answer, _ = await process.communicate(order)
            except asyncio.CancelledError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                raise
        if process.returncode:
            raise LocalError(f"the report could not be made: its process ended with {process.returncode}")
        if answer.startswith(b'{"error"'):
            raise LocalError(msgspec.json.decode(answer)["error"])
        return answer


def main() -> int:
    """One order, one answer."""
    os.nice(_NICE)
    try:
        order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
        answer = msgspec.json.encode(make_report(order.database, Path(order.data_dir), order.question))
    except LocalError as error:
        answer = msgspec.json.encode({"error": str(error)})
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
