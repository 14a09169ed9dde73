"""The file of live calls: what is in it after a kill, after many calls, after a full disk, after a newer program."""

import asyncio
from pathlib import Path

import pytest

from softswitch.services import call_journal
from softswitch.services.call_journal import CallJournal, read
from softswitch.switch.records import ForgottenLiveCall, SavedLiveCall
from tests.switch.site import Site
from tests.switch.test_interrupted_calls import TABLES


def live_call() -> SavedLiveCall:
    site = Site(TABLES)
    site.party("+37061234567", "198.51.100.10").call("101")
    site.run(1.0)
    (row,) = site.records(SavedLiveCall)
    assert isinstance(row, SavedLiveCall)
    return row


ROW = live_call()


def named(id: str) -> SavedLiveCall:
    return SavedLiveCall(id, ROW.at, ROW.memory)


class Rows:
    """The way to the database: at its end, or not."""

    taken = done = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / call_journal.FILE


async def test_what_was_written_is_there_without_a_close(path: Path) -> None:
    alarms: list[str] = []
    journal = CallJournal(path, alarms.append, Rows())
    assert journal.found == []
    for id in ("one", "two", "three"):
        journal.write(named(id))
    journal.write(ForgottenLiveCall("two"))
    journal._look()
    journal.flush()
    found = read(path)
    assert [row.id for row in found] == ["one", "three"]
    assert found[0].memory == ROW.memory
    assert path.stat().st_mode & 0o777 == 0o600
    journal.close()
    again = CallJournal(path, alarms.append, Rows())
    assert again.found == found
    again.close()
    assert not alarms


async def test_the_last_word_of_a_call_counts(path: Path) -> None:
    journal = CallJournal(path, print, Rows())
    journal.write(named("one"))
    journal.write(SavedLiveCall("one", ROW.at + 5.0, ROW.memory))
    journal.close()
    (row,) = read(path)
    assert row.at == ROW.at + 5.0


async def test_a_call_is_forgotten_after_its_record_is_in_the_database(path: Path) -> None:
    """A kill between the two would leave neither."""
    rows = Rows()
    journal = CallJournal(path, print, rows)
    journal.write(named("one"))
    journal.flush()
    rows.taken = 5  # the record is the fifth, and on its way
    journal.write(ForgottenLiveCall("one"))
    rows.done = 4
    await asyncio.sleep(2 * call_journal.SOON)
    assert [row.id for row in read(path)] == ["one"]
    rows.done = 5
    while read(path):
        await asyncio.sleep(0.01)
    journal.close()


async def test_it_stays_small_whatever_passes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_journal, "LARGE", 50_000)
    journal = CallJournal(path, print, Rows())
    journal.write(named("stays"))
    for number in range(500):
        journal.write(named(f"call {number}"))
        journal.write(ForgottenLiveCall(f"call {number}"))
        journal._look()
        journal.flush()
    journal.close()
    assert path.stat().st_size < 60_000
    assert [row.id for row in read(path)] == ["stays"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_a_line_cut_off_and_a_strange_one_hurt_nothing(path: Path) -> None:
    whole = call_journal.line(named("whole"))
    path.write_bytes(whole + b'["newer",5.0,["what",{}]]\n\xff\xfe\n[]\n[7]\n{}\n' + whole[: len(whole) // 2])
    found = {row.id: row.memory for row in read(path)}
    assert found == {"whole": ROW.memory, "newer": None}


async def test_a_disk_that_refuses_is_told_once_and_tried_again(path: Path) -> None:
    alarms: list[str] = []
    beside = path.with_suffix(".new")
    beside.mkdir()  # nothing can be written there
    journal = CallJournal(path, alarms.append, Rows())
    journal.write(named("one"))
    journal.flush()
    journal.write(named("two"))
    journal.flush()
    assert len(alarms) == 1
    assert "cannot write" in alarms[0]
    beside.rmdir()
    journal.write(named("three"))
    journal.flush()
    assert len(alarms) == 2
    journal.close()
    assert [row.id for row in read(path)] == ["one", "two", "three"]
