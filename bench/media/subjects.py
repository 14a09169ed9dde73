"""The processes that are measured: the switch's media process, and a plain relay as a yardstick.

A subject is told the phones' addresses, tells the ports to speak to, and is judged by what the operating system says
of its process. Another program (a PBX, an RTP proxy) would be one more class here.
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench.machine import resident_bytes
from softswitch.wire import control

Address: TypeAlias = tuple[str, int]

ROOT: Final = Path(__file__).parents[2]
_PORTS: Final = range(10_000, 32_000)  # below the kernel's own (ip_local_port_range)
_BUSY_AT_MOST: Final = 256  # ports of a range that others may hold: media leaves them out
_EDGES_A_COMMAND: Final = 1000


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Children started inside run on `cores` (empty: wherever the kernel likes)."""
    before = os.sched_getaffinity(0)
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def split_cores() -> tuple[set[int], set[int]]:
    """Cores for the subject and for the generator: the last one is the generator's; empty on a single core."""
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores[:-1]), {cores[-1]}) if len(cores) > 1 else (set(), set())


def free_ports(count: int) -> tuple[int, int]:
    """First and last of so many UDP ports of which hardly any is held: runs side by side do not meet."""
    rows = [row for name in ("udp", "udp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    held = [int(row.split()[1].rpartition(":")[2], 16) for row in rows]
    starts = list(range(_PORTS.start, _PORTS.stop - count, 500))
    random.shuffle(starts)
    for low in starts:
        if sum(low <= port < low + count for port in held) <= _BUSY_AT_MOST:
            return low, low + count - 1
    raise SystemExit(f"no range of {count} free UDP ports in {_PORTS.start}-{_PORTS.stop - 1}")


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, by its own clock: `stat` and `getrusage` sample in ticks and lie about a
    program that wakes at tick edges."""
    return time.clock_gettime(~pid << 3 | 2)


def waited_seconds(pid: int) -> float:
    """How long the main thread was ready to run and others were on its core (`schedstat`, run-queue wait)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0  # a kernel without it


class Media:
    """`python -m softswitch.media` and a control connection to it."""

    def __init__(self, folder: str, slots: int, backend: str = "auto", cores: set[int] | None = None) -> None:
        path = f"{folder}/media.sock"
        environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}")
        arguments = ["--socket", path, "--address", "127.0.0.1", "--slots", str(slots), "--backend", backend]
        low, high = free_ports(2 * slots + 2 * _BUSY_AT_MOST)
        arguments += ["--ports", f"{low}-{high}"]
        with on(cores or set()):
            self.process = subprocess.Popen([sys.executable, "-m", "softswitch.media", *arguments], env=environment)
        self.pid = self.process.pid
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        for _ in range(1000):
            try:
                self._link.connect(path)
                break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the media process ended") from None
                time.sleep(0.02)
        self._frames = control.Frames()
        self.reports: list[Any] = []
        self.send(control.Hello())
        ready: control.Ready = self.wait(control.Ready)
        self.name = ready.backend
        self.codecs = ready.codecs
        self.free = list(ready.free)
        if len(self.free) < slots:
            self.close()
            raise SystemExit(f"only {len(self.free)} of {slots} ports are free from {low} on")

    def send(self, *commands: control.Command) -> None:
        """Commands in one frame."""
        self._link.sendall(control.encode(commands))

    def connect(self, edges: Sequence[control.Edge]) -> None:
        """Edges in commands of a decent size."""
        for first in range(0, len(edges), _EDGES_A_COMMAND):
            self.send(control.Connect(tuple(edges[first : first + _EDGES_A_COMMAND])))

    def wait(self, kind: type) -> Any:
        """The next report of a kind; others are kept."""
        while True:
            for report in self.reports:
                if isinstance(report, kind):
                    self.reports.remove(report)
                    return report
            self.poll(None)

    def poll(self, timeout: float | None) -> None:
        """Read what media has said."""
        self._link.settimeout(timeout)
        try:
            data = self._link.recv(1 << 20)
        except TimeoutError:
            return
        finally:
            self._link.settimeout(None)
        if not data:
            raise SystemExit("the media process ended")
        for body in self._frames.feed(data):
            self.reports += control.decode_reports(body)

    def statistics(self) -> control.WorkerStats:
        """Of the process; whatever else was reported and not waited for is forgotten, failures are shown."""
        self.send(control.AskStats(process_only=True))
        stats: control.WorkerStats = self.wait(control.WorkerStats)
        for report in self.reports:
            if isinstance(report, control.Failed):
                raise SystemExit(f"media could not {report.what} {report.subject}: {report.reason}")
        return stats

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self.send(control.Shutdown())
        _end(self.process)
        self._link.close()


class Yardstick:
    """The plain relay on uvloop (`bench/media/yardstick.py`)."""

    name = "uvloop"

    def __init__(self, phones: Sequence[Address], pairs: Sequence[tuple[int, int]], cores: set[int]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("yardstick.py"))]
        with on(cores):
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"phones": phones, "pairs": pairs}) + "\n")
        self.process.stdin.flush()
        self.ports: list[int] = json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it; it goes when its input ends."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        _end(self.process)
        self.process.stdout.close()


def _end(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def resident_mb(pid: int) -> float:
    """Resident memory."""
    return resident_bytes(pid) / 1e6
