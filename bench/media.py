"""Bridged G.711 calls through a real media process on loopback: what a call costs and how long a packet takes.

    python bench/media.py [--calls 100 200] [--modes relay mix record] [--seconds 8]

A generator process sends both sides of every call, 20 ms packets spread evenly over time, and times each packet that
comes back. CPU is the media process's own (`process_time`), so that the generator's does not count. Added delay is
arrival minus sending of the same payload; in mix mode it holds the jitter buffer and the wait for the tick. Where the
last column shows that the generator itself was late by more than a few ms, the machine was too busy to tell delays.
"""

import argparse
import json
import multiprocessing
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from softswitch.wire import control

_ROOT = Path(__file__).parents[1]
_HEADER = struct.Struct("!HHII")


def _payload(number: int) -> bytes:
    """20 ms of µ-law; each half carries `number` and which half it is, in signs, which the mix leaves alone."""
    halves = []
    for half in (0, 1):
        bits = [(number * 2 + half >> i) & 1 for i in range(24)]
        halves.append(bytes(0x80 if bit else 0x00 for bit in bits for _ in range(2)) + b"\xff" * 32)
    return b"".join(halves)


def _number(data: bytes) -> tuple[int, int]:
    """Packet number and half that a received packet begins with; number −1 when it carries none."""
    bits = data[12:60:2]
    if bits.count(0xFF) + bits.count(0x7F) + bits.count(0xFE):
        return -1, 0
    code = sum(1 << i for i, octet in enumerate(bits) if octet & 0x80)
    return code >> 1, code & 1


def generate(legs: list[tuple[int, int]], seconds: float, link: Connection) -> None:
    """The generator process: `legs` are (our port, media's port). Answers
    (sent, received, delays in ms, its own worst lateness in ms)."""
    poll = select.epoll()
    sockets, by_fd, legs_by_fd = [], {}, {}
    for ours, theirs in legs:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        made.bind(("127.0.0.1", ours))
        made.connect(("127.0.0.1", theirs))
        poll.register(made, select.EPOLLIN)
        by_fd[made.fileno()] = made
        legs_by_fd[made.fileno()] = len(sockets)
        sockets.append(made)
    link.send("ready")
    link.recv()
    count = len(legs)
    step = 0.02 / count
    frames = int(seconds * 50)
    sent_at = np.zeros(frames * count)
    payloads = [_payload(n) for n in range(frames)]
    delays: list[float] = []
    start = time.perf_counter() + 0.01
    n, total, received = 0, frames * count, 0
    lag = 0.0
    while n < total or time.perf_counter() < start + seconds + 0.3:
        now = time.perf_counter()
        if n < total:
            lag = max(lag, now - start - n * step)
        while n < total and start + n * step <= now:
            frame, leg = divmod(n, count)
            head = _HEADER.pack(0x8000, frame, frame * 160, leg + 1)
            sockets[leg].send(head + payloads[frame])
            sent_at[n] = time.perf_counter()
            n += 1
        for fd, _ in poll.poll(0):
            try:
                data = by_fd[fd].recv(2048)
            except OSError:
                continue
            arrived = time.perf_counter()
            received += 1
            if received % 7 == 0:
                frame, half = _number(data)
                if 0 <= frame < frames - 1:  # the last one is also what concealment repeats
                    delays.append(arrived - sent_at[frame * count + (legs_by_fd[fd] ^ 1)] - half * 0.01)
        left = start + n * step - time.perf_counter()
        if left > 0.0003:
            time.sleep(min(left, 0.0005))
    link.send((n, received, np.array(delays) * 1000, lag * 1000))


class _Media:
    def __init__(self, folder: str, calls: int, first_port: int) -> None:
        path = f"{folder}/media.sock"
        environment = dict(os.environ, PYTHONPATH=f"{_ROOT}:{_ROOT / 'codecs'}")
        arguments = [
            "--socket",
            path,
            "--address",
            "127.0.0.1",
            "--ports",
            f"{first_port}-{first_port + 4 * calls + 63}",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "softswitch.media", *arguments, "--slots", str(2 * calls)], env=environment
        )
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        for _ in range(500):
            try:
                self.link.connect(path)
                break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the media process ended") from None
                time.sleep(0.02)
        self.frames = control.Frames()
        self.reports: list[Any] = []
        self.send(control.Hello())
        self.ready = self.wait(control.Ready)

    def send(self, *commands: control.Command) -> None:
        self.link.sendall(control.encode(commands))

    def wait(self, kind: type) -> Any:
        while True:
            for report in self.reports:
                if isinstance(report, kind):
                    self.reports.remove(report)
                    return report
            for body in self.frames.feed(self.link.recv(1 << 20)):
                self.reports += control.decode_reports(body)

    def statistics(self) -> control.WorkerStats:
        self.reports.clear()
        self.send(control.AskStats())
        stats: control.WorkerStats = self.wait(control.WorkerStats)
        return stats


