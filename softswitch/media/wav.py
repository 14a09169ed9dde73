"""The WAV files of recordings: a header whose sizes can be rewritten while the file grows, and the repair of one whose
writer died."""

import struct
from pathlib import Path
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.media.arena import RATE

HEADER: Final = 44
_header = struct.Struct("<4sI4s4sIHHIIHH4sI")
_LIMIT = 0xFFFFFFFF - HEADER


def header(channels: int, data_bytes: int) -> bytes:
    """44 octets before `data_bytes` of 16-bit PCM at 8 kHz (RIFF WAVE, format 1)."""
    size = min(data_bytes, _LIMIT)
    width = 2 * channels
    return _header.pack(
        b"RIFF", size + HEADER - 8, b"WAVE", b"fmt ", 16, 1, channels, RATE, RATE * width, width, 16, b"data", size
    )


def repair(path: str | Path) -> int:
    """Make the sizes in the header fit the file: needed after the writer was killed, harmless otherwise. A frame
    that was cut is dropped. Returns the frames. Raises `LocalError` when it is not one of our recordings."""
    with Path(path).open("r+b") as file:
        head = file.read(HEADER)
        if len(head) < HEADER:
            raise LocalError(f"{path}: too short for a recording")
        riff, _, wave, fmt, _, kind, channels, rate, _, _, bits, data, _ = _header.unpack(head)
        if (riff, wave, fmt, data) != (b"RIFF", b"WAVE", b"fmt ", b"data") or (kind, rate, bits) != (1, RATE, 16):
            raise LocalError(f"{path}: not a recording of ours")
        frames = (file.seek(0, 2) - HEADER) // (2 * channels)
        file.truncate(HEADER + frames * 2 * channels)
        file.seek(0)
        file.write(header(channels, frames * 2 * channels))
    return int(frames)
