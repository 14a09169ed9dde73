"""How calls fare while junk comes in: set-up delay of real calls with and without it, in turns, in one run.

    python -m bench.junk [--rate 10000] [--seconds 4] [--rounds 5] [--no-bans] [--json]

A phone calls another through the real switch, one call after the other; the delay is from its INVITE to the 200 that
the other phone gives at once, a lost message repeated after 500 ms (RFC 3261 §17.1.1.2). A process of its own sends
junk over loopback from many addresses of 127.0.0.0/8: random bytes, OPTIONS of scanners, REGISTERs of ever other users.
Quiet phases, phases with junk, and phases where the same junk goes to a port of nobody take turns: whatever else the
machine does falls on all, and what the sender and the kernel take of the processors is told from the switch's part.
"""

import argparse
import contextlib
import json
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from bench.machine import cpu_seconds, facts, resident_bytes
from softswitch.wire.sip import Headers, Request, Response, Uri, parse
from tests.interop.switch_process import SwitchProcess, media_ports, running_switch

CALLER, CALLEE = "127.0.0.2", "127.0.0.3"
SOURCES = 512
BATCH_SECONDS = 0.004
T1 = 0.5
TURNS = ("quiet", "elsewhere", "junk")
MOST_AT_ONCE = 80
KINDS = ("random", "scanner", "register")
Address: TypeAlias = tuple[str, int]
SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
)


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of time. Delays in milliseconds; `cpu` is control's share of a core; `sent` is junk a second."""

    kind: str
    calls: int
    failed: int
    median: float
    p90: float
    p99: float
    cpu: float
    sent: float
    memory: float


class Phones:
    """A caller and a callee on sockets of their own, driven by one loop without threads."""

    def __init__(self, target: Address) -> None:
        self.target = target
        self.caller = _bound(CALLER)
        self.callee = _bound(CALLEE)
        self._number = random.randrange(1 << 40)

    def close(self) -> None:
        self.caller.close()
        self.callee.close()

    def call(self, patience: float = 4.0) -> float | None:
        """Seconds from INVITE to 200; None when there was none in time. The call is hung up again."""
        self._number += 1
        host = self.caller.getsockname()[0]
        branch = f"z9hG4bK{self._number:x}"
        body = SDP.format(host=host, port=40000).encode()
        invite = self._request("INVITE", f"sip:1002@{self.target[0]}", branch, "<sip:1002@pbx.test>", 1, body)
        data = invite.to_bytes()
        began = again = time.perf_counter()
        wait = T1
        self.caller.sendto(data, self.target)
        while (now := time.perf_counter()) < began + patience:
            if now >= again + wait:
                self.caller.sendto(data, self.target)
                again, wait = now, wait * 2
            ready, _, _ = select.select([self.caller, self.callee], [], [], min(0.05, max(0.0, again + wait - now)))
            if self.callee in ready:
                self._serve()
            if self.caller in ready:
                message = parse(self.caller.recv(65535))
                if isinstance(message, Response) and message.call_id == invite.call_id and message.status >= 200:
                    delay = time.perf_counter() - began
                    self._acknowledge(invite, message, branch)
                    if message.status != 200:
                        return None
                    self._hang_up(invite, message)
                    return delay
                if isinstance(message, Request) and message.method != "ACK":
                    self.caller.sendto(Response.to_request(message, 200).to_bytes(), self.target)
        return None

    def _serve(self) -> None:
        message = parse(self.callee.recv(65535))
        if isinstance(message, Request) and message.method != "ACK":
            answer = Response.to_request(message, 200, to_tag="callee")
            if message.method == "INVITE":
                host, port = self.callee.getsockname()
                answer.headers.set("Contact", f"<sip:{host}:{port}>")
                answer.headers.set("Content-Type", "application/sdp")
                answer = Response(200, "OK", answer.headers, SDP.format(host=host, port=40002).encode())
            self.callee.sendto(answer.to_bytes(), self.target)

    def _request(self, method: str, uri: str, branch: str, to: str, cseq: int, body: bytes = b"") -> Request:
        host, port = self.caller.getsockname()
        headers = Headers()
        headers.add("Via", f"SIP/2.0/UDP {host}:{port};branch={branch}")
        headers.add("From", "<sip:1001@pbx.test>;tag=caller")
        headers.add("To", to)
        headers.add("Call-ID", f"junk-{self._number:x}")
        headers.add("CSeq", f"{cseq} {method}")
        headers.add("Max-Forwards", "70")
        headers.add("Contact", f"<sip:1001@{host}:{port}>")
        if body:
            headers.add("Content-Type", "application/sdp")
        return Request(method, Uri.parse(uri), headers, body)

    def _acknowledge(self, invite: Request, response: Response, branch: str) -> None:
        own = branch if response.status >= 300 else f"{branch}ack"
        to = response.headers.get("To") or ""
        uri = str(response.contacts[0].uri) if response.contacts else str(invite.uri)
        self.caller.sendto(self._request("ACK", uri, own, to, 1).to_bytes(), self.target)

    def _hang_up(self, invite: Request, response: Response) -> None:
        """BYE, and wait until both sides are done with it."""
        to = response.headers.get("To") or ""
        uri = str(response.contacts[0].uri) if response.contacts else str(invite.uri)
        bye = self._request("BYE", uri, f"z9hG4bK{self._number:x}bye", to, 2)
        data = bye.to_bytes()
        self.caller.sendto(data, self.target)
        end = again = time.perf_counter()
        answered = ended = False
        while not (answered and ended) and (now := time.perf_counter()) < end + 2.0:
            if not answered and now > again + T1:
                self.caller.sendto(data, self.target)
                again = now
            ready, _, _ = select.select([self.caller, self.callee], [], [], 0.05)
            if self.caller in ready:
                message = parse(self.caller.recv(65535))
                answered = answered or (isinstance(message, Response) and message.cseq.method == "BYE")
            if self.callee in ready:
                data_in = self.callee.recv(65535)
                message = parse(data_in)
                if isinstance(message, Request) and message.method != "ACK":
                    self.callee.sendto(Response.to_request(message, 200, to_tag="callee").to_bytes(), self.target)
                    ended = ended or message.method == "BYE"


