"""One real switch for all tests of the command line: `softswitch run` on free loopback ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.switch_process import media_ports

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningSwitch:
    config: Path
    data_dir: Path
    sip_port: int
    process: subprocess.Popen


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def write_configuration(folder):
    sip_port = free_port(socket.SOCK_DGRAM)
    first, last = media_ports(200)
    path = folder / "config.toml"
    path.write_text(
        f"""
[server]
name = "clitest"
data_dir = "{folder / "var"}"
max_calls = 50
drain_seconds = 2

[sip]
domain = "clitest.example"
listen = ["udp:127.0.0.1:{sip_port}"]

[media]
address = "127.0.0.1"
ports = [{first}, {last}]
workers = 1

[api]
listen = "127.0.0.1:{free_port()}"

[defence]
lock_seconds = 60

[phones.1001]
password = "a-long-enough-secret"
[phones.1002]
password = "another-long-secret"

[acd]
pause_reasons = ["tea", "training"]

[agents.anna]
name = "Anna"
phone = "1001"
[agents.boris]
phone = "1002"

[trunks.carrier]
address = "sip:127.0.0.3:5999"
options_seconds = 0

[queues.support]
agents = ["anna", "boris"]
[queues.support.callback]

[[routes]]
from = "phone:*"
number = "100"
to = "queue:support"
[[routes]]
from = "phone:*"
number = "600"
to = "conference:team"
"""
    )
    return path, sip_port


def environment():
    return dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}")


@pytest.fixture(scope="session")
def switch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("switch")
    config, sip_port = write_configuration(folder)
    output = (folder / "output").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "softswitch.cli", "run", "-c", str(config)],
        cwd=folder,
        env=environment(),
        stdout=output,
        stderr=output,
    )
    limit = time.monotonic() + 45
    while b"switch.ready" not in (folder / "output").read_bytes():
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            process.wait()
            pytest.fail(f"the switch did not start:\n{(folder / 'output').read_text()}")
        time.sleep(0.05)
    yield RunningSwitch(config, folder / "var", sip_port, process)
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        output.close()
    assert code == 0, (folder / "output").read_text()
