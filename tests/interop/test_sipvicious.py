"""SIPVicious (a scanner, in processes of its own) against the real switch: no extension, no password."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.switch_process import SwitchProcess

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse-battery"
PHONES = f"""
[phones.1001]
password = "{PASSWORD}"
[phones.1002]
password = "another-long-one"
"""
STRANGE = "[defence]\nloopback = false\n"


@pytest.fixture
def attack(tmp_path: Path) -> Callable[..., str]:
    """Runs a tool of SIPVicious until it has finished; what it said."""

    def attack(tool: str, switch: SwitchProcess, *arguments: str) -> str:
        beside = str(Path(sys.executable).parent)  # of the virtual environment, active or not
        program = shutil.which(f"sipvicious_{tool}", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
        if program is None:
            pytest.skip("SIPVicious is not installed")
        command = [program, *arguments, "-p", str(switch.port), switch.host]
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
        )
        return run.stdout + run.stderr

    return attack


def words(folder: Path, *tried: str) -> str:
    path = folder / f"words-{len(tried)}"
    path.write_text("\n".join(tried) + "\n", encoding="utf-8")
    return str(path)


def test_the_answers_themselves_tell_nothing(
    own_switch: Callable[..., SwitchProcess], attack: Callable[..., str], tmp_path: Path
) -> None:
    """The settings as they come: loopback is neither limited nor banned, so it is the answers alone. That svcrack can
    find a password here is shown by giving it the right one first."""
    switch = own_switch(PHONES)
    for method in ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"):
        said = attack("svwar", switch, "-e", "1000-1004", "-m", method, "--force")
        assert "found nothing" in said, said
    guesses = [f"guess{number}" for number in range(8)]
    said = attack("svcrack", switch, "-u", "1001", "-d", words(tmp_path, *guesses, PASSWORD))
    assert "found nothing" in said, said
    assert PASSWORD not in said
    said = attack("svcrack", switch, "-u", "1002", "-d", words(tmp_path, "another-long-one"))
    assert "another-long-one" in said, "the control: the tool works"
    text = (switch.data_dir / "security.log").read_text(encoding="ascii")
    assert "event=locked-out" in text
    assert PASSWORD not in text


@pytest.mark.parametrize("bans", ["bans = true\n", "bans = false\n"])
def test_a_stranger_is_met_with_silence(
    own_switch: Callable[..., SwitchProcess], attack: Callable[..., str], tmp_path: Path, bans: str
) -> None:
    switch = own_switch(PHONES + STRANGE + bans)
    assert "found nothing" in attack("svmap", switch)
    assert "found nothing" in attack("svwar", switch, "-e", "1001-1002")
    status = switch.status()
    assert status["counters"]["kept_out"]["scanners"] >= 1
    assert status["counters"]["messages_out"] == 0, "not a byte for it"
    assert switch.get("bans")["total"] == (1 if "true" in bans else 0)
