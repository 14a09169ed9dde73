"""A short coverage-guided run over every target: CI's share of the hunt. One seed, so that it finds what a change has
brought and not what chance has; the hunt with other seeds is `python -m tests.fuzz`. What it finds is printed as bytes,
to be kept in the corpus."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

_SECONDS = 1  # of each target
_ROOM = 240  # seconds for it to end on a busy machine
_SEED = 7118
_FEWEST = 20  # runs of each; atheris has loaded and moves


@pytest.mark.timeout(_ROOM + 10)
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python")
def test_nothing_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(_SECONDS), "--seed", str(_SEED)]
    command += ["--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_ROOM, check=False, errors="replace")
    found = {path.name: path.read_bytes() for path in (tmp_path / "found").glob("*")}
    assert (done.returncode, found) == (0, {}), done.stderr[-4000:]
    stats = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
    assert len(stats) == len(TARGETS)
    assert all(int(runs) > _FEWEST for runs in stats)
