"""Phones by the API: what counts, what is set over the file, refusals with words; the store remembers."""

import pytest

from tests.api.rig import Rig

pytestmark = pytest.mark.usefixtures("media_up")


async def test_forwarding_is_set_shown_and_taken_back(rig: Rig) -> None:
    answer = await rig.http.put("/api/v1/phones/1001/forward/busy", json={"to": "1002", "by": "carol"})
    assert answer.status_code == 200
    assert (answer.json()["forward"], answer.json()["said"]) == ({"busy": "1002"}, {"busy": "1002"})
    rows = {row["name"]: row for row in (await rig.http.get("/api/v1/phones")).json()["items"]}
    assert rows["1001"]["forward"] == {"busy": "1002"}
    assert rows["1002"]["said"] == {}
    await rig.store.writer.flush()
    (saved,) = await rig.store.phones()
    assert (saved.name, saved.data) == ("1001", {"busy": "1002"})
    (entry,) = [entry for entry in await rig.store.ledger_entries() if entry.kind == "phone.changed"]
    assert entry.data == {"phone": "1001", "what": "busy", "value": "1002", "by": "carol"}
    off = await rig.http.put("/api/v1/phones/1001/forward/busy", json={"to": ""})
    assert (off.json()["forward"], off.json()["said"]) == ({}, {"busy": ""})
    back = await rig.http.request("DELETE", "/api/v1/phones/1001/forward/busy")
    assert back.json()["said"] == {}
    await rig.store.writer.flush()
    (saved,) = await rig.store.phones()
    assert saved.data == {}


@pytest.mark.parametrize("what", ["dnd", "call_waiting"])
async def test_switches(rig: Rig, what: str) -> None:
    for on in (True, False):
        answer = await rig.http.put(f"/api/v1/phones/1002/{what}", json={"on": on})
        assert (answer.status_code, answer.json()[what], answer.json()["said"]) == (200, on, {what: on})
    assert (await rig.http.request("DELETE", f"/api/v1/phones/1002/{what}")).json()["said"] == {}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("9999/forward/always", {"to": "1002"}, 404),
        ("1001/forward/always", {"to": "1001"}, 422),
        ("1001/forward/always", {"to": "00370600"}, 422),
        ("1001/forward/always", {"to": "queue:nowhere"}, 422),
        ("1001/forward/always", {"to": "x" * 201}, 422),
        ("1001/forward/never", {"to": "1002"}, 422),
        ("1001/forward/always", {}, 422),
        ("1001/colour", {"on": True}, 422),
        ("1001/dnd", {"on": "perhaps"}, 422),
        ("9999/dnd", {"on": True}, 404),
    ],
)
async def test_what_cannot_be_is_refused(rig: Rig, path: str, body: dict[str, object], status: int) -> None:
    assert (await rig.http.put(f"/api/v1/phones/{path}", json=body)).status_code == status
    await rig.store.writer.flush()
    assert await rig.store.phones() == []
