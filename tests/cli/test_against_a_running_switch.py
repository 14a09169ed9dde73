"""Every command that speaks to a switch, against a real one: JSON for programs, columns for pipes, exit codes."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from itertools import count
from random import Random

import pytest
from click.testing import CliRunner

from softswitch.cli import client
from softswitch.cli.main import cli
from softswitch.demo.phone import Account, Phone
from softswitch.demo.stream import Metronome

SEEDS = count(1)  # two phones with the same dice would send the same transaction twice


@pytest.fixture
def ask(switch, monkeypatch):
    """Run a command against the switch; standard output."""
    monkeypatch.setattr(client, "_TIMEOUT", 45.0)  # a busy machine is no fault of the switch

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli, [*arguments, "--config", str(switch.config)], prog_name="softswitch")
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


def wait_until_written(ask):
    """The store writes behind the calls, in batches."""
    limit = time.monotonic() + 45
    while json.loads(ask("status", "--json"))["counters"]["rows_waiting"]:
        assert time.monotonic() < limit
        time.sleep(0.05)


def in_a_call(switch, ask, what, number="100", hung_up=False):
    """Register phone 1001, let it wait in queue support, and return what `what(ask)` says meanwhile. `hung_up`:
    that ends the call."""

    async def play():
        account = Account("1001", "a-long-enough-secret", "clitest.example", ("127.0.0.1", switch.sip_port))
        phone = Phone(account, Metronome(), Random(next(SEEDS)))
        try:
            await phone.register()
            call = phone.dial(number)
            assert await call.answered(45.0)
            return (
                await asyncio.to_thread(what),
                call.headers.get("X-Call-Id"),
                await call.ended(45.0 if hung_up else 0.0),
            )
        finally:
            await phone.unregister()
            await phone.close()

    return asyncio.run(play())


def test_status_for_people_and_programs(ask):
    found = json.loads(ask("status", "--json"))
    assert found["name"] == "clitest"
    assert found["draining"] is False
    assert [worker["up"] for worker in found["workers"]] == [True]
    assert found["counters"]["faults"] == 0
    assert {"sessions", "transactions", "legs"} <= set(found["live"])
    text = ask("status")
    assert "clitest, version" in text
    assert "media-0" in text
    assert "\x1b[" not in text, "no colours in a pipe"


@pytest.mark.parametrize(
    ("command", "key", "names"),
    [
        ("agents", "name", ["anna", "boris"]),
        ("queues", "name", ["support"]),
        ("trunks", "name", ["carrier"]),
        ("calls", "id", []),
        ("registrations", "phone", []),
    ],
)
def test_lists_give_the_api_rows(ask, command, key, names):
    assert [row[key] for row in json.loads(ask(command, "--json"))] == names
    text = ask(command)
    for name in names:
        assert name in text
    if not names:
        assert text.startswith("no ")


def test_watch_needs_a_terminal(ask):
    assert "--watch needs a terminal" in ask("queues", "--watch", code=2)


def test_an_agent_is_logged_in_paused_and_out(ask):
    assert "anna: logged in" in ask("agent", "login", "anna")
    rows = json.loads(ask("agent", "pause", "anna", "boris", "--reason", "tea", "--json"))
    assert [row["name"] for row in rows] == ["anna", "boris"]
    agents = {row["name"]: row for row in json.loads(ask("agents", "--json"))}
    assert agents["anna"]["state"] == "paused"
    assert agents["anna"]["reason"] == "tea"
    assert agents["boris"]["state"] == "logged-out", "who is logged out stays so"
    assert 'no pause reason "foo"; there are tea, training' in ask("agent", "pause", "anna", "-r", "foo", code=1)
    assert "boris: stays logged-out" in ask("agent", "pause", "boris")
    assert "now unreachable" in ask("agent", "ready", "anna")
    assert "now logged-out" in ask("agent", "logout", "anna")
    wait_until_written(ask)
    kinds = [entry["kind"] for entry in json.loads(ask("ledger", "--agent", "anna", "--json"))]
    assert [kind for kind in kinds if kind != "agent.state"] == [
        "agent.login",
        "agent.pause",
        "agent.ready",
        "agent.logout",
    ]


def test_the_ledger_can_be_followed(switch, ask):
    """Entries come as they happen, one JSON object a line, filtered by agent."""
    command = [sys.executable, "-m", "softswitch.cli", "ledger", "--follow", "--json", "--agent", "boris"]
    with subprocess.Popen([*command, "--config", str(switch.config)], stdout=subprocess.PIPE, text=True) as follower:
        try:
            lines = []
            reader = threading.Thread(target=lambda: lines.append(follower.stdout.readline()))
            reader.start()
            limit = time.monotonic() + 45
            while reader.is_alive() and time.monotonic() < limit:  # until it listens
                ask("agent", "login", "anna", "boris")
                ask("agent", "logout", "anna", "boris")
                reader.join(0.2)
        finally:
            follower.kill()
    assert json.loads(lines[0])["agent"] == "boris"


def test_why_wrap_up_and_outcome_of_nobody(ask):
    assert "no call nobody in a queue lately, and no such agent\n" in ask("why", "nobody", code=1)
    assert 'and no such agent; did you mean "anna"?' in ask("why", "ana", code=1)
    assert "agent anna is not in wrap-up" in ask("agent", "wrap-up", "anna", "30", code=1)
    assert "neither talks nor wraps up" in ask("agent", "outcome", "anna", "sold", code=1)


def test_an_unknown_agent_changes_nothing(ask):
    assert 'no agent ana; did you mean "anna"?' in ask("agent", "login", "boris", "ana", code=1)
    assert json.loads(ask("agents", "--json"))[1]["state"] == "logged-out"


def test_a_waiting_caller_is_seen_traced_and_hung_up(switch, ask):
    """The caller waits in the queue; `hangup` ends it, and record, ledger and ladder tell of it."""

    def look():
        waiting = json.loads(ask("queue", "show", "support", "--json"))
        call = waiting["waiting"][0]["call"]
        return {
            "waiting": waiting,
            "queue": ask("queue", "show", "support"),
            "one": json.loads(ask("calls", call, "--json")),
            "why": json.loads(ask("why", call, "--json")),
            "why in words": ask("why", call, "--skipped"),
            "why agent": json.loads(ask("why", "anna", "--json")),
            "why agent in words": ask("why", "anna"),
            "detail": ask("calls", call),
            "registrations": json.loads(ask("registrations", "--json")),
            "status": json.loads(ask("status", "--json")),
            "hangup": json.loads(ask("hangup", call, "--json")),
        }

    seen, call, ended = in_a_call(switch, ask, look, hung_up=True)
    assert ended, "the phone was hung up on"
    assert [(row["call"], row["position"]) for row in seen["waiting"]["waiting"]] == [(call, 1)]
    assert seen["waiting"]["queue"]["waiting"] == 1
    assert [row["name"] for row in seen["waiting"]["agents"]] == ["anna", "boris"]
    assert call in seen["queue"]
    assert seen["one"]["state"] == "queued"
    assert seen["one"]["legs"][0]["codec"] == "PCMA"
    assert "phone:1001" in seen["detail"]
    assert [skip["reason"] for skip in seen["why"]["stays"][0]["skipped"]] == ["logged-out", "logged-out"]
    assert "offered to nobody" in seen["why in words"]
    assert "not with: 2 logged-out" in seen["why in words"]
    assert seen["why agent"]["next_call"] == call
    assert call in seen["why agent in words"]
    assert [row["phone"] for row in seen["registrations"]] == ["1001"]
    assert seen["status"]["waiting"] == 1
    assert seen["hangup"] == {"hung_up": [call]}

    wait_until_written(ask)
    record = json.loads(ask("records", call, "--json"))
    assert record["record"]["hung_up_by"] == "switch"
    assert record["ledger"][0]["kind"] == "call.started"
    assert call in [row["id"] for row in json.loads(ask("records", "--queue", "support", "--since", "1h", "--json"))]
    assert json.loads(ask("records", "--until", "2020-01-01", "--json")) == []
    assert call in ask("records")
    assert "queue.entered" in ask("ledger", "--call", call)

    rows = json.loads(ask("trace", call, "--json"))
    assert [row["line"].split()[0] for row in rows][:2] == ["INVITE", "401"]
    ladder = ask("trace", call)
    assert "INVITE SDP" in ladder
    assert "◀" in ladder
    assert "▶" in ladder
    assert "Call-ID:" in ask("trace", call, "--raw")


def test_reload_says_what_changed(switch, ask):
    before = switch.config.read_text()
    assert ask("reload") == "nothing has changed\n"
    try:
        switch.config.write_text(before + '\n[phones.1003]\npassword = "yet-another-secret"\n')
        assert "1003" in ask("reload")
        switch.config.write_text(before + '\n[phones.1003]\npasword = "x"\n')
        refused = ask("reload", code=1)
        assert 'phones.1003.pasword: unknown key; did you mean "password"?' in refused, "as softswitch check says it"
        assert "phones.1003" not in ask("status")
    finally:
        switch.config.write_text(before)
        ask("reload")


def test_what_waits_for_a_restart_is_said_until_it_is_taken_back(switch, ask):
    """And until the restart nobody looks for recordings where none are written."""
    before = switch.config.read_text()
    try:
        switch.config.write_text(before + '\n[recording]\ndirectory = "elsewhere"\n')
        for _ in range(2):
            (line,) = ask("reload").splitlines()
            assert line.startswith("recording.directory: ")
            assert line.endswith('elsewhere" (after a restart)')
            assert line in ask("diff")
    finally:
        switch.config.write_text(before)
        assert ask("reload") == "nothing has changed\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("calls", "nobody"), "no live call nobody"),
        (("hangup", "nobody"), "no live call nobody"),
        (("records", "nobody"), "no record of call nobody"),
        (("trace", "nobody"), "no SIP messages of nobody"),
        (("queue", "show", "suport"), 'did you mean "support"?'),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_1(ask, arguments, says):
    said = ask(*arguments, code=1)
    assert says in said
    assert said.count("\n") == 1


def test_no_recordings_yet(ask):
    assert json.loads(ask("recordings", "list", "--json")) == []
    found = json.loads(ask("recordings", "verify", "--json"))
    assert found == {"recordings": 0, "chain": 0, "unsealed": 0, "head": "", "faults": []}
    assert ask("recordings", "repair") == "nothing to repair\n"


def test_doctor_knows_that_the_switch_runs(ask):
    findings = {finding["name"]: finding for finding in json.loads(ask("doctor", "--json"))}
    assert "the running switch has" in findings["addresses"]["found"]
    assert "in use by the running switch" in findings["database"]["found"]


def test_a_wrong_token_is_refused(switch):
    url = (switch.data_dir / "run" / "api-url").read_text().strip()
    result = CliRunner().invoke(cli, ["status", "--url", url, "--token", "wrong"])
    assert result.exit_code == 1
    assert result.stderr == "softswitch: the switch does not accept the token\n"


def test_a_second_switch_on_the_same_data_is_refused(switch):
    again = subprocess.run(
        [sys.executable, "-m", "softswitch.cli", "run", str(switch.config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert again.returncode == 1
    assert "another softswitch" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_queue_is_changed_while_the_switch_runs(ask):
    (row,) = json.loads(ask("queue", "set", "support", "wrap_up=30", "--json"))
    assert (row["path"], row["value"], row["by"]) == ("queues.support.wrap_up", 30, "cli")
    assert "wrap_up" in ask("queue", "show", "support")
    assert "queues.support.wrap_up" in ask("diff")
    assert "must not be below 0" in ask("queue", "set", "support", "wrap_up=-1", code=1)
    assert "did you mean" in ask("queue", "set", "support", "wrapup=1", code=1)
    assert "as the configuration file says" in ask("queue", "unset", "support", "wrap_up")
    assert json.loads(ask("queue", "remove", "support", "boris", "--json"))["settings"]["agents"] == ["anna"]
    assert "anna, boris" in ask("queue", "add", "support", "boris")
    assert "closed (storm)" in ask("queue", "close", "support", "--reason", "storm")
    assert "closed: storm" in ask("queue", "show", "support")
    assert "support (closed)" in ask("queues")
    assert [row["open"] for row in json.loads(ask("queues", "--json"))] == [False]
    assert "takes calls" in ask("queue", "open", "support")
    assert "(closed)" not in ask("queues")
    ask("agent", "set", "anna", "skills.english=80")
    assert json.loads(ask("diff", "--json"))["live"][0]["path"] == "agents.anna.skills.english"
    ask("agent", "unset", "anna", "skills.english")
    assert json.loads(ask("diff", "--json")) == {"file": [], "faults": [], "live": []}


def test_an_agent_logs_in_at_another_phone(ask):
    (row,) = json.loads(ask("agent", "login", "anna", "--phone", "1002", "--json"))
    assert row["phone"] == "1002"
    assert "no phone 9999" in ask("agent", "login", "anna", "--phone", "9999", code=1)
    ask("agent", "logout", "anna")


def test_customers_come_from_a_csv_file(ask, tmp_path):
    file = tmp_path / "customers.csv"
    head, anna = "id;name;numbers;head_start;needs;queue", "7;Anna;061234567 +442071234567;60;english:50;support"
    file.write_text(f"{head}\n{anna}\n8;Berta;;;;\n")
    found = json.loads(ask("customers", "import", str(file), "--country", "370", "--json"))
    assert found == {"read": 2, "stored": 2}
    (anna,) = json.loads(ask("customers", "list", "+37061234567", "--json"))
    assert (anna["id"], anna["head_start"], anna["needs"]) == ("7", 60.0, [["english", 50]])
    assert "Anna" in ask("customers", "set", "7", "--language", "lt", "--number", "+37060000000")
    (anna,) = json.loads(ask("customers", "list", "7", "--json"))
    assert (anna["language"], anna["numbers"], anna["queue"]) == ("lt", ["+37060000000"], "support")
    assert "deleted" in ask("customers", "delete", "7", "8")
    assert ask("customers", "list").startswith("no customers") or not json.loads(ask("customers", "list", "--json"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name\nAnna\n", 'line 1: no column "id"'),
        ("id,phone\n7,1\n", 'line 1: no column "phone"'),
        ("id,numbers\n7,who\n", 'line 2: "who" is no number'),
        ("id,head_start\n7,soon\n", 'line 2: head_start "soon" is no number of seconds'),
        ("id,needs\n7,english\n", 'line 2: "english" is no need'),
        ("id\n7\n7\n", 'line 3: "7" is also in line 2'),
        ("id,name\n7\n", "line 2: 2 columns are expected"),
        ("id,agent\n7,zoe\n", "customer 7: no agent zoe"),
    ],
)
def test_a_customers_file_with_a_fault_changes_nothing(ask, tmp_path, text, why):
    file = tmp_path / "customers.csv"
    file.write_text(text)
    assert why in ask("customers", "import", str(file), code=1)
    assert json.loads(ask("customers", "list", "--json")) == []


def test_calls_that_are_not_there_and_no_hooks(ask):
    assert "no live call" in ask("call", "prioritise", "nobody", "--seconds", "60", code=1)
    assert "no live call" in ask("call", "move", "nobody", "support", code=1)
    assert "no hooks" in ask("hooks")


def test_a_report_of_the_running_switch(switch, ask, tmp_path):
    in_a_call(switch, ask, lambda: time.sleep(0.3))
    found = json.loads(ask("report", "queues", "--last", "1h", "--json"))
    (row,) = found["rows"]
    assert row["queue"] == "support"
    assert row["offered"] == found["total"]["offered"] >= 1
    assert found["question"]["timezone"] == "UTC"
    assert ask("report", "queues", "-q", "support").startswith("Queues of support, ")
    page = tmp_path / "today.html"
    ask("report", "intervals", "--last", "2h", "-o", str(page))
    assert page.read_text().count("<svg") == 5
    assert "cannot be written" in ask("report", "--last", "1h", "-o", str(tmp_path / "no" / "x.csv"), code=1)
    assert 'did you mean "support"?' in ask("report", "queues", "-q", "suport", code=1)
    assert "no agent nobody now" in ask("report", "agents", "--agent", "nobody", code=1)


def test_call_backs_are_asked_for_listed_and_cancelled(ask):
    row = json.loads(ask("callbacks", "ask", "support", "1002", "--json"))
    assert row["id"] in ask("callbacks", "list")
    assert row["id"] in ask("queue", "show", "support")
    assert "may not be called" in ask("callbacks", "ask", "support", "+39001234567", code=1)
    assert "cancelled" in ask("callbacks", "cancel", row["id"])
    assert ask("callbacks", "list").startswith("no ")


def test_click_to_dial(switch, ask):
    """Refused in one line; then the phone rings, is answered, and waits in the queue."""
    assert "no phone 1999" in ask("call", "1999", "100", code=1)
    assert "is not registered" in ask("call", "1002", "100", code=1)
    assert "Usage: softswitch call" in ask("call", "1002", code=2)
    rung = []

    async def play():
        async def take(call):
            rung.append(call)
            call.answer()

        account = Account("1001", "a-long-enough-secret", "clitest.example", ("127.0.0.1", switch.sip_port))
        phone = Phone(account, Metronome(), Random(next(SEEDS)), on_call=take)
        try:
            await phone.register()
            said = await asyncio.to_thread(ask, "call", "1001", "100", "--json")
            call = json.loads(said)
            assert (call["state"], call["called"], call["ordered_by"]) == ("ringing", "100", "own")
            while await asyncio.to_thread(_state, ask, call["id"]) != "queued":
                await asyncio.sleep(0.05)
            assert "reaches nobody by dialling 999" in await asyncio.to_thread(ask, "call", "agent:anna", "999", code=1)
            assert "hung up" in await asyncio.to_thread(ask, "hangup", call["id"])
            assert await rung[0].ended(5.0)
            assert "phone:1001, then 600" in await asyncio.to_thread(ask, "call", "dial", "1001", "600")
            while len(rung) < 2:
                await asyncio.sleep(0.05)
            rung[1].hang_up()
        finally:
            await phone.unregister()
            await phone.close()

    asyncio.run(asyncio.wait_for(play(), 30.0))


def _state(ask, call):
    return json.loads(ask("calls", call, "--json"))["state"]


def test_conferences(switch, ask):
    """Nobody is there; then one phone, muted and hung up by order."""
    assert "nobody is in a conference" in ask("conferences")
    assert json.loads(ask("conferences", "--json")) == []
    assert "nobody is in a conference team" in ask("conferences", "end", "team", code=1)
    assert "no conference team" in ask("conferences", "invite", "team", "1002", "--from", "1001", code=1)

    assert "no conference team" in ask("conferences", "gather", "team", "nobody", code=1)

    def look():
        (row,) = json.loads(ask("conferences", "--json"))
        assert [member["party"] for member in row["members"]] == ["phone:1001"]
        assert "muted by order" in ask("conferences", "mute", "team", "phone:1001")
        assert _completed(switch, "softswitch conferences mute t") == ["team"]
        assert _completed(switch, "softswitch conferences mute team p") == ["phone:1001"]
        assert "muted by order" not in ask("conferences", "unmute", "team", "all")
        assert "locked" in ask("conferences", "lock", "team")
        assert json.loads(ask("conferences", "unlock", "team", "--json"))["locked"] is False
        assert "nobody is there" in ask("conferences", "kick", "team", "1001")

    in_a_call(switch, ask, look, number="600")


def _completed(switch, line):
    """What a shell is told to complete."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "SOFTSWITCH_CONFIG": str(switch.config)}
    found = subprocess.run(
        [sys.executable, "-m", "softswitch.cli"], capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, **words, "_SOFTSWITCH_COMPLETE": "bash_complete"},
    )  # fmt: skip
    return [row.partition(",")[2] for row in found.stdout.splitlines()]


def test_messages_are_listed_by_kind(ask):
    assert json.loads(ask("recordings", "list", "--kind", "voicemail", "--json")) == []
