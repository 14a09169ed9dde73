"""The supervisor with real children that are killed, drained and orphaned."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from softswitch.shell.supervisor import port_share

ROOT = Path(__file__).parents[2]
CHILDREN = Path(__file__).with_name("children.py")
PARENT = """
import sys
from pathlib import Path
from softswitch.shell.supervisor import Supervisor
child = sys.argv[2]
sys.exit(Supervisor(Path(sys.argv[1]), control=(child, "control"), media=(child, "media")).run())
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what: Callable[[], object], seconds: float = 45.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Parent:
    def __init__(self, folder: Path, words: str = "") -> None:
        self.folder = folder
        (folder / "config.toml").write_text(words)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder / "config.toml"), str(CHILDREN)],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'codecs'}", "FOLDER": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def starts(self, kind: str) -> list[int]:
        path = self.folder / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(kind)]

    def up(self) -> "Parent":
        until(lambda: (self.folder / "ready").exists() and len(self.starts("media")) >= 2)
        return self

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(45)

    def everyone(self) -> list[int]:
        return self.starts("control") + self.starts("media")


@pytest.fixture
def parents(tmp_path: Path) -> Iterator[Callable[..., Parent]]:
    made: list[Parent] = []

    def make(words: str = "") -> Parent:
        made.append(Parent(tmp_path, words))
        return made[-1]

    yield make
    for parent in made:
        parent.process.kill()
        parent.process.wait()
        assert parent.process.stderr is not None
        parent.process.stderr.close()


def test_it_starts_control_and_media(parents: Callable[..., Parent]) -> None:
    parent = parents().up()
    assert (len(parent.starts("control")), len(parent.starts("media"))) == (1, 2)


@pytest.mark.parametrize("kind", ["control", "media"])
def test_a_child_killed_is_started_again(parents: Callable[..., Parent], kind: str) -> None:
    parent = parents().up()
    before = parent.starts(kind)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(parent.starts(kind)) == len(before) + 1)
    assert not alive(before[0])


def test_media_lives_on_when_control_dies(parents: Callable[..., Parent]) -> None:
    parent = parents().up()
    media = parent.starts("media")
    os.kill(parent.starts("control")[0], signal.SIGKILL)
    until(lambda: len(parent.starts("control")) == 2)
    assert parent.starts("media") == media
    assert all(alive(pid) for pid in media)


def test_sigterm_leaves_nothing(parents: Callable[..., Parent], tmp_path: Path) -> None:
    parent = parents().up()
    parent.signal(signal.SIGTERM)
    assert parent.end() == 0
    assert (tmp_path / "ended-by").read_text() == "SIGTERM"
    assert not any(alive(pid) for pid in parent.everyone())
    assert [path.name for path in (tmp_path / "var" / "run").iterdir()] == ["lock"]


def test_a_second_sigterm_hurries(parents: Callable[..., Parent], tmp_path: Path) -> None:
    parent = parents("slow").up()
    parent.signal(signal.SIGTERM)
    until((tmp_path / "draining").exists)
    assert alive(parent.process.pid)
    parent.signal(signal.SIGTERM)
    assert parent.end() == 0
    assert (tmp_path / "ended-by").read_text() == "SIGINT"


def test_sighup_reaches_control_only(parents: Callable[..., Parent], tmp_path: Path) -> None:
    parent = parents().up()
    parent.signal(signal.SIGHUP)
    until((tmp_path / "hups").exists)
    assert all(alive(pid) for pid in parent.everyone())


@pytest.mark.parametrize("words", ["faulty", "late-fault"])
def test_a_fault_at_start_starts_nothing(parents: Callable[..., Parent], words: str) -> None:
    parent = parents(words)
    assert parent.end() == 1
    assert parent.starts("media") == []
    assert parent.process.stderr is not None
    assert "not started: control ended with exit code 1" in parent.process.stderr.read()


def test_two_switches_do_not_share_a_data_directory(parents: Callable[..., Parent]) -> None:
    first = parents().up()
    second = parents()
    assert second.end() == 1
    assert second.process.stderr is not None
    assert f"another softswitch (process {first.process.pid}) uses the data directory" in second.process.stderr.read()
    assert all(alive(pid) for pid in first.starts("media"))


def test_children_die_with_the_parent(parents: Callable[..., Parent]) -> None:
    parent = parents().up()
    parent.signal(signal.SIGKILL)
    parent.end()
    until(lambda: not any(alive(pid) for pid in parent.everyone()))


def test_stale_sockets_of_a_killed_switch_do_not_matter(parents: Callable[..., Parent], tmp_path: Path) -> None:
    parent = parents().up()
    parent.signal(signal.SIGKILL)
    parent.end()
    until(lambda: not any(alive(pid) for pid in parent.everyone()))
    (tmp_path / "ready").unlink()
    again = parents()
    until(lambda: len(again.starts("media")) == 4)
    again.signal(signal.SIGTERM)
    assert again.end() == 0


def test_a_long_path_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    """A Unix socket address holds 108 bytes."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    parent = Parent(folder)
    try:
        until((folder / "ready").exists)
        assert not list((folder / "var" / "run").glob("*.sock"))
        parent.signal(signal.SIGTERM)
        assert parent.end() == 0
    finally:
        parent.process.kill()
        parent.process.wait()
        assert parent.process.stderr is not None
        parent.process.stderr.close()


@pytest.mark.parametrize(("ports", "workers"), [((20000, 39999), 1), ((20000, 39999), 3), ((30000, 30010), 2)])
def test_port_shares_are_even_and_apart(ports: tuple[int, int], workers: int) -> None:
    shares = [port_share(ports, workers, number) for number in range(workers)]
    assert all(low % 2 == 0 and high % 2 == 1 and low < high for low, high in shares)
    assert shares[0][0] == ports[0]
    assert shares[-1][1] <= ports[1]
    assert all(first[1] + 1 == second[0] for first, second in itertools.pairwise(shares))
