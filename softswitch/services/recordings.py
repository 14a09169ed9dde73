"""The files of recordings: which there are, whether they are whole."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.media import wav

ENDINGS: Final = {"wav": ".wav", "flac": ".flac", "opus": ".opus", "mp3": ".mp3"}
CONTENT_TYPES: Final = {".wav": "audio/wav", ".flac": "audio/flac", ".opus": "audio/ogg", ".mp3": "audio/mpeg"}
PART: Final = ".part"  # the ending of a conversion under way
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """A file as it is. `repaired`: its header did not fit, now it does."""

    frames: int
    channels: int
    bytes: int
    sha256: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording on disk; `path` is relative to the recordings directory."""

    path: str
    bytes: int
    modified: Instant


class Recordings:
    """The recordings directory. Paths that come from outside never lead out of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, path: str) -> Path:
        """The file of a recording that somebody asks for. Raises `PeerError` 404 when there is none, or when `path`
        leads out of the directory."""
        file = self._inside(path)
        try:
            there = file.is_file()
        except OSError as error:  # a name that no file system takes
            raise PeerError("not a path", status=404) from error
        if not there:
            raise PeerError(f"no recording {path}", status=404)
        return file

    def files(self) -> list[RecordingFile]:
        """Every recording on disk, the latest first."""
        found = []
        for file in self._sounds():
            try:
                status = file.stat()
            except FileNotFoundError:  # deleted meanwhile
                continue
            found.append(RecordingFile(str(file.relative_to(self._directory)), status.st_size, status.st_mtime))
        return sorted(found, key=lambda item: (-item.modified, item.path))

    def sha256(self, path: str) -> str:
        """The hexadecimal SHA-256 of a recording. Reads the whole file: not for the loop."""
        return digest(self.find(path))

    def place(self, path: str) -> Path:
        """Where the recording `path` is, or would be. Raises `PeerError` 404 when `path` leads out of the directory."""
        return self._inside(path)

    def delete(self, path: str) -> bool:
        """Take the file away, and its folder when that is empty; False when there was none. Raises `OSError`."""
        file = self._inside(path)
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        with suppress(OSError):
            if file.parent != self._directory.resolve():
                file.parent.rmdir()
        return True

    def room(self) -> int | None:
        """Octets that are free for recordings; None when the directory cannot be looked at yet."""
        folder = self._directory
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            status = os.statvfs(folder)
        except OSError:
            return None
        return status.f_bavail * status.f_frsize

    def parts(self) -> Iterator[Path]:
        """Conversions that were not finished."""
        return (file for file in sorted(self._directory.rglob(f"*{PART}")) if file.is_file())

    def verify(self, path: str, size: int, sha256: str) -> str:
        """What is wrong with a recording that had `size` bytes and the digest `sha256`; empty when it is as it was."""
        try:
            file = self.find(path)
        except PeerError:
            return "missing"
        found = file.stat().st_size
        if found != size:
            return f"{found} bytes instead of {size}"
        if sha256 and self.sha256(path) != sha256:
            return "changed: the digest differs"
        if not sha256 and file.suffix == ".wav" and not _looks_whole(file):  # a digest that fits says enough
            return "the WAV header does not fit the file"
        return ""

    def repair(self, repair: Callable[[Path], object], live: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
        """Call `repair` with every file whose header does not fit its length (the writer was killed), but those in
        `live`. Returns the paths, each with what went wrong (empty: repaired)."""
        done = []
        for file in self._wavs():
            path = str(file.relative_to(self._directory))
            if path in live or _looks_whole(file):
                continue
            try:
                repair(file)
                done.append((path, "" if _looks_whole(file) else "still damaged"))
            except (OSError, ValueError, LocalError) as error:
                done.append((path, str(error)))
        return done

    def _sounds(self) -> Iterator[Path]:
        return (file for file in sorted(self._directory.rglob("*")) if file.suffix in CONTENT_TYPES and file.is_file())

    def _wavs(self) -> Iterator[Path]:
        return (file for file in sorted(self._directory.rglob("*.wav")) if file.is_file())

    def _inside(self, path: str) -> Path:
        root = self._directory.resolve()
        try:
            file = (root / path).resolve()
        except (ValueError, OSError) as error:
            raise PeerError("not a path", status=404) from error
        if "\0" in path or root not in file.parents:
            raise PeerError(f"no recording {path}", status=404)
        return file


def digest(path: str | Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _looks_whole(file: Path) -> bool:
    """Whether the header of a recording of ours fits the file."""
    try:
        return wav.shape(file).whole
    except LocalError:
        return False
