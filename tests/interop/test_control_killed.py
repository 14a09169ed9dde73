"""`kill -9` of the control process under live calls; the supervisor starts another. Media goes on meanwhile."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx

from softswitch.demo.phone import Account, Phone
from softswitch.demo.stream import Metronome
from softswitch.services.call_journal import FILE, read
from tests.interop.switch_process import SwitchProcess, running_switch

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
[queues.support]
agents = ["anna"]
record = true
[ivr.welcome]
prompt = "welcome"
repeat = 20
[[routes]]
from = "phone:*"
number = "100"
to = "queue:support"
[[routes]]
from = "phone:*"
number = "200"
to = "ivr:welcome"
[[routes]]
from = "phone:*"
number = "300"
to = "answer:"
"""


class People:
    """Phones of one test, and patience."""

    def __init__(self, switch: SwitchProcess) -> None:
        self.switch = switch
        self.metronome = Metronome()
        self.dice = Random(3)
        self.phones: list[Phone] = []

    async def phone(self, user: str, password: str, **more: Any) -> Phone:
        switch = self.switch
        account = Account(user, password, "pbx.test", (switch.host, switch.port))
        phone = Phone(account, self.metronome, self.dice, **more)
        self.phones.append(phone)
        await phone.register()
        return phone

    async def until(self, what: str, test: Callable[[], object], seconds: float = 20.0) -> None:
        for _ in range(int(seconds / 0.05)):
            if test():
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(what)

    async def kill_control(self) -> None:
        """Returns when the next one serves."""
        before = self.switch.pids()["control"]
        os.kill(before, signal.SIGKILL)

        def serves() -> bool:
            if self.switch.pids().get("control", before) == before:
                return False
            try:
                return bool(self.switch.status()["workers"][0]["up"])
            except (httpx.HTTPError, IndexError):
                return False

        await self.until("another control process", serves, 30.0)

    async def close(self) -> None:
        for phone in self.phones:
            await phone.close()


def test_calls_that_cannot_go_on_are_ended_told_and_recorded(tmp_path: Path) -> None:
    """One listens to a menu, one hears nothing, one waits in a queue, one's call still rings."""

    async def play(switch: SwitchProcess) -> None:
        people = People(switch)
        try:
            caller = await people.phone("1003", "yet-another-secret-1")

            async def ring_on(call: Any) -> None:
                call.ring()

            await people.phone("1002", "another-long-secret", on_call=ring_on)
            calls = [caller.dial(number) for number in ("200", "300", "100")]
            for call in calls:
                assert await call.answered(10.0)
            ringing = caller.dial("1002")
            await people.until("journal", lambda: journalled(switch) == 3)
            await people.until("ledger", lambda: switch.get("ledger", limit=50)["items"])
            await asyncio.sleep(0.3)  # what is older than that is in the database
            await people.kill_control()
            for call in calls:
                assert await call.ended(10.0)
                assert call.ended_by == "peer"
            ringing.hang_up()
        finally:
            await people.close()

    with running_switch(tmp_path, TABLES) as switch:
        switch.expected += ["media.lost"]
        asyncio.run(play(switch))
        records = switch.records(4)
        assert {row["outcome"] for row in records} == {"interrupted"}
        answered = [row for row in records if row["legs"]]
        assert {row["called"] for row in answered} == {"200", "300", "100"}
        assert all(row["legs"][0]["sent"] > 0 for row in answered if row["called"] == "200")
        assert all(row["started"] < row["ended"] for row in answered)
        recovery = switch.status()["recovery"]
        assert (recovery["adopted"], recovery["ended"], recovery["waiting"]) == (0, 4, 0)
        assert journalled(switch) == 0
        switch.nothing_left(transactions=False)


def journalled(switch: SwitchProcess) -> int:
    """Calls that the journal has."""
    return len(read(switch.data_dir / FILE))
