"""The keeper on real files and a real database, in virtual time: chain, conversion, retention, holds, what crashes
leave, a disk that fills up."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from softswitch.acd.model import Fact, QueueSettings
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.media import wav
from softswitch.services.alarms import Alarms
from softswitch.services.chain import Head
from softswitch.services.keeper import QUIET, SETTLE, Keeper
from softswitch.services.recording_check import Report, check
from softswitch.services.recording_helper import Helper
from softswitch.services.recordings import Measured, Recordings
from softswitch.services.store import FILE, Store
from softswitch.switch.records import CallRecord, SavedRecording
from softswitch.switch.settings import Recording, Settings
from tests.services.test_conversion import tones

DAY = 86400.0
START = 1_800_000_000.0


class Files(Helper):
    """The real helper, which can be told to fail, and counts conversions."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = ""
        self.converted = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def measure(self, paths: Sequence[str]) -> list[Measured | LocalError | None]:
        self.meanwhile()
        return await super().measure(paths)

    async def convert(self, source: str, target: str, format: str) -> Measured:
        if self.broken:
            raise LocalError(self.broken)
        self.converted += 1
        return await super().convert(source, target, format)


class House:
    """A keeper with all around it; `now` is the time."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.directory = folder / "recordings"
        self.settings = settings
        self.now = START
        self.files = Files()
        self.said: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.live: frozenset[str] = frozenset()

    async def open(self) -> None:
        self.store = await Store.open("sqlite", self.folder, alarm=pytest.fail, interval=0.001)
        self.alarms = Alarms(self._say)
        self.keeper = Keeper(
            *(self.store, Recordings(self.directory), self.files, self.alarms, self.settings),
            clock=lambda: self.now,
            live=lambda: self.live,
            allow=self.refusals.append,
            tell=self.store.ledger.append,
            say=self._say,
        )

    async def close(self) -> None:
        await self.store.close()

    async def reopen(self) -> None:
        """A restart."""
        await self.close()
        await self.open()

    def _say(self, level: str, event: str, fields: dict[str, object]) -> None:
        self.said.append((level, event))

    def path(self, name: str) -> Path:
        return self.directory / name

    async def record(self, call: str, *, queue: str = "support", seconds: float = 1.0, fault: str = "") -> str:
        """A call was recorded and has just ended: file, rows, and what the ledger said at its start."""
        name = f"2026-08-01/{call}.wav"
        size = tones(self.path(name), seconds).stat().st_size
        self.begin(call, queue)
        row = SavedRecording(name, call, self.now, seconds, size, queue=queue, agent="alice", fault=fault)
        self.store.writer.write(row)
        self.store.writer.write(
            CallRecord(id=call, started=self.now, ended=self.now + seconds, outcome="answered", recording=name)
        )
        await self.store.writer.flush()
        self.keeper.recorded(row)
        return name

    def begin(self, call: str, queue: str = "support") -> None:
        data = {"path": f"2026-08-01/{call}.wav", "queue": queue, "agent": "alice", "caller": "+1", "called": "100"}
        self.store.ledger.append(Fact("recording.started", self.now, call, data=dict(data)))

    async def step(self, later: float = SETTLE) -> None:
        self.now += later
        await self.keeper.step(self.now)
        await self.store.writer.flush()

    async def row(self, call: str) -> SavedRecording:
        (row,) = await self.store.recordings(call=call)
        return row

    async def verify(self, **more: object) -> Report:
        return await check(self.store, Recordings(self.directory), **more)  # type: ignore[arg-type]  # handed through

    async def faults(self, **more: object) -> dict[str, str]:
        return {found.call or found.path: found.fault for found in (await self.verify(**more)).findings}

    async def kinds(self, call: str) -> list[str]:
        return [entry.kind for entry in await self.store.ledger_entries(call=call)]

    def sql(self, *statements: str) -> None:
        """What somebody does to the database behind our back."""
        connection = sqlite3.connect(self.folder / FILE)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()


def keeping(**changes: object) -> Settings:
    return Settings(recording=Recording(**changes))  # type: ignore[arg-type]  # the test names real fields


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path, Settings())
    await made.open()
    yield made
    await made.files.close()
    await made.close()


# ---------------------------------------------------------------------------------------------------------- the chain


async def test_a_finished_recording_goes_into_the_chain(house: House) -> None:
    name = await house.record("c1")
    await house.keeper.step(house.now)
    assert (await house.row("c1")).sha256 == "", "its call's record may not be there yet"
    await house.step()
    row = await house.row("c1")
    assert row.sha256 == Recordings(house.directory).sha256(name)
    report = await house.verify()
    assert (report.files, report.entries, report.unsealed, report.findings) == (1, 1, 0, ())
    seq, link = report.head.split(":")
    (sealed,) = await house.store.ledger_entries(kind="recording.sealed")
    assert (sealed.data["seq"], sealed.data["link"]) == (int(seq), link)
    await house.reopen()
    await house.record("c2")
    await house.step()
    assert (await house.verify()).entries == 2, "the chain goes on after a restart"


@pytest.mark.parametrize(
    ("harm", "call"),
    [
        ("UPDATE recording_chain SET call = 'x' WHERE seq = 2", "x"),
        ("UPDATE recording_chain SET data = '{}' WHERE seq = 2", "c2"),
        ("UPDATE recording_chain SET at = at + 0.001 WHERE seq = 2", "c2"),
        ("UPDATE recordings SET sha256 = 'ab' WHERE call = 'c2'", "c2"),
        ("UPDATE recordings SET call = 'other' WHERE call = 'c2'", "other"),
        ("UPDATE recordings SET deleted = 1.0 WHERE call = 'c2'", "c2"),
        ("DELETE FROM recordings WHERE call = 'c2'", "c2"),
        ("DELETE FROM recording_chain WHERE seq = 2", "c2"),
        ("DELETE FROM recording_chain WHERE seq = 3", "c3"),
    ],
)
async def test_whatever_is_changed_in_the_database_shows(house: House, harm: str, call: str) -> None:
    for number in (1, 2, 3):
        await house.record(f"c{number}")
        await house.step()
    assert await house.faults() == {}
    house.sql(harm)
    assert call in await house.faults()


async def test_swapped_entries_show(house: House) -> None:
    for number in (1, 2, 3):
        await house.record(f"c{number}")
        await house.step()
    house.sql(
        "UPDATE recording_chain SET seq = 9 WHERE seq = 2",
        "UPDATE recording_chain SET seq = 2 WHERE seq = 3",
        "UPDATE recording_chain SET seq = 3 WHERE seq = 9",
    )
    assert {"c2", "c3"} <= (await house.faults()).keys()


async def test_a_chain_without_its_end_is_told_by_the_ledger_or_by_a_head(house: House) -> None:
    for number in (1, 2):
        await house.record(f"c{number}")
        await house.step()
    head = (await house.verify()).head
    house.path("2026-08-01/c2.wav").unlink()
    house.sql("DELETE FROM recording_chain WHERE seq = 2", "DELETE FROM recordings WHERE call = 'c2'")
    assert await house.faults() == {"": "chain entry 2 is missing: the end was cut off"}
    house.sql("DELETE FROM ledger WHERE call = 'c2'")
    assert await house.faults() == {}
    assert await house.faults(heads=(Head.parse(head),)) == {"": "chain entry 2 is missing: the end was cut off"}


async def test_a_changed_or_missing_file_is_named(house: House) -> None:
    for number in (1, 2, 3):
        await house.record(f"c{number}")
        house.now += DAY
    await house.step()
    with house.path("2026-08-01/c1.wav").open("r+b") as file:
        file.seek(2000)
        file.write(b"\1")
    house.path("2026-08-01/c2.wav").unlink()
    assert await house.faults() == {"c1": "changed: the digest differs", "c2": "missing"}
    told: list[tuple[int, int]] = []
    report = await house.verify(since=START + DAY, advance=lambda done, total: told.append((done, total)))
    assert ([found.call for found in report.findings], report.files) == (["c2"], 2)
    assert told[-1] == (2, 2)


# --------------------------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize("format", ["flac", "opus", "mp3"])
async def test_a_recording_is_converted_and_the_records_follow(house: House, format: str) -> None:
    house.keeper.settings = keeping(format=format)
    old = await house.record("c1")
    await house.step()
    row = await house.row("c1")
    assert row.path == f"2026-08-01/c1.{format}"
    assert row.format == format
    assert row.bytes == house.path(row.path).stat().st_size
    assert not house.path(old).exists()
    with soundfile.SoundFile(house.path(row.path)) as file:
        assert file.channels == 2
    record, _ = await house.store.call("c1")
    assert record is not None
    assert record.recording == row.path
    first, second = [entry async for entry in house.store.archive.chain()]
    assert (first.kind, second.kind) == ("recorded", "converted")
    assert json.loads(second.data)["was"] == first.sha256
    assert await house.faults() == {}
    await house.step(2 * DAY)
    assert house.files.converted == 1


async def test_a_conversion_that_fails_leaves_the_original_and_is_tried_again(house: House) -> None:
    """With growing pauses; the alarm stands until it worked."""
    house.keeper.settings = keeping(format="opus")
    house.files.broken = "the sound is not the same"
    name = await house.record("c1")
    await house.step()
    assert house.path(name).exists()
    assert [alarm.name for alarm in house.alarms.active()] == ["conversion"]
    await house.step(1.0)
    failures = house.said.count(("error", "conversion failed, the recording stays as it is"))
    assert failures == 1, "not before its time"
    await house.step(61.0)
    assert house.said.count(("error", "conversion failed, the recording stays as it is")) == 2
    house.files.broken = ""
    await house.record("c2")
    await house.step(5.0)
    assert (await house.row("c2")).format == "opus", "one that fails does not hold up the others"
    await house.step(120.0)
    assert (await house.row("c1")).format == "opus"
    assert house.alarms.active() == []
    assert await house.faults() == {}


async def test_what_a_crash_leaves_of_a_conversion_is_cleared(house: House) -> None:
    """Before it is written down the result is made again; afterwards the source goes."""
    house.keeper.settings = keeping(format="flac")
    name = await house.record("c1")
    source = house.path(name).read_bytes()
    half, part = house.path("2026-08-01/c1.flac"), house.path("2026-08-01/c1.flac.part")
    for file in (half, part):
        file.write_bytes(b"half")
        os.utime(file, (START - 100, START - 100))
    await house.step(QUIET)
    assert not part.exists()
    assert soundfile.info(half).frames == 8000
    house.path(name).write_bytes(source)  # as if killed between the store's word and the deletion
    os.utime(house.path(name), (START, START))
    await house.reopen()
    await house.step(2 * QUIET)
    assert sorted(path.name for path in house.directory.rglob("*.*")) == ["c1.flac"]
    assert (await house.verify()).entries == 2
    assert await house.faults() == {}


async def test_an_empty_recording_stays_as_it_is(house: House) -> None:
    house.keeper.settings = keeping(format="mp3")
    await house.record("c1", seconds=0.0)
    await house.step()
    assert (await house.row("c1")).format == "wav"
    assert await house.faults() == {}


async def test_a_reload_is_obeyed(house: House) -> None:
    """Recordings of before the change are converted too, and deleted by the new age."""
    await house.record("c1")
    await house.step()
    house.keeper.configure(keeping(format="flac"))
    await house.step()
    assert (await house.row("c1")).format == "flac"
    house.keeper.configure(keeping(format="flac", keep_days=0.5))
    await house.step(DAY)
    assert (await house.row("c1")).deleted is not None


async def test_a_hundred_recordings_at_once(house: House) -> None:
    """Gathered into few transactions; none is left out, none is there twice, one that is damaged holds up nobody."""
    for number in range(100):
        await house.record(f"c{number}", seconds=0.02)
    house.path("2026-08-01/c7.wav").write_bytes(b"no sound")
    house.path("2026-08-01/c8.wav").unlink()
    await house.step()
    report = await house.verify()
    assert (report.files, report.entries, report.unsealed, report.findings) == (99, 100, 0, ())


# ---------------------------------------------------------------------------------------------- retention and holds


async def test_old_recordings_go_by_their_queues_age(house: House) -> None:
    """The queue's `keep_days` in place of the general one; 0 keeps for ever; the chain keeps their place."""
    queues = {"sales": QueueSettings(keep_days=2.0), "law": QueueSettings(keep_days=0.0)}
    house.keeper.settings = replace(keeping(keep_days=10.0), queues=queues)
    for call, queue in (("c1", "support"), ("c2", "sales"), ("c3", "law")):
        await house.record(call, queue=queue)
    await house.step()

    async def left() -> list[str]:
        return sorted(row.call for row in await house.store.recordings(deleted=False))

    assert await left() == ["c1", "c2", "c3"]
    await house.step(1.9 * DAY)
    assert await left() == ["c1", "c2", "c3"]
    await house.step(0.2 * DAY)
    assert await left() == ["c1", "c3"]
    assert sorted(path.stem for path in house.directory.rglob("*.wav")) == ["c1", "c3"]
    await house.step(10 * DAY)
    assert await left() == ["c3"]
    assert "recording.deleted" in await house.kinds("c1")
    assert await house.faults() == {}
    await house.step(1000 * DAY)
    assert await left() == ["c3"]


