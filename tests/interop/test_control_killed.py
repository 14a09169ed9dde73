"""`kill -9` of the control process under live calls; the supervisor starts another. Media goes on meanwhile."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import soundfile

from softswitch.demo import ears
from softswitch.demo.phone import Account, CallState, Phone, PhoneCall
from softswitch.demo.stream import Metronome, RtpStream
from softswitch.services.call_journal import FILE, read
from softswitch.sip.offer_answer import Capabilities, make_offer
from softswitch.wire.sip import Request, Response, Stream
from tests.interop import callers
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, running_switch, wait_until

LATE = 10  # packets that may be on their way, or lost by a busy machine
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

    async def until(self, what: str, test: Callable[[], object], seconds: float = PATIENCE) -> None:
        """`test` runs beside the loop: the phones speak on while it waits for an answer."""
        for _ in range(int(seconds / 0.05)):
            if await asyncio.to_thread(test):
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

        await self.until("another control process", serves)

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
                assert await call.answered(PATIENCE), (call.status, call.state, call.ended_by)
            ringing = caller.dial("1002")
            await people.until("journal", lambda: journalled(switch) == 3)
            await people.until("ledger", lambda: switch.get("ledger", limit=50)["items"])
            await people.until("the database", lambda: not switch.status()["counters"]["rows_waiting"])
            await people.kill_control()
            for call in calls:
                assert await call.ended(PATIENCE)
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
        wait_until("an empty journal", lambda: journalled(switch) == 0, PATIENCE)
        switch.nothing_left(transactions=False)


@dataclass
class Talk:
    """Two who hum to each other, each its own pitch."""

    people: People
    near: PhoneCall
    far: PhoneCall
    pitches: tuple[float, float]

    def speak(self) -> None:
        for call, pitch in zip((self.near, self.far), self.pitches, strict=True):
            call.stream.say(ears.voice(pitch))

    def counts(self) -> list[tuple[int, int]]:
        """Packets that each has sent and received."""
        return [(call.stream.sent, call.stream.received) for call in (self.near, self.far)]

    async def heard_all(self, before: list[tuple[int, int]], since: float) -> None:
        """What one has sent the other has heard, but for what is on its way; and it was the voice."""
        with contextlib.suppress(TimeoutError):
            await self.people.until("all that was said", lambda: self._missing(before) <= LATE)
        assert self._missing(before) <= LATE, (before, self.counts())
        assert self.near.stream.sent - before[0][0] > 50
        assert ears.hears(self.far.stream.heard(since=since), self.pitches[0])
        assert ears.hears(self.near.stream.heard(since=since), self.pitches[1])

    def _missing(self, before: list[tuple[int, int]]) -> int:
        """Packets, of the direction that lacks more."""
        now = self.counts()
        (near_sent, near_heard), (far_sent, far_heard) = (
            (sent - was_sent, heard - was_heard)
            for (sent, heard), (was_sent, was_heard) in zip(now, before, strict=True)
        )
        return max(near_sent - far_heard, far_sent - near_heard)


async def hold(phone: Phone, call: PhoneCall, held: bool, version: int) -> None:
    """The phone puts the other side on hold by re-INVITE, or takes it back."""
    capable = Capabilities(("PCMA", "PCMU"), True, phone.address, call.stream.port)
    call.description = make_offer(capable, 77, version, hold=held)
    phone.run(phone.agent.reinvite(call.session, call.description, phone.now()))


def test_two_who_talk_go_on_talking(tmp_path: Path) -> None:
    """A phone calls a phone, another a queue that records: no word is lost, hold works afterwards, a BYE from
    either side ends it, and every book says what would have been without the crash."""

    async def play(switch: SwitchProcess) -> tuple[float, list[tuple[int, int]]]:
        """Seconds that the agent talked at least; packets of the queue's call."""
        people = People(switch)
        taken: list[PhoneCall] = []

        async def take(call: PhoneCall) -> None:
            call.answer()
            taken.append(call)

        try:
            anna = await people.phone("1001", "a-long-enough-secret", on_call=take)
            await people.phone("1002", "another-long-secret", on_call=take)
            caller = await people.phone("1003", "yet-another-secret-1")
            talks: list[Talk] = []
            for number, pitches in (("1002", (400.0, 1100.0)), ("100", (500.0, 1300.0))):
                call = caller.dial(number)
                assert await call.answered(PATIENCE)
                await people.until("the other side", lambda: len(taken) > len(talks))
                talks.append(Talk(people, call, taken[-1], pitches))
                talks[-1].speak()
            await people.until("journal", lambda: journalled(switch) == 2)
            await people.until("a state", lambda: switch.get("agents")["items"][0]["state"] == "talking")
            talking = asyncio.get_running_loop().time()
            for talk in talks:
                await people.until("sound", lambda talk=talk: all(heard > 20 for _, heard in talk.counts()))
            await asyncio.sleep(0.4)  # a recording was begun, and that is in the journal, too
            began, before = asyncio.get_running_loop().time(), [talk.counts() for talk in talks]
            await people.kill_control()
            assert len((await asyncio.to_thread(switch.get, "calls"))["items"]) == 2
            assert (await asyncio.to_thread(switch.get, "agents"))["items"][0]["state"] == "talking"
            await asyncio.sleep(1.0)
            for talk, was in zip(talks, before, strict=True):
                await talk.heard_all(was, began)
            plain, queued = talks
            await hold(caller, plain.near, True, 2)
            await people.until("hold", lambda: states(switch, "1002") == ["held", "talking"])
            await hold(caller, plain.near, False, 3)
            await people.until("retrieval", lambda: states(switch, "1002") == ["talking", "talking"])
            await callers.hears(plain.far, plain.pitches[0])
            plain.near.hang_up()
            assert await plain.far.ended(PATIENCE)
            talked = asyncio.get_running_loop().time() - talking
            queued.far.hang_up()
            assert await queued.near.ended(PATIENCE)
            assert anna.calls == {}
            return talked, [(call.stream.sent, call.stream.received) for call in (queued.near, queued.far)]
        finally:
            await people.close()

    with running_switch(tmp_path, TABLES) as switch:
        talked, counts = asyncio.run(play(switch))
        records = {row["called"]: row for row in switch.records(2)}
        assert {row["outcome"] for row in records.values()} == {"answered"}
        assert [records[number]["hung_up_by"] for number in ("1002", "100")] == ["caller", "callee"]
        assert records["1002"]["hold_seconds"] > 0.0
        queued = records["100"]
        assert (queued["queue"], queued["agent"]) == ("support", "anna")
        assert queued["talk_seconds"] >= talked, "as if nothing had happened"
        for leg, (sent, _) in zip(queued["legs"], counts, strict=True):
            assert sent - 2 * LATE <= leg["received"] <= sent
        sound, rate = soundfile.read(switch.data_dir / "recordings" / queued["recording"], dtype="int16")
        assert len(sound) / rate > queued["talk_seconds"] - 1.0  # from before the crash to the end
        middle = sound[len(sound) // 4 : 3 * len(sound) // 4]
        assert ears.hears(middle[:, 0], 500.0)
        assert ears.hears(middle[:, 1], 1300.0)
        (row,) = switch.get("reports/queues")["rows"]
        assert (row["offered"], row["answered"], row["lost"]) == (1, 1, 0)
        recovery = switch.status()["recovery"]
        assert (recovery["adopted"], recovery["ended"], recovery["waiting"]) == (2, 0, 0)
        wait_until("an empty journal", lambda: journalled(switch) == 0, PATIENCE)
        switch.nothing_left(transactions=False)


class Carrier:
    """A carrier that speaks TCP: one connection of its own to the switch, and a port that takes others."""

    def __init__(self, switch: SwitchProcess, host: str, port: int) -> None:
        self.switch, self.host, self.port = switch, host, port
        self.came: asyncio.Queue[tuple[Request | Response, str]] = asyncio.Queue()
        self.media = RtpStream(Metronome(), host, Random(5))
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(lambda r, w: self._read(r, w, "new"), self.host, self.port)
        reader, self._writer = await asyncio.open_connection(
            self.switch.host, self.switch.port, local_addr=(self.host, 0)
        )
        self._tasks.append(asyncio.ensure_future(self._read(reader, self._writer, "own")))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, by: str) -> None:
        self._writers.append(writer)
        stream = Stream()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for message in stream.feed(data):
                    if isinstance(message, Request) and message.method != "ACK":
                        writer.write(Response.to_request(message, 200).to_bytes())
                    if isinstance(message, Request | Response):
                        self.came.put_nowait((message, by))

    def _request(self, method: str, number: str, call_id: str, cseq: int, to: str, body: bytes = b"") -> bytes:
        branch = f"z9hG4bK{call_id}{cseq}{method}"
        rows = (
            f"{method} sip:{number}@{self.switch.host}:{self.switch.port};transport=tcp SIP/2.0",
            f"Via: SIP/2.0/TCP {self.host}:{self.port};branch={branch}",
            "Max-Forwards: 70", f"From: <sip:+37061234567@{self.host}>;tag={call_id}", f"To: {to}",
            f"Call-ID: {call_id}", f"CSeq: {cseq} {method}",
            f"Contact: <sip:carrier@{self.host}:{self.port};transport=tcp>",
            *(("Content-Type: application/sdp",) if body else ()), f"Content-Length: {len(body)}",
        )  # fmt: skip
        return "\r\n".join((*rows, "", "")).encode() + body

    async def call(self, number: str, call_id: str) -> None:
        """Until it is answered, and acknowledged."""
        assert self._writer is not None
        offer = make_offer(Capabilities(("PCMA",), False, self.host, self.media.port), 1, 1)
        to = f"<sip:{number}@{self.switch.host}>"
        self._writer.write(self._request("INVITE", number, call_id, 1, to, offer))
        while True:
            message, _ = await asyncio.wait_for(self.came.get(), 20.0)
            if isinstance(message, Response) and message.call_id == call_id and message.status >= 200:
                assert message.status == 200
                self._writer.write(self._request("ACK", number, call_id, 1, message.headers.get("To") or ""))
                return

    async def bye(self, call_id: str) -> tuple[Request, str]:
        """The switch's BYE for that call, and whether it came by the carrier's `own` connection or by a `new` one."""
        while True:
            message, by = await asyncio.wait_for(self.came.get(), 30.0)
            if isinstance(message, Request) and (message.method, message.call_id) == ("BYE", call_id):
                return message, by

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        self.media.close()


