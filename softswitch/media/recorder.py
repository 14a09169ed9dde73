"""Recorders: the sound of each channel is kept in one ring for all recorders, and handed over a second at a time."""

from collections.abc import Set
from typing import Final

import numpy as np

from softswitch.kernel.errors import LocalError
from softswitch.media.arena import FRAME, Ints, Samples

CHANNELS: Final = 2
_RING = 64  # frames
FLUSH: Final = 50
"""Ticks between two writes of a recorder."""
_TOGETHER = 5  # ticks whose recorders are written in one of them: waking the writer costs more than a second of sound
_NOBODY: Final[frozenset["Recorder"]] = frozenset()
_ITEM = np.dtype(("V", 2 * FRAME))


class Recorder:
    """Records from the frame of tick `started` on; everything before `flushed` was handed over."""

    __slots__ = ("channels", "flushed", "id", "paused", "place", "started")

    def __init__(self, id: int, place: int, channels: int, tick: int) -> None:
        self.id = id
        self.place = place
        self.channels = channels
        self.started = self.flushed = tick
        self.paused = False


class Recorders:
    """All recorders by id. Places in the ring are used again; a channel's number as a sink is
    place · CHANNELS + channel."""

    __slots__ = ("_by_place", "_due", "_free", "_items", "_samples", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[int, Recorder] = {}
        self._by_place: dict[int, Recorder] = {}
        self._free: list[int] = []
        self._due: list[set[Recorder]] = [set() for _ in range(FLUSH // _TOGETHER)]
        self._make_room(16)

    def open(self, id: int, channels: int, tick: int) -> Recorder:
        """Raises `LocalError` when there cannot be so many channels."""
        if not 1 <= channels <= CHANNELS:
            raise LocalError(f"a recorder has 1 or {CHANNELS} channels, not {channels}")
        if not self._free:
            self._make_room(2 * len(self._samples))
        place = self._free.pop()
        self._samples[place] = 0
        recorder = Recorder(id, place, channels, tick)
        self.by_id[id] = self._by_place[place] = recorder
        self._due[place % len(self._due)].add(recorder)
        return recorder

    def close(self, recorder: Recorder) -> None:
        """Take what is left with `flush` first."""
        del self.by_id[recorder.id], self._by_place[recorder.place]
        self._due[recorder.place % len(self._due)].discard(recorder)
        self._free.append(recorder.place)

    def write(self, sinks: Ints, frames: Samples, tick: int) -> None:
        """`frames` [n, 160] of the channels `sinks` at `tick`."""
        self._items[sinks * _RING + tick % _RING] = np.ascontiguousarray(frames).view(_ITEM).reshape(-1)

    def due(self, tick: int) -> Set[Recorder]:
        """Those whose turn to be flushed it is."""
        return _NOBODY if tick % _TOGETHER else self._due[tick % FLUSH // _TOGETHER]

    def flush(self, recorder: Recorder, tick: int) -> bytes:
        """The sound before `tick` that was not handed over yet, channels interleaved. What was skipped is silence."""
        frames = max(tick - recorder.flushed, 0)
        kept = min(frames, _RING)
        ring = self._samples[recorder.place]
        sound = np.empty((kept, FRAME, recorder.channels), "<i2")
        begin, done = (tick - kept) % _RING, 0
        for part in (slice(begin, min(begin + kept, _RING)), slice(0, max(begin + kept - _RING, 0))):
            count = part.stop - part.start
            for channel in range(recorder.channels):
                sound[done : done + count, :, channel] = ring[channel, part]
            ring[:, part] = 0
            done += count
        recorder.flushed = max(tick, recorder.flushed)
        whole = sound.tobytes()
        if kept == frames:
            return whole
        return bytes((frames - kept) * FRAME * 2 * recorder.channels) + whole

    def _make_room(self, places: int) -> None:
        old = getattr(self, "_samples", np.zeros((0, CHANNELS, _RING, FRAME), np.int16))
        self._items = np.zeros(places * CHANNELS * _RING, _ITEM)
        self._samples = self._items.view(np.int16).reshape(places, CHANNELS, _RING, FRAME)
        self._samples[: len(old)] = old
        self._free.extend(range(places - 1, len(old) - 1, -1))
