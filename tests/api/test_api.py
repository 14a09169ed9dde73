"""The HTTP API over a real switch core and a real store, without sockets: what is live, and orders."""

import random

import pytest

from softswitch.acd.model import Fact
from softswitch.services.faults import ConfigurationError, Fault
from softswitch.shell.core import make_switch
from softswitch.switch.events import AgentCommand, MediaLost
from softswitch.switch.records import CallRecord, LegRecord
from softswitch.wire.sip import parse
from tests.api.rig import SETTINGS, Here, Rig


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
    later = (await rig.http.get("/api/v1/trace/invite-1")).json()
    assert later[: len(rows)] == rows, "the 200 may have been sent again meanwhile"
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
        ("agents/alice", {"phone": "1002"}, 403, "phone 1002 may not supervise alice (listen)"),
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


async def test_reload_and_drain(rig: Rig) -> None:
    rig.reload_result = ["queues.support.wrap_up: 0 → 15"]
    assert (await rig.http.post("/api/v1/reload")).json() == {"changes": rig.reload_result}
    rig.reload_result = ConfigurationError([Fault("config.toml", 3, "queues.support.strategi", "unknown key")])
    refused = await rig.http.post("/api/v1/reload")
    assert refused.status_code == 422
    assert refused.json()["faults"][0]["line"] == 3
    assert (await rig.http.post("/api/v1/drain")).status_code == 202
    assert rig.drained == 1


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
