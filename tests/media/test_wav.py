"""Recordings on disk without a process: header, repair, writer thread, quality figures beside them."""

import select
import wave

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.media import quality, wav
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


@pytest.mark.parametrize("content", [b"RIFF", b"OggS" + bytes(60), wav.header(2, 0)[:24] + bytes(40)])
def test_repair_touches_nothing_else(tmp_path, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(LocalError):
        wav.repair(path)
    assert path.read_bytes() == content


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
    ((recorder, reason, frames),) = outcome(writer, writer.outcomes)
    assert (recorder, frames) == (2, 0)
    assert reason
    with wave.open(str(path)) as file:
        assert file.getnframes() == 800
    writer.put(FinishFile(1))
    assert outcome(writer, writer.outcomes) == [(1, "", 800)]
    writer.close()


def test_a_changed_file_is_read_again(tmp_path, monkeypatch):
    """The cache looks at a file's time and size."""
    monkeypatch.setattr("softswitch.media.loader._FRESH", 0.0)
    path = tmp_path / "x.wav"
    path.write_bytes(wav.header(1, 320) + bytes(320))
    loader = Loader()
    assert loader.ask(str(path)) is None
    ((_, first, reason),) = outcome(loader, loader.results)
    assert (len(first), reason) == (160, "")
    path.write_bytes(wav.header(1, 640) + bytes(640))
    assert loader.ask(str(path)) is None
    ((_, second, _),) = outcome(loader, loader.results)
    assert len(second) == 320
    monkeypatch.setattr("softswitch.media.loader._FRESH", 60.0)
    assert loader.ask(str(path))[1] is second
    loader.close()


def test_mos_of_known_ratings():
    """ITU-T G.107 Annex B: R 93.2 is 4.41, R 80 is 4.03, R 60 is 3.10, R 50 is 2.58; below 0 is 1."""
    assert [round(quality.mos(r), 2) for r in (93.2, 80, 60, 50, -5, 120)] == [4.41, 4.02, 3.10, 2.58, 1.0, 4.5]


def test_loss_and_delay_lower_the_rating():
    """G.107 §7: Ie-eff and Idd grow; 177.3 ms is where talking over one another begins."""
    assert quality.rating(0, 0) == pytest.approx(93.2)
    assert quality.rating(0.03, 0) == pytest.approx(93.2 - 95 * 3 / 28.1)
    assert quality.rating(0, 277.3) == pytest.approx(93.2 - 0.024 * 277.3 - 11)
