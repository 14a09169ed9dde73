"""CPU of the store: microseconds to hand in a row, and to have it in the database (SQLite, full batches).

python bench/store.py
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from softswitch.acd.model import Fact
from softswitch.services.store import Store
from softswitch.services.writer import BATCH
from softswitch.switch.records import CallRecord, LegRecord, SavedBinding

BATCHES = 100
LEG = LegRecord(party="trunk:carrier", call_id="a84b4c76e66710@192.0.2.1", remote="192.0.2.1:5060", codec="PCMA")


def fact(number: int) -> Fact:
    return Fact("queue.entered", 1e9 + number, f"call{number:08d}", "support", "alice", {"waited": 3.2, "position": 1})


def record(number: int) -> CallRecord:
    return CallRecord(id=f"c{number:08d}", started=1e9 + number, ended=2e9, outcome="answered", legs=(LEG, LEG))


def binding(number: int) -> SavedBinding:
    return SavedBinding(f"{number}", f"sip:{number}@192.0.2.1", 2e9, {"flow": "udp:192.0.2.1:5060", "cseq": 1})


async def measure(name: str, store: Store, rows: list[object], write: Callable[[object], object]) -> None:
    handing_in = writing = 0.0
    for start in range(0, len(rows), BATCH):
        begun = time.process_time()
        for row in rows[start : start + BATCH]:
            write(row)
        handed_in = time.process_time()
        await store.writer.flush()
        handing_in += handed_in - begun
        writing += time.process_time() - handed_in
    print(f"{name:14} {handing_in / len(rows) * 1e6:6.2f} µs to hand in {writing / len(rows) * 1e6:6.1f} µs to write")


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = await Store.open("sqlite", Path(directory), alarm=print)
        count = range(BATCHES * BATCH)
        await measure("ledger", store, [fact(number) for number in count], store.ledger.append)  # type: ignore[arg-type]
        for name, make in (("call records", record), ("registrations", binding)):
            await measure(name, store, [make(number) for number in count], store.writer.write)  # type: ignore[arg-type]
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
