"""A real switch in processes of its own: started with a generated configuration on free loopback ports, ready when
its API says so, and at the end asked whether anything is left."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "interop-token"
PATIENCE = 45.0
"""Seconds for what takes a moment, on a machine where others work: only a failure is waited for so long."""
_COMMAND = ("-m", "softswitch.cli", "run")
_TIMER_SECONDS = 75.0  # RFC 3261: 64·T1 for INVITE, and its late answers
_LINGERING = frozenset(("transactions", "requests", "timers", "dialogs", "sessions"))


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody holds now on UDP and TCP, and neither the next one (baresip takes that for TLS)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            first = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            first.bind((host, 0))
            port: int = first.getsockname()[1]
            for number in (port, port + 1):
                stack.enter_context(socket.socket(family, socket.SOCK_STREAM)).bind((host, number))
            return port
    raise RuntimeError("no free port")


def media_ports(count: int = 800) -> tuple[int, int]:
    """A range below the kernel's own (ip_local_port_range) in which nobody holds a UDP port. Two of pytest's
    processes have a half each, so that they do not take the same one at once."""
    halves = {"gw0": (10000, 21000), "gw1": (21000, 32000)}
    first, last = halves.get(os.environ.get("PYTEST_XDIST_WORKER", ""), (10000, 32000))
    starts = range(first, last - count, 200)
    for low in random.sample(starts, len(starts)):
        if not bound(low, low + count - 1):
            return low, low + count - 1
    raise RuntimeError("no free range of ports")


def bound(low: int, high: int) -> int:
    """How many UDP ports of the range are held."""
    rows = [row for name in ("udp", "udp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()]
    found = [int(row.split()[1].rpartition(":")[2], 16) for row in rows if ":" in row.split()[0]]
    return sum(low <= port <= high for port in found)


def wait_until(what: str, test: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.05) -> Any:
    """What `test` gives once it is true. Raises `TimeoutError` that names `what`."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(pause)


@dataclass
class SwitchProcess:
    """One running switch. `host`/`port`: its SIP address for UDP and TCP."""

    directory: Path
    host: str
    port: int
    process: "subprocess.Popen[bytes]"
    api: httpx.Client
    log: Path
    data_dir: Path
    ports: tuple[int, int]
    expected: list[str] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        return self.get("status")

    def get(self, path: str, **query: Any) -> Any:
        reply = self.api.get(f"/api/v1/{path}", params=query)
        reply.raise_for_status()
        return reply.json()

    def pids(self) -> dict[str, int]:
        """Process ids by role: supervisor, control, media-0 …"""
        found = {"supervisor": self.process.pid}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == self.process.pid:
                    words = (entry / "cmdline").read_bytes().decode().split("\0")
                    media = next((word for word in words if "media-" in word), None)
                    role = Path(media).stem if media else "control"
                    found[role] = int(entry.name)
        return found

    def records(self, count: int, seconds: float = PATIENCE, **query: Any) -> list[dict[str, Any]]:
        """The latest call records, once there are at least `count`."""

        def enough() -> list[dict[str, Any]] | None:
            rows: list[dict[str, Any]] = self.get("records", limit=max(count, 1), **query)["items"]
            return rows if len(rows) >= count else None

        rows: list[dict[str, Any]] = wait_until(f"{count} call records", enough, seconds)
        return rows

    def log_lines(self) -> list[dict[str, Any]]:
        """Every line of the log that is JSON."""
        lines = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict):
                    lines.append(value)
        return lines

    def hang_all_up(self) -> None:
        """What a test that failed has left."""
        for row in self.get("calls")["items"]:
            self.api.delete(f"/api/v1/calls/{row['id']}")

    def calls_over(self, seconds: float = PATIENCE) -> None:
        """No call, leg, stream, player or recorder."""

        def none_left() -> bool:
            status = self.status()
            live = status["live"]
            return not status["calls"] and not any(live[name] for name in ("legs", "streams", "recordings", "offers"))

        wait_until("end of all calls", none_left, seconds)

    def nothing_left(self, seconds: float = _TIMER_SECONDS, transactions: bool = True) -> None:
        """Nothing lives once SIP's last timers are over, every port is free again, no fault was logged. Without
        `transactions`, which keep their sessions for half a minute: nothing of calls, media and rooms, at once."""
        self.calls_over()

        def none_live() -> bool:
            live = self.status()["live"]
            return not any(count for name, count in live.items() if transactions or name not in _LINGERING)

        wait_until(f"end of {self.status()['live']}", none_live, seconds, 0.2)
        wait_until("free ports", lambda: 2 * self.slots_free() == bound(*self.ports))
        self.no_faults()

    def slots_free(self) -> int:
        return sum(row["slots_free"] for row in self.status()["workers"])

    def no_faults(self) -> None:
        """No exception of the core, no traceback of any process, no error that the test did not provoke."""
        assert self.status()["counters"]["faults"] == 0
        assert self.status()["counters"]["rows_dropped"] == 0
        text = self.log.read_text(encoding="utf-8", errors="replace")
        assert "Traceback" not in text, text[text.index("Traceback") :][:3000]
        errors = [line for line in self.log_lines() if line.get("level") == "error"]
        strange = [line for line in errors if line.get("event") not in self.expected]
        assert not strange, strange[:5]

    def stop(self, seconds: float = PATIENCE) -> int:
        """SIGTERM; the exit code."""
        self.api.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5.0)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            raise


