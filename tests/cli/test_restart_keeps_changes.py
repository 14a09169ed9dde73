"""What was changed while the switch ran is there after a restart (PEERS: queue settings lost)."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from softswitch.cli.main import cli
from tests.cli.conftest import environment, write_configuration


@contextlib.contextmanager
def running(config, folder):
    log = folder / "output"
    log.write_bytes(b"")
    with log.open("wb") as output:
        command = [sys.executable, "-m", "softswitch.cli", "run", "-c", str(config)]
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=output, stderr=output)
    try:
        limit = time.monotonic() + 60
        while b"switch.ready" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"the switch did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_settings_closings_customers_and_seats_outlive_a_restart(tmp_path):
    config, _ = write_configuration(tmp_path)
    with config.open("a") as file:
        file.write('[phones.1003]\npassword = "yet-another-secret"\n')

    def ask(*arguments):
        result = CliRunner().invoke(cli, [*arguments, "--config", str(config)], prog_name="softswitch")
        assert result.exit_code == 0, result.output
        return result.stdout

    with running(config, tmp_path):
        ask("queue", "set", "support", "wrap_up=33", "weights.anna=20")
        ask("queue", "remove", "support", "boris")
        ask("queue", "close", "support", "--reason", "fire alarm")
        ask("customers", "set", "7", "--name", "Anna", "--number", "+3701", "--head-start", "60")
        ask("agent", "login", "anna", "--phone", "1003")
        ask("phones", "forward", "1001", "always", "1003")
        ask("phones", "forward", "1001", "busy", "off")
        ask("phones", "dnd", "1002", "on")
        ask("phones", "waiting", "1003", "off")
    members = 'agents = ["anna", "boris"]'  # the file changes meanwhile: what was changed live goes before it
    config.write_text(config.read_text().replace(members, f"{members}\nwrap_up = 5\npriority = 9"))
    with running(config, tmp_path):
        shown = json.loads(ask("queue", "show", "support", "--json"))
        settings = shown["settings"]
        assert (shown["open"], shown["shut"]) == (False, "fire alarm")
        assert (settings["wrap_up"], settings["priority"], settings["agents"]) == (33.0, 9.0, ["anna"])
        assert settings["weights"] == {"anna": 20.0}
        assert {row["path"]: row["was"] for row in shown["changed"]}["queues.support.wrap_up"] == 5.0
        (anna,) = json.loads(ask("customers", "list", "+3701", "--json"))
        assert (anna["id"], anna["head_start"]) == ("7", 60.0)
        agents = {row["name"]: row for row in json.loads(ask("agents", "--json"))}
        assert (agents["anna"]["phone"], agents["anna"]["state"]) == ("1003", "unreachable")  # registration gates
        phones = {row["name"]: row for row in json.loads(ask("phones", "list", "--json"))}
        assert phones["1001"]["forward"] == {"always": "1003"}
        assert phones["1001"]["said"] == {"always": "1003", "busy": ""}
        assert [phones[name]["dnd"] for name in ("1001", "1002", "1003")] == [False, True, False]
        assert [phones[name]["call_waiting"] for name in ("1001", "1002", "1003")] == [True, True, False]
        ask("phones", "forward", "1001", "always", "default")
        assert "1003" not in ask("phones", "forward", "1001", "busy", "default").splitlines()[-1]
        ask("queue", "open", "support")
        ask("queue", "unset", "support", "wrap_up", "agents", "weights.anna")
        assert json.loads(ask("diff", "--json"))["live"] == []
        assert json.loads(ask("queue", "show", "support", "--json"))["settings"]["wrap_up"] == 5.0