async def test_a_held_recording_outlives_its_time_and_stays_as_it_was(house: House) -> None:
    house.keeper.settings = keeping(keep_days=1.0)
    await house.record("c1")
    await house.step()
    (held,) = await house.keeper.hold("c1", "carol", "case 12")
    assert held.held == "carol: case 12"
    house.keeper.settings = keeping(keep_days=1.0, format="flac")
    await house.step(5 * DAY)
    row = await house.row("c1")
    assert (row.held, row.deleted, row.format) == ("carol: case 12", None, "wav")
    with pytest.raises(PeerError, match="case 12") as caught:
        await house.keeper.delete("c1", "boris", "")
    assert caught.value.status == 409
    await house.keeper.release("c1", "carol", "settled")
    await house.step(5 * DAY)
    assert (await house.row("c1")).deleted is not None
    kinds = await house.kinds("c1")
    assert [kind for kind in kinds if kind in ("recording.held", "recording.released", "recording.deleted")] == [
        "recording.held",
        "recording.released",
        "recording.deleted",
    ]
    assert await house.faults() == {}


async def test_a_recording_is_deleted_by_hand(house: House) -> None:
    name = await house.record("c1")
    with pytest.raises(PeerError) as early:
        await house.keeper.delete("c1", "carol", "")
    assert early.value.status == 409
    await house.step()
    await house.keeper.delete("c1", "carol", "asked for by the caller")
    await house.store.writer.flush()
    assert not house.path(name).exists()
    assert not house.path(name).parent.exists()
    for order in (house.keeper.delete, house.keeper.hold, house.keeper.release):
        with pytest.raises(PeerError) as caught:
            await order("c1", "carol", "")
        assert caught.value.status == 404
    (deleted,) = await house.store.ledger_entries(kind="recording.deleted")
    assert (deleted.data["by"], deleted.data["reason"]) == ("carol", "asked for by the caller")
    assert await house.faults() == {}