def measure(mode: str, calls: int, seconds: float, base: int) -> dict[str, float]:
    """One run in a fresh media process."""
    with tempfile.TemporaryDirectory() as folder:
        media = _Media(folder, calls, base)
        slots = media.ready.free[: 2 * calls]
        if len(slots) < 2 * calls:
            media.process.kill()
            raise SystemExit(f"only {len(slots)} ports are free from {base} on; choose others with --port")
        legs = [(base + 8000 + 2 * i, slot.port) for i, slot in enumerate(slots)]
        here, there = multiprocessing.Pipe()
        generator = multiprocessing.get_context("fork").Process(target=generate, args=(legs, seconds, there))
        generator.start()
        here.recv()
        gain = 0.999 if mode == "mix" else 1.0
        for i, slot in enumerate(slots):
            spec = control.LegSpec("PCMU", 0, 101, ("127.0.0.1", legs[i][0]))
            media.send(control.OpenLeg(i + 1, slot.slot, spec))
        for call in range(calls):
            a, b = 2 * call + 1, 2 * call + 2
            media.send(control.Connect((control.Edge(a, b, 0, gain), control.Edge(b, a, 0, gain))))
            if mode == "record":
                recorder = 100000 + call
                media.send(control.Record(recorder, f"{folder}/{call}.wav"))
                media.send(control.Connect((control.Edge(a, recorder, 0), control.Edge(b, recorder, 1))))
        before = media.statistics()
        here.send("go")
        time.sleep(seconds * 0.35)
        first, at_first = media.statistics(), time.perf_counter()
        time.sleep(seconds * 0.5)
        second, at_second = media.statistics(), time.perf_counter()
        sent, received, delays, lag = here.recv()
        last = media.statistics()
        generator.join()
        media.send(control.Shutdown())
        media.process.wait()
    cpu = (second.cpu - first.cpu) / (at_second - at_first)
    packets = second.received - first.received
    return {
        "calls": calls,
        "cpu_percent": 100 * cpu,
        "percent_per_100_calls": 100 * cpu * 100 / calls,
        "us_per_packet": 1e6 * (second.cpu - first.cpu) / max(packets, 1),
        "packets_per_second": packets / (at_second - at_first),
        "lost": 0 if mode == "mix" else sent - received,
        "sent": sent,
        "delay_p50_ms": float(np.percentile(delays, 50)),
        "delay_p99_ms": float(np.percentile(delays, 99)),
        "delay_max_ms": float(delays.max()),
        "generator_lag_ms": lag,
        "ticks": last.ticks - before.ticks,
        "late_ticks": last.late_ticks - before.late_ticks,
    }


def main() -> None:
    """Print one line a run; `--json FILE` keeps them with the machine's facts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--modes", nargs="+", default=["relay", "mix", "record"], choices=["relay", "mix", "record"])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--port", type=int, default=46000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    print("mode    calls  cpu%   %/100calls  µs/packet  lost/sent        p50 ms  p99 ms  max ms  late/ticks  gen. ms")
    for mode in options.modes:
        for calls in options.calls:
            r = measure(mode, calls, options.seconds, options.port)
            results.append({"mode": mode, **r})
            print(
                f"{mode:7} {calls:5} {r['cpu_percent']:5.1f} {r['percent_per_100_calls']:10.2f} "
                f"{r['us_per_packet']:10.2f} {r['lost']:7.0f}/{r['sent']:<8.0f} {r['delay_p50_ms']:7.2f} "
                f"{r['delay_p99_ms']:7.2f} {r['delay_max_ms']:7.2f}  {r['late_ticks']:.0f}/{r['ticks']:.0f}  "
                f"{r['generator_lag_ms']:.0f}",
                flush=True,
            )
    if options.json:
        facts = {"machine": platform.machine(), "system": platform.release(), "python": platform.python_version()}
        options.json.write_text(json.dumps({"facts": {**facts, "cores": os.cpu_count()}, "runs": results}, indent=1))


if __name__ == "__main__":
    main()
