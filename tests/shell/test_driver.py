"""The driver with a small real core: effects are performed, the timer follows the deadline, faults do not kill."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from softswitch.kernel.clock import Instant
from softswitch.shell.clock import start_clock
from softswitch.shell.driver import Driver
from softswitch.shell.endpoint import Endpoint, bind
from softswitch.shell.resolver import Resolver
from softswitch.shell.trace import Trace
from softswitch.shell.udp import UdpListener
from softswitch.sip.flow import Flow, Send
from softswitch.switch.events import (
    Arrived,
    AskHook,
    Drain,
    Drained,
    Effect,
    FlowFailed,
    Log,
    MediaLost,
    RemoveFile,
    Reported,
    Save,
    SwitchEvent,
    ToMedia,
)
from softswitch.wire.control import AskInventory, Command, Digit
from softswitch.wire.sip import Request, Response, parse

OPTIONS = (
    b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\n"
    b"To: <sip:a@127.0.0.1>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Echo:
    """Answers requests with 200, breaks on BREAK, wakes when told to."""

    def __init__(self) -> None:
        self.due: Instant | None = None
        self.woken: list[Instant] = []
        self.events: list[SwitchEvent] = []
        self.after: list[Effect] = []

    def start(self, now: Instant) -> list[Effect]:
        return [Log("info", "started", {"password": "hunter2"})]

    def receive(self, event: SwitchEvent, now: Instant) -> list[Effect]:
        self.events.append(event)
        if isinstance(event, Arrived):
            assert isinstance(event.message, Request)
            if event.message.method == "BREAK":
                raise RuntimeError("broken core")
            return [Send(event.flow, Response.to_request(event.message, 200).to_bytes())]
        if isinstance(event, Drain):
            return [Drained(now)]
        return self.after

    def wake(self, now: Instant) -> list[Effect]:
        self.woken.append(now)
        self.due = None
        return []

    def deadline(self) -> Instant | None:
        return self.due


class Rig:
    def __init__(self) -> None:
        self.core = Echo()
        self.saved: list[object] = []
        self.loop = asyncio.get_running_loop()
        self.resolver = Resolver(self.loop)
        self.driver = Driver(self.core, self.loop, start_clock(), Trace(), self.saved.append, random.Random(1))
        self.udp = UdpListener(0, bind(Endpoint("udp", "127.0.0.1", 0)), self.loop, self.driver, self.resolver)
        self.driver.udp[0] = self.udp
        self.udp.start()
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind(("127.0.0.1", 0))
        self.phone.settimeout(45)

    async def ask(self, data: bytes) -> bytes:
        self.phone.sendto(data, ("127.0.0.1", self.udp.port))
        return await asyncio.to_thread(self.phone.recv, 65535)

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(45):
            while not what():
                await asyncio.sleep(0.001)

    def close(self) -> None:
        self.driver.stop()
        self.udp.close()
        self.resolver.close()
        self.phone.close()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


async def test_a_message_comes_in_and_its_answer_goes_out(rig: Rig) -> None:
    answer = parse(await rig.ask(OPTIONS))
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert [sent for _, sent, _, _ in rig.driver.trace.snapshot()] == [False, True]


async def test_a_broken_request_is_answered(rig: Rig) -> None:
    """RFC 3261 §8.2, §21.4.1: who can be answered gets 400."""
    answer = parse(await rig.ask(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: 99")))
    assert isinstance(answer, Response)
    assert (answer.status, answer.call_id) == (400, "one")
    assert rig.driver.bad_messages == 1
    assert not rig.core.events


@pytest.mark.parametrize("junk", [b"\0x\0\0", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"])
async def test_junk_is_counted_and_dropped(rig: Rig, junk: bytes) -> None:
    rig.phone.sendto(junk, ("127.0.0.1", rig.udp.port))
    await rig.until(lambda: rig.driver.junk == 1)
    assert parse(await rig.ask(OPTIONS))


async def test_keep_alives_are_answered_and_no_junk(rig: Rig) -> None:
    """RFC 5626 §3.5."""
    for silent in (b"", b"\0\0\0\0", b"\r\n"):
        rig.phone.sendto(silent, ("127.0.0.1", rig.udp.port))
    assert await rig.ask(b"\r\n\r\n") == b"\r\n"
    reply = await rig.ask(bytes.fromhex("000100002112a442") + b"transaction!")
    assert reply[8:20] == b"transaction!"
    assert int.from_bytes(reply[26:28], "big") ^ 0x2112 == rig.phone.getsockname()[1]
    assert rig.driver.junk == rig.driver.bad_messages == 0


async def test_a_broken_ack_is_never_answered(rig: Rig) -> None:
    """RFC 3261 §17.1.1.3."""
    rig.phone.sendto(OPTIONS.replace(b"OPTIONS", b"ACK").replace(b"CSeq: 1", b"CSeq: x"), ("127.0.0.1", rig.udp.port))
    answer = parse(await rig.ask(OPTIONS))
    assert isinstance(answer, Response)
    assert answer.cseq.method == "OPTIONS"


async def test_a_fault_of_the_core_is_logged_and_the_loop_goes_on(rig: Rig) -> None:
    with structlog.testing.capture_logs() as lines:
        rig.phone.sendto(OPTIONS.replace(b"OPTIONS", b"BREAK"), ("127.0.0.1", rig.udp.port))
        answer = parse(await rig.ask(OPTIONS))
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert rig.driver.faults == 1
    assert [line["event"] for line in lines] == ["core.fault"]
    assert "BREAK sip:a@127.0.0.1" in lines[0]["message"]


async def test_the_timer_follows_the_deadline(rig: Rig) -> None:
    now = rig.driver.clock()
    rig.core.due = now + 30.0
    rig.driver.batch_done()
    rig.core.due = now + 0.02  # nearer: armed anew
    rig.driver.batch_done()
    await rig.until(lambda: rig.core.woken)
    assert 0.02 <= rig.core.woken[0] - now < 30.0
    assert len(rig.core.woken) == 1


async def test_a_deadline_that_moved_away_does_not_wake_the_core(rig: Rig) -> None:
    now = rig.driver.clock()
    rig.core.due = now + 0.01
    rig.driver.batch_done()
    rig.core.due = now + 0.06
    await rig.until(lambda: rig.core.woken)
    assert [at - now >= 0.06 for at in rig.core.woken] == [True]


async def test_effects_are_performed(rig: Rig) -> None:
    sent: list[Command] = []

    class Media:
        def send(self, commands: tuple[Command, ...]) -> None:
            sent.extend(commands)

    rig.driver.media[0] = Media()
    rig.core.after = [ToMedia(0, (AskInventory(),)), Save("row"), Log("debug", "quiet"), Log("warning", "loud")]
    with structlog.testing.capture_logs() as lines:
        rig.driver.give(MediaLost(0))
    assert sent == [AskInventory()]
    assert rig.saved == ["row"]
    assert [line["event"] for line in lines] == ["loud"]
    rig.driver.give(Drain())
    assert rig.driver.drained.is_set()


async def test_an_effect_that_fails_does_not_stop_the_next(rig: Rig) -> None:
    rig.core.after = [ToMedia(7, ()), Save("row")]
    with structlog.testing.capture_logs() as lines:
        rig.driver.give(MediaLost(0))
    assert rig.saved == ["row"]
    assert [line["event"] for line in lines] == ["shell.fault"]


async def test_files_are_removed_and_what_cannot_be_is_told(rig: Rig, tmp_path: Path) -> None:
    """One that is there, one that is not, and what is no file."""
    name = tmp_path / "name.wav"
    name.write_bytes(b"RIFF")
    rig.core.after = [RemoveFile(str(name)), RemoveFile(str(name)), RemoveFile(str(tmp_path))]
    with structlog.testing.capture_logs() as lines:
        rig.driver.give(MediaLost(0))
    assert not name.exists()
    assert [(line["event"], line["path"]) for line in lines] == [("file stays", str(tmp_path))]


async def test_a_fault_tells_no_secret(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of services, typed digits, keys of media."""
    monkeypatch.setitem(rig.driver._do, AskHook, _broken)
    rig.core.after = [AskHook(1, "http://127.0.0.1/", 1.0, b'{"pin":"4711"}', "SECRET")]
    with structlog.testing.capture_logs() as lines:
        rig.driver.give(MediaLost(0))
        monkeypatch.setattr(rig.core, "receive", _broken)
        rig.driver.give(Reported(0, (Digit(3, "7", 100, "rfc4733"),)))
    assert [(line["event"], line.get("effect", line.get("at"))) for line in lines] == [
        ("shell.fault", "AskHook"),
        ("core.fault", "Reported"),
    ]


def _broken(*_: object) -> None:
    raise RuntimeError("broken")


async def test_a_transport_that_is_not_there_fails_the_flow(rig: Rig) -> None:
    flow = Flow("wss", ("127.0.0.1", 443))
    rig.core.after = [Send(flow, b"x")]
    rig.driver.give(MediaLost(0))
    rig.core.after = []
    await rig.until(lambda: FlowFailed(flow) in rig.core.events)


async def test_ten_thousand_fuzzed_datagrams(rig: Rig) -> None:
    """Garbage gives an answer or silence, and nothing else: no fault, no crash."""
    dice = random.Random(7)
    for _ in range(200):
        for _ in range(50):
            data = bytearray(OPTIONS)
            for _ in range(dice.randrange(1, 8)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            rig.driver.datagram(bytes(data), Flow("udp", ("127.0.0.1", rig.phone.getsockname()[1])))
        await asyncio.sleep(0)
        rig.phone.setblocking(False)
        try:
            while True:
                rig.phone.recv(65535)
        except BlockingIOError:
            rig.phone.settimeout(45)
    assert rig.driver.faults == 0
    assert rig.driver.messages_in + rig.driver.bad_messages + rig.driver.junk == 10_000
