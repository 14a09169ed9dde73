"""Mailboxes by the API, and phones that are asked to fetch their configuration."""

import pytest

from softswitch.switch.records import SavedMessage
from tests.api.rig import Rig

pytestmark = pytest.mark.usefixtures("media_up")


async def test_messages_are_listed_and_deleted(rig: Rig) -> None:
    path = "voicemail/office/1.wav"
    rig.driver.core.office.mailboxes.restore((SavedMessage(path, "office", "call", "+370", 1.0, 3.0),), ())  # type: ignore[attr-defined]
    (row,) = (await rig.http.get("/api/v1/mailboxes")).json()["items"]
    assert (row["name"], row["new"], row["old"], row["own_greeting"]) == ("office", 1, 0, False)
    assert (await rig.http.get("/api/v1/mailboxes/nowhere/messages")).status_code == 404
    (found,) = (await rig.http.get("/api/v1/mailboxes/office/messages")).json()["items"]
    assert (found["path"], found["heard"]) == (path, None)
    for status in (202, 404):
        gone = await rig.http.request("DELETE", "/api/v1/mailboxes/office/messages", params={"path": path})
        assert gone.status_code == status
    assert (await rig.http.get("/api/v1/mailboxes/office/messages")).json()["total"] == 0


@pytest.mark.parametrize(("phone", "status"), [("1001", 409), ("1002", 202), ("9999", 404)])
async def test_resync(rig: Rig, phone: str, status: int) -> None:
    """1001 is not registered; 1002 has a fixed address."""
    assert (await rig.http.post(f"/api/v1/phones/{phone}/resync")).status_code == status
    assert any(b"Event: check-sync" in data for data in rig.wire.sent) == (status == 202)
