"""Recordings of a running switch: paused, converted and put into the chain, verified by the command line."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.interop.conftest import Office
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import PATIENCE, wait_until
from tests.interop.test_sipp_calls import answering

pytestmark = pytest.mark.interop


def test_a_recording_from_the_call_to_the_archive(lone_office: Callable[..., Office]) -> None:
    """Paused and resumed by the API while the call runs; then Opus, in the chain, verified with exit code 0 or 1."""
    office = lone_office('[recording]\nformat = "opus"\n')
    phone = office.phone(answering())
    caller = office.call(Scenario().invite(sdp()).progress().answered().ack().until_told().bye(), "1001")
    wait_until("the call", lambda: office.switch.status()["live"]["recordings"] == 1)
    (call,) = office.switch.get("calls")["items"]
    for verb in ("pause", "resume"):
        said = cli(office, "recordings", verb, call["id"], "--reason", "card number")
        assert (said.returncode, said.stdout) == (0, f"{call['id']}: {'paused' if verb == 'pause' else 'goes on'}\n")
    caller.go_on()
    caller.wait().all_well(1)
    phone.wait().all_well(1)

    def found() -> dict[str, object]:
        rows = office.switch.get(f"recordings?call={call['id']}")["items"]
        return rows[0] if rows else {}

    wait_until("the conversion", lambda: found().get("format") == "opus")
    row = found()
    (record,) = office.records()
    assert row["seconds"] == pytest.approx(record["talk_seconds"], abs=0.3)
    assert row["path"] == record["recording"]

    def kinds() -> list[str]:
        entries = office.switch.get(f"ledger?call={call['id']}")["items"]
        return [entry["kind"] for entry in entries if entry["kind"].startswith("recording.")]

    wait_until("the ledger", lambda: kinds().count("recording.sealed") == 2)
    assert kinds() == [
        "recording.started",
        "recording.paused",
        "recording.resumed",
        "recording.ended",
        "recording.sealed",
        "recording.sealed",
    ]
    good = cli(office, "recordings", "verify", "--json")
    report = json.loads(good.stdout)
    assert (good.returncode, report["recordings"], report["chain"], report["faults"]) == (0, 1, 2, [])
    target = office.switch.directory / "fetched.opus"
    assert cli(office, "recordings", "get", call["id"], "-o", str(target)).returncode == 0
    assert target.stat().st_size == row["bytes"]
    assert cli(office, "recordings", "hold", call["id"], "--reason", "case 12").stdout == f"{call['id']}: held\n"
    refused = cli(office, "recordings", "delete", call["id"], "--yes")
    assert (refused.returncode, "case 12" in refused.stderr) == (1, True)
    assert "held by cli:" in cli(office, "recordings", "list", "--held").stdout
    assert "opus, 2 channels" in cli(office, "recordings", "show", call["id"]).stdout
    assert cli(office, "recordings", "release", call["id"]).returncode == 0
    (file,) = office.switch.directory.rglob("recordings/**/*.opus")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    bad = cli(office, "recordings", "verify", "--json")
    assert bad.returncode == 1
    assert [fault["call"] for fault in json.loads(bad.stdout)["faults"]] == [call["id"]]
    assert cli(office, "recordings", "delete", call["id"], "--yes", "--reason", "spoilt").returncode == 0
    assert not file.exists()
    assert cli(office, "recordings", "list").stdout == "no recordings\n"
    assert "deleted" in cli(office, "recordings", "list", "--deleted").stdout
    assert cli(office, "recordings", "verify").returncode == 0, "the chain knows that it was deleted"
    for verb in ("hold", "release", "get", "pause"):
        assert cli(office, "recordings", verb, call["id"]).returncode == 1
    office.switch.no_faults()


def cli(office: Office, *words: str) -> "subprocess.CompletedProcess[str]":
    """`softswitch …` on the office's configuration."""
    command = [sys.executable, "-m", "softswitch.cli", *words, "--config", str(office.switch.directory / "config.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
