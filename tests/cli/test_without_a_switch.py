"""What the command line does by itself: help, usage, check, doctor, prompts, completion, exit codes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import softswitch
from softswitch.cli.archive import ledger_cells
from softswitch.cli.main import cli
from softswitch.cli.output import plain_table
from softswitch.cli.trace import ladder
from softswitch.cli.words import duration, past, size, span
from tests.cli.conftest import free_port

EXAMPLE = Path(__file__).resolve().parents[2] / "config.example.toml"


def run(*arguments, env=None):
    return CliRunner(env=env).invoke(cli, list(arguments), prog_name="softswitch")


def test_help_names_every_command_and_loads_little():
    assert all(name in run("--help").stdout for name in ("run", "demo", "doctor", "trace", "completion"))
    code = """
import sys
from softswitch.cli.archive import ledger_cells
from softswitch.cli.main import cli
cli(["--help"], standalone_mode=False)
print(sorted({"numpy", "pydantic", "fastapi", "rich", "sqlalchemy"} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.endswith("[]\n"), "heavy packages are imported by the commands that need them"


def test_version():
    assert run("--version").stdout == f"softswitch {softswitch.__version__}\n"


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_command_has_help(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: softswitch {name}")
    cut = [line for line in result.stdout.partition("\nCommands:\n")[2].splitlines() if line.endswith("...")]
    assert not cut, "a sentence of a subcommand that is too long for a line"


@pytest.mark.parametrize("arguments", [("stats",), ("status", "--wrong"), ("hangup",), ("records", "--since", "soon")])
def test_wrong_usage_is_exit_code_2(arguments):
    assert run(*arguments).exit_code == 2


def test_a_mistyped_command_is_suggested():
    assert 'Did you mean "status"?' in run("stats").stderr


def test_no_switch_is_exit_code_3_and_says_how_to_start_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("status")
    assert result.exit_code == 3
    assert "softswitch run --config" in result.stderr
    assert result.stderr.count("\n") == 1
    config = tmp_path / "config.toml"
    config.write_text(f'[server]\ndata_dir = "{tmp_path / "var"}"\n')
    assert f"no switch runs on {tmp_path / 'var'}" in run("calls").stderr, "./config.toml is found"
    dead = run("calls", "--url", "http://127.0.0.1:9", "--token", "x")
    assert dead.exit_code == 3
    assert "no switch answers at http://127.0.0.1:9" in dead.stderr


def test_a_configuration_file_that_is_not_there(tmp_path):
    for command in ("status", "check", "run"):
        result = run(command, "--config", str(tmp_path / "none.toml"))
        assert result.exit_code == 1
        assert "there is no such configuration file" in result.stderr


def test_check_lists_every_fault_with_its_line(tmp_path):
    config = tmp_path / "bad.toml"
    config.write_text(
        '[server]\nnam = "x"\n\n[queues.support]\nagents = ["ana"]\nwrap_up = -1\n[agents.anna]\nphone = "1"\n'
    )
    result = run("check", str(config))
    assert result.exit_code == 1
    assert f"{config}:2: server.nam: " in result.stdout
    assert 'did you mean "name"?' in result.stdout
    assert f"{config}:5: queues.support.agents" in result.stdout
    assert 'did you mean "anna"?' in result.stdout
    assert "errors" in result.stderr
    faults = json.loads(run("check", str(config), "--json").stdout)
    assert {(fault["line"], fault["suggestion"]) for fault in faults} >= {(2, "name"), (5, "anna")}
    assert all(fault["severity"] in ("error", "warning") for fault in faults)


def test_check_finds_the_file_by_the_environment(tmp_path):
    config = tmp_path / "good.toml"
    config.write_text(f'[server]\ndata_dir = "{tmp_path}"\n')
    result = run("check", env={"SOFTSWITCH_CONFIG": str(config)})
    assert result.exit_code == 0
    assert result.stdout == f"{config}: good\n"


def test_run_starts_nothing_with_a_faulty_file(tmp_path):
    config = tmp_path / "bad.toml"
    config.write_text(f'[server]\ndata_dir = "{tmp_path / "var"}"\n[sip]\nlisten = ["udp:nowhere"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "softswitch.cli", "run", str(config)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{config}:4: sip.listen[0]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "var" / "run" / "media-0.sock").exists()


def test_doctor_judges_each_thing_and_gives_advice(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(
        f'[server]\ndata_dir = "{tmp_path}"\nmax_calls = 10\ntimezone = "Europe/Vilnius"\n'
        '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[media]\naddress = "127.0.0.1"\nports = [27200, 27299]\n'
    )
    findings = {row["name"]: row for row in json.loads(run("doctor", "-c", str(config), "--json").stdout)}
    assert {row["level"] for row in findings.values()} <= {"ok", "warn", "fail"}
    assert findings["python"]["level"] == "ok"
    assert "Europe/Vilnius" in findings["time zones"]["found"]
    assert findings["prompts"]["level"] == "ok"
    assert "io_uring" in findings["media backend"]["found"]
    assert findings["database"]["found"] == "sqlite: made at the first start"
    assert {"open files", "clock", "event loop", "disk", "media ports"} <= set(findings)


def test_doctor_fails_when_a_port_is_taken(tmp_path):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        config = tmp_path / "config.toml"
        config.write_text(f'[server]\ndata_dir = "{tmp_path}"\n[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n')
        result = run("doctor", "-c", str(config))
    assert result.exit_code == 1
    assert "another program (or another softswitch) uses this port" in result.stdout


def test_doctor_fails_when_two_listeners_want_one_port_or_the_data_directory_is_a_file(tmp_path):
    port = free_port()
    (tmp_path / "var").touch()
    config = tmp_path / "config.toml"
    config.write_text(
        f'[server]\ndata_dir = "{tmp_path / "var"}"\n[sip]\nlisten = ["tcp:127.0.0.1:{port}"]\n'
        f'[api]\nlisten = "127.0.0.1:{port}"\n'
    )
    findings = {row["name"]: row for row in json.loads(run("doctor", "-c", str(config), "--json").stdout)}
    assert findings["addresses"]["level"] == "fail"
    assert findings["disk"]["level"] == "fail"
    assert findings["disk"]["found"].endswith("is no directory")


def test_prompts_are_listed_and_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = json.loads(run("prompts", "list", "--language", "lt", "--json").stdout)
    assert {"welcome", "number-1"} <= {row["name"] for row in rows}
    assert {row["language"] for row in rows} == {"lt"}
    assert "hold" in run("prompts", "list", "-l", "music").stdout
    assert run("prompts", "list", "-l", "xx").exit_code == 1
    assert run("prompts", "check").exit_code == 0
    missing = run("prompts", "check", "--out", str(tmp_path), "--json")
    assert missing.exit_code == 1
    assert {"prompt": "en/welcome", "what": "missing"} in json.loads(missing.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_program_back(shell):
    script = run("completion", shell).stdout
    assert "_SOFTSWITCH_COMPLETE" in script
    assert "softswitch" in script


def test_completion_completes_commands():
    words = {"_SOFTSWITCH_COMPLETE": "bash_complete", "COMP_WORDS": "softswitch re", "COMP_CWORD": "1"}
    said = run(env=words).stdout
    assert {line.split(",")[1] for line in said.split()} == {
        "registrations",
        "reload",
        "records",
        "recordings",
        "report",
    }


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("phones dnd 1", {"1001", "1002"}),
        ("phones resync 1001 l", {"lobby"}),
        ("password 1001", {"1001"}),
        ("agent login a", {"alice"}),
        ("queue close ", {"support"}),
        ("queue add support b", {"boris"}),
        ("why al", {"alice"}),
        ("mailboxes show ", set()),
        ("call 10", {"1001", "1002"}),
        ("call ag", {"agent:alice", "agent:boris"}),
        ("call 1001 l", {"lobby"}),
        ("call 1001 agent:b", {"agent:boris"}),
        ("call mo", {"move"}),
    ],
)
def test_completion_completes_names_of_the_configuration(typed, found):
    words = {"_SOFTSWITCH_COMPLETE": "bash_complete", "COMP_WORDS": f"softswitch {typed}"}
    words |= {"COMP_CWORD": str(len(typed.split(" "))), "SOFTSWITCH_CONFIG": str(EXAMPLE)}
    assert {line.split(",")[1] for line in run(env=words).stdout.split()} == found


def test_completion_stays_silent_over_a_file_that_is_no_toml(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[phones.1001\nnmae = 1\n")
    words = {"_SOFTSWITCH_COMPLETE": "bash_complete", "COMP_WORDS": "softswitch phones dnd ", "COMP_CWORD": "3"}
    said = run(env=words | {"SOFTSWITCH_CONFIG": str(file)})
    assert (said.stdout.strip(), said.stderr) == ("", "")


def test_durations_and_sizes_for_people():
    assert [duration(s) for s in (None, 0.4, 83, 3723, 90061)] == ["", "0:00", "1:23", "1:02:03", "1d 1:01:01"]
    assert [size(count) for count in (812, 1_400_000)] == ["812 B", "1.4 MB"]


def test_times_as_people_say_them():
    assert abs(past("2h") - (time.time() - 7200)) < 2
    assert past("1700000000.5") == 1700000000.5
    assert past("2026-08-01 14:30") - past("2026-08-01") == 14.5 * 3600
    clock = time.localtime(past("14:30"))
    assert (clock.tm_hour, clock.tm_min, clock.tm_yday) == (14, 30, time.localtime().tm_yday)


@pytest.mark.parametrize("text", ["0d", "999999999d", "1e3d", "7", "-1d"])
def test_lengths_of_time_that_nobody_can_mean(text):
    with pytest.raises(click.BadParameter):
        span(text)


def test_nothing_was_before_1970():
    assert past("99999d") == 0.0
    assert run("staff", "--from-ledger", "--queue", "q", "--last", "99999999d", "--config", str(EXAMPLE)).exit_code == 2


def test_plain_tables_are_aligned():
    text = plain_table(("name", ">calls"), [["anna", "3"], [("boris", "red"), "12"]])
    assert text.splitlines() == ["name   calls", "anna       3", "boris     12"]


def test_the_ladder_puts_the_switch_between_its_peers():
    def row(at, sent, peer, line, method, sdp=False):
        return {"at": at, "sent": sent, "peer": peer, "line": line, "method": method, "sdp": sdp}

    lines = [
        line
        for line, _ in ladder(
            [
                row(100.0, False, "192.0.2.1:5060", "INVITE sip:1@x", "INVITE", sdp=True),
                row(100.5, True, "192.0.2.2:5060", "INVITE sip:1@y", "INVITE"),
                row(101.0, True, "192.0.2.1:5060", "486 Busy Here", "INVITE"),
            ]
        )
    ]
    assert lines[1].split() == ["192.0.2.1:5060", "softswitch", "192.0.2.2:5060"]
    first, second, third = lines[2:]
    assert first.lstrip().startswith("0.000")
    assert first.index("│") < first.index("INVITE SDP") < first.index("▶") < first.rindex("│")
    assert second.index("▶") > first.index("▶"), "the second peer is on the other side of the switch"
    assert "486 Busy Here (INVITE)" in third
    assert third.index("◀") < third.index("486"), "a response runs back to the caller"


def test_details_of_the_ledger_are_written_as_in_json():
    data = {"waited": 2.04, "within": True, "agent": "anna", "target": None, "trunks": [["carrier", "in", 200, 1.5]]}
    entry = {"seq": 1, "at": 0.0, "kind": "k", "call": "", "queue": "", "agent": "", "data": data}
    details = ledger_cells(entry)[-1]
    assert details == 'waited=2.0 within=true agent=anna target=null trunks=[["carrier", "in", 200, 1.5]]'