async def test_a_deletion_that_was_cut_short_is_finished(house: House) -> None:
    name = await house.record("c1")
    data = house.path(name).read_bytes()
    await house.step()
    await house.keeper.delete("c1", "carol", "")
    house.path(name).parent.mkdir()
    house.path(name).write_bytes(data)
    os.utime(house.path(name), (START, START))
    await house.step(7200.0)
    assert not house.path(name).exists()


async def test_a_recording_that_ends_while_others_are_sealed_comes_next(house: House) -> None:
    """Its row is still on the way to the store when the keeper finds no more to do."""
    await house.record("c1")
    house.begin("c2")
    size = tones(house.path("2026-08-01/c2.wav"), 1.0).stat().st_size
    row = SavedRecording("2026-08-01/c2.wav", "", house.now, 1.0, size)  # of an earlier control process: no name
    house.files.meanwhile = lambda: house.keeper.recorded(row)
    await house.step()
    house.files.meanwhile = lambda: None
    house.store.writer.write(row)
    await house.store.writer.flush()
    await house.step()
    found = await house.row("c2")
    assert (found.queue, found.caller, bool(found.sha256)) == ("support", "+1", True)


# ----------------------------------------------------------------------------------------------- after a crash

WRITING = """
import sys
from softswitch.media.effects import AppendFile, CreateFile
from softswitch.media.writer import Writer
writer = Writer()
writer.put(CreateFile(1, sys.argv[1], 2))
while True:
    writer.put(AppendFile(1, bytes(32000)))
    writer.hand_over()
    while writer.waiting:
        pass
    print("second", flush=True)
"""


