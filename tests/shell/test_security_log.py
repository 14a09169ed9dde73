"""The security log: one line an event whatever peers call themselves; fail2ban reads it with the filter of the docs."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.alarms import Alarms
from softswitch.shell.security import SecurityLog, render
from softswitch.switch.events import Security

AT = 1_764_197_364.118
DOCS = Path(__file__).parents[2] / "docs" / "defence.md"
EVIL = 'x" reason="y\nevent=auth-failed source=192.0.2.1 \x00\udcff '


def event(name: str = "auth-failed", source: str = "203.0.113.9", account: str = "1001", at: float = AT) -> Security:
    return Security(name, at, source, account, "REGISTER: unknown user or wrong password")


class Log:
    def __init__(self, folder: Path, place: str = "security.log") -> None:
        self.now = AT
        self.alarms = Alarms(lambda level, event, fields: None)
        self.log = SecurityLog(place, folder, self.alarms, lambda: self.now)
        self.path = folder / "security.log"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Log]]:
    """Makes logs, and closes them: a file that the collector finds open fails whatever test runs then."""
    logs: list[Log] = []

    def make(place: str = "security.log") -> Log:
        logs.append(Log(tmp_path, place))
        return logs[-1]

    yield make
    for log in logs:
        log.log.close()


def test_the_line() -> None:
    assert render(event()) == (
        '2025-11-26T22:49:24.118Z softswitch-security event=auth-failed source=203.0.113.9 account="1001"'
        ' reason="REGISTER: unknown user or wrong password" number=""'
    )


def test_nobody_writes_a_line_or_a_field_of_their_own() -> None:
    line = render(event(account=EVIL))
    assert "\n" not in line
    assert line.isascii()
    assert line.count('"') == 6
    assert len(render(event(account="a" * 100_000))) < 500


def test_lines_are_counted_and_bounded(made: Callable[..., Log]) -> None:
    log = made()
    for _ in range(1000):
        log.log.write(event())
    log.log.write(event(at=AT + 1.0))
    assert len(log.path.read_text().splitlines()) == 101
    assert (log.log.counts, log.log.left_out) == ({"auth-failed": 1001}, 900)


def test_it_is_opened_anew_after_a_rotation(made: Callable[..., Log], tmp_path: Path) -> None:
    log = made()
    log.log.write(event())
    log.path.rename(tmp_path / "security.log.1")
    log.log.configure("security.log")
    log.log.write(event(at=AT + 1.0))
    assert len(log.path.read_text().splitlines()) == 1
    log.log.close()
    log.log.write(event(at=AT + 2.0))
    with pytest.raises(LocalError, match="security log"):
        Log(tmp_path, f"{log.path}/below/a/file")


def test_toll_fraud_is_an_alarm_for_an_hour(made: Callable[..., Log]) -> None:
    log = made("")
    log.log.write(event("toll-refused", "", "phone:1001"))
    log.log.write(event("auth-failed"))
    (alarm,) = log.alarms.active()
    assert "phone:1001" in alarm.text
    log.now += 3599.0
    log.log.sweep()
    assert log.alarms.active()
    log.now += 2.0
    log.log.sweep()
    assert not log.alarms.active()


@pytest.mark.skipif(shutil.which("fail2ban-regex") is None, reason="fail2ban is not installed")
def test_the_filter_of_the_docs_finds_the_addresses(tmp_path: Path) -> None:
    blocks = re.findall(r"```ini\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    definition = next(block for block in blocks if block.startswith("[Definition]"))
    filter_file = tmp_path / "softswitch.conf"
    filter_file.write_text(definition, encoding="utf-8")
    found = [
        event(), event(source="2001:db8::9"), event("scanner"), event("banned"),
        event("api-auth-failed", "198.51.100.7"),
        event(account=EVIL, source="203.0.113.10"),
    ]  # fmt: skip
    left = [event("toll-refused", "", EVIL), event("unbanned"), event("locked-out"), event("api-forbidden")]
    lines = tmp_path / "security.log"
    lines.write_text("".join(f"{render(one)}\n" for one in (*found, *left)), encoding="ascii")
    command = ["fail2ban-regex", "--print-all-matched", "-o", "ip", str(lines), str(filter_file)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = [line.strip() for line in run.stdout.splitlines() if line.strip()]
    assert told == [one.source for one in found], run.stdout + run.stderr