def _bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    return sock


def flood(target: Address, rate: int) -> None:
    """Junk until standard input says nothing more; a byte begins a phase (`j`: to the switch, `e`: to a port of nobody)
    or ends it. The count sent is told after each."""
    nobody = _bound("127.0.0.1")  # never read: the kernel drops what is beyond its buffer
    places = {b"j": target, b"e": nobody.getsockname()}
    dice = random.Random(1)
    sockets = []
    for number in range(SOURCES):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.9.{number >> 8}.{1 + (number & 255) % 254}", 0))
        sock.setblocking(False)
        sockets.append(sock)
    pieces = [_junk(dice, number) for number in range(5000)]
    running, sent, place, due = False, 0, 0, 0.0
    while True:
        ready, _, _ = select.select([0], [], [], max(0.0, due - time.perf_counter()) if running else None)
        if ready:
            word = os.read(0, 1)
            if not word:
                return
            running = not running
            if running:
                for sock in sockets:
                    sock.connect(places[word])
            else:
                sys.stdout.write(f"{sent}\n")
                sys.stdout.flush()
            sent, due = 0, time.perf_counter()
            began = due
            continue
        now = time.perf_counter()
        behind = (now - began) * rate - sent - MOST_AT_ONCE
        if behind > 0:  # we did not run for a while: no burst instead, which no line would bring
            began += behind / rate
        while sent < (now - began) * rate:
            with contextlib.suppress(OSError):  # nobody takes ICMP errors amiss here
                sockets[place % SOURCES].send(pieces[place % len(pieces)])
            place += 1
            sent += 1
        due = now + BATCH_SECONDS