async def test_a_recording_whose_switch_was_killed_is_found_mended_and_named(house: House) -> None:
    """`kill -9` of a real writer; no row was written. The ledger knows which call it was; who is live is left alone."""
    house.begin("c1")
    await house.store.writer.flush()
    name = "2026-08-01/c1.wav"
    child = subprocess.Popen([sys.executable, "-c", WRITING, str(house.path(name))], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(3):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with house.path(name).open("ab") as file:
        file.write(bytes(1001))  # and a write that was torn
    house.now = house.path(name).stat().st_mtime
    await house.step(1.0)
    assert await house.store.recordings() == [], "it may still be written"
    house.live = frozenset({name})
    await house.step(3700.0)
    assert await house.store.recordings() == []
    house.live = frozenset()
    await house.step(3700.0)
    row = await house.row("c1")
    assert (row.queue, row.agent, row.caller, row.fault) == ("support", "alice", "+1", "interrupted")
    assert row.seconds >= 3.0
    assert wav.shape(house.path(name)).whole
    assert {"recording.recovered", "recording.repaired", "recording.sealed"} <= set(await house.kinds("c1"))
    assert ("warning", "recording found after a crash") in house.said
    assert ("warning", "recording repaired") in house.said
    assert await house.faults() == {}


async def test_a_recording_that_media_finished_for_an_earlier_control_gets_its_name(house: House) -> None:
    name = await house.record("c1")
    house.sql("UPDATE recordings SET call = ''")
    house.keeper.recorded(SavedRecording(name, "", house.now, 1.0, 1))
    await house.step()
    assert (await house.row("c1")).caller == "+1"


async def test_a_file_that_never_came_to_be_is_written_down_as_missing(house: House) -> None:
    name = await house.record("c1", fault="No space left on device")
    house.path(name).unlink()
    assert [alarm.text for alarm in house.alarms.active()] == [
        "the recording of call c1 failed: No space left on device"
    ]
    await house.step()
    row = await house.row("c1")
    assert (row.deleted, row.fault, row.bytes) == (house.now, "No space left on device", 0)
    assert await house.faults() == {}
    await house.record("c2")
    assert house.alarms.active() == [], "there is room again"


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a recording at all" * 10])
async def test_a_damaged_file_is_kept_as_evidence(house: House, content: bytes) -> None:
    name = await house.record("c1")
    house.path(name).write_bytes(content)
    await house.step()
    row = await house.row("c1")
    assert row.fault
    assert row.bytes == len(content)
    assert house.path(name).read_bytes() == content
    assert ("error", "recording is damaged") in house.said


async def test_foreign_files_are_left_alone(house: House) -> None:
    house.directory.mkdir()
    for name in ("notes.txt", "song.mp3", "holiday.opus"):
        (house.directory / name).write_bytes(b"x")
        os.utime(house.directory / name, (START - 100, START - 100))
    await house.step(7200.0)
    assert len(list(house.directory.iterdir())) == 3
    assert await house.store.recordings() == []


# -------------------------------------------------------------------------------------------------------------- disk


async def test_below_the_floor_new_recordings_wait_for_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    room = 2e9
    monkeypatch.setattr(Recordings, "room", lambda self: int(room))
    house.keeper.settings = keeping(min_free_gb=1.0)
    await house.step()
    assert house.refusals == []
    room = 0.9e9
    await house.step()
    await house.step()
    assert house.refusals == ["0.9 GB are free for recordings, less than min_free_gb = 1"]
    assert [alarm.name for alarm in house.alarms.active()] == ["disk"]
    room = 1.1e9
    await house.step()
    assert house.refusals[1:] == [""]
    assert house.alarms.active() == []
    assert house.said == [("error", "alarm"), ("info", "alarm is over")]


@pytest.fixture
def small_disk(tmp_path: Path) -> AsyncIterator[Path]:
    """1 MiB at the place of the recordings."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "recordings"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_disk_without_room_for_the_conversion_keeps_the_original(small_disk: Path, house: House) -> None:
    """ENOSPC in the middle; afterwards, with room, it is done."""
    house.keeper.settings = keeping(format="flac")
    await house.record("c1", seconds=20.0)
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 4096))
    await house.step()
    assert (await house.row("c1")).format == "wav"
    assert [alarm.name for alarm in house.alarms.active()] == ["conversion"]
    assert sorted(path.name for path in small_disk.rglob("*.*")) == ["c1.wav"]
    filler.unlink()
    await house.step(61.0)
    assert (await house.row("c1")).format == "flac"
    assert house.alarms.active() == []
    assert await house.faults() == {}
