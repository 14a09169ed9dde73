"""The journal of live calls: a file beside the database to which what is needed of each call is appended.

One line a change, JSON: `[id, at, memory]` or, of a call that is over, `[id]`; the last line of a call counts. All
lines of one turn of the loop leave in one write, and are in the kernel's hands then, where the death of this process
does not reach them. Once most of the file is of calls that are over it is written anew beside itself. In the database
the same cost 70 µs a call, here 12.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Protocol

import msgspec

from softswitch.switch.call_memory import CallMemory
from softswitch.switch.records import ForgottenLiveCall, SavedLiveCall
from softswitch.wire.plain_text import encode

FILE: Final = "live-calls.jsonl"
SOON: Final = 0.25  # seconds; the writer needs a tenth
LARGE: Final = 4 * 1024 * 1024  # octets from which the file is looked at
_memory = msgspec.json.Decoder(CallMemory).decode
_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Written(Protocol):
    """How far the way to the database has come (`Writer`)."""

    @property
    def taken(self) -> int:
        """Rows handed in."""

    @property
    def done(self) -> int:
        """Rows there."""


class CallJournal:
    """`found` is what the last run left. A call is forgotten once all that was handed to `writer` before, its record
    above all, is in the database. `alarm` gets a sentence when the file cannot be written, and when it can be
    again; until then nothing is lost but the next crash's calls."""

    def __init__(self, path: Path, alarm: Callable[[str], None], writer: Written) -> None:
        self.found = read(path)
        self._path = path
        self._alarm = alarm
        self._lines: dict[str, bytes] = {row.id: line(row) for row in self.found if row.memory is not None}
        self._live = sum(map(len, self._lines.values()))
        self._new: list[bytes] = []
        self._writer = writer
        self._leaving: deque[tuple[int, ForgottenLiveCall]] = deque()  # with how many rows must be done before
        self._size = 0
        self._file: IO[bytes] | None = None
        self._failing = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._anew()

    def write(self, row: SavedLiveCall | ForgottenLiveCall) -> None:
        """Take `row`; a live call is in the file at the end of this turn of the loop."""
        if isinstance(row, ForgottenLiveCall):
            self._leaving.append((self._writer.taken, row))
            if len(self._leaving) == 1:
                self._loop.call_later(SOON, self._look)
            return
        text = line(row)
        self._live += len(text) - len(self._lines.get(row.id, b""))
        self._lines[row.id] = text
        self._append(text)

    def _look(self) -> None:
        """Forget those whose records are in the database."""
        leaving, done = self._leaving, self._writer.done
        while leaving and leaving[0][0] <= done:
            _, row = leaving.popleft()
            self._live -= len(self._lines.pop(row.id, b""))
            self._append(line(row))
        if leaving and not self._closed:
            self._loop.call_later(SOON, self._look)

    def _append(self, text: bytes) -> None:
        if not self._new:
            self._loop.call_soon(self.flush)
        self._new.append(text)

    def flush(self) -> None:
        """Everything that was taken goes into the file."""
        new, self._new = b"".join(self._new), []
        if not new or self._closed:
            return
        if self._file is None or (self._size > LARGE and self._size > 4 * self._live):
            self._anew()
            return
        try:
            self._file.write(new)
            self._size += len(new)
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        """No more comes, and what the writer had to write is written."""
        self._look()
        self.flush()
        self._closed = True
        if self._file is not None:
            self._file.close()
            self._file = None

    def _anew(self) -> None:
        """Only the calls that live, in a file that takes the old one's place at once."""
        beside = self._path.with_suffix(".new")
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            file = open(beside, "wb", buffering=0, opener=_private)  # noqa: SIM115 - kept open
            try:
                file.write(b"".join(self._lines.values()))
                os.replace(beside, self._path)
            except OSError:
                file.close()
                raise
        except OSError as error:
            self._failed(error)
            return
        self._file, self._size = file, self._live
        if self._failing:
            self._failing = False
            self._alarm(f"{self._path}: writing again")

    def _failed(self, error: OSError) -> None:
        """Half a line may be in it: the next change writes it anew."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if not self._failing:
            self._failing = True
            self._alarm(f"{self._path}: cannot write, a crash of the switch would lose its calls: {error.strerror}")


def read(path: Path) -> list[SavedLiveCall]:
    """The calls that the file says are alive; none when there is no file."""
    with suppress(OSError):
        return rows(path.read_bytes().splitlines())
    return []


def rows(lines: Iterable[bytes]) -> list[SavedLiveCall]:
    """What lines of the file say. Of a call that an incompatible program wrote there is only its name; a line that was
    cut off says nothing."""
    found: dict[str, SavedLiveCall] = {}
    for one in lines:
        try:
            parts = _parts(one)
            id = msgspec.json.decode(parts[0], type=str)
            if len(parts) == 1:
                found.pop(id, None)
                continue
            at = msgspec.json.decode(parts[1], type=float)
        except (msgspec.MsgspecError, ValueError, IndexError):
            continue
        try:
            found[id] = SavedLiveCall(id, at, _memory(parts[2]))
        except (msgspec.MsgspecError, ValueError, IndexError):
            found[id] = SavedLiveCall(id, at, None)
    return list(found.values())


def line(row: SavedLiveCall | ForgottenLiveCall) -> bytes:
    """The line that keeps `row`."""
    if isinstance(row, SavedLiveCall):
        return encode((row.id, row.at, row.memory)) + b"\n"
    return encode((row.id,)) + b"\n"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
