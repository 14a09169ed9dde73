"""A survey after a call through the running switch: prompts are heard, keys count, and the message is what was said."""

import asyncio
import json
from pathlib import Path
from random import Random

import soundfile

from softswitch.demo import ears
from softswitch.demo.phone import Account, Phone, PhoneCall
from softswitch.demo.stream import Metronome
from tests.interop import callers
from tests.interop.switch_process import PATIENCE, SwitchProcess, running_switch, wait_until

TABLES = """
[phones.1001]
password = "a-long-enough-secret"
[phones.1003]
password = "yet-another-secret-1"
[agents.anna]
phone = "1001"
logged_in = true
[queues.support]
agents = ["anna"]
survey = "after"
[surveys.after]
questions = [{ kind = "csat" }, { kind = "nps" }, { kind = "voice", seconds = 10 }]
[[routes]]
from = "phone:*"
number = "100"
to = "queue:support"
"""


async def told(switch: SwitchProcess, kind: str, times: int) -> None:
    """Until the ledger says it."""
    async with asyncio.timeout(PATIENCE):
        while len((await asyncio.to_thread(switch.get, "ledger", kind=kind))["items"]) < times:
            await asyncio.sleep(0.05)


async def play(switch: SwitchProcess) -> None:
    metronome, dice = Metronome(), Random(1)

    async def take(call: PhoneCall) -> None:
        call.answer()
        await asyncio.sleep(1.0)
        call.hang_up()

    def phone(user: str, password: str, **more: object) -> Phone:
        account = Account(user, password, "pbx.test", (switch.host, switch.port))
        return Phone(account, metronome, dice, **more)  # type: ignore[arg-type]

    agent = phone("1001", "a-long-enough-secret", on_call=take)
    caller = phone("1003", "yet-another-secret-1")
    try:
        await agent.register()
        await caller.register()
        call = caller.dial("100")
        assert await call.answered(PATIENCE)
        await told(switch, "survey.asked", 1)
        await callers.until_status(switch, lambda live: not live["recordings"])  # the talk's
        await callers.spoken_to(call)  # the question
        call.stream.press("4")
        await told(switch, "survey.answer", 1)
        await callers.spoken_to(call)
        call.stream.press("*")
        await told(switch, "survey.answer", 2)
        await callers.spoken_to(call)
        call.stream.press("0")  # the question about the message is known
        await callers.record(switch, call, 700.0, 2.5)
        call.stream.press("#")
        assert await call.ended(PATIENCE), "the switch says good-bye and hangs up"
    finally:
        await caller.close()
        await agent.close()


def test_keys_and_a_message(tmp_path: Path) -> None:
    with running_switch(tmp_path, TABLES) as switch:
        asyncio.run(play(switch))
        switch.calls_over()

        def ended() -> list[dict[str, object]]:
            items: list[dict[str, object]] = switch.get("ledger", kind="survey.ended")["items"]
            return items

        (fact,) = wait_until("the end of the survey", ended)
        assert fact["data"] == {"survey": "after", "answers": 3, "completed": True, "cause": "completed"}
        answers = [entry["data"] for entry in switch.get("ledger", kind="survey.answer")["items"]]
        assert [(answer["kind"], answer.get("value")) for answer in answers] == [
            ("csat", 4),
            ("nps", 10),
            ("voice", None),
        ]
        rows = {row["of"]: row for row in switch.get("reports/surveys")["rows"]}
        assert set(rows) == {"survey after", "queue support", "agent anna"}
        assert (rows["agent anna"]["csat"], rows["agent anna"]["nps"]) == (100.0, 100.0)
        sound, rate = soundfile.read(switch.data_dir / "recordings" / answers[2]["recording"], dtype="int16")
        assert ears.hears(sound[rate:], 700.0), json.dumps(answers)
        assert len(sound) / rate > 2.0
        switch.no_faults()
