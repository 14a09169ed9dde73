"""Lamps in SIPp, message waiting in baresip; a mailbox opened by telephone, its sound measured."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from softswitch.demo import ears
from softswitch.demo.phone import Account, Phone, PhoneCall
from softswitch.demo.stream import Metronome
from tests.interop import callers, sipp
from tests.interop.baresip import Baresip
from tests.interop.scenario import Scenario
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, running_switch, wait_until

TABLES = """
[phones.1001]
password = "a-long-enough-secret"
[phones.1002]
password = "yet-another-secret-1"
mailbox = "office"
[phones.1003]
password = "one-more-secret-word"
mailbox = "office"
[voicemail.office]
silence = 0
pin = "4321"
[[routes]]
from = "phone:*"
number = "800"
to = "voicemail:office"
"""
PASSWORDS = {"1001": "a-long-enough-secret", "1002": "yet-another-secret-1", "1003": "one-more-secret-word"}


@contextlib.asynccontextmanager
async def phones(switch: SwitchProcess, *names: str, on_call: Any = None) -> AsyncIterator[list[Phone]]:
    """Our own phones, registered."""
    metronome, dice = Metronome(), Random(1)
    made = []
    for name in names:
        account = Account(name, PASSWORDS[name], "pbx.test", (switch.host, switch.port))
        made.append(Phone(account, metronome, dice, on_call=on_call))
    try:
        for phone in made:
            await phone.register()
        yield made
    finally:
        for phone in made:
            await phone.close()


async def leave_message(switch: SwitchProcess, phone: Phone, pitch: float) -> None:
    call = phone.dial("800")
    assert await call.answered(PATIENCE)
    await callers.spoken_to(call)
    call.stream.press("1")  # the greeting is known
    await callers.record(switch, call, pitch, 3.0)
    call.hang_up()
    await callers.until_status(switch, lambda live: not live["legs"])


async def talk_once(switch: SwitchProcess, lamp: sipp.Sipp) -> None:
    """Each state for as long as the lamp needs to show it."""

    async def shown(state: str) -> None:
        await callers.until(lambda: f"<state>{state}</state>" in trace(lamp))

    async def take(call: PhoneCall) -> None:
        call.ring()
        await shown("early")
        call.answer()

    async with phones(switch, "1001", "1002", on_call=take) as (caller, _):
        call = caller.dial("1002")
        assert await call.answered(PATIENCE)
        await shown("confirmed")
        call.hang_up()
        await shown("terminated")


@pytest.mark.interop
def test_a_lamp_in_sipp(tmp_path: Path) -> None:
    """SUBSCRIBE, challenge, 200, NOTIFY; ring, talk and end of a call; unsubscribed with a last NOTIFY."""
    sipp.need("sipp")
    with running_switch(tmp_path, TABLES) as switch:
        script = Scenario("lamp").subscribe("1003", "1002").receive(401)
        script.subscribe("1003", "1002", PASSWORDS["1003"])
        # A challenge is stateless: it comes again when the request that it answers was repeated.
        script.receive(401, optional=True).receive(200).notified(4)
        script.subscribe("1003", "1002", expires=0, within=True).receive(401)
        script.subscribe("1003", "1002", PASSWORDS["1003"], expires=0, within=True)
        script.receive(401, optional=True).receive(200).notified(1)
        lamp = sipp.start(
            script.xml(), directory=tmp_path, name="lamp", port=free_port(), to=f"{switch.host}:{switch.port}",
            calls=1, trace=True,
        )  # fmt: skip
        try:
            wait_until("the first NOTIFY", lambda: "NOTIFY" in trace(lamp))
            asyncio.run(talk_once(switch, lamp))
            report = lamp.wait()
        finally:
            lamp.end()
        assert (report.successful, report.failed) == (1, 0), report.errors
        told = [text for _, way, text in lamp.messages() if way == "received" and text.startswith("NOTIFY")]
        states = [part.partition("</state>")[0] for text in told for part in text.split("<state>")[1:]]
        assert states == ["early", "confirmed", "terminated"]
        assert "terminated;reason=timeout" in told[-1]
        switch.no_faults()


def trace(one: sipp.Sipp) -> str:
    path = one.directory / f"{one.name}-messages.log"
    return path.read_text(errors="replace") if path.exists() else ""


@pytest.mark.interop
def test_message_waiting_in_baresip(tmp_path: Path) -> None:
    """It subscribes by itself (RFC 3842), and shows the message that comes."""
    with running_switch(tmp_path, TABLES) as switch:
        phone = Baresip(switch, "1002", PASSWORDS["1002"], 440.0, tmp_path, modules=("mwi",), parameters=";mwi=yes")
        try:
            first = phone.expect("MWI_NOTIFY")
            assert "Voice-Message: 0/0" in first["param"]

            async def message() -> None:
                async with phones(switch, "1001") as (caller,):
                    await leave_message(switch, caller, 700.0)

            asyncio.run(message())
            second = phone.expect("MWI_NOTIFY")
            assert "Messages-Waiting: yes" in second["param"]
            assert "Voice-Message: 1/0" in second["param"]
        finally:
            phone.close()
        (box,) = switch.get("mailboxes")["items"]
        assert (box["new"], box["old"]) == (1, 0)
        switch.no_faults()


async def listen_to_it(switch: SwitchProcess) -> None:
    async with phones(switch, "1001", "1002") as (caller, owner):
        await leave_message(switch, caller, 700.0)
        call = owner.dial("*97")
        assert await call.answered(PATIENCE)
        await callers.spoken_to(call)  # the counts
        call.stream.press("1")
        await callers.hears(call, 700.0)  # who and when are said before
        box = lambda: switch.get("mailboxes")["items"][0]  # noqa: E731
        async with asyncio.timeout(PATIENCE):
            while (await asyncio.to_thread(box))["new"]:  # heard to its end
                await asyncio.sleep(0.1)
        assert (box()["new"], box()["old"]) == (0, 1)
        call.stream.press("*")
        await asyncio.sleep(0.6)
        call.stream.press("0")  # a greeting of one's own
        await asyncio.sleep(0.6)
        call.stream.press("1")
        await asyncio.sleep(1.0)
        call.stream.say(ears.voice(1100.0))
        await asyncio.sleep(2.5)
        call.stream.press("#")
        call.stream.say(None)
        await callers.hears(call, 1100.0)
        call.stream.press("1")
        await asyncio.sleep(1.0)
        call.stream.press("#")
        assert await call.ended(PATIENCE)
        again = caller.dial("800")
        assert await again.answered(PATIENCE)
        await callers.hears(again, 1100.0)
        again.hang_up()


@pytest.mark.interop
def test_a_mailbox_by_telephone(tmp_path: Path) -> None:
    """The message that is heard is the one that was left; the greeting that callers hear is the owner's; deleted, the
    recording is gone."""
    with running_switch(tmp_path, TABLES) as switch:
        asyncio.run(listen_to_it(switch))
        switch.calls_over()
        (message,) = switch.get("mailboxes/office/messages")["items"]
        file = switch.data_dir / "recordings" / message["path"]
        assert file.exists()
        gone = switch.api.delete("/api/v1/mailboxes/office/messages", params={"path": message["path"]})
        assert gone.status_code == 202
        wait_until("the end of the recording", lambda: not file.exists())
        assert switch.get("mailboxes/office/messages")["total"] == 0
        switch.no_faults()
