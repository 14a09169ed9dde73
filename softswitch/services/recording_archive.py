"""Recordings in the store as their keeper needs them: what is still to be done, and changes that go together with an
entry of the chain, all or nothing."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.services import tables
from softswitch.services.chain import ChainEntry
from softswitch.switch.records import SavedRecording
from softswitch.wire.plain_text import plain

_BATCH: Final = 500
_table: Final = tables.recordings.c
_CHANGED: Final = tuple(column.name for column in tables.recordings.columns if column.name != "held")


class RecordingArchive:
    """Raises `LocalError` when the database refuses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def unsealed(self, limit: int = _BATCH) -> list[SavedRecording]:
        """Recordings that the chain does not have yet, the oldest first."""
        query = select(tables.recordings).where(_table.sha256 == "", _table.deleted.is_(None))
        return await self._recordings(query.order_by(_table.started, _table.path).limit(limit))

    async def unconverted(self, limit: int = _BATCH, without: Iterable[str] = ()) -> list[SavedRecording]:
        """Sealed WAV recordings with sound that nobody holds, the oldest first."""
        query = select(tables.recordings).where(
            *(_table.sha256 != "", _table.format == "wav", _table.held == "", _table.deleted.is_(None)),
            *(_table.seconds > 0, _table.path.not_in(list(without))),
        )
        return await self._recordings(query.order_by(_table.started, _table.path).limit(limit))

    async def aged(self, before: Instant, after: tuple[Instant, str] | None = None) -> list[SavedRecording]:
        """Sealed recordings that began before `before` and that nobody holds, the oldest first, those beyond `after`
        (start, path)."""
        query = select(tables.recordings).where(
            _table.started < before, _table.held == "", _table.deleted.is_(None), _table.sha256 != ""
        )
        if after is not None:
            started, path = after
            query = query.where((_table.started > started) | ((_table.started == started) & (_table.path > path)))
        return await self._recordings(query.order_by(_table.started, _table.path).limit(_BATCH))

    async def by_path(self, path: str) -> SavedRecording | None:
        found = await self._recordings(select(tables.recordings).where(_table.path == path))
        return found[0] if found else None

    async def known(self, paths: Sequence[str]) -> dict[str, SavedRecording]:
        """Those of `paths` (a few hundred at most) that the store has."""
        rows = await self._recordings(select(tables.recordings).where(_table.path.in_(paths)))
        return {row.path: row for row in rows}

    async def every(self) -> AsyncIterator[SavedRecording]:
        """All recordings, in the order of their paths."""
        path = ""
        while True:
            query = select(tables.recordings).where(_table.path > path).order_by(_table.path).limit(_BATCH)
            rows = await self._recordings(query)
            for row in rows:
                yield row
            if len(rows) < _BATCH:
                return
            path = rows[-1].path

    # ----------------------------------------------------------------------------------------------------- the chain

    async def chain(self) -> AsyncIterator[ChainEntry]:
        """The whole chain, in order."""
        seq = 0
        table = tables.recording_chain
        while True:
            rows = await self._rows(select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(_BATCH))
            for row in rows:
                yield ChainEntry(**row)
            if len(rows) < _BATCH:
                return
            seq = rows[-1]["seq"]

    async def last(self) -> ChainEntry | None:
        """The chain's last entry."""
        table = tables.recording_chain
        rows = await self._rows(select(table).order_by(table.c.seq.desc()).limit(1))
        return ChainEntry(**rows[0]) if rows else None

    async def entries_of(self, path: str) -> list[ChainEntry]:
        """What the chain says of one file, in order."""
        table = tables.recording_chain
        rows = await self._rows(select(table).where(table.c.path == path).order_by(table.c.seq))
        return [ChainEntry(**row) for row in rows]

    # ------------------------------------------------------------------------------------------------------ changing

    async def seal(self, changes: Sequence[tuple[ChainEntry, SavedRecording, str]]) -> None:
        """Append each entry, and let its row stand in place of the recording at the path that goes with it: all in
        one transaction. Who holds a recording is not changed. Calls' records name new files."""
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _CHANGED}
        rows = [
            {"old": path} | {f"new_{name}": _stored(getattr(row, name)) for name in _CHANGED}
            for _, row, path in changes
        ]
        moved = [{"of": row.call, "old": path, "new": row.path} for _, row, path in changes if row.path != path]
        calls = tables.calls
        try:
            async with self._engine.begin() as connection:
                entries = [asdict(entry) for entry, _, _ in changes]
                await connection.execute(tables.recording_chain.insert(), entries)
                table = tables.recordings
                await connection.execute(table.update().where(_table.path == bindparam("old")).values(values), rows)
                if moved:
                    named = calls.update().where(calls.c.id == bindparam("of"), calls.c.recording == bindparam("old"))
                    await connection.execute(named.values(recording=bindparam("new")), moved)
        except DatabaseError as error:
            raise LocalError(f"the database cannot be written: {error.orig}") from error

    async def hold(self, paths: Sequence[str], held: str) -> None:
        """Forbid the deletion of recordings, saying who and why; or allow it again with an empty `held`."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(tables.recordings).where(_table.path.in_(paths)).values(held=plain(held))
                )
        except DatabaseError as error:
            raise LocalError(f"the database cannot be written: {error.orig}") from error

    async def _recordings(self, query: Select[Any]) -> list[SavedRecording]:
        return [SavedRecording(**row) for row in await self._rows(query)]

    async def _rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        try:
            async with self._engine.connect() as connection:
                rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
                return rows
        except DatabaseError as error:
            raise LocalError(f"the database cannot be read: {error.orig}") from error


def _stored(value: object) -> object:
    return plain(value) if isinstance(value, str) else value
