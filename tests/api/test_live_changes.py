"""Changes by the API while the switch runs: nobody is logged out, refusals say why, the store remembers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from softswitch.switch.customers import Customer
from tests.api.rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    await made.start()
    made.media_up()
    yield made
    await made.close()


async def kinds(rig: Rig) -> list[str]:
    await rig.store.writer.flush()
    return [entry.kind for entry in await rig.store.ledger_entries()]


async def test_settings_of_a_queue_are_changed_shown_and_taken_back(rig: Rig) -> None:
    await rig.http.post("/api/v1/agents/bob/login")
    answer = await rig.http.put("/api/v1/queues/support/settings/wrap_up", json={"value": 30, "by": "carol"})
    assert answer.status_code == 200
    (row,) = answer.json()["changed"]
    assert (row["path"], row["value"], row["was"], row["by"]) == ("queues.support.wrap_up", 30, 0.0, "carol")
    shown = (await rig.http.get("/api/v1/queues/support")).json()
    assert (shown["settings"]["wrap_up"], shown["open"], len(shown["changed"])) == (30.0, True, 1)
    assert (await rig.http.get("/api/v1/agents/bob")).json()["state"] != "logged-out"
    await rig.store.writer.flush()
    (saved,) = await rig.store.live_settings()
    assert (saved.path, saved.value, saved.by) == ("queues.support.wrap_up", 30, "carol")
    assert (await rig.http.request("DELETE", "/api/v1/queues/support/settings/wrap_up")).json() == {"changed": []}
    await rig.store.writer.flush()
    assert await rig.store.live_settings() == []
    assert (await rig.http.request("DELETE", "/api/v1/queues/support/settings/wrap_up")).status_code == 422


@pytest.mark.parametrize(
    ("path", "value", "status", "why"),
    [
        ("queues/nowhere/settings/wrap_up", 5, 404, "no queue"),
        ("queues/support/settings/wrap_upp", 5, 422, "did you mean wrap_up?"),
        ("queues/support/settings/strategy", "fifo", 422, "strategy"),
        ("agents/alice/settings/skills.english", 200, 422, "must be 0 to 100"),
        ("agents/zoe/settings/capacity", 2, 404, "no agent"),
        ("agents/alice/settings/pin", "1", 422, 'no setting "pin"'),
    ],
)
async def test_a_wrong_change_is_refused_with_words(rig: Rig, path: str, value: object, status: int, why: str) -> None:
    answer = await rig.http.put(f"/api/v1/{path}", json={"value": value})
    assert (answer.status_code, why in answer.json()["detail"]) == (status, True), answer.json()
    assert "setting.changed" not in await kinds(rig)


async def test_agents_are_put_into_a_queue_and_taken_out(rig: Rig) -> None:
    answer = await rig.http.request("DELETE", "/api/v1/queues/support/agents/bob", json={"by": "carol"})
    assert answer.json()["settings"]["agents"] == ["alice"]
    assert (await rig.http.request("DELETE", "/api/v1/queues/support/agents/bob")).status_code == 409
    assert (await rig.http.post("/api/v1/queues/support/agents/zoe")).status_code == 422
    answer = await rig.http.post("/api/v1/queues/support/agents/bob")
    assert answer.json()["settings"]["agents"] == ["alice", "bob"]
    assert answer.json()["changed"] == []  # as the file says: nothing to remember


async def test_a_queue_is_closed_and_opened(rig: Rig) -> None:
    closed = (await rig.http.post("/api/v1/queues/support/close", json={"reason": "storm", "by": "carol"})).json()
    assert (closed["open"], closed["shut"]) == (False, "storm")
    assert (await rig.http.post("/api/v1/queues/support/open")).json()["open"] is True
    assert (await rig.http.post("/api/v1/queues/support/open")).status_code == 409
    assert (await rig.http.post("/api/v1/queues/nowhere/close")).status_code == 404
    found = [kind for kind in await kinds(rig) if kind.startswith("queue.")]
    assert found == ["queue.shut", "queue.opened"]


async def test_a_waiting_call_is_prioritised_and_moved(rig: Rig) -> None:
    """What is refused says why; the moves themselves are in tests/switch/test_routing.py."""
    rig.dial(b"100")
    rig.dial(b"100")
    first, second = [row["id"] for row in (await rig.http.get("/api/v1/calls")).json()["items"]]
    answer = await rig.http.put(f"/api/v1/calls/{second}/priority", json={"seconds": 60, "by": "carol"})
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    await rig.http.put(f"/api/v1/calls/{first}/priority", json={"seconds": -60})
    assert (await kinds(rig)).count("call.prioritised") == 2
    for body, status in (({"queue": "nowhere"}, 404), ({"queue": "support"}, 409)):
        assert (await rig.http.put(f"/api/v1/calls/{first}/queue", json=body)).status_code == status
    assert (await rig.http.put("/api/v1/calls/none/queue", json={"queue": "support"})).status_code == 404
    assert (await rig.http.put("/api/v1/calls/none/priority", json={"seconds": 60})).status_code == 404
    assert (await rig.http.put(f"/api/v1/calls/{first}/priority", json={"seconds": 1e9})).status_code == 422


async def test_an_agent_logs_in_at_another_phone(rig: Rig) -> None:
    answer = await rig.http.post("/api/v1/agents/alice/login", json={"phone": "1002", "by": "carol"})
    assert (answer.status_code, answer.json()["phone"]) == (200, "1002")
    assert (await rig.http.post("/api/v1/agents/alice/login", json={"phone": "9"})).status_code == 409
    await rig.http.post("/api/v1/agents/bob/login", json={"phone": "1002"})
    assert (await rig.http.get("/api/v1/agents/alice")).json()["state"] == "logged-out"
    assert (await rig.http.get("/api/v1/agents/alice")).json()["phone"] == "1001"


async def test_an_agent_is_logged_out_with_a_reason(rig: Rig) -> None:
    await rig.http.post("/api/v1/agents/alice/login")
    await rig.http.post("/api/v1/agents/alice/logout", json={"reason": "went home", "by": "carol"})
    await rig.store.writer.flush()
    (entry,) = await rig.store.ledger_entries(kind="agent.logout")
    assert entry.data == {"by": "carol", "reason": "went home"}


async def test_customers_are_stored_found_and_forgotten(rig: Rig) -> None:
    body = {"name": "Anna", "numbers": ["+3701", "+3702", "+3701"], "head_start": 60, "needs": {"english": 50}}
    assert (await rig.http.put("/api/v1/customers/7", json=body)).json()["numbers"] == ["+3701", "+3702"]
    many = [{"id": str(number), "name": "Firm", "queue": "support"} for number in range(100, 400)]
    assert (await rig.http.post("/api/v1/customers", json={"customers": many})).json() == {"stored": 300}
    for find, total in (("", 301), ("7", 1), ("+3702", 1), ("ann", 1), ("firm", 300), ("nobody", 0)):
        assert (await rig.http.get("/api/v1/customers", params={"find": find})).json()["total"] == total, find
    assert len(await rig.store.customers()) == 301
    gold = Customer(id="7", name="Anna", numbers=("+3701", "+3702"), head_start=60.0, needs=(("english", 50),))
    assert gold in await rig.store.customers()
    assert (await rig.http.request("DELETE", "/api/v1/customers/7")).json() == {"id": "7", "deleted": True}
    assert (await rig.http.request("DELETE", "/api/v1/customers/7")).status_code == 404
    assert (await rig.http.get("/api/v1/customers/7")).status_code == 404
    assert len(await rig.store.customers()) == 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent": "zoe"},
        {"queue": "nowhere"},
        {"language": "klingon"},
        {"head_start": 1e9},
        {"needs": {"english": 101}},
        {"numbers": [""]},
    ],
)
async def test_a_wrong_customer_stores_none_of_them(rig: Rig, wrong: dict[str, object]) -> None:
    """PEERS: unknown option values fall back in silence."""
    answer = await rig.http.post("/api/v1/customers", json={"customers": [{"id": "1"}, {"id": "2", **wrong}]})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("customer 2: ")
    assert (await rig.http.get("/api/v1/customers")).json()["total"] == 0


async def test_differences_between_file_and_what_runs(rig: Rig) -> None:
    await rig.http.put("/api/v1/agents/alice/settings/capacity", json={"value": 2})
    found = (await rig.http.get("/api/v1/configuration/diff")).json()
    assert (found["file"], found["faults"]) == ([], [])
    assert [row["path"] for row in found["live"]] == ["agents.alice.capacity"]
    assert (await rig.http.get("/api/v1/hooks")).json() == []
