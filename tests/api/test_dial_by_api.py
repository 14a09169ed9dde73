"""Click to dial by the API: who may, what is answered, who may take it back, what is kept."""

import pytest

from tests.api.rig import Rig
from tests.api.test_roles import NAMED, client

pytestmark = pytest.mark.usefixtures("media_up")


async def test_a_phone_is_rung_and_the_call_is_seen(rig: Rig) -> None:
    answer = await rig.http.post("/api/v1/calls", json={"from": "1002", "to": "queue:support", "by": "crm"})
    assert answer.status_code == 202
    call = answer.json()
    assert (call["state"], call["at"], call["called"]) == ("ringing", "phone:1002", "queue:support")
    assert call["ordered_by"] == "own"
    assert any(data.startswith(b"INVITE sip:127.0.0.1:5070") for data in rig.wire.sent)
    assert (await rig.http.get(f"/api/v1/calls/{call['id']}")).json()["id"] == call["id"]
    await rig.store.writer.flush()
    (fact,) = [entry for entry in await rig.store.ledger_entries() if entry.kind == "call.ordered"]
    assert (fact.call, fact.data["by"], fact.data["token"]) == (call["id"], "crm", "own")


async def test_who_may_dial_and_take_it_back(rig: Rig) -> None:
    """A token ends what it had begun; for all else it takes `operate`."""
    order = {"from": "1002", "to": "600"}
    async with client(rig, NAMED["read"]) as http:
        assert (await http.post("/api/v1/calls", json=order)).status_code == 403
    async with client(rig, NAMED["supervise"]) as http:
        mine = (await http.post("/api/v1/calls", json=order)).json()
        assert mine["ordered_by"] == "vera"
        rig.dial(b"600")
        (other,) = [one for one in (await http.get("/api/v1/calls")).json()["items"] if one["id"] != mine["id"]]
        refused = await http.delete(f"/api/v1/calls/{other['id']}")
        assert (refused.status_code, "was not begun by" in refused.json()["detail"]) == (403, True)
        assert (await http.delete(f"/api/v1/calls/{mine['id']}")).status_code == 202
    async with client(rig, NAMED["operate"]) as http:
        assert (await http.delete(f"/api/v1/calls/{other['id']}")).status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"from": "1002"}, 422),
        ({"from": "1002", "to": ""}, 422),
        ({"from": "1002", "to": "1" * 129}, 422),
        ({"from": "1002", "to": 1001}, 422),
        ({"from": "9999", "to": "1001"}, 404),
        ({"from": "1001", "to": "1002"}, 409),
        ({"from": "1002", "to": "555"}, 422),
        ({"from": "1002", "to": "trunk:carrier/1"}, 422),
        ({"from": "1002", "to": "600", "auto_answer": True}, 403),
        ({"from": "1002\r\nX: y", "to": "600"}, 404),
        ({"from": "1002", "to": "600\r\nX: y"}, 422),
    ],
)
async def test_what_cannot_be_is_refused_with_words(rig: Rig, body: dict[str, object], status: int) -> None:
    answer = await rig.http.post("/api/v1/calls", json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert (await rig.http.get("/api/v1/calls")).json()["total"] == 0
