"""The store on real SQLite files."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, event, inspect

from softswitch.acd.model import Fact
from softswitch.kernel.errors import LocalError
from softswitch.services import schema
from softswitch.services.rows import (
    ForgottenBinding,
    ForgottenSetting,
    LedgerEntry,
    SavedAgent,
    SavedBinding,
    SavedRecording,
    SavedSetting,
)
from softswitch.services.store import FILE, Store
from softswitch.services.tables import metadata
from softswitch.switch.customers import Customer, ForgottenCustomer
from softswitch.switch.records import CallRecord, LegRecord

RECORD = CallRecord(
    id="c1",
    started=1000.25,
    answered=1005.5,
    ended=1060.0,
    outcome="answered",
    source="trunk:carrier",
    caller="+37060000001",
    called="+37052000100",
    destination="agent:alice",
    queue="support",
    agent="alice",
    wait_seconds=4.0,
    ring_seconds=1.25,
    talk_seconds=54.5,
    hold_seconds=3.0,
    cause=200,
    reason="Žodžiai, слова; ' quoted",
    hung_up_by="caller",
    language="lt",
    collected={"account": "1234"},
    recording="2026-08-01/c1.wav",
    legs=(LegRecord(party="trunk:carrier", call_id="x@y", codec="PCMA", mos=4.3), LegRecord(party="phone:1001")),
)


@pytest.fixture
def alarms() -> list[str]:
    return []


@pytest.fixture
async def store(tmp_path: Path, alarms: list[str]) -> AsyncIterator[Store]:
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append, interval=0.01)
    yield store
    await store.close()


def record(number: int, **changes: object) -> CallRecord:
    values: dict[str, object] = {"id": f"c{number}", "started": float(number), "ended": number + 1.0}
    return CallRecord(**{**values, "outcome": "answered", **changes})  # type: ignore[arg-type]


async def test_a_call_record_comes_back_as_it_was(store: Store) -> None:
    unanswered = record(2, outcome="abandoned")
    store.writer.write(RECORD)
    store.writer.write(unanswered)
    assert await store.writer.flush()
    assert (await store.call("c1"))[0] == RECORD
    assert (await store.call("c2"))[0] == unanswered
    assert await store.call("c3") == (None, [])


async def test_a_call_joins_its_ledger_in_order(store: Store) -> None:
    store.ledger.append(Fact("queue.entered", 1.0, "c1", "support", "", {"position": 1}))
    store.ledger.append(Fact("queue.entered", 1.5, "c2", "support"))
    store.ledger.append(Fact("queue.answered", 2.0, "c1", "support", "alice", {"waited": 1.0}))
    store.writer.write(RECORD)
    await store.writer.flush()
    assert await store.call("c1") == (
        RECORD,
        [
            LedgerEntry(1, 1.0, "queue.entered", "c1", "support", "", {"position": 1}),
            LedgerEntry(3, 2.0, "queue.answered", "c1", "support", "alice", {"waited": 1.0}),
        ],
    )


async def test_calls_are_found_by_what_is_known_of_them(store: Store) -> None:
    store.writer.write(record(1, queue="a", caller="+1"))
    store.writer.write(record(2, queue="b", agent="alice", called="+1"))
    store.writer.write(record(3, queue="b", outcome="abandoned"))
    await store.writer.flush()

    async def ids(limit: int = 100, **known: object) -> str:
        return " ".join(call.id for call in await store.calls(limit, **known))  # type: ignore[arg-type]

    assert await ids() == "c3 c2 c1"
    assert await ids(2) == "c3 c2"
    assert await ids(since=2.0) == "c3 c2"
    assert await ids(until=2.0) == "c1"
    assert await ids(queue="b") == "c3 c2"
    assert await ids(queue="b", agent="alice") == "c2"
    assert await ids(outcome="abandoned") == "c3"
    assert await ids(number="+1") == "c2 c1"


async def test_the_ledger_from_a_time_on_comes_in_pieces(store: Store) -> None:
    for number in range(25):
        store.ledger.append(Fact("x", float(number), f"c{number}", "q", "a", {"n": number} if number % 2 else {}))
    await store.writer.flush()
    pieces = [piece async for piece in store.facts(4.0, 10)]
    assert [len(piece) for piece in pieces] == [10, 10, 1]
    facts = [fact for piece in pieces for fact in piece]
    assert [fact.at for fact in facts] == [float(number) for number in range(4, 25)]
    assert facts[1] == Fact("x", 5.0, "c5", "q", "a", {"n": 5})
    assert [piece async for piece in store.facts(99.0)] == []


async def test_ledger_numbers_go_on_after_a_restart(tmp_path: Path, alarms: list[str]) -> None:
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append)
    assert [store.ledger.append(Fact("x", 1.0)) for _ in range(3)] == [1, 2, 3]
    await store.close()
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append)
    assert store.ledger.append(Fact("y", 2.0)) == 4
    await store.writer.flush()
    assert [(entry.seq, entry.kind) for entry in await store.ledger_entries(after=2)] == [(3, "x"), (4, "y")]
    assert [entry.seq for entry in await store.ledger_entries(2)] == [1, 2]
    assert [entry.seq for entry in await store.ledger_entries(kind="y", since=2.0)] == [4]
    await store.close()
    assert alarms == []


async def test_of_many_changes_to_one_registration_the_last_one_counts(store: Store) -> None:
    """RFC 3261 §10.3: a binding is replaced by its refresh; within a batch as well as over several."""
    store.writer.write(SavedBinding("1001", "sip:a", 100.0, {"q": 1}))
    store.writer.write(SavedBinding("1001", "sip:b", 100.0, ["path", None]))
    store.writer.write(ForgottenBinding("1001", "sip:a"))
    store.writer.write(SavedBinding("1002", "sip:c", 100.0, "x"))
    await store.writer.flush()
    store.writer.write(ForgottenBinding("1002", "sip:c"))
    store.writer.write(SavedBinding("1002", "sip:c", 300.0, None))
    store.writer.write(ForgottenBinding("1003", "sip:never-there"))
    await store.writer.flush()
    assert sorted(await store.bindings(50.0), key=lambda binding: binding.aor) == [
        SavedBinding("1001", "sip:b", 100.0, ["path", None]),
        SavedBinding("1002", "sip:c", 300.0, None),
    ]
    assert [binding.aor for binding in await store.bindings(100.0)] == ["1002"]


async def test_agents_and_recordings_are_kept(store: Store) -> None:
    store.writer.write(SavedAgent("alice", True, False, "", 1.0))
    store.writer.write(SavedAgent("boris", False, False, "", 1.0))
    store.writer.write(SavedAgent("alice", True, True, "lunch", 2.0))
    store.writer.write(SavedRecording("a.wav", "c1", 1.0, 2.5, 80044))
    store.writer.write(SavedRecording("b.wav", "c2", 2.0, 2.5, 80044))
    await store.writer.flush()
    store.writer.write(SavedRecording("a.wav", "c1", 1.0, 2.5, 80044, "ab" * 32))
    await store.writer.flush()
    assert await store.agents() == [
        SavedAgent("alice", True, True, "lunch", 2.0),
        SavedAgent("boris", False, False, "", 1.0),
    ]
    assert await store.recordings(call="c1") == [SavedRecording("a.wav", "c1", 1.0, 2.5, 80044, "ab" * 32)]
    assert [recording.path for recording in await store.recordings()] == ["b.wav", "a.wav"]


async def test_messages_are_told_from_calls_by_their_folder(store: Store) -> None:
    for path in ("a.wav", "voicemail/box/b.wav", "voicemail/boxes/c.flac"):
        store.writer.write(SavedRecording(path, path[-5], 1.0, 2.5, 80044))
    await store.writer.flush()
    assert [row.path for row in await store.recordings(kind="call")] == ["a.wav"]
    assert len(await store.recordings(kind="voicemail")) == 2
    assert [row.path for row in await store.recordings(box="box")] == ["voicemail/box/b.wav"]


# --------------------------------------------------------------------------------------------------- opening


async def test_migrations_make_what_the_tables_say(store: Store, tmp_path: Path) -> None:
    await store.close()
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    made = create_engine(f"sqlite:///{tmp_path / FILE}")
    for table in metadata.tables:
        described = [
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspect(each).get_columns(table)]
            for each in (engine, made)
        ]
        assert described[0] == described[1]
        indexes = [
            [(i["name"], i["column_names"]) for i in inspect(each).get_indexes(table)] for each in (engine, made)
        ]
        assert indexes[0] == indexes[1]
        keys = [inspect(each).get_pk_constraint(table)["constrained_columns"] for each in (engine, made)]
        assert keys[0] == keys[1]
    engine.dispose()
    made.dispose()


def test_the_head_is_the_last_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


async def test_a_database_that_is_newer_than_the_program_is_refused(store: Store, tmp_path: Path) -> None:
    await store.close()
    change(tmp_path / FILE, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LocalError, match="schema 9999, which is newer than this program"):
        await Store.open("sqlite", tmp_path, alarm=print)
    with pytest.raises(LocalError, match="schema 9999"):
        await Store.open("sqlite", tmp_path, alarm=print, read_only=True)


async def test_a_migration_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    change(tmp_path / FILE, "CREATE TABLE bindings (foreign_to_us TEXT)")
    with pytest.raises(LocalError, match="already exists"):
        await Store.open("sqlite", tmp_path, alarm=print)
    assert [name for (name,) in change(tmp_path / FILE, "SELECT name FROM sqlite_master")] == ["bindings"]


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database\n" * 500)
    with pytest.raises(LocalError, match="cannot be opened: file is not a database"):
        await Store.open("sqlite", tmp_path, alarm=print)


async def test_a_directory_that_cannot_be_made_is_our_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="cannot make the directory"):
        await Store.open("sqlite", tmp_path / "file" / "var", alarm=print)


async def test_one_writes_and_many_read(store: Store, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=rf"another switch \(process {os.getpid()}\) uses"):
        await Store.open("sqlite", tmp_path, alarm=print)
    reader = await Store.open("sqlite", tmp_path, alarm=print, read_only=True)
    store.writer.write(RECORD)
    await store.writer.flush()
    assert (await reader.call("c1"))[0] == RECORD
    with pytest.raises(LocalError, match="open for reading only"):
        _ = reader.writer
    with pytest.raises(LocalError, match="open for reading only"):
        _ = reader.ledger
    await reader.close()


async def test_the_next_switch_may_write_when_the_first_is_gone(store: Store, tmp_path: Path) -> None:
    await store.close()
    again = await Store.open("sqlite", tmp_path, alarm=print)
    await again.close()


async def test_a_reader_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="there is no database"):
        await Store.open("sqlite", tmp_path, alarm=print, read_only=True)
    assert list(tmp_path.iterdir()) == []


def change(path: Path, sql: str) -> list[tuple[str]]:
    connection = sqlite3.connect(path)
    found = connection.execute(sql).fetchall()
    connection.commit()
    connection.close()
    return found


# ------------------------------------------------------------------------------------------------- when things go wrong


async def test_rows_go_out_by_themselves(store: Store) -> None:
    store.writer.write(RECORD)
    async with asyncio.timeout(45):
        while store.writer.waiting:
            await asyncio.sleep(0.005)
    assert (await store.call("c1"))[0] == RECORD


async def test_closing_drains(tmp_path: Path) -> None:
    store = await Store.open("sqlite", tmp_path, alarm=print, interval=60)
    for _ in range(1234):
        store.ledger.append(Fact("x", 1.0))
    await store.close()
    assert change(tmp_path / FILE, "SELECT count(*), max(seq) FROM ledger") == [(1234, 1234)]
    store.writer.write(RECORD)
    assert store.writer.dropped == 1


async def test_a_locked_database_keeps_the_rows_and_alarms_once(tmp_path: Path, alarms: list[str]) -> None:
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append, interval=0.01)
    blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    impatient(store)
    store.ledger.append(Fact("x", 1.0))
    assert not await store.writer.flush()
    store.ledger.append(Fact("y", 2.0))
    assert not await store.writer.flush()
    assert store.writer.waiting == 2
    assert alarms == ["store: cannot write, rows are kept and tried again: database is locked"]
    blocker.execute("ROLLBACK")
    blocker.close()
    assert await store.writer.flush()
    assert [entry.kind for entry in await store.ledger_entries()] == ["x", "y"]
    assert alarms[1:] == ["store: writing again, 0 rows lost so far"]
    await store.close()


async def test_a_full_backlog_drops_new_rows_counts_them_and_says_so(tmp_path: Path, alarms: list[str]) -> None:
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append, interval=60, backlog=10)
    for number in range(15):
        store.writer.write(record(number))
    assert store.writer.dropped == 5
    assert alarms == ["store: rows are being lost: more than can be written"]
    assert await store.writer.flush()
    assert len(await store.calls()) == 10
    assert alarms[1:] == ["store: writing again, 5 rows lost so far"]
    await store.close()


async def test_one_bad_row_does_not_stop_the_others(store: Store, alarms: list[str]) -> None:
    store.writer.write(record(1))
    await store.writer.flush()
    store.writer.write(record(1))  # a call id twice
    store.writer.write(record(2))
    store.writer.write(record(3, collected={"x": object()}))  # not JSON
    store.writer.write(record(4, cause=1 << 70))  # more than a column holds
    store.writer.write(record(5))
    assert await store.writer.flush()
    assert [call.id for call in await store.calls()] == ["c5", "c2", "c1"]
    assert (store.writer.rejected, store.writer.written) == (3, 3)
    assert len(alarms) == 3
    assert all(text.startswith("store: a row was not written: ") for text in alarms)


async def test_closing_does_not_wait_for_ever(tmp_path: Path, alarms: list[str]) -> None:
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append, interval=60)
    impatient(store)
    blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    store.writer.write(RECORD)
    await store.writer.close(patience=0.05)
    assert alarms[-1] == "store: 1 rows are lost: database is locked"
    blocker.close()
    await store.close()


def impatient(store: Store) -> None:
    """Make the connections that are opened from now on give up at once when the database is locked."""

    @event.listens_for(store.writer._sink._engine, "connect")  # type: ignore[attr-defined]
    def _(connection, _record) -> None:  # type: ignore[no-untyped-def]
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 0")
        cursor.close()


WRITING_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from softswitch.acd.model import Fact
from softswitch.services.store import Store

async def main():
    store = await Store.open("sqlite", Path(sys.argv[1]), alarm=print)
    while True:
        for _ in range(70):
            store.ledger.append(Fact("x", 1.0, "call"))
        await store.writer.flush()
        print(store.ledger.last, flush=True)

asyncio.run(main())
"""


