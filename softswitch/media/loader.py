"""Sound files, read and resampled in a thread of their own so that the clock never waits for a disk."""

import os
import threading
import time
from collections import OrderedDict, deque
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

import numpy as np
import soundfile
import soxr

from softswitch.media.arena import RATE, Floats, Samples
from softswitch.media.player import Clip

_KEEP: Final = 128 * 1024 * 1024
"""Octets of decoded sound that are kept."""
_FRESH: Final = 2.0  # seconds for which a file is not looked at again
_LONGEST: Final = 3600  # seconds

Loaded = tuple[str, Clip | None, str]
"""Path, sound at both rates, reason of failure."""


class Loader:
    """`fd` is readable when results wait. One file is read once however many ask for it."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._kept: OrderedDict[str, tuple[Clip, tuple[int, int]]] = OrderedDict()
        self._looked_at: dict[str, float] = {}
        self._octets = 0
        self._asked: SimpleQueue[str | None] = SimpleQueue()
        self._waiting: set[str] = set()
        self._done: deque[tuple[str, Clip | None, tuple[int, int], str]] = deque()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    def ask(self, path: str) -> Loaded | None:
        """The sound at once if it is kept and fresh; else None, and it comes by `results`."""
        kept = self._kept.get(path)
        if kept is not None and time.monotonic() - self._looked_at[path] < _FRESH:
            self._kept.move_to_end(path)
            return path, kept[0], ""
        if path not in self._waiting:
            self._waiting.add(path)
            self._asked.put(path)
        return None

    def results(self) -> list[Loaded]:
        """What was read since; call when `fd` is readable."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)
        results: list[Loaded] = []
        while self._done:
            path, clip, version, reason = self._done.popleft()
            self._waiting.discard(path)
            if clip is not None:
                self._keep(path, clip, version)
            results.append((path, clip, reason))
        return results

    def close(self) -> None:
        """End the thread."""
        self._asked.put(None)
        self._thread.join(timeout=1.0)

    def _keep(self, path: str, clip: Clip, version: tuple[int, int]) -> None:
        if (old := self._kept.pop(path, None)) is not None:
            self._octets -= old[0].octets
        self._kept[path] = (clip, version)
        self._looked_at[path] = time.monotonic()
        self._octets += clip.octets
        while self._octets > _KEEP and len(self._kept) > 1:
            gone, (sound, _) = self._kept.popitem(last=False)
            self._octets -= sound.octets
            del self._looked_at[gone]

    def _run(self) -> None:
        while (path := self._asked.get()) is not None:
            try:
                status = os.stat(path)
                version = (status.st_mtime_ns, status.st_size)
                kept = self._kept.get(path)
                clip = kept[0] if kept is not None and kept[1] == version else read(path)
                self._done.append((path, clip, version, ""))
            except Exception as error:  # a codec library may raise anything; the player is told, the thread lives
                self._done.append((path, None, (0, 0), f"{path}: {error}"))
            os.eventfd_write(self.fd, 1)


def read(path: str) -> Clip:
    """The file as mono samples at 8 and at 16 kHz. Raises `OSError`, `soundfile.SoundFileError`, `ValueError`."""
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        sound = file.read(frames=_LONGEST * rate, dtype="float32", always_2d=True)
    mono = sound[:, 0] if sound.shape[1] == 1 else sound.mean(axis=1, dtype=np.float32)
    if not len(mono):
        raise ValueError("there is no sound in it")
    narrow, wide = _at(mono, rate, RATE), _at(mono, rate, 2 * RATE)
    samples = min(len(narrow), len(wide) // 2)
    if not samples:
        raise ValueError("there is no sound in it")
    return Clip(narrow[:samples], wide[: 2 * samples])


def _at(mono: Floats, rate: int, wanted: int) -> Samples:
    if rate != wanted:
        mono = soxr.resample(mono, rate, wanted, quality="HQ")
    samples: Samples = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)
    return samples