def test_a_carrier_on_tcp_is_reached_by_a_new_connection(tmp_path: Path) -> None:
    """RFC 3261 §18.1.1: the old one died with control. One call is ended, one goes on until its phone hangs up."""
    host, port = "127.0.0.5", free_port("127.0.0.5")
    trunk = f"""
[trunks.carrier]
address = "sip:{host}:{port};transport=tcp"
options_seconds = 0
[[routes]]
from = "trunk:carrier"
number = "301"
to = "answer:"
[[routes]]
from = "trunk:carrier"
number = "302"
to = "phone:1002"
"""

    async def play(switch: SwitchProcess) -> None:
        people, carrier = People(switch), Carrier(switch, host, port)
        taken: list[PhoneCall] = []

        async def take(call: PhoneCall) -> None:
            call.answer()
            taken.append(call)

        try:
            await people.phone("1002", "another-long-secret", on_call=take)
            await carrier.start()
            await carrier.call("301", "ends")
            await carrier.call("302", "goes-on")
            await people.until("journal", lambda: journalled(switch) == 2)
            await people.kill_control()
            bye, by = await carrier.bye("ends")
            assert by == "new"
            assert "cause=41" in (bye.headers.get("Reason") or "")
            assert taken[0].state is CallState.TALKING
            taken[0].hang_up()
            _, by = await carrier.bye("goes-on")
            assert by == "new"
        finally:
            await carrier.close()
            await people.close()

    with running_switch(tmp_path, TABLES + trunk) as switch:
        asyncio.run(play(switch))
        assert {row["called"]: row["outcome"] for row in switch.records(2)} == {
            "301": "interrupted",
            "302": "answered",
        }
        switch.nothing_left(transactions=False)


def states(switch: SwitchProcess, called: str) -> list[str]:
    """Of the legs of the call to that number, the caller's first."""
    (call,) = (row for row in switch.get("calls")["items"] if row["called"] == called)
    return [leg["state"] for leg in call["legs"]]


def journalled(switch: SwitchProcess) -> int:
    """Calls that the journal has."""
    return len(read(switch.data_dir / FILE))
