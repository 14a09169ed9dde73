"""Recordings on disk, written in a thread of their own. The header's sizes are renewed with every write, so a file
that was never closed is whole up to its last second; that costs 1–2 µs beside the 14–36 µs of writing a second of two
channels (dropping the written pages from the cache would cost 20 µs more: the kernel does that when it must).

The clock hands over in one piece all that one turn brought; handing over one by one cost the same within the noise of a
busy machine. A disk that hangs stops this thread only; what waits for it is bounded, and a recording
that would go beyond the bound fails while its call goes on.
"""

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from softswitch.media import wav
from softswitch.media.effects import AppendFile, CreateFile, FinishFile

BACKLOG: Final = 64 * 1024 * 1024
"""Octets that may wait for the disk."""
_PATIENCE: Final = 10.0  # seconds for the disk when the process ends

Outcome = tuple[int, str, int]
"""Recorder, reason of failure (empty: closed well), frames in the file."""


class _File:
    __slots__ = ("channels", "fd", "octets")

    def __init__(self, path: str, channels: int) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.channels = channels
        self.octets = 0
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            self._write(wav.header(channels, 0))
        except OSError:
            os.close(self.fd)
            raise

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.write(self.fd, view)
            self.octets += done
            view = view[done:]
        self.renew()

    def renew(self) -> None:
        whole = self.frames * 2 * self.channels
        os.pwrite(self.fd, wav.header(self.channels, whole), 0)

    @property
    def frames(self) -> int:
        return self.octets // (2 * self.channels)

    def _write(self, data: bytes) -> None:
        if os.write(self.fd, data) < len(data):
            raise OSError(28, os.strerror(28))

    def close(self) -> None:
        os.close(self.fd)


@dataclass(frozen=True, slots=True)
class _Abandon:
    """Close the file of a recording that has failed already."""

    recorder: int


Order: TypeAlias = CreateFile | AppendFile | FinishFile | _Abandon


class Writer:
    """`fd` is readable when outcomes wait."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._backlog = backlog
        self._gathered: list[Order] = []
        self._asked: SimpleQueue[list[Order] | None] = SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._files: dict[int, _File] = {}
        self._put = self._taken = 0  # octets, each written by one thread only
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, effect: CreateFile | AppendFile | FinishFile) -> None:
        """To be done in order, once it is handed over. Sound beyond the backlog is refused and its recording fails at
        once; what is on disk stays."""
        if isinstance(effect, AppendFile):
            if self._put - self._taken + len(effect.data) > self._backlog:
                file = self._files.get(effect.recorder)
                self._gathered.append(_Abandon(effect.recorder))
                self._tell(
                    effect.recorder, "the disk is too slow: too much waits to be written", file.frames if file else 0
                )
                return
            self._put += len(effect.data)
        self._gathered.append(effect)

    def hand_over(self) -> None:
        """Let the thread begin with what was put."""
        if self._gathered:
            self._asked.put(self._gathered)
            self._gathered = []

    @property
    def waiting(self) -> int:
        """Octets that wait for the disk."""
        return self._put - self._taken

    def outcomes(self) -> list[Outcome]:
        """Files closed or failed since; call when `fd` is readable."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)
        outcomes = []
        while self._outcomes:
            outcomes.append(self._outcomes.popleft())
        return outcomes

    def close(self, patience: float = _PATIENCE) -> None:
        """Finish what was put and end the thread; a disk that hangs for `patience` seconds is not waited for."""
        self.hand_over()
        self._asked.put(None)
        self._thread.join(patience)

    def _run(self) -> None:
        while (orders := self._asked.get()) is not None:
            for order in orders:
                try:
                    self._perform(order)
                except OSError as error:
                    self._fail(order.recorder, error)
                if isinstance(order, AppendFile):
                    self._taken += len(order.data)

    def _perform(self, order: Order) -> None:
        match order:
            case CreateFile(recorder, path, channels):
                self._files[recorder] = _File(path, channels)
            case AppendFile(recorder, data):
                if (file := self._files.get(recorder)) is not None and data:
                    file.append(data)
            case FinishFile(recorder):
                if (file := self._files.pop(recorder, None)) is not None:
                    file.close()
                    self._tell(recorder, "", file.frames)
            case _Abandon(recorder):
                if (file := self._files.pop(recorder, None)) is not None:
                    file.close()

    def _fail(self, recorder: int, error: OSError) -> None:
        """Keep what is whole, with a header that fits."""
        frames = 0
        if (file := self._files.pop(recorder, None)) is not None:
            frames = file.frames
            try:
                file.renew()
                os.ftruncate(file.fd, wav.HEADER + frames * 2 * file.channels)
            except OSError:
                frames = 0
            finally:
                file.close()
        self._tell(recorder, f"{error.filename or 'recording'}: {error.strerror}", frames)

    def _tell(self, recorder: int, reason: str, frames: int) -> None:
        self._outcomes.append((recorder, reason, frames))
        os.eventfd_write(self.fd, 1)
