"""Whether recordings are as they were: files against the chain, the chain against itself, the store's rows, and what
the ledger says of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from softswitch.kernel.clock import Instant
from softswitch.services.chain import ChainEntry, Finding, Head, Reading
from softswitch.services.recordings import Recordings
from softswitch.services.store import Store

_EVERY = 64  # files between two words of progress


@dataclass(frozen=True, slots=True)
class Report:
    """`head` is the chain's end, to be kept elsewhere and handed to a later check; empty without a chain. `unsealed`:
    recordings that were finished a moment ago."""

    files: int
    entries: int
    unsealed: int
    head: str
    findings: tuple[Finding, ...]


async def check(
    store: Store,
    recordings: Recordings,
    *,
    since: Instant | None = None,
    heads: tuple[Head, ...] = (),
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Reads every file of the chain whose recording began at `since` or later. `advance` is told how far it is. Raises
    `LocalError` when the store cannot be read."""
    archive = store.archive
    reading = Reading((*heads, *await _witnesses(store)))
    entries = 0
    async for entry in archive.chain():
        reading.take(entry)
        entries += 1
    reading.end()
    findings = list(reading.findings)
    unsealed, begun = 0, {}
    unseen = dict(reading.files)
    async for row in archive.every():
        if not row.sha256 and row.deleted is None:
            unsealed += 1
            if not row.fault and (fault := await asyncio.to_thread(recordings.verify, row.path, row.bytes, "")):
                findings.append(Finding(row.path, row.call, fault))
            continue
        begun[row.path] = row.started
        sealed = unseen.pop(row.path, None)
        if row.deleted is None and sealed is None:
            findings.append(Finding(row.path, row.call, "is in no entry of the chain"))
        elif row.deleted is not None and sealed is not None:
            findings.append(Finding(row.path, row.call, "marked as deleted, which the chain does not know"))
        elif sealed is not None and (row.sha256, row.bytes, row.call) != (sealed.sha256, sealed.bytes, sealed.call):
            findings.append(Finding(row.path, row.call, f"its row is not what chain entry {sealed.seq} says"))
    findings += [
        Finding(entry.path, entry.call, f"its row is gone; chain entry {entry.seq} knows it")
        for entry in unseen.values()
    ]
    files = [entry for entry in reading.files.values() if since is None or begun.get(entry.path, since) >= since]
    for start in range(0, len(files), _EVERY):
        some = files[start : start + _EVERY]
        findings += await asyncio.to_thread(_compare, recordings, some)
        advance(start + len(some), len(files))
    last = reading.last
    head = f"{last.seq}:{last.link}" if last is not None else ""
    return Report(len(files), entries, unsealed, head, tuple(findings))


def _compare(recordings: Recordings, entries: list[ChainEntry]) -> list[Finding]:
    return [
        Finding(entry.path, entry.call, fault)
        for entry in entries
        if (fault := recordings.verify(entry.path, entry.bytes, entry.sha256))
    ]


async def _witnesses(store: Store) -> list[Head]:
    """The last entry that the ledger tells of: it shows when the chain's end was cut off."""
    last = await store.last_entry("recording.sealed")
    if last is None:
        return []
    seq, link = last.data.get("seq"), last.data.get("link")
    return [Head(seq, link)] if isinstance(seq, int) and isinstance(link, str) else []