def _junk(dice: random.Random, number: int) -> bytes:
    kind = KINDS[number % len(KINDS)]
    if kind == "random":
        return dice.randbytes(dice.randrange(20, 900))
    user = dice.randrange(100, 99999)
    method, agent = ("OPTIONS", "friendly-scanner") if kind == "scanner" else ("REGISTER", "Phone 1.0")
    return (
        f"{method} sip:{user}@pbx.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.9.0.1:5060;branch=z9hG4bK{number:x};rport\r\n"
        f'From: "{user}"<sip:{user}@pbx.test>;tag={dice.getrandbits(40):x}\r\nTo: <sip:{user}@pbx.test>\r\n'
        f"Call-ID: {dice.getrandbits(80):x}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@127.9.0.1:5060>\r\n"
        f"Max-Forwards: 70\r\nUser-Agent: {agent}\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def configuration(caller: int, callee: int, bans: bool) -> str:
    """Two phones with fixed addresses; loopback is like any other network."""
    return f"""
[phones.1001]
contact = "sip:{CALLER}:{caller}"
max_calls = 0
[phones.1002]
contact = "sip:{CALLEE}:{callee}"
max_calls = 0
[phones.1003]
password = "a long enough one"
[defence]
loopback = false
bans = {str(bans).lower()}
"""


class Sender:
    """The process that sends junk."""

    def __init__(self, target: Address, rate: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.junk", "--flood", f"{target[0]}:{target[1]}", "--rate", str(rate)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def toggle(self, kind: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"j" if kind == "junk" else b"e")
        self._process.stdin.flush()

    def told(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10.0)


def phase(switch: SwitchProcess, phones: Phones, sender: Sender, kind: str, seconds: float) -> Phase:
    """One stretch, quiet or not."""
    control = switch.pids()["control"]
    if kind != "quiet":
        sender.toggle(kind)
        time.sleep(0.3)  # the first burst of each source
    began, cpu = time.perf_counter(), cpu_seconds(control)
    delays: list[float] = []
    failed = 0
    while time.perf_counter() < began + seconds:
        delay = phones.call()
        if delay is None:
            failed += 1
        else:
            delays.append(delay * 1000)
        time.sleep(0.01)
    took = time.perf_counter() - began
    used = (cpu_seconds(control) - cpu) / took
    sent = 0.0
    if kind != "quiet":
        sender.toggle(kind)
        sent = sender.told() / (took + 0.3)
    delays.sort()
    part = lambda share: delays[min(len(delays) - 1, int(len(delays) * share))] if delays else float("nan")  # noqa: E731
    memory = resident_bytes(control) / 1e6
    median = statistics.median(delays) if delays else float("nan")
    return Phase(kind, len(delays), failed, median, part(0.9), part(0.99), used, sent, memory)


@contextlib.contextmanager
def rig(bans: bool, rate: int) -> Iterator[tuple[SwitchProcess, Phones, Sender]]:
    with tempfile.TemporaryDirectory(prefix="softswitch-junk-") as name:
        phones = Phones(("127.0.0.1", 0))
        tables = configuration(phones.caller.getsockname()[1], phones.callee.getsockname()[1], bans)
        quiet = lambda text: text.replace('level = "info"', 'level = "warning"')  # noqa: E731
        with running_switch(Path(name), tables, ports=media_ports(6000), base=quiet) as switch:
            phones.target = (switch.host, switch.port)
            sender = Sender(phones.target, rate)
            try:
                yield switch, phones, sender
            finally:
                sender.close()
                phones.close()


def run(rounds: int, seconds: float, rate: int, bans: bool) -> tuple[list[Phase], dict[str, int]]:
    """Quiet and junk in turns; what the gate kept out."""
    with rig(bans, rate) as (switch, phones, sender):
        for _ in range(30):
            phones.call()  # warm
        turns = [TURNS[(place + number) % 3] for number in range(rounds) for place in range(3)]
        phases = [phase(switch, phones, sender, kind, seconds) for kind in turns]
        kept: dict[str, int] = switch.status()["counters"]["kept_out"]
        return phases, kept


def together(phases: list[Phase], kind: str) -> dict[str, float]:
    """The medians of the phases' figures."""
    chosen = [asdict(one) for one in phases if one.kind == kind]
    keys = ("median", "p90", "p99", "cpu", "sent", "memory")
    return {key: statistics.median(one[key] for one in chosen) for key in keys} | {
        "calls": sum(one["calls"] for one in chosen), "failed": sum(one["failed"] for one in chosen),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.junk", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-bans", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        host, _, port = options.flood.rpartition(":")
        flood((host, int(port)), options.rate)
        return 0
    phases, kept = run(
        min(options.rounds, 50), min(options.seconds, 60.0), min(options.rate, 50_000), not options.no_bans
    )
    quiet, elsewhere, noisy = (together(phases, kind) for kind in TURNS)
    if options.json:
        found = {
            "machine": facts(),
            "phases": [asdict(one) for one in phases],
            "quiet": quiet,
            "elsewhere": elsewhere,
            "junk": noisy,
            "kept": kept,
        }
        print(json.dumps(found, indent=1))
        return 0
    table = Table("", "calls", "failed", "median ms", "p90 ms", "p99 ms", "control, cores", "junk/s", "memory MB")
    for name, row in (("quiet", quiet), ("junk elsewhere", elsewhere), ("junk here", noisy)):
        cells = [row[key] for key in ("median", "p90", "p99")]
        table.add_row(
            name, f"{row['calls']:.0f}", f"{row['failed']:.0f}", *(f"{cell:.2f}" for cell in cells),
            f"{row['cpu']:.2f}", f"{row['sent']:.0f}", f"{row['memory']:.1f}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    change, own = noisy["median"] / quiet["median"] - 1, noisy["median"] / elsewhere["median"] - 1
    console.print(f"median with junk: {change:+.1%} of quiet, {own:+.1%} of the same junk sent elsewhere")
    console.print(f"kept out: {kept}; load {facts()['load']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
