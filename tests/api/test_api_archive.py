"""The HTTP API over a real store: recordings, reports, metrics, the stream of events."""

from typing import Any

import pytest

from softswitch.acd.model import Fact
from softswitch.api import stream
from softswitch.services.rows import LedgerEntry
from softswitch.switch.quality import quality
from softswitch.switch.records import SavedRecording
from softswitch.wire.control import LegStats
from tests.api.rig import Rig


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


@pytest.mark.parametrize("path", ["../softswitch.db", "%2e%2e/softswitch.db", "/etc/passwd", "..%2f..%2fetc/passwd"])
async def test_no_path_leads_out_of_the_recordings(rig: Rig, path: str) -> None:
    rig.recordings.mkdir()
    assert (rig.folder / "softswitch.db").exists()
    assert (await rig.http.get(f"/api/v1/recordings/{path}")).status_code == 404


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
    rig.store.ledger.append(Fact("agent.login", 1.0, agent="alice"))
    rig.store.ledger.append(Fact("agent.pause", 2.0, agent="alice"))
    events = stream._stream(rig.operator, frozenset(), 2)  # `switch.started` is the first
    assert await anext(events) == b": connected\n\n"
    assert (await anext(events)).startswith(b"id: 3\nevent: agent.pause\ndata: {")
    rig.operator.command_agent("bob", "login")
    assert b"event: agent.login" in await anext(events)
    rig.operator.bus.close()
    rest = [line async for line in events]
    assert all(line.startswith(b"id: ") for line in rest)
    assert not rig.operator.bus.listeners


async def test_what_was_missed_is_read_in_pages(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was away for a month misses nothing, and holds nobody up."""
    monkeypatch.setattr(stream, "_PAGE", 3)
    asked: list[object] = []
    entries = rig.store.ledger_entries

    async def counted(limit: int | None = None, **filters: Any) -> list[LedgerEntry]:
        asked.append(limit)
        return await entries(limit, **filters)

    monkeypatch.setattr(rig.store, "ledger_entries", counted)
    for number in range(7):
        rig.store.ledger.append(Fact("agent.login", float(number), agent=f"a{number}"))
    events = stream._stream(rig.operator, frozenset({"agent.login"}), 0)
    await anext(events)
    told = [await anext(events) for _ in range(7)]
    assert [f'"agent":"a{number}"' in text.decode() for number, text in enumerate(told)] == [True] * 7
    assert set(asked) == {3}
    await events.aclose()


@pytest.mark.parametrize(
    "query",
    [
        *("records?since=nan", "records?until=inf", "ledger?since=-1", "recordings?since=1e300"),
        *("reports/queues?since=-inf", "reports/queues?since=0&until=1e300", f"ledger?after={2**63}"),
    ],
)
async def test_times_and_numbers_that_nobody_can_mean(rig: Rig, query: str) -> None:
    assert (await rig.http.get(f"/api/v1/{query}")).status_code == 422


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_a_number_that_json_has_no_word_for(rig: Rig, number: str) -> None:
    """RFC 8259 §6; Python's reader takes it, its writer then broke on the answer."""
    body = f'{{"seconds": {number}}}'.encode()
    answer = await rig.http.put("/api/v1/bans/203.0.113.9", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "seconds"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("bans/203.0.113.9", r'{"reason": "\ud800"}'),
        ("queues/support/settings/music", r'{"value": "\udfff"}'),
        ("queues/support/settings/wrap_up", r'{"value": {"\ud800": ["\ud800"]}}'),
    ],
)
async def test_text_that_is_no_unicode(rig: Rig, path: str, body: str) -> None:
    """RFC 8259 §8.2: half of a pair."""
    kind = {"Content-Type": "application/json"}
    assert (await rig.http.put(f"/api/v1/{path}", content=body, headers=kind)).status_code == 422


async def test_a_filter_keeps_other_kinds_away(rig: Rig) -> None:
    events = stream._stream(rig.operator, frozenset({"agent.logout"}), None)
    await anext(events)
    rig.operator.command_agent("bob", "login")
    rig.operator.command_agent("bob", "logout")
    assert b"event: agent.logout" in await anext(events)
    await events.aclose()
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
