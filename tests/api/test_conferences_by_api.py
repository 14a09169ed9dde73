"""Conferences by the API: who is there, orders, refusals with words, live events."""

import pytest

from tests.api.rig import Rig

pytestmark = pytest.mark.usefixtures("media_up")


async def test_a_conference_is_seen_ordered_about_and_ended(rig: Rig) -> None:
    assert (await rig.http.get("/api/v1/conferences")).json() == {"items": [], "total": 0}
    assert (await rig.http.get("/api/v1/conferences/team")).status_code == 404
    rig.dial(b"600")
    (row,) = (await rig.http.get("/api/v1/conferences")).json()["items"]
    (member,) = row["members"]
    assert (row["name"], row["locked"], member["party"], member["muted"]) == ("team", False, "phone:1002", False)
    url = "/api/v1/conferences/team"
    muted = await rig.http.post(f"{url}/mute", json={"member": "phone:1002", "by": "vera"})
    assert muted.json()["conference"]["members"][0]["silenced"] is True
    heard = await rig.http.post(f"{url}/unmute", json={"member": "all"})
    assert heard.json()["conference"]["members"][0]["silenced"] is False
    assert (await rig.http.post(f"{url}/lock", json={})).json()["conference"]["locked"] is True
    assert (await rig.http.get(url)).json()["locked"] is True
    assert (await rig.http.post(f"{url}/unlock", json={})).json()["conference"]["locked"] is False
    assert (await rig.http.post(f"{url}/end", json={})).json() == {"conference": None}
    await rig.store.writer.flush()
    told = [entry.kind for entry in await rig.store.ledger_entries() if entry.kind.startswith("conference.")]
    assert told == [
        f"conference.{what}" for what in ("joined", "muted", "unmuted", "locked", "unlocked", "over", "left")
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nowhere/end", {}, 404),
        ("team/mute", {"member": "phone:1001"}, 404),
        ("team/mute", {}, 422),
        ("team/shout", {"member": "all"}, 422),
        ("team/gather", {}, 422),
        ("team/gather", {"member": "nobody"}, 404),
        ("team/invite", {"number": "1001"}, 422),
        ("team/invite", {"number": "1001", "phone": "9999"}, 404),
        ("team/invite", {"number": "555", "phone": "1002"}, 422),
        ("nowhere/invite", {"number": "1001", "phone": "1002"}, 404),
    ],
)
async def test_what_cannot_be_is_refused(rig: Rig, path: str, body: dict[str, str], status: int) -> None:
    rig.dial(b"600")
    assert (await rig.http.post(f"/api/v1/conferences/{path}", json=body)).status_code == status


async def test_somebody_is_invited(rig: Rig) -> None:
    rig.dial(b"600")
    answer = await rig.http.post("/api/v1/conferences/team/invite", json={"number": "1002", "phone": "1001"})
    assert answer.json()["conference"]["ringing"] == 1
    assert any(data.startswith(b"INVITE sip:127.0.0.1:5070") for data in rig.wire.sent)
