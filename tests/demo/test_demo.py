"""The demo from start to end: a real switch, real SIP and RTP, and its own judgement as exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner

from softswitch.cli.main import cli

ROOT = Path(__file__).parents[2]


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "softswitch.cli", "demo", "--port", "0", *arguments],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_of(session):
    """What still runs in the session (the switch has one of its own, told by its parent's folder)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if session in command and int(entry.name) != os.getpid():
                found.append(command)
    return found


def test_six_calls_end_well(tmp_path):
    """Six callers come, talk or give up; every check holds, and nothing runs afterwards."""
    keep = tmp_path / "kept"
    demo = start("--calls", "6", "--rate", "2", "--agents", "4", "--seed", "3", "--keep", str(keep))
    said, _ = demo.communicate(timeout=90)
    assert demo.returncode == 0, said
    assert "FAIL" not in said
    checks = re.findall(r"^ok   ([a-z ]+):", said, re.MULTILINE)
    assert checks == [
        "calls",
        "heard both ways",
        "music while waiting",
        "call records",
        "recordings",
        "nothing left",
        "no faults inside",
        "clean end",
    ]
    answered = int(re.search(r"ok   calls: (\d+) answered", said)[1])
    assert answered >= 4
    assert len(list((keep / "var" / "recordings").rglob("*.wav"))) == answered
    assert processes_of(str(keep)) == []
    recordings_are_verified_and_repaired(keep)


def recordings_are_verified_and_repaired(keep):
    """`softswitch recordings` on what the demo left, the switch being down: whole, then cut, then missing."""
    config = ["--config", str(keep / "demo.toml"), "--json"]

    def ask(verb):
        result = CliRunner().invoke(cli, ["recordings", verb, *config])
        return json.loads(result.stdout), result.exit_code

    found, code = ask("verify")
    assert (found["faults"], code) == ([], 0)
    first, second, *_ = sorted((keep / "var" / "recordings").rglob("*.wav"))
    with first.open("r+b") as file:
        file.truncate(first.stat().st_size - 4000)
    second.unlink()
    found, code = ask("verify")
    assert code == 1
    assert {fault["call"]: fault["fault"] for fault in found["faults"]}.keys() == {first.stem, second.stem}
    repaired, code = ask("repair")
    assert ([(Path(row["path"]).name, row["fault"]) for row in repaired], code) == ([(first.name, "")], 0)


def test_ctrl_c_ends_it_cleanly(tmp_path):
    keep = tmp_path / "kept"
    demo = start("--rate", "2", "--agents", "2", "--keep", str(keep))
    lines = []
    limit = time.monotonic() + 45
    for line in demo.stdout:
        lines.append(line)
        if "talks with" in line:
            break
        assert time.monotonic() < limit, lines
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=30)
    assert demo.returncode == 0, "".join(lines) + said
    assert "ok   clean end" in said
    assert processes_of(str(keep)) == []
