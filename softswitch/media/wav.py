"""The WAV files of recordings: a header whose sizes can be rewritten while the file grows, and the repair of one whose
writer died.

A recording that outgrows the 32-bit sizes of RIFF (37 hours of two channels) becomes RF64 (EBU Tech 3306): room for
its `ds64` chunk is kept by a `JUNK` chunk from the start, as section 3.5 there says, so only the header changes.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from softswitch.kernel.errors import LocalError

RATE: Final = 8000  # `arena.RATE`; not imported, so that control can read recordings without numpy
HEADER: Final = 80
_SIZES: Final = struct.Struct("<4sIQQQI")  # ds64, or JUNK of the same length
_FORMAT: Final = struct.Struct("<4sIHHIIHH")
_UNKNOWN: Final = 0xFFFFFFFF  # "see ds64"
_LIMIT: Final = 0xFFFFFFFF - HEADER
_MOST_CHUNKS: Final = 8


def header(channels: int, data_bytes: int) -> bytes:
    """80 octets before `data_bytes` of 16-bit PCM at 8 kHz (format 1)."""
    width = 2 * channels
    large = data_bytes > _LIMIT
    riff, data = (_UNKNOWN, _UNKNOWN) if large else (data_bytes + HEADER - 8, data_bytes)
    sizes = (data_bytes + HEADER - 8, data_bytes, data_bytes // width, 0) if large else (0, 0, 0, 0)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RF64" if large else b"RIFF", riff, b"WAVE"),
            _SIZES.pack(b"ds64" if large else b"JUNK", _SIZES.size - 8, *sizes),
            _FORMAT.pack(b"fmt ", 16, 1, channels, RATE, RATE * width, width, 16),
            struct.pack("<4sI", b"data", data),
        )
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """A recording on disk: where its sound begins, how much its header announces, how much is there (octets)."""

    channels: int
    start: int
    announced: int
    there: int

    @property
    def whole(self) -> bool:
        """Whether the header is true and no frame is cut."""
        return self.announced == self.there and self.there % (2 * self.channels) == 0

    @property
    def frames(self) -> int:
        return self.there // (2 * self.channels)


def shape(path: str | Path) -> Shape:
    """Read a recording's header. Raises `LocalError` when it is not one of our recordings, `OSError`."""
    with Path(path).open("rb") as file:
        return _shape(file, path)


def repair(path: str | Path) -> int:
    """Make the sizes in the header fit the file: needed after the writer was killed, harmless otherwise. A frame
    that was cut is dropped. Returns the frames. Raises `LocalError` when it is not one of our recordings."""
    with Path(path).open("r+b") as file:
        found = _shape(file, path)
        whole = found.frames * 2 * found.channels
        file.truncate(found.start + whole)
        if found.start == HEADER:
            file.seek(0)
            file.write(header(found.channels, whole))
        else:  # an older layout: nothing but the two sizes is ours to change
            if whole > _UNKNOWN - found.start:
                raise LocalError(f"{path}: too long for its header")
            for at, size in ((4, whole + found.start - 8), (found.start - 4, whole)):
                file.seek(at)
                file.write(size.to_bytes(4, "little"))
    return found.frames


def _shape(file: BinaryIO, path: str | Path) -> Shape:
    there = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if len(head) < 12:
        raise LocalError(f"{path}: too short for a recording")
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise LocalError(f"{path}: not a recording of ours")
    large, channels = None, 0
    for _ in range(_MOST_CHUNKS):
        name, size = _chunk(file.read(8))
        if name == b"data" and channels:
            start = file.tell()
            announced = large if large is not None and size == _UNKNOWN else size
            riff = int.from_bytes(head[4:8], "little")
            if riff != _UNKNOWN and riff != announced + start - 8:
                announced = -1
            return Shape(channels, start, announced, there - start)
        if size > 4096:
            break
        body = file.read(size + size % 2)
        if name == b"ds64" and len(body) >= 16:
            large = int.from_bytes(body[8:16], "little")
        elif name == b"fmt " and len(body) >= 16:
            kind, count, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if (kind, rate, bits) != (1, RATE, 16) or not 1 <= count <= 2:
                break
            channels = count
    raise LocalError(f"{path}: not a recording of ours")


def _chunk(head: bytes) -> tuple[bytes, int]:
    return head[:4], int.from_bytes(head[4:], "little")
