"""Open files: what the system allows is taken, and connections cannot have all of it."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from softswitch.shell.descriptors import most_connections, raise_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, min(hard, {hard})))
raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], most_connections())
"""


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections"),
    [(300, 4096, 4096, 2896), (300, 1024, 1024, 512), (100, 100, 100, 64)],
)
def test_connections_leave_files_for_everything_else(soft: int, hard: int, raised: int, connections: int) -> None:
    code = SCRIPT.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == [str(raised), str(connections)], done.stderr
