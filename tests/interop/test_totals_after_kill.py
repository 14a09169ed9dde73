"""`kill -9` of a whole switch amid calls: the ledger is the truth, and the fold over it equals what the callers know.

Complaints: statistics zero after a restart (qpanel#113); calls counted twice (asterisk#1736, #1741)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from softswitch.demo.phone import Account, Phone, PhoneCall
from softswitch.demo.stream import Metronome
from tests.interop.switch_process import PATIENCE, ROOT, SwitchProcess, running_switch

TABLES = """
[phones.1001]
password = "a-long-enough-secret"
[phones.1002]
password = "another-long-secret"
[phones.1003]
password = "yet-another-secret-1"
max_calls = 20
[agents.anna]
phone = "1001"
logged_in = true
[agents.boris]
phone = "1002"
logged_in = true
[queues.support]
agents = ["anna", "boris"]
short_abandon = 0
record = false
[[routes]]
from = "phone:*"
number = "100"
to = "queue:support"
"""


async def play(switch: SwitchProcess) -> dict[str, int]:
    """Two agents answer; one caller gives up while both talk; two talk and one waits at the end. The truth."""
    metronome, dice = Metronome(), Random(1)
    talks: list[PhoneCall] = []

    async def take(call: PhoneCall) -> None:
        call.answer()
        talks.append(call)

    def phone(user: str, password: str, **more: object) -> Phone:
        account = Account(user, password, "pbx.test", (switch.host, switch.port))
        return Phone(account, metronome, dice, **more)  # type: ignore[arg-type]

    agents = [phone("1001", "a-long-enough-secret", on_call=take), phone("1002", "another-long-secret", on_call=take)]
    caller = phone("1003", "yet-another-secret-1")
    try:
        for party in (*agents, caller):
            await party.register()

        async def until(what: Callable[[dict[str, Any]], bool]) -> None:
            async with asyncio.timeout(PATIENCE):
                while not what(await asyncio.to_thread(switch.status)):
                    await asyncio.sleep(0.05)

        async def talking(count: int) -> None:
            async with asyncio.timeout(PATIENCE):
                while len(talks) < count:
                    await asyncio.sleep(0.05)

        calls = [caller.dial("100"), caller.dial("100")]
        await talking(2)
        gives_up = caller.dial("100")
        assert await gives_up.answered(PATIENCE)  # by the music
        gives_up.hang_up()
        await until(lambda status: not status["waiting"])
        for call in calls:
            call.hang_up()
        await until(lambda status: not status["calls"])
        calls = [caller.dial("100"), caller.dial("100")]
        await talking(4)
        waits = caller.dial("100")
        assert await waits.answered(PATIENCE)
        await until(lambda status: status["waiting"] == 1 and not status["counters"]["rows_waiting"])
        for pid in switch.pids().values():
            os.kill(pid, signal.SIGKILL)
    finally:
        for party in (*agents, caller):
            await party.close()
    return {"offered": 6, "answered": 4, "abandoned": 1, "lost": 1}


def report(database: Path) -> dict[str, object]:
    """The offline report on the file."""
    done = subprocess.run(
        [sys.executable, "-m", "softswitch.cli", "report", "queues", "--last", "1h", "--json", "--database", database],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'codecs'}"},
        capture_output=True,
        check=True,
    )
    (row,) = json.loads(done.stdout)["rows"]
    return row  # type: ignore[no-any-return]


def test_totals_are_exact_after_kill_9(tmp_path: Path) -> None:
    truth: dict[str, int] = {}
    with pytest.raises(AssertionError, match="ended with -9"), running_switch(tmp_path / "first", TABLES) as switch:
        truth = asyncio.run(play(switch))
    data_dir = tmp_path / "first" / "var"
    before = report(data_dir / "softswitch.db")
    assert {name: before[name] for name in truth} == truth | {"lost": 0}  # nobody has said yet that it is over
    with running_switch(tmp_path / "second", TABLES, data_dir=data_dir) as switch:
        (live,) = switch.get("queues")["items"]
        assert {name: live[name] for name in ("offered", "answered", "abandoned")} == {
            name: truth[name] for name in ("offered", "answered", "abandoned")
        }
        assert live["waiting"] == 0
        (asked,) = switch.get("reports/queues")["rows"]
        assert {name: asked[name] for name in truth} == truth
        agents = {row["agent"]: row for row in switch.get("reports/agents")["rows"]}
        assert sum(row["answered"] for row in agents.values()) == truth["answered"]
        assert all(row["logins"] == 1 for row in agents.values())
        switch.no_faults()
    after = report(data_dir / "softswitch.db")
    assert {name: after[name] for name in truth} == truth
