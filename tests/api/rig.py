"""Everything of a switch but its sockets: a real core and a real store under the HTTP API."""

import asyncio
import random
from pathlib import Path

import httpx
import pytest

from softswitch.acd.model import CallbackSettings, QueueSettings
from softswitch.api.app import create_app
from softswitch.kernel.errors import LocalError
from softswitch.services.alarms import Alarms
from softswitch.services.keeper import Keeper
from softswitch.services.live_settings import LiveSettings
from softswitch.services.recording_helper import Helper
from softswitch.services.recordings import Recordings
from softswitch.services.reporting import Reporter
from softswitch.services.store import Store
from softswitch.shell.bus import Bus
from softswitch.shell.clock import start_clock
from softswitch.shell.core import make_switch
from softswitch.shell.driver import Driver
from softswitch.shell.gate import Gate
from softswitch.shell.live_changes import LiveChanges
from softswitch.shell.operator import Counters, Operator
from softswitch.shell.saving import Saver
from softswitch.shell.security import SecurityLog
from softswitch.shell.trace import Trace
from softswitch.sip.flow import Flow
from softswitch.switch.events import Reported, Security
from softswitch.switch.settings import Agent, Phone, Route, Server, Settings, Voicemail
from softswitch.wire.control import Command, Ready, Slot

TOKEN = "t0ken-of-the-test"
INVITE = (
    b"INVITE sip:%s@pbx SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK%d\r\n"
    b"From: <sip:1002@pbx>;tag=1\r\nTo: <sip:x@pbx>\r\nCall-ID: invite-%d\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
    b"Contact: <sip:1002@127.0.0.1:5070>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s"
)
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    b"a=rtpmap:8 PCMA/8000\r\n"
)
SETTINGS = Settings(
    server=Server(name="hq"),
    phones={"1001": Phone(password="correct-horse"), "1002": Phone(contact="sip:127.0.0.1:5070")},
    agents={"alice": Agent(phone="1001", name="Alice A."), "bob": Agent(phone="1002")},
    queues={"support": QueueSettings(agents=("alice", "bob"), callback=CallbackSettings())},
    routes=(Route(number="100", to="queue:support"), Route(number="600", to="conference:team")),
    voicemail={"office": Voicemail()},
)


class Here:
    """Addressing of a switch on loopback."""

    def signalling(self, flow: Flow) -> tuple[str, int]:
        return "127.0.0.1", 5060

    def media(self, remote_host: str) -> str:
        return "127.0.0.1"

    def source(self, remote_host: str) -> str:
        return "127.0.0.1"

    def reliable(self, flow: Flow) -> Flow | None:
        return None


class Wire:
    """Takes what the switch sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, flow: Flow, data: bytes) -> None:
        self.sent.append(data)


class Media:
    """Takes commands and says nothing."""

    def send(self, commands: tuple[Command, ...]) -> None:
        pass


class Rig:
    """Everything but sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drained = 0
        self.told: list[Security] = []
        self.reload_result: list[str] | LocalError = []
        self.wire = Wire()
        self.calls = 0

    async def start(self) -> None:
        self.store = await Store.open("sqlite", self.folder, alarm=pytest.fail)
        self.clock = start_clock()
        bus = Bus()
        switch = await make_switch(SETTINGS, Here(), random.Random(1), self.clock(), self.store)
        saver = Saver(self.store, bus)
        self.driver = Driver(switch, asyncio.get_running_loop(), self.clock, Trace(), saver, random.Random(2))
        self.driver.udp[0] = self.wire
        self.driver.media[0] = Media()
        self.driver.start()
        self.recordings = self.folder / "recordings"
        self.alarms = Alarms(lambda level, event, fields: None)
        self.helper = Helper()
        recordings = Recordings(self.recordings)
        self.keeper = Keeper(
            *(self.store, recordings, self.helper, self.alarms, SETTINGS),
            clock=self.clock,
            live=frozenset,
            allow=lambda refusal: None,
            tell=saver,
            say=lambda level, event, fields: None,
        )
        gate = Gate(SETTINGS, lambda host: switch.desk.knows(host, self.clock()), self.clock, self._told)
        security = SecurityLog("", self.folder, self.alarms, self.clock)
        self.operator = Operator(
            switch.desk,
            self.driver,
            self.store,
            recordings,
            bus,
            self.keeper,
            self.alarms,
            reload=self.reload,
            drain=self.drain,
            counters=lambda: Counters(*range(15)),
            settings=lambda: SETTINGS,
            certificate=lambda: None,
            gate=gate,
            security=security,
            reporter=Reporter("sqlite", self.folder),
            live=LiveChanges(
                LiveSettings(SETTINGS),
                switch.desk,
                self.driver.give,
                self.clock,
                load=lambda: SETTINGS,
                took=lambda settings: None,
                flush=self.store.writer.flush,
            ),
        )
        transport = httpx.ASGITransport(create_app(self.operator, TOKEN))
        self.stranger = httpx.AsyncClient(transport=transport, base_url="http://switch")
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://switch", headers={"Authorization": f"Bearer {TOKEN}"}
        )

    def _told(self, event: Security) -> None:
        self.told.append(event)

    async def close(self) -> None:
        await self.http.aclose()
        await self.stranger.aclose()
        self.driver.stop()
        await self.helper.close()
        await self.store.close()

    async def reload(self) -> list[str]:
        if isinstance(self.reload_result, LocalError):
            raise self.reload_result
        return self.reload_result

    def drain(self) -> None:
        self.drained += 1

    def media_up(self) -> None:
        ready = Ready(1, 4711, "epoll", ("PCMA", "PCMU"), tuple(Slot(n, 30000 + 2 * n) for n in range(8)), 8)
        self.driver.give(Reported(0, (ready,)))

    def dial(self, number: bytes) -> None:
        """Phone 1002 calls; the queue's agents are logged out, so the call waits."""
        self.calls += 1
        self.driver.datagram(INVITE % (number, self.calls, self.calls, len(SDP), SDP), Flow("udp", ("127.0.0.1", 5070)))
        self.driver.batch_done()
