"""Somebody is told of a message by a command, which may fail or hang without harm."""

import asyncio
import sys
from pathlib import Path

import pytest

from softswitch.services.recordings import Recordings
from softswitch.services.voicemail_notice import VoicemailNotice
from softswitch.switch.records import SavedRecording
from softswitch.switch.settings import Settings, Voicemail

ROW = SavedRecording("voicemail/box/2026-01-01/c1.wav", "c1", 0.0, 12.0, 100, caller="+37061234567", queue="support")


async def told(tmp_path: Path, command: str | None, row: SavedRecording = ROW, patience: float = 20.0) -> list[object]:
    said: list[object] = []
    settings = Settings(voicemail={"box": Voicemail(notify=command)})
    recordings = Recordings(tmp_path)
    notice = VoicemailNotice(lambda: settings, recordings, lambda *words: said.append(words), patience)
    notice.recorded(row)
    while notice._running:
        await asyncio.sleep(0.01)
    await notice.close()
    return said


def test_the_command_is_told_of_the_message_by_its_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = tmp_path / "tell.py"
    told_of = "os.environ['VOICEMAIL_BOX'] + ' ' + os.environ['VOICEMAIL_CALLER']"
    script.write_text(f"import os, pathlib\npathlib.Path('{out}').write_text({told_of})")
    assert asyncio.run(told(tmp_path, f"{sys.executable} '{script}'")) == []
    assert out.read_text() == "box +37061234567"


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/no/such/program", "No such file"), ("echo 'unclosed", "No closing quotation"), ("false", "exit status 1")],
)
def test_one_that_fails_is_logged(tmp_path: Path, command: str, reason: str) -> None:
    ((level, _, fields),) = asyncio.run(told(tmp_path, command))  # type: ignore[misc]
    assert level == "error"
    assert reason in fields["reason"]


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    ((_, _, fields),) = asyncio.run(told(tmp_path, "sleep 60", patience=0.05))  # type: ignore[misc]
    assert "still running" in fields["reason"]


@pytest.mark.parametrize(
    "row",
    [
        SavedRecording("2026-01-01/c1.wav", "c1", 0.0, 12.0, 100),
        SavedRecording("voicemail/other/c1.wav", "c1", 0.0, 12.0, 100),
        SavedRecording("voicemail/box/c1.wav", "c1", 0.0, 1.0, 100),
    ],
)
def test_calls_other_boxes_and_mere_breaths_are_no_messages(tmp_path: Path, row: SavedRecording) -> None:
    assert asyncio.run(told(tmp_path, "/no/such/program", row)) == []
