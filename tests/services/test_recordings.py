"""The files of recordings."""

import hashlib
import os
import wave
from pathlib import Path

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.services.recordings import Recordings

AT = 1_785_596_399.0  # 2026-08-01 14:59:59 UTC


def sound(path: Path, frames: int = 800) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\1\0\2\0" * frames)
    return path.read_bytes()


@pytest.mark.parametrize(
    "path", ["../x.wav", "/etc/passwd", "a/../../x.wav", "", ".", "no.wav", "link.wav", "x\0.wav", "x" * 5000]
)
def test_a_path_that_is_no_recording_is_not_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "x.wav").touch()
    root = tmp_path / "recordings"
    root.mkdir()
    (root / "link.wav").symlink_to(tmp_path / "x.wav")
    with pytest.raises(PeerError) as caught:
        Recordings(root).find(path)
    assert caught.value.status == 404


def test_the_latest_recording_is_listed_first(tmp_path: Path) -> None:
    for number, name in enumerate(("a/1.wav", "b/2.wav", "a/3.wav")):
        sound(tmp_path / name, frames=number)
        os.utime(tmp_path / name, (AT + number, AT + number))
    (tmp_path / "notes.txt").touch()
    files = Recordings(tmp_path).files()
    assert [(file.path, file.bytes, file.modified) for file in files] == [
        ("a/3.wav", 52, AT + 2),
        ("b/2.wav", 48, AT + 1),
        ("a/1.wav", 44, AT),
    ]
    assert Recordings(tmp_path / "nowhere").files() == []


def test_a_recording_is_verified_against_what_was_written_down(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    data = sound(tmp_path / "1.wav")
    digest = hashlib.sha256(data).hexdigest()
    assert recordings.sha256("1.wav") == digest
    assert recordings.verify("1.wav", len(data), digest) == ""
    assert recordings.verify("1.wav", len(data) + 4, digest) == f"{len(data)} bytes instead of {len(data) + 4}"
    (tmp_path / "1.wav").write_bytes(data[:-1] + b"x")
    assert recordings.verify("1.wav", len(data), digest) == "changed: the digest differs"
    (tmp_path / "1.wav").write_bytes(data[:4] + b"\0\0\0\0" + data[8:])
    assert recordings.verify("1.wav", len(data), "") == "the WAV header does not fit the file"
    (tmp_path / "1.wav").unlink()
    assert recordings.verify("1.wav", len(data), digest) == "missing"


def test_files_of_a_killed_writer_are_repaired_and_the_others_left_alone(tmp_path: Path) -> None:
    whole = sound(tmp_path / "whole.wav")
    for name in ("killed.wav", "hopeless.wav", "live.wav"):
        (tmp_path / name).write_bytes(whole + b"\0" * 320)
    repaired = []

    def repair(path: Path) -> None:
        repaired.append(path.name)
        if path.name == "hopeless.wav":
            raise ValueError("no RIFF header")
        path.write_bytes(whole)

    done = Recordings(tmp_path).repair(repair, live=frozenset({"live.wav"}))
    assert done == [("hopeless.wav", "no RIFF header"), ("killed.wav", "")]
    assert repaired == ["hopeless.wav", "killed.wav"]
