"""What is done with a finished recording's file: measure it, convert it, and prove that the conversion holds it all.

libsndfile writes FLAC, Ogg Opus (RFC 7845) and MP3, which is why no ffmpeg is needed here. Runs in the helper process
(`recording_helper`), never in the control loop.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from softswitch.kernel.errors import LocalError
from softswitch.media import wav
from softswitch.services.recordings import Measured, digest

_BLOCK: Final = 16_000  # frames read at once
_LOUD: Final = 32.0  # RMS (of 32767) from which a channel counts as sounding: −60 dBFS
_ALIKE: Final = 0.8  # correlation; Opus and MP3 reach 0.99 with speech and 0.89 with white noise


@dataclass(frozen=True, slots=True)
class Format:
    """How libsndfile calls it. `slack`: frames of 8 kHz by which the decoded length may differ: one codec frame."""

    major: str
    subtype: str
    slack: int


FORMATS: Final = {
    "flac": Format("FLAC", "PCM_16", 0),
    "opus": Format("OGG", "OPUS", 160),
    "mp3": Format("MP3", "MPEG_LAYER_III", 576),  # MPEG-2.5 Layer III at 8 kHz
}


def measure(path: str) -> Measured:
    """Length and digest of a WAV recording, its header repaired first. Raises `LocalError`, `OSError`."""
    repaired = not wav.shape(path).whole
    if repaired:
        wav.repair(path)
    shape = wav.shape(path)
    if not shape.whole:
        raise LocalError(f"{path}: its header cannot be repaired")
    return Measured(shape.frames, shape.channels, os.stat(path).st_size, digest(path), repaired)


def convert(source: str, target: str, format: str) -> Measured:
    """Write `source` (WAV) as `target`, which appears whole and verified or not at all; `source` stays. Raises
    `LocalError` when the conversion does not hold what the source holds, `OSError`, `soundfile.SoundFileError`."""
    part = f"{target}.part"
    try:
        with soundfile.SoundFile(source) as file:
            _encode(file, part, FORMATS[format])
        _compare(source, part, FORMATS[format])
        with Path(part).open("rb+") as made:
            os.fsync(made.fileno())
        found = Measured(*_length(part), os.stat(part).st_size, digest(part))
        os.replace(part, target)
        _sync_folder(Path(target).parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    return found


def _encode(source: Any, part: str, format: Format) -> None:
    with soundfile.SoundFile(
        part, "w", source.samplerate, source.channels, format=format.major, subtype=format.subtype
    ) as out:
        # libsndfile 1.2.2 spoils MP3 of two channels when it is fed with 16-bit samples; float ones are fine.
        for block in source.blocks(_BLOCK, dtype="float32" if format.slack else "int16", always_2d=True):
            out.write(block)


def _length(path: str) -> tuple[int, int]:
    with soundfile.SoundFile(path) as file:
        return file.frames, file.channels


def _compare(source: str, part: str, format: Format) -> None:
    """Decode both side by side: the same channels and length, and each channel that sounds is the same sound. That is
    the correlation of the samples, so a channel that went to the other side, or sound that moved, shows as well."""
    with soundfile.SoundFile(source) as was, soundfile.SoundFile(part) as now:
        if (now.channels, now.samplerate) != (was.channels, was.samplerate):
            raise LocalError(
                f"{source}: {was.channels} channels at {was.samplerate} Hz became {now.channels} at {now.samplerate}"
            )
        frames = [0, 0]
        powers = np.zeros((3, was.channels))  # of before, of after, of both together
        while True:
            before, after = (file.read(_BLOCK, dtype="int16", always_2d=True) for file in (was, now))
            frames[0] += len(before)
            frames[1] += len(after)
            if not len(before) and not len(after):
                break
            if not format.slack and not np.array_equal(before, after):
                raise LocalError(f"{source}: the sound is not the same")
            both = min(len(before), len(after))
            x, y = before[:both].astype(np.float64), after[:both].astype(np.float64)
            powers += (np.square(x).sum(axis=0), np.square(y).sum(axis=0), (x * y).sum(axis=0))
    if abs(frames[1] - frames[0]) > format.slack:
        raise LocalError(f"{source}: {frames[0]} frames became {frames[1]}")
    for channel, (x2, y2, xy) in enumerate(powers.T):
        alike = xy >= _ALIKE * np.sqrt(x2 * y2) and y2 >= x2 / 4
        if x2 >= _LOUD**2 * frames[0] and not alike:
            raise LocalError(f"{source}: channel {channel} does not sound as it did")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
