"""Recordings on disk without a process: header, repair, writer thread."""

import os
import select
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from softswitch.kernel.errors import LocalError
from softswitch.media import wav
from softswitch.media.effects import AppendFile, CreateFile, FinishFile
from softswitch.media.loader import Loader
from softswitch.media.writer import Writer


def test_the_header_is_what_wave_reads(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(wav.header(2, 8) + b"\1\0\2\0\3\0\4\0")
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 2)


@pytest.mark.parametrize(
    ("announced", "there", "frames"), [(0, 400, 100), (4000, 403, 100), (400, 400, 100), (8, 0, 0)]
)
def test_repair_makes_the_header_true(tmp_path, announced, there, frames):
    """Sizes too small, too large, right; a torn frame is dropped."""
    path = tmp_path / "x.wav"
    path.write_bytes(wav.header(2, announced) + bytes(there))
    assert wav.repair(path) == frames
    with wave.open(str(path)) as file:
        assert file.getnframes() == frames
    assert path.stat().st_size == wav.HEADER + 4 * frames


@pytest.mark.parametrize("content", [b"RIFF", b"OggS" + bytes(60), wav.header(2, 0)[:60] + bytes(40)])
def test_repair_touches_nothing_else(tmp_path, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(LocalError):
        wav.repair(path)
    assert path.read_bytes() == content


def test_a_header_of_the_first_layout_is_repaired_too(tmp_path):
    """44 octets, as recordings of before RF64 have."""
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(400))
    with path.open("ab") as more:
        more.write(bytes(402))
    assert not wav.shape(path).whole
    assert wav.repair(path) == 200
    assert wav.shape(path) == wav.Shape(channels=2, start=44, announced=800, there=800)
    with wave.open(str(path)) as file:
        assert file.getnframes() == 200


def test_beyond_4_gib_a_recording_is_rf64(tmp_path):
    """EBU Tech 3306: the sizes move to `ds64`; nothing of the sound moves. (A sparse file.)"""
    path = tmp_path / "long.wav"
    path.write_bytes(wav.header(2, 0))
    frames = 5 * 2**30 // 4
    with path.open("r+b") as file:
        file.seek(wav.HEADER + 4 * frames - 4)
        file.write(b"\1\0\2\0\3")
    assert wav.repair(path) == frames
    assert wav.shape(path).whole
    with soundfile.SoundFile(path) as file:
        assert (file.format, file.frames, file.channels, file.samplerate) == ("RF64", frames, 2, 8000)
        file.seek(frames - 1)
        assert file.read(1, dtype="int16").tolist() == [[1, 2]]


def outcome(thing, take):
    assert select.select([thing.fd], [], [], 5)[0]
    return take()


def test_a_file_is_whole_after_every_write(tmp_path):
    """What a killed process leaves is readable up to its last write."""
    writer = Writer()
    path = tmp_path / "new" / "x.wav"
    writer.put(CreateFile(1, str(path), 1))
    writer.put(AppendFile(1, bytes(1600)))
    writer.put(CreateFile(2, str(tmp_path / "new" / "x.wav" / "y.wav"), 1))
    writer.hand_over()
    ((recorder, reason, frames),) = outcome(writer, writer.outcomes)
    assert (recorder, frames) == (2, 0)
    assert reason
    with wave.open(str(path)) as file:
        assert file.getnframes() == 800
    writer.put(FinishFile(1))
    writer.hand_over()
    assert outcome(writer, writer.outcomes) == [(1, "", 800)]
    writer.close()


