"""CPU of the real switch for a B2BUA call, a registration and a queued call, with SIPp as trunk and as phones.

    python -m bench.calls [--quick] [--json] [--only WORK] [--rate N] [--seconds S] [--profile FILE]

The switch is pinned to one core and SIPp to another. CPU is user and system time of all the switch's processes, from
/proc, less what they use when idle; delays are SIPp's. The table and the machine's facts go to `bench/results/`.
Needs SIPp. `--profile` writes cProfile's view of the control process (its figures then include the profiler).
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import cpu_seconds, facts, resident_bytes
from softswitch.shell.supervisor import CONTROL
from tests.interop import sipp
from tests.interop.switch_process import SwitchProcess, free_port, media_ports, running_switch

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios"
SWITCH_CORE, SIPP_CORE = "0", "1"
PHONES = 1000
IDLE_SECONDS = 2.0
CALL_RATES = (50, 200, 400, 600)
REGISTER_RATES = (250, 1000, 3000)
QUEUE_RATES = {20: 60, 200: 200}  # agents: calls a second; a call takes 0.2 s


@dataclass(frozen=True, slots=True)
class Row:
    """One run. CPU is milliseconds for one unit of work; delays are milliseconds; memory is MB after the run."""

    work: str
    rate: int
    done: int
    failed: int
    retransmitted: int
    reached: float
    cpu: float
    by_process: dict[str, float] = field(default_factory=dict)
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    memory: float = 0.0


class Meter:
    """CPU of a switch's processes since `begin`, less their idle use."""

    def __init__(self, switch: SwitchProcess, idle_seconds: float) -> None:
        self._pids = switch.pids()
        before = self._read()
        time.sleep(idle_seconds)
        after = self._read()
        self._idle = {name: (after[name] - before[name]) / idle_seconds for name in after}
        self._start = after
        self._at = time.monotonic()

    def begin(self) -> None:
        self._start = self._read()
        self._at = time.monotonic()

    def used(self) -> dict[str, float]:
        """Seconds by process."""
        length = time.monotonic() - self._at
        now = self._read()
        return {name: now[name] - self._start[name] - self._idle[name] * length for name in now}

    def memory(self) -> float:
        return sum(resident_bytes(pid) for pid in self._pids.values()) / 1e6

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}


class Bench:
    """A switch with one carrier, one fixed phone, many registering phones and a queue."""

    def __init__(self, switch: SwitchProcess, directory: Path, ports: dict[str, int], meter: Meter) -> None:
        self._switch = switch
        self._directory = directory
        self._ports = ports
        self._meter = meter
        self._runs = 0

    def calls(self, rate: int, seconds: float) -> Row:
        """INVITE to BYE through the B2BUA."""
        return self._called("B2BUA call", "1001", rate, seconds)

    def queued(self, agents: int, rate: int, seconds: float) -> Row:
        """Trunk, queue, agent; answered at once."""
        return self._called(f"queued call, {agents} agents", f"q{agents}", rate, seconds)

    def registrations(self, rate: int, seconds: float) -> Row:
        """REGISTER, 401, REGISTER, 200."""
        self._runs += 1
        count = int(rate * seconds)
        self._meter.begin()
        phones = self._sipp(
            "register",
            f"register-{self._runs}",
            free_port(),
            calls=count,
            rate=rate,
            lines=[_credentials(number) for number in range(PHONES)],
            keys={"contact_port": str(self._ports["phone"])},
            times=True,
        )
        report = phones.wait(seconds * 3 + 40)
        return self._row("REGISTER with digest", rate, report, count)

    def _called(self, work: str, number: str, rate: int, seconds: float) -> Row:
        self._runs += 1
        count = int(rate * seconds)
        phone = self._sipp("phone", f"phone-{self._runs}", self._ports["phone"], to="")
        try:
            self._meter.begin()
            trunk = self._sipp(
                "caller",
                f"trunk-{self._runs}",
                self._ports["carrier"],
                calls=count,
                rate=rate,
                keys={"from": "+15550001", "number": number},
                times=True,
            )
            report = trunk.wait(seconds * 3 + 40)
            row = self._row(work, rate, report, count)
        finally:
            phone.finish()
        self._switch.calls_over(60.0)  # after failures, BYEs are sent again until timer F
        return row

    def _row(self, work: str, rate: int, report: sipp.Report, count: int) -> Row:
        used = self._meter.used()
        each = {name: 1000 * seconds / count for name, seconds in used.items()}
        if report.failed:
            said = Counter(line.get("error", line["event"]) for line in self._switch.log_lines() if "event" in line)
            print(f"{report.errors[:600]}\nthe switch's log: {dict(said)}", file=sys.stderr)
        return Row(
            work,
            rate,
            report.successful,
            report.failed + (count - report.created),
            report.retransmissions,
            report.rate,
            sum(each.values()),
            each,
            report.percentile(50),
            report.percentile(95),
            report.percentile(99),
            self._meter.memory(),
        )

    def _sipp(self, scenario: str, name: str, port: int, to: str | None = None, **options: object) -> sipp.Sipp:
        return sipp.start(
            SCENARIOS / f"{scenario}.xml",
            directory=self._directory,
            name=name,
            port=port,
            to=f"{self._switch.host}:{self._switch.port}" if to is None else to,
            prefix=("taskset", "-c", SIPP_CORE),
            extra=("-rp", "1000", "-rtp_payload", "8"),
            **options,  # type: ignore[arg-type]
        )


