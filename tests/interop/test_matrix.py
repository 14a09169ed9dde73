"""The tables of docs/interop.md cannot go stale."""

import subprocess
import sys

from tests.interop import matrix

ROWS = {"tests/a.py::test_hold": ("passed", [["one", "hold"]]), "tests/a.py::test_more": ("failed", [["one", "hold"]])}


def test_the_committed_tables_are_those_of_the_tests() -> None:
    """After a marked test is added, changed or mended: run it, then `python -m tests.interop.matrix`, and commit."""
    command = [sys.executable, "-m", "tests.interop.matrix", "--check"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=matrix.ROOT, timeout=100, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_tick_needs_every_test_of_the_cell() -> None:
    assert matrix.mark(["passed", "passed"]) == "✓"
    assert matrix.mark(["passed", "failed"]) == "✗"
    assert matrix.mark(["passed", "xfailed"]) == "✗"
    assert matrix.mark(["passed", ""]) == "not run"


def test_what_is_stale_is_said() -> None:
    """A test that is new, one that is gone, one that shows something else, and a page that was written by hand."""
    record = matrix.Record({}, dict(ROWS))
    page = matrix.placed("<!-- matrix -->\n<!-- end of matrix -->", matrix.tables(record))
    assert "| hold | ✗ |" in page
    shown = {name: row[1] for name, row in ROWS.items()}
    assert not matrix.complaints(record, shown, page)
    assert matrix.complaints(record, {**shown, "tests/a.py::test_new": [["one", "calls"]]}, page)
    assert matrix.complaints(record, {"tests/a.py::test_hold": [["one", "hold"]]}, page)
    assert matrix.complaints(record, {**shown, "tests/a.py::test_hold": [["two", "hold"]]}, page)
    assert matrix.complaints(record, shown, page.replace("✗", "✓"))


def test_a_run_replaces_what_was_recorded_before() -> None:
    record = matrix.Record({}, dict(ROWS))
    shown = {"tests/a.py::test_hold": [["one", "hold"]], "tests/a.py::test_more": [["one", "hold"]]}
    later = matrix.take_up(record, shown, {"tests/a.py::test_more": "passed"})
    assert {name: outcome for name, (outcome, _) in later.tests.items()} == dict.fromkeys(shown, "passed")
    assert list(matrix.take_up(later, {}, {}).tests) == []
