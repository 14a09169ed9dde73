"""Conversions proven by listening: each channel's tone, and nothing of the other's, after decoding."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from softswitch.kernel.errors import LocalError
from softswitch.media import wav
from softswitch.services import conversion
from softswitch.services.recording_helper import Helper
from softswitch.services.recordings import ENDINGS, Measured

LEFT, RIGHT = 440.0, 1000.0


def tones(path: Path, seconds: float = 3.0, channels: int = 2, frames: int | None = None) -> Path:
    """440 Hz on the left, 1,000 Hz on the right, amplitude 8,000."""
    at = np.arange(int(seconds * 8000) if frames is None else frames) / 8000
    sound = np.stack([8000 * np.sin(2 * np.pi * pitch * at) for pitch in (LEFT, RIGHT)[:channels]], axis=1)
    data = np.rint(sound).astype("<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav.header(channels, len(data)) + data)
    return path


def level(samples: np.ndarray, pitch: float) -> float:
    wave = np.exp(-2j * np.pi * pitch * np.arange(len(samples)) / 8000)
    return float(2 * abs(np.dot(samples, wave)) / len(samples))


@pytest.mark.parametrize("format", conversion.FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_each_channel_keeps_its_tone(tmp_path: Path, format: str, channels: int) -> None:
    """Same length, level within 5 % (0.4 dB), the other channel's tone below −50 dB of it."""
    source = tones(tmp_path / "c1.wav", channels=channels)
    target = tmp_path / f"c1{ENDINGS[format]}"
    found = conversion.convert(str(source), str(target), format)
    with soundfile.SoundFile(target) as file:
        assert (file.channels, file.samplerate) == (channels, 8000)
        sound = file.read(dtype="float64", always_2d=True) * 32768
    assert abs(len(sound) - 24_000) <= conversion.FORMATS[format].slack
    for channel, (own, other) in zip(range(channels), ((LEFT, RIGHT), (RIGHT, LEFT)), strict=False):
        assert level(sound[:, channel], own) == pytest.approx(8000, rel=0.05)
        assert level(sound[:, channel], other) < 8000 * 10 ** (-50 / 20)
    assert (found.bytes, found.channels) == (target.stat().st_size, channels)
    assert found.bytes < source.stat().st_size / 2
    assert source.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((source.name, target.name))


@pytest.mark.parametrize("format", conversion.FORMATS)
@pytest.mark.parametrize("frames", [1, 159, 160, 576, 577, 15_999, 16_001])
def test_every_length_is_kept(tmp_path: Path, format: str, frames: int) -> None:
    source = tones(tmp_path / "c1.wav", frames=frames)
    found = conversion.convert(str(source), str(tmp_path / "c1.out"), format)
    assert abs(found.frames - frames) <= conversion.FORMATS[format].slack


SPOILT = {
    "channels swapped": lambda block: block[:, ::-1],
    "a channel lost": lambda block: block * np.array([1, 0], block.dtype),
    "sound moved by half a period": lambda block: np.roll(block, 9, axis=0),
    "too short": lambda block: block[: len(block) // 2],
    "one channel": lambda block: block[:, :1],
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("format", conversion.FORMATS)
def test_a_conversion_that_spoils_the_sound_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, how: str
) -> None:
    """And leaves neither a target nor a part of one."""

    def encode(source, part, kind):
        sound = SPOILT[how](source.read(dtype="float32", always_2d=True))
        soundfile.write(part, sound, 8000, format=kind.major, subtype=kind.subtype)

    monkeypatch.setattr(conversion, "_encode", encode)
    source = tones(tmp_path / "c1.wav")
    with pytest.raises(LocalError, match=r"c1\.wav"):
        conversion.convert(str(source), str(tmp_path / "c1.out"), format)
    assert list(tmp_path.iterdir()) == [source]


def test_measuring_repairs_what_a_killed_writer_left(tmp_path: Path) -> None:
    path = tones(tmp_path / "c1.wav")
    before = conversion.measure(str(path))
    assert (before.frames, before.channels, before.repaired) == (24_000, 2, False)
    with path.open("ab") as file:
        file.write(bytes(4001))
    after = conversion.measure(str(path))
    assert (after.frames, after.repaired) == (25_000, True)
    assert after.bytes == path.stat().st_size == wav.HEADER + 100_000
    assert not conversion.measure(str(path)).repaired


# ------------------------------------------------------------------------------------------------- the helper process


async def measured(helper: Helper, path: Path) -> Measured:
    (found,) = await helper.measure([str(path)])
    assert isinstance(found, Measured)
    return found


async def test_the_helper_works_and_survives_bad_orders(tmp_path: Path) -> None:
    helper = Helper()
    source = tones(tmp_path / "ä c1.wav")
    assert (await measured(helper, source)).frames == 24_000
    pid = helper.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    for bad in (tmp_path / "none.wav", tmp_path):
        (found,) = await helper.measure([str(bad)])
        assert found is None if bad.suffix else isinstance(found, LocalError)
    assert (await helper.convert(str(source), str(tmp_path / "c1.flac"), "flac")).frames == 24_000
    assert helper.pid == pid
    await helper.close()
    assert helper.pid == 0
    with pytest.raises(LocalError, match="closed"):
        await measured(helper, source)


async def test_a_helper_that_dies_fails_one_order_and_comes_back(tmp_path: Path) -> None:
    helper = Helper()
    source = tones(tmp_path / "c1.wav", seconds=600.0)
    await measured(helper, source)
    pid = helper.pid
    order = asyncio.create_task(helper.convert(str(source), str(tmp_path / "c1.mp3"), "mp3"))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(LocalError, match="died"):
        await order
    assert not (tmp_path / "c1.mp3").exists()
    assert (await measured(helper, source)).frames == 4_800_000
    assert helper.pid != pid
    await helper.close()


async def test_a_helper_without_work_goes_home(tmp_path: Path) -> None:
    helper = Helper(idle=0.01)
    source = tones(tmp_path / "c1.wav", seconds=0.1)
    await measured(helper, source)
    pid = helper.pid
    for _ in range(500):
        await asyncio.sleep(0.01)
        if not Path(f"/proc/{pid}/cmdline").exists():
            break
    assert not Path(f"/proc/{pid}/cmdline").exists()
    assert (await measured(helper, source)).frames == 800
    await helper.close()