def base_configuration(host: str, port: int, api_port: int, data_dir: Path, ports: tuple[int, int]) -> str:
    """The tables that every test needs: one UDP and one TCP listener, one media process. Digest with MD5 only: SIPp
    3.6 answers the first challenge whatever it is, and baresip 1.0 (libre 1.1) gives up when it sees SHA-256 too."""
    bracketed = f"[{host}]" if ":" in host else host
    return f"""
[server]
name = "interop"
data_dir = "{data_dir}"
drain_seconds = 5
[sip]
domain = "pbx.test"
digest_algorithms = ["MD5"]
listen = ["udp:{bracketed}:{port}", "tcp:{bracketed}:{port}"]
local_networks = ["127.0.0.0/8", "::1/128"]
[media]
address = "{host}"
ports = [{ports[0]}, {ports[1]}]
workers = 1
[api]
listen = "127.0.0.1:{api_port}"
token = "{TOKEN}"
[log]
level = "info"
format = "json"
"""


@contextlib.contextmanager
def running_switch(
    directory: Path,
    tables: str,
    *,
    host: str = "127.0.0.1",
    ports: tuple[int, int] | None = None,
    data_dir: Path | None = None,
    base: Callable[[str], str] = lambda text: text,
    prefix: tuple[str, ...] = (),
    command: tuple[str, ...] | None = None,
) -> Iterator[SwitchProcess]:
    """Start a switch with `tables` added to the base configuration; `prefix` goes before the command (taskset …)."""
    directory.mkdir(parents=True, exist_ok=True)
    port, api_port = free_port(host=host), free_port()
    data_dir = data_dir or directory / "var"
    config = directory / "config.toml"
    ports = ports or media_ports()
    config.write_text(base(base_configuration(host, port, api_port, data_dir, ports)) + tables)
    log = directory / "switch.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*prefix, sys.executable, *(command or _COMMAND), str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'codecs'}"},
        )
    api = httpx.Client(
        base_url=f"http://127.0.0.1:{api_port}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE
    )
    switch = SwitchProcess(directory, host, port, process, api, log, data_dir, ports)
    try:
        _wait_ready(switch)
        yield switch
    finally:
        code = switch.stop()
    assert code == 0, f"the switch ended with {code}: {log.read_text()[-2000:]}"


def _wait_ready(switch: SwitchProcess) -> None:
    def ready() -> bool:
        if switch.process.poll() is not None:
            raise RuntimeError(f"the switch did not start:\n{switch.log.read_text()[-4000:]}")
        try:
            status = switch.status()
        except httpx.TransportError:
            return False
        with contextlib.suppress(ConnectionError), socket.create_connection((switch.host, switch.port)):
            return all(worker["up"] for worker in status["workers"])
        return False

    wait_until("readiness of the switch", ready)
