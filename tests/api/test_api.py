"""The HTTP API over a real switch core and a real store, without sockets."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from softswitch.acd.model import CallbackSettings, Fact, QueueSettings
from softswitch.api.app import create_app
from softswitch.kernel.errors import LocalError
from softswitch.services.alarms import Alarms
from softswitch.services.faults import ConfigurationError, Fault
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
from softswitch.shell.live_changes import LiveChanges
from softswitch.shell.operator import Counters, Operator
from softswitch.shell.saving import Saver
from softswitch.shell.trace import Trace
from softswitch.sip.flow import Flow
from softswitch.switch.events import AgentCommand, MediaLost, Reported
from softswitch.switch.quality import quality
from softswitch.switch.records import CallRecord, LegRecord, SavedRecording
from softswitch.switch.settings import Agent, Phone, Route, Server, Settings
from softswitch.wire.control import Command, LegStats, Ready, Slot
from softswitch.wire.sip import parse

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
    routes=(Route(number="100", to="queue:support"),),
)


class Here:
    """Addressing of a switch on loopback."""

    def signalling(self, flow: Flow) -> tuple[str, int]:
        return "127.0.0.1", 5060

    def media(self, remote_host: str) -> str:
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
            counters=lambda: Counters(*range(12)),
            settings=lambda: SETTINGS,
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


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    await made.start()
    yield made
    await made.close()


async def test_nothing_without_the_token(rig: Rig) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dDow"}):
        answer = await rig.stranger.get("/api/v1/status", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/metrics", "/api/v1/calls", "/api/v1/events", "/api/v1/recordings/x.wav", "/api/v1/trace/x"):
        assert (await rig.stranger.get(path)).status_code == 401
    assert (await rig.stranger.post("/api/v1/drain")).status_code == 401
    assert rig.drained == 0


async def test_every_route_but_health_and_the_description_needs_the_token(rig: Rig) -> None:
    description = (await rig.stranger.get("/openapi.json")).json()
    assert description["info"]["title"] == "softswitch"
    for path, operations in description["paths"].items():
        for method in operations:
            url = path.replace("{verb}", "login").replace("{", "").replace("}", "").replace(":path", "")
            answer = await rig.stranger.request(method, url)
            assert (answer.status_code == 401) is (path != "/health"), path


async def test_health_follows_media_and_draining(rig: Rig) -> None:
    assert (await rig.stranger.get("/health")).status_code == 503
    rig.media_up()
    assert (await rig.stranger.get("/health")).json() == {"status": "ok"}
    rig.driver.give(MediaLost(0))
    assert (await rig.stranger.get("/health")).status_code == 503


async def test_status(rig: Rig) -> None:
    rig.media_up()
    status = (await rig.http.get("/api/v1/status")).json()
    assert (status["name"], status["calls"], status["draining"]) == ("hq", 0, False)
    assert status["workers"][0]["pid"] == 4711
    assert set(status["live"].values()) == {0}
    assert status["counters"]["messages_in"] == 0


async def test_a_live_call_is_seen_traced_and_hung_up(rig: Rig) -> None:
    rig.media_up()
    rig.dial(b"*43")  # the echo test of the feature codes
    page = (await rig.http.get("/api/v1/calls")).json()
    assert page["total"] == 1
    call = page["items"][0]
    assert call["source"] == "phone:1002"
    assert (await rig.http.get(f"/api/v1/calls/{call['id']}")).json()["id"] == call["id"]
    rows = (await rig.http.get(f"/api/v1/trace/{call['id']}")).json()
    assert next((row["sent"], row["method"]) for row in rows) == (False, "INVITE")
    assert (await rig.http.get("/api/v1/trace/invite-1")).json() == rows
    answer = await rig.http.delete(f"/api/v1/calls/{call['id']}")
    assert answer.status_code == 202
    assert (await rig.http.get("/api/v1/calls")).json() == {"items": [], "total": 0}
    last = parse(rig.wire.sent[-1])
    assert last.call_id == "invite-1"


async def test_what_is_not_there_is_404(rig: Rig) -> None:
    for method, path in (
        ("GET", "/api/v1/calls/nope"),
        ("DELETE", "/api/v1/calls/nope"),
        ("GET", "/api/v1/agents/nope"),
        ("POST", "/api/v1/agents/nope/login"),
        ("GET", "/api/v1/why/calls/nope"),
        ("GET", "/api/v1/why/agents/nope"),
        ("GET", "/api/v1/records/nope"),
        ("GET", "/api/v1/recordings/nope.wav"),
        ("GET", "/api/v1/trace/nope"),
        ("GET", "/api/v1/nope"),
    ):
        answer = await rig.http.request(method, path)
        assert answer.status_code == 404, path
        assert answer.json()["detail"]


async def test_an_agent_is_logged_in_paused_and_logged_out(rig: Rig) -> None:
    async def order(verb: str, **body: str) -> dict[str, object]:
        answer = await rig.http.post(f"/api/v1/agents/bob/{verb}", json=body or None)
        assert answer.status_code == 200, answer.text
        row: dict[str, object] = answer.json()
        return row

    assert (await order("login"))["state"] == "ready"  # bob's phone has a fixed address
    paused = await order("pause", reason="lunch", by="carol")
    assert (paused["state"], paused["reason"]) == ("paused", "lunch")
    assert (await order("ready"))["state"] == "ready"
    assert (await order("logout"))["state"] == "logged-out"
    await rig.store.writer.flush()
    kinds = [entry["kind"] for entry in (await rig.http.get("/api/v1/ledger?agent=bob")).json()["items"]]
    assert {"agent.login", "agent.pause", "agent.logout"} <= set(kinds)


async def test_why_a_call_waits_and_an_agent_gets_none(rig: Rig) -> None:
    rig.media_up()
    rig.driver.give(AgentCommand("alice", "login"))
    rig.dial(b"100")
    (row,) = (await rig.http.get("/api/v1/calls")).json()["items"]
    (stay,) = (await rig.http.get(f"/api/v1/why/calls/{row['id']}")).json()["stays"]
    assert (stay["queue"], stay["waiting"], stay["position"], stay["offers"]) == ("support", True, 1, [])
    assert [(skip["agent"], skip["reason"]) for skip in stay["skipped"]] == [
        ("alice", "unreachable"),
        ("bob", "logged-out"),
    ]
    story = (await rig.http.get("/api/v1/why/agents/alice")).json()
    assert (story["state"], story["next_call"]) == ("unreachable", row["id"])
    assert [missed["call"] for missed in story["waiting"]] == [row["id"]]


async def test_the_invariants_are_published_and_none_was_broken(rig: Rig) -> None:
    rows = (await rig.http.get("/api/v1/invariants")).json()
    assert {"name": "idle", "text": "no agent is idle while a call waits", "repaired": 0} in rows
    assert not any(row["repaired"] for row in rows)


async def test_wrap_up_and_outcome_are_refused_when_there_is_nothing_to_wrap_up(rig: Rig) -> None:
    for path, body in (("wrap-up", {"seconds": 60}), ("outcome", {"code": "sold"})):
        assert (await rig.http.put(f"/api/v1/agents/bob/{path}", json=body)).status_code == 409
        assert (await rig.http.put(f"/api/v1/agents/nope/{path}", json=body)).status_code == 404
        assert (await rig.http.put(f"/api/v1/agents/bob/{path}", json={})).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/agents/bob/dance"),
        ("GET", "/api/v1/calls?limit=0"),
        ("GET", "/api/v1/calls?offset=-1"),
        ("GET", "/api/v1/records?since=yesterday"),
        ("GET", "/api/v1/records?outcome=sad"),
        ("GET", "/api/v1/ledger?after=x"),
    ],
)
async def test_nonsense_is_422_and_says_where(rig: Rig, method: str, path: str) -> None:
    answer = await rig.http.request(method, path)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"]


async def test_live_lists_have_pages(rig: Rig) -> None:
    first = (await rig.http.get("/api/v1/agents?limit=1")).json()
    second = (await rig.http.get("/api/v1/agents?limit=1&offset=1")).json()
    assert [page["items"][0]["name"] for page in (first, second)] == ["alice", "bob"]
    assert first["total"] == 2
    assert (await rig.http.get("/api/v1/queues")).json()["items"][0]["name"] == "support"
    assert (await rig.http.get("/api/v1/trunks")).json() == {"items": [], "total": 0}
    assert (await rig.http.get("/api/v1/registrations")).json()["total"] == 0


async def test_records_are_filtered_and_paged(rig: Rig) -> None:
    for number in range(5):
        legs = (LegRecord(party="trunk:carrier", call_id=f"sip-{number}", mos=4.3),)
        rig.store.writer.write(
            CallRecord(
                id=f"c{number}",
                started=100.0 + number,
                ended=200.0,
                outcome="answered" if number % 2 else "abandoned",
                queue="support",
                legs=legs,
            )
        )
    rig.store.ledger.append(Fact("queue.entered", 101.0, "c1", "support", data={"position": 1}))
    await rig.store.writer.flush()
    first = (await rig.http.get("/api/v1/records?limit=3")).json()
    assert [row["id"] for row in first["items"]] == ["c4", "c3", "c2"]
    rest = (await rig.http.get(f"/api/v1/records?limit=3&until={first['next']}")).json()
    assert ([row["id"] for row in rest["items"]], rest["next"]) == (["c1", "c0"], None)
    answered = (await rig.http.get("/api/v1/records?outcome=answered")).json()
    assert [row["id"] for row in answered["items"]] == ["c3", "c1"]
    one = (await rig.http.get("/api/v1/records/c1")).json()
    assert one["record"]["legs"][0]["mos"] == 4.3
    assert one["ledger"][0]["data"] == {"position": 1}


async def test_a_recording_is_listed_and_fetched(rig: Rig) -> None:
    path = rig.recordings / "2026-08-01" / "c1.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"RIFF" + bytes(96))
    rig.store.writer.write(SavedRecording("2026-08-01/c1.wav", "c1", 1.0, 2.0, 100))
    await rig.store.writer.flush()
    listed = (await rig.http.get("/api/v1/recordings?call=c1")).json()["items"]
    assert listed[0]["path"] == "2026-08-01/c1.wav"
    answer = await rig.http.get("/api/v1/recordings/2026-08-01/c1.wav")
    assert answer.content == path.read_bytes()
    part = await rig.http.get("/api/v1/recordings/2026-08-01/c1.wav", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")


async def test_a_recording_is_found_and_heard_by_its_call(rig: Rig) -> None:
    """RFC 9110 §14: ranges; the type says what it is. Without the token there is nothing."""
    for call, name, kind in (
        ("c1", "c1.wav", "audio/wav"),
        ("c2", "c2.opus", "audio/ogg"),
        ("c3", "c3.mp3", "audio/mpeg"),
    ):
        (rig.recordings / "d").mkdir(parents=True, exist_ok=True)
        (rig.recordings / "d" / name).write_bytes(bytes(range(100)))
        row = SavedRecording(f"d/{name}", call, 1.0, 2.0, 100, queue=call, caller="+1", format=kind)
        rig.store.writer.write(row)
        await rig.store.writer.flush()
        url = f"/api/v1/recordings/{call}/audio"
        answer = await rig.http.get(url)
        assert (answer.content, answer.headers["Content-Type"]) == (bytes(range(100)), kind)
        part = await rig.http.get(url, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        assert part.headers["Content-Range"] == "bytes 10-19/100"
        assert (await rig.http.get(url, headers={"Range": "bytes=100-"})).status_code == 416
        assert (await rig.stranger.get(url)).status_code == 401
        shown = (await rig.http.get(f"/api/v1/recordings/{call}")).json()["items"]
        assert [(item["path"], item["queue"]) for item in shown] == [(f"d/{name}", call)]
    for query, calls in (
        ("queue=c2", ["c2"]),
        ("number=%2B1&limit=2", ["c1", "c2"]),
        ("held=true", []),
        ("until=1", []),
    ):
        found = (await rig.http.get(f"/api/v1/recordings?{query}")).json()["items"]
        assert sorted(item["call"] for item in found) == calls
    assert (await rig.http.get("/api/v1/recordings/nope/audio")).status_code == 404


async def test_a_recording_is_held_released_and_deleted(rig: Rig) -> None:
    path = rig.recordings / "c1.wav"
    path.parent.mkdir()
    path.write_bytes(bytes(100))
    rig.store.writer.write(SavedRecording("c1.wav", "c1", 1.0, 2.0, 100, "ab" * 32))
    await rig.store.writer.flush()
    held = await rig.http.post("/api/v1/recordings/c1/hold", json={"by": "carol", "reason": "case 12"})
    assert held.json()["items"][0]["held"] == "carol: case 12"
    refused = await rig.http.delete("/api/v1/recordings/c1")
    assert (refused.status_code, path.exists()) == (409, True)
    assert "case 12" in refused.json()["detail"]
    assert (await rig.http.post("/api/v1/recordings/c1/release")).json()["items"][0]["held"] == ""
    answer = await rig.http.request("DELETE", "/api/v1/recordings/c1", json={"by": "carol", "reason": "asked for"})
    assert (answer.status_code, path.exists()) == (200, False)
    assert (await rig.http.get("/api/v1/recordings")).json()["items"] == []
    (gone,) = (await rig.http.get("/api/v1/recordings?deleted=true")).json()["items"]
    assert gone["call"] == "c1"
    assert (await rig.http.delete("/api/v1/recordings/c1")).status_code == 404
    await rig.store.writer.flush()
    entries = (await rig.http.get("/api/v1/ledger?call=c1")).json()["items"]
    assert [entry["data"]["by"] for entry in entries if "by" in entry["data"]] == ["carol", "operator", "carol"]


async def test_only_a_live_recorded_call_can_be_paused(rig: Rig) -> None:
    rig.media_up()
    rig.dial(b"*43")
    (call,) = (await rig.http.get("/api/v1/calls")).json()["items"]
    for verb in ("pause", "resume"):
        assert (await rig.http.post(f"/api/v1/recordings/{call['id']}/{verb}")).status_code == 409
        assert (await rig.http.post(f"/api/v1/recordings/nope/{verb}")).status_code == 404
    assert (await rig.http.post(f"/api/v1/recordings/{call['id']}/dance")).status_code == 422


async def test_a_live_call_is_passed_on(rig: Rig) -> None:
    """In whatever state it is; consultations need somebody who talks with the caller."""
    rig.media_up()
    rig.dial(b"*43")
    (call,) = (await rig.http.get("/api/v1/calls")).json()["items"]

    async def order(**body: str) -> tuple[int, dict[str, str]]:
        answer = await rig.http.post(f"/api/v1/calls/{call['id']}/transfer", json=body)
        return answer.status_code, answer.json()

    for body, status, said in (
        ({"target": "nowhere"}, 422, "is not a target"),
        ({"target": "phone:nobody"}, 422, 'no phone "nobody"'),
        ({"target": "phone:1002", "verb": "consult"}, 409, "nobody talks with the caller"),
        ({"target": "queue:support", "verb": "consult"}, 422, "cannot be consulted"),
        ({"verb": "complete"}, 409, "nobody talks"),
        ({"verb": "dance"}, 422, ""),
    ):
        found, answer = await order(**body)
        assert found == status, body
        assert said in str(answer["detail"])
    found, answer = await order(target="queue:support", by="vera")
    assert (found, answer["state"], answer["queue"]) == (200, "queued", "support")
    nobody = await rig.http.post("/api/v1/calls/nope/transfer", json={"target": "queue:support"})
    assert nobody.status_code == 404


async def test_supervision_is_for_supervisors_and_of_agents_who_talk(rig: Rig) -> None:
    """Refused before anybody is rung."""
    rig.media_up()

    async def order(place: str, **body: object) -> tuple[int, str]:
        answer = await rig.http.post(f"/api/v1/{place}/supervise", json=body)
        return answer.status_code, str(answer.json()["detail"])

    rig.dial(b"*43")
    (call,) = (await rig.http.get("/api/v1/calls")).json()["items"]
    for place, body, status, said in (
        ("agents/nobody", {"phone": "1002"}, 404, "no live call and no agent nobody"),
        ("agents/alice", {"phone": "9999"}, 404, "no phone 9999"),
        ("agents/alice", {"phone": "1002"}, 403, "phone 1002 may not listen alice"),
        ("agents/alice", {"phone": "1002", "mode": "shout"}, 422, ""),
        (f"calls/{call['id']}", {"phone": "1002"}, 409, "no agent talks in call"),
        ("agents/alice", {}, 422, ""),
    ):
        found, detail = await order(place, **body)
        assert (found, said in detail) == (status, True), (place, body, detail)


async def test_alarms_are_in_the_status_and_in_the_metrics(rig: Rig) -> None:
    assert (await rig.http.get("/api/v1/status")).json()["alarms"] == []
    rig.alarms.set("disk", "0.5 GB are free", 100.0)
    assert (await rig.http.get("/api/v1/status")).json()["alarms"] == [
        {"name": "disk", "text": "0.5 GB are free", "since": 100.0}
    ]
    assert 'softswitch_alarm{alarm="disk"} 1.0' in (await rig.http.get("/metrics")).text


@pytest.mark.parametrize("path", ["../softswitch.db", "%2e%2e/softswitch.db", "/etc/passwd", "..%2f..%2fetc/passwd"])
async def test_no_path_leads_out_of_the_recordings(rig: Rig, path: str) -> None:
    rig.recordings.mkdir()
    assert (rig.folder / "softswitch.db").exists()
    assert (await rig.http.get(f"/api/v1/recordings/{path}")).status_code == 404


async def test_reload_and_drain(rig: Rig) -> None:
    rig.reload_result = ["queues.support.wrap_up: 0 → 15"]
    assert (await rig.http.post("/api/v1/reload")).json() == {"changes": rig.reload_result}
    rig.reload_result = ConfigurationError([Fault("config.toml", 3, "queues.support.strategi", "unknown key")])
    refused = await rig.http.post("/api/v1/reload")
    assert refused.status_code == 422
    assert refused.json()["faults"][0]["line"] == 3
    assert (await rig.http.post("/api/v1/drain")).status_code == 202
    assert rig.drained == 1


async def test_metrics_are_prometheus_text(rig: Rig) -> None:
    rig.media_up()
    answer = await rig.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert "softswitch_calls 0.0" in lines
    assert 'softswitch_media_up{worker="0"} 1.0' in lines
    assert 'softswitch_queue_waiting{queue="support"} 0.0' in lines
    assert 'softswitch_agents{state="logged-out"} 2.0' in lines
    assert any(line.startswith("softswitch_core_faults_total") for line in lines)


async def test_metrics_show_how_well_legs_fared(rig: Rig) -> None:
    """Prometheus histograms are cumulative; a leg that was not heard counts nowhere."""
    figures = {
        "received": 98,
        "received_bytes": 0,
        "sent": 9,
        "sent_bytes": 0,
        "late": 0,
        "duplicate": 0,
        "rejected": 0,
    }
    figures |= {"lost": 2, "expected": 100, "remote_lost": 0}

    def ended(mos: float, **values: int) -> None:
        told = LegStats(
            1, **{**figures, **values}, jitter_ms=3.0, remote_jitter_ms=0.0, round_trip_ms=-1.0, mos=mos
        )  # fmt: skip
        rig.operator.views.quality.add(quality(told))

    ended(4.15)
    ended(3.2)
    ended(0.0, received=0)
    lines = (await rig.http.get("/metrics")).text.splitlines()
    for line in (
        'softswitch_leg_mos_bucket{le="3.0"} 0.0',
        'softswitch_leg_mos_bucket{le="3.5"} 1.0',
        'softswitch_leg_mos_bucket{le="4.2"} 2.0',
        'softswitch_leg_mos_bucket{le="+Inf"} 2.0',
        "softswitch_leg_mos_count 2.0",
        'softswitch_leg_loss_percent_bucket{le="1.0"} 0.0',
        'softswitch_leg_loss_percent_bucket{le="2.0"} 2.0',
        "softswitch_leg_jitter_ms_sum 6.0",
        "softswitch_leg_remote_mos_count 0.0",
    ):
        assert line in lines, line


async def test_events_are_streamed_and_resumed(rig: Rig) -> None:
    """WHATWG HTML §9.2: a client that comes back names the last event it saw."""
    from softswitch.api.stream import _stream

    rig.store.ledger.append(Fact("agent.login", 1.0, agent="alice"))
    rig.store.ledger.append(Fact("agent.pause", 2.0, agent="alice"))
    stream = _stream(rig.operator, frozenset(), 2)  # `switch.started` is the first
    assert await anext(stream) == b": connected\n\n"
    assert (await anext(stream)).startswith(b"id: 3\nevent: agent.pause\ndata: {")
    rig.operator.command_agent("bob", "login")
    assert b"event: agent.login" in await anext(stream)
    rig.operator.bus.close()
    rest = [line async for line in stream]
    assert all(line.startswith(b"id: ") for line in rest)
    assert not rig.operator.bus.listeners


async def test_a_filter_keeps_other_kinds_away(rig: Rig) -> None:
    from softswitch.api.stream import _stream

    stream = _stream(rig.operator, frozenset({"agent.logout"}), None)
    await anext(stream)
    rig.operator.command_agent("bob", "login")
    rig.operator.command_agent("bob", "logout")
    assert b"event: agent.logout" in await anext(stream)
    await stream.aclose()
    assert not rig.operator.bus.listeners


async def test_reports_are_folded_from_the_ledger(rig: Rig) -> None:
    """In a process of their own, with everything up to now in them."""
    now = rig.clock()
    for fact in (
        Fact("queue.entered", now - 30.0, "c1", "support", data={"caller": "1", "rank": 0.0, "ahead": 0}),
        Fact("queue.answered", now - 20.0, "c1", "support", "alice", {"waited": 10.0, "rang": 5.0, "within": True}),
        Fact("talk.ended", now - 5.0, "c1", "support", "alice", {"talk": 15.0}),
    ):
        rig.store.ledger.append(fact)
    found = (await rig.http.get("/api/v1/reports/queues", params={"since": now - 60.0})).json()
    (row,) = found["rows"]
    assert (row["queue"], row["offered"], row["answered"], row["aht"], row["service_level"]) == (
        "support",
        1,
        1,
        15.0,
        100.0,
    )
    assert found["question"]["timezone"] == "UTC"
    found = (await rig.http.get("/api/v1/reports/intervals", params={"since": now - 60.0, "queue": "sales"})).json()
    assert sum(row["offered"] for row in found["rows"]) == 0
    found = (await rig.http.get("/api/v1/reports/agents", params={"since": now - 60.0, "charts": True})).json()
    assert found["rows"][0]["agent"] == "alice"
    assert found["charts"]["points"]


async def test_a_report_that_cannot_be_is_refused(rig: Rig) -> None:
    assert (await rig.http.get("/api/v1/reports/nothing")).status_code == 422
    assert (await rig.http.get("/api/v1/reports/queues", params={"since": 10, "until": 5})).status_code == 422
    asked = {"since": 0, "until": 2e9, "interval": "15m"}
    assert "too many intervals" in (await rig.http.get("/api/v1/reports/intervals", params=asked)).text
    assert (await rig.stranger.get("/api/v1/reports/queues")).status_code == 401


async def test_histograms_of_queues(rig: Rig) -> None:
    now = rig.clock()
    for fact in (
        Fact("queue.entered", now - 30.0, "c1", "support", data={"caller": "1"}),
        Fact("queue.answered", now - 20.0, "c1", "support", "alice", {"waited": 10.0, "rang": 4.0, "within": True}),
        Fact("talk.ended", now - 5.0, "c1", "support", "alice", {"talk": 15.0}),
    ):
        rig.operator.views.add(fact)  # type: ignore[attr-defined]
    lines = (await rig.http.get("/metrics")).text.splitlines()
    for line in (
        'softswitch_queue_wait_seconds_bucket{le="5.0",queue="support"} 0.0',
        'softswitch_queue_wait_seconds_bucket{le="10.0",queue="support"} 1.0',
        'softswitch_queue_wait_seconds_sum{queue="support"} 10.0',
        'softswitch_queue_ring_seconds_count{queue="support"} 1.0',
        'softswitch_queue_talk_seconds_sum{queue="support"} 15.0',
        'softswitch_queue_wrap_up_seconds_count{queue="support"} 0.0',
        'softswitch_agent_state{agent="alice",state="logged-out"} 1.0',
        'softswitch_agent_occupancy{agent="alice"} -1.0',
        'softswitch_queue_occupancy{queue="support"} -1.0',
    ):
        assert line in lines, line


async def test_who_waits_with_place_and_estimate(rig: Rig) -> None:
    rig.media_up()
    rig.driver.give(AgentCommand("bob", "login"))
    rig.dial(b"100")
    rows = (await rig.http.get("/api/v1/queues/support/waiting")).json()["items"]
    assert [(row["position"], row["caller"], row["callback"]) for row in rows] == [(1, "1002", "")]
    assert (await rig.http.get("/api/v1/queues/nowhere/waiting")).status_code == 404


async def test_call_backs_are_asked_for_merged_listed_and_cancelled(rig: Rig) -> None:
    order = {"queue": "support", "number": "1001", "by": "crm"}
    asked = await rig.http.post("/api/v1/callbacks", json=order)
    assert asked.status_code == 201
    row = asked.json()
    assert (row["number"], row["position"], row["by"], row["state"]) == ("1001", 1, "crm", "waiting")
    again = await rig.http.post("/api/v1/callbacks", json=order)
    assert again.json()["id"] == row["id"]
    assert (await rig.http.get("/api/v1/callbacks")).json()["total"] == 1
    assert (await rig.http.delete(f"/api/v1/callbacks/{row['id']}")).status_code == 202
    assert (await rig.http.delete(f"/api/v1/callbacks/{row['id']}")).status_code == 404
    assert (await rig.http.get("/api/v1/callbacks")).json()["total"] == 0


@pytest.mark.parametrize(("queue", "number"), [("nowhere", "1001"), ("support", "+390012345"), ("support", "x; rm")])
async def test_a_number_that_may_not_be_called_is_refused(rig: Rig, queue: str, number: str) -> None:
    answer = await rig.http.post("/api/v1/callbacks", json={"queue": queue, "number": number})
    assert answer.status_code == 422


async def test_call_backs_survive_the_switch(rig: Rig) -> None:
    row = (await rig.http.post("/api/v1/callbacks", json={"queue": "support", "number": "1001"})).json()
    await rig.store.writer.flush()
    switch = await make_switch(SETTINGS, Here(), random.Random(3), rig.clock() + 5.0, rig.store)
    (found,) = switch.desk.callbacks(rig.clock() + 5.0)
    assert (found.id, found.asked, found.position) == (row["id"], row["asked"], 1)