async def test_what_was_flushed_survives_kill_9(tmp_path: Path) -> None:
    """Totals are exact after `kill -9`: every flushed row is there, once, and the numbers have no gap."""
    child = subprocess.Popen([sys.executable, "-c", WRITING_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout as output:
        for _ in range(20):
            flushed = int(output.readline())
        child.send_signal(signal.SIGKILL)
        flushed = int(([flushed, *output.read().split()])[-1])
    store = await Store.open("sqlite", tmp_path, alarm=print)
    numbers = [entry.seq for entry in await store.ledger_entries()]
    assert numbers == list(range(1, store.ledger.last + 1))
    assert store.ledger.last >= flushed >= 1400
    await store.close()


DISK_FULL = """
import asyncio, resource, sys
from pathlib import Path
from softswitch.acd.model import Fact
from softswitch.services.store import Store

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

async def main():
    store = await Store.open("sqlite", Path(sys.argv[1]), alarm=print, interval=60)
    limit(200_000)  # the disk is full: a file may grow no further
    refused = False
    while not refused:
        for _ in range(100):
            store.ledger.append(Fact("x", 1.0, "call", data={"text": "y" * 100}))
        refused = not await store.writer.flush()
    print("refused", store.writer.waiting > 0)
    limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    print("taken", await store.writer.flush())
    last = store.ledger.last
    await store.close()
    print(last)

asyncio.run(main())
"""


async def test_a_full_disk_keeps_the_rows_until_there_is_room(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    alarm, refused, again, taken, last = done.stdout.splitlines()
    assert alarm.startswith("store: cannot write, rows are kept and tried again: ")
    assert (refused, again, taken) == ("refused True", "store: writing again, 0 rows lost so far", "taken True")
    assert change(tmp_path / FILE, "SELECT count(*), max(seq) FROM ledger") == [(int(last), int(last))]
    assert change(tmp_path / FILE, "PRAGMA integrity_check") == [("ok",)]


async def test_a_copy_of_the_files_is_a_backup(store: Store, tmp_path: Path) -> None:
    """The database and its write-ahead log, copied after a flush, open as they are."""
    store.writer.write(RECORD)
    await store.writer.flush()
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob(f"{FILE}*"):
        shutil.copy(file, copy)
    restored = await Store.open("sqlite", copy, alarm=print)
    assert (await restored.call("c1"))[0] == RECORD
    await restored.close()


async def test_customers_and_live_settings_come_back_and_the_last_change_counts(store: Store) -> None:
    gold = Customer(
        id="7", name="Žmogus", numbers=("+3701", "+3702"), head_start=60.0, language="lt", agent="alice",
        needs=(("english", 50),), queue="gold", notes="calls on Mondays",
    )  # fmt: skip
    for row in (Customer(id="7", name="old"), gold, Customer(id="8"), ForgottenCustomer("8"), Customer(id="9")):
        store.writer.write(row)
    wrap_up = SavedSetting("queues.support.wrap_up", 30.0, "carol", 1.0)
    agents = SavedSetting("queues.support.agents", ["alice", "bob"], "carol", 2.0)
    shut = SavedSetting("queues.x.shut", "s", "", 0.0)
    for setting in (SavedSetting(wrap_up.path, 9.0, "", 0.0), wrap_up, agents, shut):
        store.writer.write(setting)
    store.writer.write(ForgottenSetting(shut.path))
    await store.writer.flush()
    assert await store.customers() == [gold, Customer(id="9")]
    assert await store.live_settings() == [agents, wrap_up]
    store.writer.write(ForgottenCustomer("9"))
    store.writer.write(ForgottenSetting(agents.path))
    await store.writer.flush()
    assert await store.customers() == [gold]
    assert await store.live_settings() == [wrap_up]


async def test_rows_that_come_steadily_share_transactions(tmp_path: Path, alarms: list[str]) -> None:
    """One an interval and no more: each costs a hop to the thread and a commit, whatever it writes."""
    interval = 0.05
    store = await Store.open("sqlite", tmp_path, alarm=alarms.append, interval=interval)
    try:
        loop = asyncio.get_running_loop()
        begun, written, transactions = loop.time(), 0, 0
        for number in range(500):
            store.writer.write(SavedAgent(f"agent{number}", True, False, "", float(number)))
            await asyncio.sleep(0.001)
            transactions += store.writer.written != written
            written = store.writer.written
        assert 0 < transactions <= (loop.time() - begun) / interval + 1
    finally:
        await store.close()
    assert store.writer.written == 500


async def test_who_talked_last_with_a_number(store: Store) -> None:
    calls = [("a", "+1", "alice", 10.0, 5.0), ("b", "+1", "bob", 20.0, 5.0), ("c", "+1", "carol", 30.0, 0.0)]
    calls += [("d", "+2", "alice", 5.0, 5.0), ("e", "", "alice", 40.0, 5.0), ("f", "+3", "", 50.0, 5.0)]
    for id, caller, agent, at, talk in calls:
        record = msgspec.structs.replace(
            RECORD, id=id, caller=caller, agent=agent, started=at, ended=at + 9, talk_seconds=talk
        )
        store.writer.write(record)
    await store.writer.flush()
    assert await store.last_agents(0.0) == [("+2", "alice", 14.0), ("+1", "bob", 29.0)]
    assert await store.last_agents(15.0) == [("+1", "bob", 29.0)]
