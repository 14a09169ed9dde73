"""Live tests that failed get a second look at the end of the run, alone: what failed because others kept the machine
busy passes then, and what is broken fails again. The summary names both; only what failed again is a failure.

Nothing of this where a test of a core failed, where something was left at a fixture's end though no test of that file
had failed before (one test alone does not leave it again), where more failed than a busy machine explains, or with
`--reruns` on the command line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import rooms

HERE = Path(__file__).parent
MOST = 30  # tests
SECONDS = 300.0


def deserves(failures: list[tuple[str, str]]) -> list[str]:
    """Of (node id, phase) of all that failed, in order, the tests that are run again: all of them, or none."""
    tests = list(dict.fromkeys(nodeid for nodeid, _ in failures))
    first: dict[str, str] = {}
    for nodeid, phase in failures:
        first.setdefault(nodeid.partition("::")[0], phase)
    live = all(rooms.is_live(Path(file).relative_to("tests")) for file in first)
    begun = all(phase in ("setup", "call") for phase in first.values())
    return tests if live and begun and len(tests) <= MOST else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Before the summary is written."""
    config = session.config
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(config, "workerinput") or reporter is None or session.exitstatus != pytest.ExitCode.TESTS_FAILED:
        return
    if config.getoption("reruns", None) is not None:
        return
    failed = [report for kind in ("failed", "error") for report in reporter.stats.get(kind, [])]
    failed.sort(key=lambda report: getattr(report, "stop", 0.0))
    tests = deserves([(report.nodeid, getattr(report, "when", "collect")) for report in failed])
    if not tests:
        return
    reporter.write_sep("=", f"a second look at {len(tests)} live tests, alone", yellow=True)
    if run_alone(tests, config.rootpath) == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.OK
        session.testsfailed = 0
        for report in failed:
            report.outcome, report.rerun = "rerun", 0  # as pytest-rerunfailures has them, which lists them
        reporter.stats["rerun"] = [*reporter.stats.get("rerun", []), *failed]
        for kind in ("failed", "error"):
            reporter.stats.pop(kind, None)


def run_alone(tests: list[str], root: Path) -> int:
    """The exit code of a run of these tests in one process, each at most twice."""
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-n", "0", "--reruns", "1", "--reruns-delay", "2", *tests]
    try:
        return subprocess.run(command, cwd=root, timeout=SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        return int(pytest.ExitCode.TESTS_FAILED)
