"""Players: sources that play items in turn. A player knows its place by the tick alone, so one that nobody hears
costs nothing, and one that hundreds hear is read once."""

from bisect import bisect_right
from itertools import accumulate
from typing import Protocol

from softswitch.media.arena import FRAME, RATE, Samples
from softswitch.media.resample import doubled
from softswitch.media.tones import Tone
from softswitch.wire.control import FileItem, PlayItem, SilenceItem, ToneItem


class Sound(Protocol):
    """Something that can be heard from any sample on, at 8 kHz (`scale` 1) or 16 kHz (`scale` 2)."""

    length: int
    """Samples at 8 kHz."""

    def read(self, start: int, out: Samples, scale: int) -> None:
        """Fill `out` with samples from `start` on; the caller stays inside `length` · `scale`."""


class Clip:
    """Samples in memory. `wide` are the same at 16 kHz, twice as many; made of `narrow` where they are missing."""

    __slots__ = ("_narrow", "_wide", "length")

    def __init__(self, narrow: Samples, wide: Samples | None = None) -> None:
        self._narrow = narrow
        self._wide = wide
        self.length = len(narrow)

    @property
    def octets(self) -> int:
        """Memory in use."""
        return self._narrow.nbytes + (0 if self._wide is None else self._wide.nbytes)

    def read(self, start: int, out: Samples, scale: int) -> None:
        """See `Sound`."""
        if scale == 1:
            out[:] = self._narrow[start : start + len(out)]
            return
        if self._wide is None:
            self._wide = doubled(self._narrow)
        out[:] = self._wide[start : start + len(out)]


class Silence:
    """Nothing, for a while."""

    __slots__ = ("length",)

    def __init__(self, ms: int) -> None:
        self.length = max(ms, 0) * RATE // 1000

    def read(self, start: int, out: Samples, scale: int) -> None:
        """See `Sound`."""
        out[:] = 0


class Player:
    """Waits for the files that it `needs`, then plays from `started` on; `length` is one round in samples."""

    __slots__ = ("_bounds", "_files", "_items", "_loops", "_sounds", "id", "length", "needs", "started")

    def __init__(self, id: int, items: tuple[PlayItem, ...], loops: int) -> None:
        self.id = id
        self._items = items
        self._loops = loops
        self._sounds: list[Sound] = []
        self._bounds: list[int] = []
        self.length = 0
        self._files: dict[str, Clip] = {}
        self.needs = {item.path for item in items if isinstance(item, FileItem)}
        self.started = -1

    def give(self, path: str, clip: Clip) -> None:
        """A file that it needs."""
        self._files[path] = clip
        self.needs.discard(path)

    def start(self, tick: int) -> None:
        """All files are here: the first frame is the one of `tick`."""
        self._sounds = [sound for sound in (_sound(item, self._files) for item in self._items) if sound.length]
        self._bounds = list(accumulate(sound.length for sound in self._sounds))
        self.length = self._bounds[-1] if self._bounds else 0
        self.started = tick

    @property
    def ends(self) -> int | None:
        """The tick at which nothing is left to play; None while waiting or when it never ends."""
        if self.started < 0:
            return None
        if not self.length:
            return self.started
        return None if self._loops == 0 else self.started - (-self.length * self._loops // FRAME)

    def played_ms(self, tick: int) -> int:
        """Milliseconds of sound before `tick`."""
        if self.started < 0 or not self.length:
            return 0
        samples = (tick - self.started) * FRAME
        if self._loops:
            samples = min(samples, self.length * self._loops)
        return max(samples, 0) * 1000 // RATE

    def read(self, tick: int, out: Samples) -> None:
        """The frame of `tick`, 160 or 320 samples; silence before the start and after the end."""
        frame = len(out)
        scale = frame // FRAME
        at = (tick - self.started) * frame
        if self.started < 0 or at < 0 or not self.length:
            out[:] = 0
            return
        done = 0
        while done < frame:
            rounds, place = divmod(at + done, self.length * scale)
            if self._loops and rounds >= self._loops:
                out[done:] = 0
                return
            index = bisect_right(self._bounds, place // scale)
            sound = self._sounds[index]
            start = place - (self._bounds[index] - sound.length) * scale
            count = min(frame - done, sound.length * scale - start)
            sound.read(start, out[done : done + count], scale)
            done += count


def _sound(item: PlayItem, files: dict[str, Clip]) -> Sound:
    match item:
        case FileItem(path):
            return files[path]
        case SilenceItem(ms):
            return Silence(ms)
        case ToneItem():
            return Tone(item)
