"""Keeps finished recordings: puts each into the chain, converts it, deletes it when its time is over, finds those that
a crash left behind, and watches the disk.

What is to be done is read from the store, so nothing is forgotten by a restart and everything may be done twice. Files
are worked on by the helper process, one at a time; the loop only waits. A change of the store goes before the change
on disk that needs it, and after the one that it needs: a crash in between leaves a file too many, never a loss.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from softswitch.acd.model import Fact
from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError, PeerError, SwitchError
from softswitch.media import wav
from softswitch.services.alarms import Alarms, Say
from softswitch.services.chain import ChainEntry, Kind, follow, source_of
from softswitch.services.recordings import ENDINGS, Measured, Recordings
from softswitch.services.store import Store
from softswitch.switch.records import SavedRecording
from softswitch.switch.settings import Settings

_DAY: Final[Duration] = 86400.0
SETTLE: Final[Duration] = 3.0
"""Between a recording's end and the first look at it: its call's record must be in the store, to be changed with it."""
QUIET: Final[Duration] = 30.0
"""A file that was not written to for so long is no longer being recorded: media writes every second."""
_LOOK: Final[Duration] = 10.0  # at the disk
_SWEEP: Final[Duration] = 3600.0  # retention, files left behind
_RETRY: Final[tuple[Duration, Duration]] = (60.0, 3600.0)  # a conversion that failed: first, most
_PATIENCE: Final[Duration] = 5.0
_TOGETHER: Final = 20  # recordings put into the chain at once
_SAID: Final = ("started", "seconds", "queue", "agent", "caller", "called", "channels", "format", "fault")
_ASKED: Final = 400  # paths a question to the store
_BEFORE: Final[Duration] = 2 * _DAY  # how much older than its file's last change a recording's beginning may be


class Files(Protocol):
    """Works on files outside the loop (`recording_helper.Helper`)."""

    async def measure(self, paths: Sequence[str]) -> list[Measured | LocalError | None]:
        """Repair and measure."""

    async def convert(self, source: str, target: str, format: str) -> Measured:
        """Whole and verified, or `LocalError`."""


@dataclass(frozen=True, slots=True)
class _Link:
    """An entry that the chain is to have, and the row that goes with it; the row was found at `path`."""

    kind: Kind
    row: SavedRecording
    path: str
    sha256: str
    data: dict[str, object]


@dataclass(slots=True)
class _Trouble:
    """A conversion that failed."""

    again: Instant
    delay: Duration


def _nobody(path: str, to: str) -> None:
    """Nobody asks where recordings are."""


class Keeper:
    """`live` gives the paths being recorded now; `allow` is told why no new recording may begin (empty: it may);
    `tell` writes a fact into the ledger; `moved` hears of recordings that have another path, or none any more."""

    def __init__(
        self,
        store: Store,
        recordings: Recordings,
        files: Files,
        alarms: Alarms,
        settings: Settings,
        *,
        clock: Callable[[], Instant],
        live: Callable[[], frozenset[str]],
        allow: Callable[[str], None],
        tell: Callable[[Fact], None],
        say: Say,
        moved: Callable[[str, str], None] = _nobody,
    ) -> None:
        self.settings = settings
        self._store = store
        self._archive = store.archive
        self._recordings = recordings
        self._files = files
        self._alarms = alarms
        self._clock = clock
        self._live = live
        self._allow = allow
        self._tell = tell
        self._say = say
        self._moved = moved
        self._lock = asyncio.Lock()  # of the chain's end, and of rows between reading and changing
        self._last: ChainEntry | None = None
        self._known = False  # whether `_last` was read
        self._due = asyncio.Event()
        self._ended: Instant = 0.0  # when the last recording ended
        self._sealed = False  # nothing is unsealed that we know of
        self._converted = False
        self._troubles: dict[str, _Trouble] = {}
        self._swept: Instant | None = None
        self._refusal = ""

    # -------------------------------------------------------------------------------------------------- what happens

    def recorded(self, row: SavedRecording) -> None:
        """A recording has ended; its row is on the way to the store."""
        now = self._clock()
        if row.fault:
            self._alarms.set("recording", f"the recording of call {row.call} failed: {row.fault}", now)
        else:
            self._alarms.clear("recording")
        self._sealed = False
        self._ended = now
        self._due.set()

    def configure(self, settings: Settings) -> None:
        """New settings; the next step goes by them."""
        self.settings = settings
        self._converted = False
        self._swept = None
        self._due.set()

    async def run(self) -> None:
        """Until cancelled. What goes wrong is said, and tried again."""
        began = self._clock()
        while True:
            try:
                await self.step(self._clock(), sweep=self._clock() - began >= QUIET)
                self._alarms.clear("keeper")
            except Exception as error:  # whatever a disk or a driver raises: this task must not die unseen
                reason = f"{type(error).__name__}: {error}" if not isinstance(error, SwitchError) else str(error)
                self._alarms.set("keeper", f"recordings cannot be kept as they should: {reason}", self._clock())
            self._due.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), _LOOK)
                await asyncio.sleep(SETTLE)

    async def finish(self, patience: Duration = _PATIENCE) -> None:
        """The switch ends, `run` is cancelled: what has ended goes into the chain if that is soon done. The rest is
        for the next start."""
        with suppress(TimeoutError, SwitchError, OSError):
            async with asyncio.timeout(patience):
                await self._store.writer.flush()
                await self._seal_new(self._clock())

    async def step(self, now: Instant, *, sweep: bool = True) -> None:
        """Everything that is due at `now`."""
        await self._look_at_disk(now)
        if sweep and (self._swept is None or now - self._swept >= _SWEEP):
            await self._find_left_behind(now)
            await self._delete_aged(now)
            self._swept = now
        if not self._sealed and now - self._ended >= SETTLE:
            await self._seal_new(now)
        await self._convert_new(now)

    # ------------------------------------------------------------------------------------------------ into the chain

    async def _seal_new(self, now: Instant) -> None:
        self._sealed = True  # said first: a recording that ends meanwhile, its row still on the way, says otherwise
        try:
            while rows := await self._archive.unsealed(_TOGETHER):
                await self._seal([row if row.call else await self._named(row, now) for row in rows], now)
                self._converted = False
        except BaseException:
            self._sealed = False
            raise

    async def _seal(self, rows: list[SavedRecording], now: Instant) -> None:
        """What is on disk is what the rows and the chain will say. Many at once: one by one each costs the loop 2.3 ms,
        in twenties 0.2 to 0.3 ms."""
        found = await self._files.measure([str(self._recordings.place(row.path)) for row in rows])
        links = [await self._measured(row, what, now) for row, what in zip(rows, found, strict=True)]
        async with self._lock:
            await self._append(links, now)

    async def _measured(self, row: SavedRecording, found: Measured | LocalError | None, now: Instant) -> _Link:
        """What the chain will say of a recording that was looked at."""
        if found is None:
            self._say("error", "recording is missing", {"call": row.call, "path": row.path, "reason": row.fault})
            gone = replace(row, deleted=now, seconds=0.0, bytes=0, fault=row.fault or "there is no file")
            return _Link("missing", gone, row.path, "", {"fault": gone.fault})
        if isinstance(found, LocalError):
            self._say("error", "recording is damaged", {"call": row.call, "path": row.path, "reason": str(found)})
            row = replace(row, fault=row.fault or str(found))
            size, digest = await asyncio.to_thread(self._as_it_is, row.path)
            found = Measured(0, row.channels, size, digest)
        seconds = found.frames / wav.RATE
        if found.repaired:
            self._say("warning", "recording repaired", {"call": row.call, "path": row.path})
            data = {"path": row.path, "seconds": round(seconds, 3)}
            self._tell(Fact("recording.repaired", now, row.call, data=dict(data)))
        row = replace(row, seconds=seconds, bytes=found.bytes, sha256=found.sha256, channels=found.channels)
        return _Link("recorded", row, row.path, row.sha256, {name: getattr(row, name) for name in _SAID})

    def _as_it_is(self, path: str) -> tuple[int, str]:
        return self._recordings.find(path).stat().st_size, self._recordings.sha256(path)

    async def _append(self, links: list[_Link], now: Instant) -> None:
        """Entries of the chain with the rows that they change. Call it with the lock held."""
        if not self._known:
            self._last = await self._archive.last()
        last = self._last
        changes = []
        for link in links:
            row = link.row
            last = follow(
                last, link.kind, now, call=row.call, path=row.path, bytes=row.bytes, sha256=link.sha256, data=link.data
            )
            changes.append((last, row, link.path))
        self._known = False  # until the store has taken them
        await self._archive.seal(changes)
        self._last, self._known = last, True
        for entry, row, _ in changes:
            fact = {"what": entry.kind, "path": entry.path, "seq": entry.seq, "link": entry.link}
            self._tell(Fact("recording.sealed", now, row.call, data=dict(fact)))
        for link in links:
            if link.kind != "recorded":
                self._moved(link.path, "" if link.row.deleted is not None else link.row.path)

    # --------------------------------------------------------------------------------------------------- conversion

    async def _convert_new(self, now: Instant) -> None:
        if self.settings.recording.format == "wav":
            return
        due = [path for path, trouble in self._troubles.items() if trouble.again <= now]
        if self._converted and not due:
            return
        while True:
            waiting = [path for path, trouble in self._troubles.items() if trouble.again > now]
            rows = await self._archive.unconverted(_ASKED, without=waiting[:_ASKED])
            if not rows:
                break
            for row in rows:
                await self._convert(row, now)
                if self._due.is_set() and not self._sealed:
                    return  # what has ended since goes into the chain first
        self._converted = True
        if not self._troubles:
            self._alarms.clear("conversion")

    async def _convert(self, row: SavedRecording, now: Instant) -> None:
        format = self.settings.recording.format
        path = str(Path(row.path).with_suffix(ENDINGS[format]))
        source, target = self._recordings.place(row.path), self._recordings.place(path)
        try:
            found = await self._files.convert(str(source), str(target), format)
        except (LocalError, OSError) as error:
            delay = self._troubles[row.path].delay * 2 if row.path in self._troubles else _RETRY[0]
            delay = min(delay, _RETRY[1])
            self._troubles[row.path] = _Trouble(now + delay, delay)
            self._say(
                "error", "conversion failed, the recording stays as it is", {"path": row.path, "reason": str(error)}
            )
            self._alarms.set("conversion", f"{row.path} cannot be converted: {error}", now)
            return
        self._troubles.pop(row.path, None)
        made = replace(row, path=path, format=format, bytes=found.bytes, sha256=found.sha256)
        data: dict[str, object] = {"from": row.path, "was": row.sha256, "format": format}
        async with self._lock:
            now_row = await self._archive.by_path(row.path)
            if now_row is None or now_row.held or now_row.deleted is not None:
                await asyncio.to_thread(self._recordings.delete, path)  # held, or deleted, while it was converted
                return
            await self._append([_Link("converted", made, row.path, made.sha256, data)], now)
        await asyncio.to_thread(self._recordings.delete, row.path)

    # ------------------------------------------------------------------------------------------------------ deletion

    async def _delete_aged(self, now: Instant) -> None:
        """By `keep_days`, the queue's in place of the general one."""
        general = self.settings.recording.keep_days
        days = {name: queue.keep_days for name, queue in self.settings.queues.items() if queue.keep_days is not None}
        shortest = min((kept for kept in (general, *days.values()) if kept), default=0.0)
        if not shortest:
            return
        after: tuple[Instant, str] | None = None
        deleted = 0
        while rows := await self._archive.aged(now - shortest * _DAY, after):
            for row in rows:
                kept = days.get(row.queue, general)
                if kept and row.started < now - kept * _DAY:
                    with suppress(LocalError):  # held since it was read
                        await self._delete(row, now, "retention", f"older than {kept:g} days")
                        deleted += 1
            after = (rows[-1].started, rows[-1].path)
        if deleted:
            self._say("info", "old recordings deleted", {"count": deleted})

    async def _delete(self, row: SavedRecording, now: Instant, by: str, reason: str) -> SavedRecording:
        async with self._lock:
            found = await self._archive.by_path(row.path)
            if found is None or found.deleted is not None:
                raise LocalError(f"{row.path} is deleted already")
            if found.held:
                raise LocalError(f"{row.path} is held: {found.held}")
            gone = replace(found, deleted=now)
            data: dict[str, object] = {"by": by, "reason": reason}
            await self._append([_Link("deleted", gone, row.path, found.sha256, data)], now)
        await asyncio.to_thread(self._recordings.delete, row.path)
        fact = {"path": row.path, "by": by, "reason": reason}
        self._tell(Fact("recording.deleted", now, row.call, row.queue, data=dict(fact)))
        return gone

    # -------------------------------------------------------------------------------------------------------- orders

    async def of_call(self, call: str) -> list[SavedRecording]:
        """The recordings of a call that are not deleted. Raises `PeerError` 404 when there is none."""
        rows = await self._store.recordings(call=call, deleted=False)
        if not rows:
            raise PeerError(f"no finished recording of call {call}", status=404)
        return rows

    async def hold(self, call: str, by: str, reason: str) -> list[SavedRecording]:
        """Forbid deletion and conversion. Raises `PeerError` 404."""
        return await self._hold(call, f"{by}: {reason}" if reason else by, "recording.held", by, reason)

    async def release(self, call: str, by: str, reason: str) -> list[SavedRecording]:
        """Allow deletion again. Raises `PeerError` 404."""
        return await self._hold(call, "", "recording.released", by, reason)

    async def _hold(self, call: str, held: str, kind: str, by: str, reason: str) -> list[SavedRecording]:
        async with self._lock:
            rows = await self.of_call(call)
            await self._archive.hold([row.path for row in rows], held)
        self._tell(Fact(kind, self._clock(), call, data={"by": by, "reason": reason}))
        self._converted = False
        return [replace(row, held=held) for row in rows]

    async def delete(self, call: str, by: str, reason: str) -> list[SavedRecording]:
        """Delete the recordings of a call; their place in the chain stays. Raises `PeerError` 404, 409 when held or
        not in the chain yet."""
        rows = await self.of_call(call)
        for row in rows:
            if row.held:
                raise PeerError(f"{row.path} is held: {row.held}", status=409)
            if not row.sha256:
                raise PeerError(f"{row.path} was finished a moment ago: try again", status=409)
        try:
            return [await self._delete(row, self._clock(), by, reason) for row in rows]
        except LocalError as error:
            raise PeerError(str(error), status=409) from error

    async def delete_path(self, path: str, by: str, reason: str) -> bool:
        """Delete one recording; False while it is not in the chain yet, so that it is to be tried again. One that is
        not there, or deleted, is no error. Raises `PeerError` 409 when it is held."""
        row = await self._archive.by_path(path)
        if row is None or (row.deleted is None and not row.sha256):
            return False
        if row.held:
            raise PeerError(f"{path} is held: {row.held}", status=409)
        if row.deleted is None:
            try:
                await self._delete(row, self._clock(), by, reason)
            except LocalError as error:
                raise PeerError(str(error), status=409) from error
        return True

    # ----------------------------------------------------------------------------------------------- after a crash

    async def _find_left_behind(self, now: Instant) -> None:
        """Files without a row, of calls that were recorded when control or the machine died; files whose deletion or
        conversion was written down but not finished."""
        live = self._live()
        found = [
            file for file in await asyncio.to_thread(self._recordings.files)
            if file.path not in live and now - file.modified >= QUIET
        ]  # fmt: skip
        for part in await asyncio.to_thread(lambda: list(self._recordings.parts())):
            with suppress(OSError):
                part.unlink()  # conversions run in this task only: none is under way
        for start in range(0, len(found), _ASKED):
            files = {file.path: file for file in found[start : start + _ASKED]}
            known = await self._archive.known(list(files))
            for path, file in files.items():
                row = known.get(path)
                if row is None:
                    await self._take_in(path, file.modified, file.bytes, now)
                elif row.deleted is not None:
                    await asyncio.to_thread(self._recordings.delete, path)

    async def _take_in(self, path: str, modified: Instant, size: int, now: Instant) -> None:
        if await self._is_over(path):
            await asyncio.to_thread(self._recordings.delete, path)
            return
        if await self._archive.entries_of(path):
            self._say("error", "recording is in the chain, but its row is gone", {"path": path})
            return
        if not path.endswith(ENDINGS["wav"]):
            return  # nothing of ours, or nothing that we can name
        row = await self._named(SavedRecording(path, "", modified, 0.0, size, fault="interrupted"), now)
        self._say("warning", "recording found after a crash", {"call": row.call, "path": path})
        self._tell(Fact("recording.recovered", now, row.call, row.queue, row.agent, {"path": path}))
        self._store.writer.write(row)
        await self._store.writer.flush()
        self._sealed = False

    async def _is_over(self, path: str) -> bool:
        """Whether `path`, which has no row, is the source of a conversion that is written down, or the result of one
        that is not and will be made again."""
        wav_path = str(Path(path).with_suffix(ENDINGS["wav"]))
        if path != wav_path:
            return await self._archive.by_path(wav_path) is not None and not await self._archive.entries_of(path)
        for ending in ENDINGS.values():
            entries = await self._archive.entries_of(str(Path(path).with_suffix(ending)))
            if any(entry.kind == "converted" and source_of(entry.data) == path for entry in entries):
                return True
        return False

    async def _named(self, row: SavedRecording, now: Instant) -> SavedRecording:
        """With the call that the ledger says began to be recorded there."""
        for entry in await self._store.ledger_entries(kind="recording.started", since=row.started - _BEFORE):
            data = entry.data
            if data.get("path") == row.path:
                queue, agent, caller, called = (
                    str(data.get(name, "")) for name in ("queue", "agent", "caller", "called")
                )
                return replace(
                    row, call=entry.call, started=entry.at, queue=queue, agent=agent, caller=caller, called=called
                )
        return row

    # ---------------------------------------------------------------------------------------------------------- disk

    async def _look_at_disk(self, now: Instant) -> None:
        floor = self.settings.recording.min_free_gb
        room = await asyncio.to_thread(self._recordings.room) if floor else None
        refusal = ""
        if room is not None and room < floor * 1e9:
            refusal = f"{room / 1e9:.1f} GB are free for recordings, less than min_free_gb = {floor:g}"
        if refusal:
            self._alarms.set("disk", f"{refusal}: new calls are not recorded", now)
        else:
            self._alarms.clear("disk")
        if bool(refusal) != bool(self._refusal):
            self._refusal = refusal
            self._allow(refusal)
