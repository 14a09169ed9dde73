"""`softswitch doctor`: can this machine run the switch well, and what should be changed?"""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import click

from softswitch.cli.output import emit_json
from softswitch.cli.target import config_option, find_config, json_option
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.switch.settings import Settings

Level: TypeAlias = Literal["ok", "warn", "fail"]

_PACKAGES: Final = ("numpy", "msgspec", "pydantic", "sqlalchemy", "aiosqlite", "fastapi", "uvicorn", "structlog")
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_DISK_FAIL: Final = 100 * 1000**2
_DISK_WARN: Final = 5 * 1000**3
_WAV_SECOND: Final = 32_000  # bytes of a recording: two channels, 16 bit, 8 kHz


@dataclass(frozen=True, slots=True)
class Finding:
    """One examined thing. `advice` is empty when all is well."""

    name: str
    level: Level
    found: str
    advice: str = ""


@click.command(short_help="Examine this machine and the configuration.")
@config_option
@json_option
@click.pass_context
def doctor(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Examine Python, kernel, limits, ports, disk, database, prompts and the configuration. Exit code 1 when
    something fails; warnings are advice."""
    from softswitch.switch.settings import Settings

    path = find_config(config)
    findings, settings = _configuration(path)
    settings = settings or Settings()
    running = _running(settings)
    examinations: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("event loop", _event_loop),
        ("kernel", _kernel),
        ("media backend", lambda: _backend(settings)),
        ("open files", lambda: _descriptors(settings)),
        ("socket buffers", _receive_buffer),
        ("clock", _clock),
        ("time zones", lambda: _time_zone(settings)),
        ("codecs", lambda: _codecs(settings)),
        ("prompts", _prompts),
        ("certificate", lambda: _certificate(settings)),
        ("addresses", lambda: _listeners(settings, running)),
        ("media ports", lambda: _media_ports(settings, running)),
        ("disk", lambda: _disk(settings)),
        ("database", lambda: _database(settings, running)),
    )
    findings += [_examine(name, examination) for name, examination in examinations]
    failed = any(finding.level == "fail" for finding in findings)
    if as_json:
        emit_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = click.style(f"{finding.level:<4}", fg=_COLOURS[finding.level], bold=finding.level == "fail")
            click.echo(f"{mark}  {finding.name}: {finding.found}")
            if finding.advice:
                click.echo(f"      → {finding.advice}")
    context.exit(1 if failed else 0)


def _examine(name: str, examination: Callable[[], Finding]) -> Finding:
    try:
        return examination()
    except (LocalError, OSError, ImportError) as error:
        return Finding(name, "fail", str(error))


def _configuration(path: Path | None) -> "tuple[list[Finding], Settings | None]":
    from softswitch.services.configuration import ConfigurationError, read

    if path is None:
        advice = "write one; config.example.toml shows how. The defaults are examined now"
        return [Finding("configuration", "warn", "no file", advice)], None
    try:
        found = read(path)
    except ConfigurationError as error:
        return [Finding("configuration", "fail", str(error))], None
    errors = sum(fault.severity == "error" for fault in found.faults)
    warnings = len(found.faults) - errors
    text = f"{path}: {errors} errors, {warnings} warnings" if found.faults else f"{path}: good"
    level: Level = "fail" if errors else "warn" if warnings else "ok"
    return [Finding("configuration", level, text, f"softswitch check {path}" if found.faults else "")], found.settings


def _running(settings: "Settings") -> bool:
    """Whether a switch of this data directory runs: then its ports and its database are taken, rightly."""
    from softswitch.shell.run_dir import read_access

    return read_access(Path(settings.server.data_dir)) is not None


def _python() -> Finding:
    import platform
    import sys

    found = f"{platform.python_implementation()} {platform.python_version()}"
    good = sys.version_info >= (3, 11)
    return Finding("python", "ok" if good else "fail", found, "" if good else "3.11 or later is needed")


def _packages() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding("packages", "fail", f"missing: {', '.join(missing)}", "install softswitch again")
    return Finding("packages", "ok", ", ".join(found))


def _event_loop() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Finding("event loop", "ok", f"uvloop {version('uvloop')}")
    except PackageNotFoundError:
        return Finding("event loop", "warn", "asyncio", "install uvloop: it halves the cost of SIP over UDP")


def _kernel() -> Finding:
    import os
    import platform

    cores = len(os.sched_getaffinity(0))
    found = f"{platform.system()} {platform.release()}, {cores} cores"
    if platform.system() != "Linux":
        return Finding("kernel", "fail", found, "the switch runs on Linux")
    advice = "" if cores > 1 else "with one core, control and media share it"
    return Finding("kernel", "ok" if cores > 1 else "warn", found, advice)


def _backend(settings: "Settings") -> Finding:
    """What the kernel offers for RTP, and what media would take."""
    from softswitch.media.choice import make_backend
    from softswitch.media.ring import why_not

    reason = why_not()
    kernel = "io_uring available" if not reason else f"io_uring not available ({reason})"
    try:
        backend = make_backend(settings.media.backend, settings.media.bound, settings.media.ports)
    except LocalError as error:
        return Finding("media backend", "fail", str(error), 'set [media] backend = "auto"')
    level: Level = "warn" if reason else "ok"
    advice = "media costs up to twice the CPU; let the container use io_uring" if reason else ""
    return Finding("media backend", level, f"{backend.name} ({backend.why}); {kernel}", advice)


def _descriptors(settings: "Settings") -> Finding:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    legs = max(0, hard - 100) // 2  # each leg has a socket for RTP and one for RTCP
    wanted = 2 * settings.server.max_calls
    found = f"{soft}, raised to {hard} at start: {legs} legs a media process"
    if legs >= wanted:
        return Finding("open files", "ok", found)
    advice = f"max_calls = {settings.server.max_calls} may need {wanted} legs: raise LimitNOFILE (ulimit -Hn)"
    return Finding("open files", "warn", found, advice)


def _receive_buffer() -> Finding:
    from softswitch.shell.endpoint import RECEIVE_BUFFER

    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    advice = f"sysctl net.core.rmem_max={RECEIVE_BUFFER} keeps SIP datagrams in bursts"
    good = limit >= RECEIVE_BUFFER
    return Finding("socket buffers", "ok" if good else "warn", f"{limit} bytes at most", "" if good else advice)


def _clock() -> Finding:
    import time

    source_file = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    source = source_file.read_text().strip() if source_file.exists() else "unknown"
    begun = time.perf_counter()
    for _ in range(10_000):
        time.monotonic()
    cost = (time.perf_counter() - begun) * 100.0  # µs for one
    resolution = time.get_clock_info("monotonic").resolution
    found = f"{source}, {cost:.2f} µs a reading"
    if cost > 1.0 or resolution > 1e-3:
        return Finding("clock", "warn", found, "slow to read: choose the clock source tsc or kvm-clock if there is one")
    return Finding("clock", "ok", found)


def _time_zone(settings: "Settings") -> Finding:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    zone = settings.server.timezone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return Finding("time zones", "fail", f"{zone} is unknown", "install tzdata")
    return Finding("time zones", "ok", f"{zone}, of {len(available_timezones())}")


def _codecs(settings: "Settings") -> Finding:
    from softswitch.media.codecs import CODECS as DECODED
    from softswitch.sip.codec_table import CODECS

    unknown = [name for name in settings.media.codecs if name not in CODECS]
    if unknown:
        return Finding("codecs", "fail", f"unknown: {', '.join(unknown)}", f"known are {', '.join(CODECS)}")
    found = f"{', '.join(settings.media.codecs)}; decoded: {', '.join(DECODED)}"
    if "opus" not in DECODED:
        return Finding("codecs", "warn", found, "there is no libopus: install the package av or the system's libopus")
    return Finding("codecs", "ok", found)


def _prompts() -> Finding:
    from softswitch.services.prompt_build import check
    from softswitch.services.shipped import data_path

    folder = data_path("prompts")
    problems = check(folder)
    if not problems:
        return Finding("prompts", "ok", f"complete in {folder}")
    missing = [problem.prompt for problem in problems if problem.what in ("missing", "damaged")]
    names = ", ".join((missing or [problem.prompt for problem in problems])[:3])
    level: Level = "fail" if missing else "warn"
    return Finding("prompts", level, f"{len(problems)} to be made again: {names} …", "softswitch prompts build")


def _listeners(settings: "Settings", running: bool) -> Finding:
    from softswitch.shell.endpoint import bind, parse_endpoint

    files = settings.provisioning.listen
    listen = [*settings.sip.listen, f"tcp:{settings.api.listen}", *([f"tcp:{files}"] if files else [])]
    if running:
        return Finding("addresses", "ok", f"the running switch has {', '.join(listen)}")
    faults = []
    with contextlib.ExitStack() as bound:
        for text in listen:
            try:
                bound.enter_context(bind(parse_endpoint(text)))
            except LocalError as error:
                faults.append(str(error))
    if faults:
        return Finding("addresses", "fail", "; ".join(faults), "end the other program, or change the listeners")
    return Finding("addresses", "ok", f"free: {', '.join(listen)}")


def _certificate(settings: "Settings") -> Finding:
    from datetime import UTC, datetime

    from softswitch.services.certificates import read_certificate

    if settings.tls.certificate is None:
        return Finding("certificate", "ok", "none: no TLS", "")
    found = read_certificate(settings.tls.certificate)
    left = found.days_left(datetime.now(UTC))
    text = f"{', '.join(found.names[:5])}; good until {found.ends:%Y-%m-%d}"
    if left <= 0:
        return Finding("certificate", "fail", text, "it is over: renew it, then softswitch reload")
    if left < settings.tls.warn_days:
        return Finding("certificate", "warn", text, f"renew it within {left:.0f} days, then softswitch reload")
    return Finding("certificate", "ok", text)


def _media_ports(settings: "Settings", running: bool) -> Finding:
    """A sample of the range, and whether the system gives its ports to other programs."""
    import socket

    low, high = settings.media.ports
    calls = (high - low + 1) // 4
    found = f"{low}–{high}: {calls} calls"
    taken = 0
    sample = range(low, high, max(2, (high - low) // 200 // 2 * 2))
    for port in () if running else sample:
        bound = "::" if settings.media.bound == "*" else settings.media.bound
        family = socket.AF_INET6 if ":" in bound else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind((bound, port))
            except OSError:
                taken += 1
    if taken == len(sample):
        return Finding("media ports", "fail", f"{found}; none can be bound on {settings.media.bound}")
    if taken > len(sample) // 10:
        return Finding(
            "media ports", "warn", f"{found}; {100 * taken // len(sample)} % are taken", "choose another range"
        )
    first, last = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if low <= last and high >= first:
        advice = f"the system gives {first}–{last} to other programs: busy ones are left out"
        return Finding("media ports", "ok", found, advice)
    return Finding("media ports", "ok", found)


def _disk(settings: "Settings") -> Finding:
    import os
    import shutil

    folder = Path(settings.server.data_dir).absolute()
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not place.is_dir():
        return Finding("disk", "fail", f"{place} is no directory", "change server.data_dir")
    free = shutil.disk_usage(place).free
    found = f"{free / 1000**3:.1f} GB free in {folder}: {free // _WAV_SECOND // 3600} hours of recordings"
    if not os.access(place, os.W_OK):
        return Finding("disk", "fail", f"{place} cannot be written", "change its owner, or server.data_dir")
    if free < _DISK_WARN:
        level: Level = "fail" if free < _DISK_FAIL else "warn"
        return Finding("disk", level, found, "make room, or move server.data_dir")
    return Finding("disk", "ok", found)


def _database(settings: "Settings", running: bool) -> Finding:
    import asyncio

    from softswitch.services.store import Store

    data_dir = Path(settings.server.data_dir)
    kind = settings.server.database.partition(":")[0]
    if kind == "sqlite" and not any(data_dir.glob("*.db")):
        return Finding("database", "ok", f"{kind}: made at the first start")

    async def look() -> int:
        store = await Store.open(settings.server.database, data_dir, alarm=_quiet, read_only=True)
        try:
            return len(await store.calls(1))
        finally:
            await store.close()

    calls = asyncio.run(look())
    use = "in use by the running switch" if running else "not in use"
    return Finding("database", "ok", f"{kind}: opens, {use}{'' if calls else ', no call records yet'}")


def _quiet(_sentence: str) -> None:
    return