def _credentials(number: int) -> str:
    return f"r{number};[authentication username=r{number} password=secret{number}]"


def configuration(carrier: int, phone: int) -> str:
    """The tables of the switch: all numbers are the carrier's."""
    text = [
        f"""
[trunks.carrier]
address = "sip:127.0.0.1:{carrier}"
accept_from = ["127.0.0.1/32"]
options_seconds = 0
[phones.1001]
contact = "sip:1001@127.0.0.1:{phone}"
max_calls = 5000
[[routes]]
from = "trunk:carrier"
number = "1001"
to = "phone:1001"
"""
    ]
    text += [f'[phones.r{number}]\npassword = "secret{number}"\n' for number in range(PHONES)]
    for agents in QUEUE_RATES:
        names = [f"a{agents}x{number}" for number in range(agents)]
        for name in names:
            text.append(f'[phones.p{name}]\ncontact = "sip:{name}@127.0.0.1:{phone}"\n')
            text.append(f'[agents.{name}]\nphone = "p{name}"\nlogged_in = true\n')
        text.append(f"[queues.q{agents}]\nagents = {json.dumps(names)}\nrecord = false\n")
        text.append(f'[[routes]]\nfrom = "trunk:carrier"\nnumber = "q{agents}"\nto = "queue:q{agents}"\n')
    return "\n".join(text)


@contextlib.contextmanager
def bench(idle_seconds: float, profile: Path | None) -> Iterator[Bench]:
    """A pinned switch that is ready."""
    ports = {"carrier": free_port(), "phone": free_port()}
    with tempfile.TemporaryDirectory(prefix="softswitch-bench-") as name:
        directory = Path(name)
        with running_switch(
            directory,
            configuration(ports["carrier"], ports["phone"]),
            ports=media_ports(8000),
            prefix=("taskset", "-c", SWITCH_CORE),
            base=lambda text: text.replace('level = "info"', 'level = "warning"'),
            command=profiled(profile) if profile else None,
        ) as switch:
            yield Bench(switch, directory, ports, Meter(switch, idle_seconds))


def profiled(file: Path) -> tuple[str, ...]:
    """A command that runs the switch with its control process under cProfile."""
    control = ("-m", "cProfile", "-o", str(file.absolute()), "-m", CONTROL[1])
    text = "import sys,pathlib\nfrom softswitch.shell.supervisor import Supervisor\n"
    return ("-c", f"{text}sys.exit(Supervisor(pathlib.Path(sys.argv[1]), control={control!r}).run())")


def table(rows: list[Row]) -> Table:
    """For people."""
    made = Table(title="CPU of all the switch's processes for one unit of work")
    for heading in ("work", "rate /s", "done", "failed", "sent twice", "CPU ms", "of it control", "of it media"):
        made.add_column(heading, justify="left" if heading == "work" else "right")
    for heading in ("delay p50 ms", "p95", "p99", "memory MB"):
        made.add_column(heading, justify="right")
    for row in rows:
        media = sum(value for name, value in row.by_process.items() if name.startswith("media"))
        figures = [row.rate, row.done, row.failed, row.retransmitted]
        delays = [f"{value:.1f}" for value in (row.p50, row.p95, row.p99)]
        control = row.by_process.get("control", 0.0)
        made.add_row(
            row.work,
            *(str(figure) for figure in figures),
            *(f"{value:.3f}" for value in (row.cpu, control, media)),
            *delays,
            f"{row.memory:.0f}",
        )
    return made


def save(rows: list[Row]) -> Path:
    """Into `bench/results/`."""
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"calls-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({"machine": facts(), "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    return path


def _rates(options: argparse.Namespace, usual: tuple[int, ...]) -> tuple[int, ...]:
    if options.rate:
        return (options.rate,)
    return usual[1:2] if options.quick else usual


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.calls", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one rate of each, 3 s")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--only", choices=("calls", "registrations", "queue"))
    parser.add_argument("--rate", type=int, help="this rate only")
    parser.add_argument("--seconds", type=float, default=0.0, help="of each run")
    parser.add_argument("--profile", type=Path, help="profile control into this file")
    options = parser.parse_args()
    if shutil.which("sipp") is None or shutil.which("taskset") is None:
        print("bench.calls needs SIPp and taskset (Debian: sip-tester, util-linux)", file=sys.stderr)
        return 1
    seconds = options.seconds or (3.0 if options.quick else 10.0)
    rows = []
    with bench(1.0 if options.quick else IDLE_SECONDS, options.profile) as run:
        if options.only in (None, "calls"):
            run.calls(50, 1.0)  # warm
            rates = _rates(options, CALL_RATES)
            rows.extend(run.calls(rate, seconds) for rate in rates)
        if options.only in (None, "registrations"):
            rates = _rates(options, REGISTER_RATES)
            rows.extend(run.registrations(rate, seconds) for rate in rates)
        if options.only in (None, "queue"):
            for agents, rate in QUEUE_RATES.items():
                rows.append(run.queued(agents, options.rate or rate, seconds))
    if options.json:
        print(json.dumps({"machine": facts(), "rows": [asdict(row) for row in rows]}))
    else:
        Console(width=160).print(table(rows))
        print(f"machine: {facts()}\nsaved: {save(rows).relative_to(Path.cwd()) if Path.cwd() in HERE.parents else ''}")
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    with contextlib.suppress(subprocess.SubprocessError):
        sys.exit(main())