def test_a_disk_that_hangs_fails_recordings_beyond_the_backlog_and_stops_nobody(tmp_path):
    """A FIFO that nobody reads takes no octet, as a dead disk does. What is on disk of others stays; the file that
    hung is closed once the disk comes back."""
    hung, good = tmp_path / "hung.wav", tmp_path / "good.wav"
    os.mkfifo(hung)
    writer = Writer(backlog=100_000)
    writer.put(CreateFile(1, str(good), 2))
    writer.put(AppendFile(1, bytes(32_000)))
    writer.hand_over()
    while writer.waiting:
        time.sleep(0.001)
    writer.put(CreateFile(2, str(hung), 2))
    for _ in range(3):
        writer.put(AppendFile(1, bytes(32_000)))
    writer.hand_over()
    writer.put(AppendFile(1, bytes(32_000)))  # one too many: told at once, by the caller's own thread
    assert outcome(writer, writer.outcomes) == [(1, "the disk is too slow: too much waits to be written", 8000)]
    assert wav.shape(good) == wav.Shape(2, wav.HEADER, 32_000, 32_000)
    writer.hand_over()
    reader = os.open(hung, os.O_RDONLY | os.O_NONBLOCK)
    writer.put(CreateFile(3, str(tmp_path / "next.wav"), 1))
    writer.put(FinishFile(3))
    writer.hand_over()
    told = outcome(writer, writer.outcomes)
    while not any(recorder == 3 for recorder, _, _ in told):
        told += outcome(writer, writer.outcomes)
    assert (3, "", 0) in told
    os.close(reader)
    writer.close()
    assert writer.waiting == 0
    assert wav.shape(good).whole
    assert not [entry for entry in Path("/proc/self/fd").iterdir() if os.path.realpath(entry) == str(good)]


def test_a_disk_that_hangs_does_not_keep_the_process_from_ending(tmp_path):
    hung = tmp_path / "hung.wav"
    os.mkfifo(hung)
    writer = Writer()
    writer.put(CreateFile(1, str(hung), 2))
    writer.close(patience=0.05)
    os.close(os.open(hung, os.O_RDONLY | os.O_NONBLOCK))  # let the thread go


WRITING = """
import sys
from softswitch.media.effects import AppendFile, CreateFile
from softswitch.media.writer import Writer
writer = Writer()
for number in range(8):
    writer.put(CreateFile(number, f"{sys.argv[1]}/{number}.wav", 2))
turn = 0
while True:
    for number in range(8):
        writer.put(AppendFile(number, turn.to_bytes(4, "little") * 8000))
    writer.hand_over()
    while writer.waiting:
        pass
    print(turn, flush=True)
    turn += 1
"""


@pytest.mark.parametrize("after", [0.0, 0.003, 0.007, 0.02, 0.05])
def test_whatever_the_moment_of_a_kill_what_was_flushed_is_there(tmp_path, after):
    """SIGKILL of a writing process: after repair every file holds each second that was told as written, in order."""
    child = subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path)], stdout=subprocess.PIPE)
    for _ in range(3):
        child.stdout.readline()
    time.sleep(after)
    child.kill()
    told = 3 + len(child.stdout.read().split())
    child.wait()
    child.stdout.close()
    for number in range(8):
        path = tmp_path / f"{number}.wav"
        frames = wav.repair(path)
        with wave.open(str(path)) as file:
            assert file.getnframes() == frames >= told * 8000
            sound = np.frombuffer(file.readframes(frames), "<u4")
        assert (sound == np.arange(len(sound)) // 8000).all()


def test_a_changed_file_is_read_again(tmp_path, monkeypatch):
    """The cache looks at a file's time and size."""
    monkeypatch.setattr("softswitch.media.loader._FRESH", 0.0)
    path = tmp_path / "x.wav"
    path.write_bytes(wav.header(1, 320) + bytes(320))
    loader = Loader()
    assert loader.ask(str(path)) is None
    ((_, first, reason),) = outcome(loader, loader.results)
    assert (first.length, reason) == (160, "")
    path.write_bytes(wav.header(1, 640) + bytes(640))
    assert loader.ask(str(path)) is None
    ((_, second, _),) = outcome(loader, loader.results)
    assert second.length == 320
    monkeypatch.setattr("softswitch.media.loader._FRESH", 60.0)
    assert loader.ask(str(path))[1] is second
    loader.close()
