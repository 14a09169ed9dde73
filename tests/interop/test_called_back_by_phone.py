"""A call-back through the running switch, which is killed in between: asked for by key, the place is kept, the agent
and then the customer are called, and they hear each other. And a message: what was said is in the file, and silence
ends it."""

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import pytest
import soundfile

from softswitch.demo import ears
from softswitch.demo.phone import Account, Phone, PhoneCall
from softswitch.demo.stream import Metronome
from tests.interop import callers
from tests.interop.switch_process import PATIENCE, SwitchProcess, running_switch, wait_until

PASSWORDS = {"1001": "a-long-enough-secret", "1003": "yet-another-secret-1"}
TABLES = """
[phones.1001]
password = "a-long-enough-secret"
[phones.1003]
password = "yet-another-secret-1"
[agents.anna]
phone = "1001"
[queues.support]
agents = ["anna"]
keys = { 1 = "callback:", 9 = "voicemail:box" }
[queues.support.callback]
[voicemail.box]
silence = 2
[[routes]]
from = "phone:*"
number = "100"
to = "queue:support"
"""


class Office:
    """Two phones at a running switch; what they say are tones of their own. `seed`: another one each time, for a
    Call-ID that comes again with an older CSeq is refused (RFC 3261 §10.3)."""

    def __init__(self, switch: SwitchProcess, seed: int) -> None:
        self.switch = switch
        self.metronome, self.dice = Metronome(), Random(seed)
        self.taken: list[tuple[str, PhoneCall]] = []
        self.phones = {user: self._phone(user) for user in PASSWORDS}

    def _phone(self, user: str) -> Phone:
        async def take(call: PhoneCall) -> None:
            call.answer()
            self.taken.append((user, call))
            call.stream.say(ears.voice(500.0 if user == "1001" else 700.0))

        account = Account(user, PASSWORDS[user], "pbx.test", (self.switch.host, self.switch.port))
        return Phone(account, self.metronome, self.dice, on_call=take)

    async def __aenter__(self) -> "Office":
        for phone in self.phones.values():
            await phone.register()
        return self

    async def __aexit__(self, *_: object) -> None:
        for phone in self.phones.values():
            await phone.unregister()
            await phone.close()


async def ask(switch: SwitchProcess) -> None:
    async with Office(switch, 1) as office:
        call = office.phones["1003"].dial("100")
        assert await call.answered(PATIENCE)
        await callers.spoken_to(call)
        call.stream.press("1")
        await asyncio.sleep(1.0)
        call.stream.press("1")  # the number is right
        assert await call.ended(PATIENCE), "the switch says good-bye and hangs up"


async def be_called_back(switch: SwitchProcess) -> None:
    async with Office(switch, 2) as office:
        switch.api.post("/api/v1/agents/anna/login").raise_for_status()
        await callers.until(lambda: len(office.taken) == 2)
        assert [user for user, _ in office.taken] == ["1001", "1003"], "the agent first"
        agent, customer = (call for _, call in office.taken)
        await callers.hears(agent, 700.0)
        await callers.hears(customer, 500.0)
        customer.hang_up()
        assert await agent.ended(PATIENCE)


async def leave_a_message(switch: SwitchProcess) -> None:
    async with Office(switch, 3) as office:
        call = office.phones["1001"].dial("100")  # 1003 would have its place back, and the call-back would be off
        assert await call.answered(PATIENCE)
        await callers.spoken_to(call)
        call.stream.press("9")
        await asyncio.sleep(0.5)
        call.stream.press("0")  # the greeting is known
        await callers.record(switch, call, 700.0, 2.5)
        call.stream.say(None)
        assert await call.ended(PATIENCE), "silence ends it"


def asked_and_killed(switch: SwitchProcess) -> dict[str, object]:
    """The call-back that a caller asked for, before everything died."""
    asyncio.run(ask(switch))
    asked: dict[str, object]
    (asked,) = switch.get("callbacks")["items"]
    wait_until("the ledger on disk", lambda: not switch.status()["counters"]["rows_waiting"])
    pids = switch.pids()
    for role in sorted(pids, key=lambda role: role != "supervisor"):  # or it would start the others again
        os.kill(pids[role], signal.SIGKILL)
    return asked


def test_a_call_back_outlives_kill_9_and_a_message_is_kept(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with -9"), running_switch(tmp_path / "first", TABLES) as switch:
        asked = asked_and_killed(switch)
    data_dir = tmp_path / "first" / "var"
    with running_switch(tmp_path / "second", TABLES, data_dir=data_dir) as switch:
        (row,) = switch.get("callbacks")["items"]
        assert (row["id"], row["asked"], row["position"]) == (asked["id"], asked["asked"], 1)
        asyncio.run(leave_a_message(switch))
        asyncio.run(be_called_back(switch))
        switch.calls_over()
        wait_until("the ledger on disk", lambda: not switch.status()["counters"]["rows_waiting"])
        assert switch.get("callbacks")["items"] == []
        kinds = [entry["kind"] for entry in switch.get("ledger", limit=1000)["items"]]
        assert kinds.count("callback.connected") == kinds.count("callback.asked") == 1
        (message,) = switch.get("recordings", kind="voicemail")["items"]
        sound, rate = soundfile.read(data_dir / "recordings" / message["path"], dtype="int16")
        assert ears.hears(sound[rate // 2 : rate * 2], 700.0)
        assert 3.5 < len(sound) / rate < 12.0
        switch.no_faults()
