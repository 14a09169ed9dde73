"""What the second look makes of a run, by runs of pytest on small suites."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FAILS_ONCE = """
from pathlib import Path
def test_it():
    seen = Path(__file__).with_suffix(".seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""
FAILS = "def test_it():\n    assert False\n"
FAILS_ONCE_AND_AT_ITS_END = """
from pathlib import Path
import pytest
@pytest.fixture
def left():
    seen = Path(__file__).with_suffix(".seen")
    first = not seen.exists()
    seen.touch()
    yield first
    assert not first
def test_it(left):
    assert not left
"""
FAILS_AT_ITS_END = """
import pytest
@pytest.fixture
def left():
    yield
    assert False
def test_it(left):
    pass
"""


@pytest.mark.parametrize(
    ("files", "processes", "code", "looks"),
    [
        ({"shell/test_a.py": FAILS_ONCE, "shell/test_b.py": "def test_it(): pass"}, 2, 0, True),
        ({"shell/test_a.py": FAILS_ONCE, "shell/test_b.py": FAILS}, 0, 1, True),
        ({"shell/test_a.py": FAILS_ONCE, "sip/test_b.py": FAILS}, 0, 1, False),
        ({"shell/test_a.py": FAILS_AT_ITS_END}, 0, 1, False),
        ({"shell/test_a.py": FAILS_ONCE_AND_AT_ITS_END}, 0, 0, True),
        ({f"shell/test_{n}.py": FAILS_ONCE for n in range(31)}, 0, 1, False),
    ],
    ids=["late", "broken", "a core is broken", "something is left", "left by one that was late", "too many"],
)
def test_only_live_tests_that_were_late_are_forgiven(
    tmp_path: Path, files: dict[str, str], processes: int, code: int, looks: bool
) -> None:
    for name, text in files.items():
        file = tmp_path / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -rR\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.second_look", "-n", str(processes), "tests"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (run.returncode, "a second look" in run.stdout) == (code, looks), run.stdout + run.stderr
    if not code:
        assert "RERUN tests/shell/test_a.py::test_it" in run.stdout
        assert "failed" not in run.stdout.splitlines()[-1]
