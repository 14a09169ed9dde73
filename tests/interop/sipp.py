"""SIPp as a peer: run a scenario, read its statistics, messages and response times."""

import contextlib
import csv
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from tests.interop.switch_process import PATIENCE, wait_until

SIPP = shutil.which("sipp")


def need(program: str) -> None:
    """Skip a test whose peer is not installed; in CI that is a failure."""
    if shutil.which(program) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed; CI must have it (make peers)")
        pytest.skip(f"{program} is not installed (make peers, as root)")


@dataclass(frozen=True, slots=True)
class Report:
    """SIPp's own totals. `delays` are INVITE (or REGISTER) to final response, milliseconds, sorted."""

    created: int
    successful: int
    failed: int
    retransmissions: int
    unexpected: int
    rate: float
    exit_code: int
    errors: str
    delays: tuple[float, ...] = ()

    def percentile(self, percent: float) -> float:
        """Of the delays, milliseconds; NaN when there are none."""
        if not self.delays:
            return float("nan")
        return self.delays[min(len(self.delays) - 1, int(len(self.delays) * percent / 100))]

    def all_well(self, calls: int) -> None:
        """Every call went through, nothing was sent twice."""
        assert (self.successful, self.failed, self.retransmissions) == (calls, 0, 0), f"{self}\n{self.errors}"


@dataclass(slots=True)
class Sipp:
    """One running SIPp. `wait` gives its report."""

    name: str
    directory: Path
    process: "subprocess.Popen[bytes]"
    port: int
    report: Report | None = field(default=None)
    calling: bool = False
    host: str = "127.0.0.1"

    def wait(self, seconds: float = PATIENCE) -> Report:
        """Until it has made its calls. Raises `TimeoutError`."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise TimeoutError(f"sipp {self.name} did not end within {seconds} s:\n{self._errors()}") from None
        self.report = self._read(code)
        return self.report

    def go_on(self) -> None:
        """The word of the test's own that `Scenario.until_told` waits for after an ACK: an OPTIONS from nowhere, which
        SIPp takes by its Call-ID."""

        def acknowledged() -> str:
            with contextlib.suppress(FileNotFoundError):
                *_, (_, _, text) = [(0.0, "", ""), *self.messages()]
                return text if text.startswith("ACK ") else ""
            return ""

        text: str = wait_until(f"the ACK of {self.name}", acknowledged)
        call = text.partition("Call-ID:")[2].partition("\n")[0].strip()
        word = (
            "OPTIONS sip:sipp SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKgo\r\nFrom: <sip:test>;tag=test\r\n"
            f"To: <sip:sipp>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(word.encode(), (self.host, self.port))

    def finish(self) -> Report:
        """Ask a called side that waits for more to end, and read what it did."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        self.end()
        self.report = self._read(self.process.returncode)
        return self.report

    def end(self) -> None:
        """Kill it if it still lives."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def messages(self) -> list[tuple[float, str, str]]:
        """(epoch seconds by SIPp's clock, `sent` or `received`, text), when it was started with `trace=True`."""
        path = self.directory / f"{self.name}-messages.log"
        found = []
        for block in path.read_text(errors="replace").split("-" * 47 + " ")[1:]:
            stamp, _, rest = block.partition("\n")
            direction = "sent" if " sent " in rest.splitlines()[0] else "received"
            when = datetime.fromisoformat(stamp.strip()[:26]).astimezone()
            found.append((when.timestamp(), direction, rest.partition("\n\n")[2]))
        return found

    def moment(self, direction: str, start: str, cseq: str = "") -> float:
        """When the first message that begins with `start` (and has `cseq` in its CSeq) was sent or received."""
        for at, way, text in self.messages():
            if way == direction and text.startswith(start) and cseq in text.lower().partition("cseq:")[2][:40].upper():
                return at
        raise AssertionError(f"{self.name}: {start} never {direction}")

    def _errors(self) -> str:
        path = self.directory / f"{self.name}-errors.log"
        return path.read_text(errors="replace")[:3000] if path.exists() else ""

    def _read(self, code: int) -> Report:
        path = self.directory / f"{self.name}.csv"
        rows = list(csv.DictReader(path.read_text().splitlines(), delimiter=";")) if path.exists() else []
        last = rows[-1] if rows else {}

        def number(key: str) -> int:
            return int(last.get(key) or 0)

        rates = [float(row["CallRate(P)"]) for row in rows[1:-1] if row.get("CallRate(P)")]
        return Report(
            number("TotalCallCreated"),
            number("SuccessfulCall(C)"),
            number("FailedCall(C)"),
            number("Retransmissions(C)"),
            number("FailedUnexpectedMessage(C)"),
            max(rates, default=0.0),
            code,
            self._errors(),
            self._delays(),
        )

    def _delays(self) -> tuple[float, ...]:
        found = list(self.directory.glob(f"*_{self.process.pid}_rtt.csv"))
        if not found:
            return ()
        with found[0].open() as file:
            next(file)
            return tuple(sorted(float(line.split(";")[1]) for line in file if line.count(";") >= 2))


def start(
    scenario: str | Path,
    *,
    directory: Path,
    name: str,
    port: int,
    to: str = "",
    host: str = "127.0.0.1",
    calls: int = 0,
    rate: float = 10,
    limit: int = 3000,
    transport: str = "u1",
    trace: bool = False,
    times: bool = False,
    keys: dict[str, str] | None = None,
    lines: Sequence[str] = (),
    extra: Sequence[str] = (),
    prefix: Sequence[str] = (),
) -> Sipp:
    """Start SIPp at `host`:`port`. `scenario` is XML or a file; `to` (host:port) makes it the calling side. `lines`
    become its CSV file, taken in turn."""
    directory.mkdir(parents=True, exist_ok=True)
    if isinstance(scenario, Path):
        path = scenario
    else:
        path = directory / f"{name}.xml"
        path.write_text(scenario)
    words = [*prefix, SIPP or "sipp", *([to] if to else []), "-sf", str(path), "-i", host, "-p", str(port)]
    words += ["-t", transport, "-nostdin", "-mi", host, "-trace_stat", "-fd", "1"]
    words += ["-stf", str(directory / f"{name}.csv")]
    words += ["-trace_err", "-error_file", str(directory / f"{name}-errors.log"), "-l", str(limit)]
    if to:
        words += ["-r", str(rate)]
    if calls:
        words += ["-m", str(calls)]
    if trace:
        words += ["-trace_msg", "-message_file", str(directory / f"{name}-messages.log")]
    if times:
        words += ["-trace_rtt", "-rtt_freq", "100"]
    if lines:
        table = directory / f"{name}-lines.csv"
        table.write_text("\n".join(["SEQUENTIAL", *lines]) + "\n")
        words += ["-inf", str(table)]
    for key, value in (keys or {}).items():
        words += ["-key", key, value]
    with (directory / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(
            [*words, *extra], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=directory
        )
    sipp = Sipp(name, directory, process, port, calling=bool(to), host=host)
    if not to:
        _wait_listening(sipp, host, "tcp" if transport.startswith("t") else "udp")
    return sipp


def _wait_listening(sipp: Sipp, host: str, transport: str) -> None:
    table = Path(f"/proc/net/{transport}{'6' if ':' in host else ''}")
    wanted = f":{sipp.port:04X} "

    def listens() -> bool:
        if sipp.process.poll() is not None:
            raise RuntimeError((sipp.directory / f"{sipp.name}.out").read_text()[-2000:])
        return any(wanted in f"{row.split()[1]} " for row in table.read_text().splitlines()[1:])

    wait_until(f"sipp {sipp.name} at its port", listens, pause=0.01)
