"""A user's own strategy: found in the data directory or where Python looks, and a clear error when it does not load."""

from pathlib import Path

import pytest

from softswitch.acd.strategies import STRATEGIES, Crew, Strategy
from softswitch.kernel.errors import LocalError
from softswitch.services.own_strategies import find_strategy, finder

GOOD = """
from softswitch.acd.strategies import Strategy

class Mine(Strategy):
    \"\"\"Names from the end of the alphabet first.\"\"\"
    def key(self, agent):
        return -ord(agent.name[0])
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    (folder / "strategies").mkdir(exist_ok=True)
    (folder / "strategies" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def test_a_class_in_the_data_directory(tmp_path: Path) -> None:
    found = finder(write(tmp_path, GOOD))("mine:Mine")
    assert issubclass(found, Strategy)
    assert found(Crew({}, (), {})).phones == "one"


def test_a_class_where_python_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "importable_strategies.py").write_text(GOOD, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_strategy("importable_strategies:Mine", tmp_path / "var").__name__ == "Mine"


def test_the_built_in_ones_by_their_names(tmp_path: Path) -> None:
    assert {name: find_strategy(name, tmp_path) for name in STRATEGIES} == STRATEGIES


def test_a_changed_file_is_read_anew_at_a_reload(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    before = find_strategy("mine:Mine", tmp_path)
    write(tmp_path, GOOD + '    phones = "all"\n')
    assert (before.phones, find_strategy("mine:Mine", tmp_path).phones) == ("one", "all")


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (GOOD, "longest-idel", r'"longest-idel" is none of longest-idle, .*, nor module:Class'),
        (GOOD, "nobody:Mine", r'no module "nobody", neither in .*strategies nor where Python looks'),
        (GOOD, "mine:Yours", "mine has no Yours"),
        (GOOD, "mine:", '"mine:" is not module:Class'),
        (GOOD, "../mine:Mine", "is not module:Class"),
        (GOOD, "mine:Mine:x", "is not module:Class"),
        ("class Mine:\n    pass\n", "mine:Mine", "mine:Mine is no subclass of softswitch.acd.strategies.Strategy"),
        ("Mine = 3\n", "mine:Mine", "is no subclass"),
        ("class Mine(:\n", "mine:Mine", "mine does not load: SyntaxError"),
        ("import no_such_thing\n", "mine:Mine", "mine does not load: No module named 'no_such_thing'"),
        ("raise OSError('disk')\n", "mine:Mine", "mine does not load: OSError: disk"),
        (GOOD + "    phones = 'some'\n", "mine:Mine", "phones must be one of one, all, more"),
        (
            GOOD + "    def __init__(self, crew):\n        raise ValueError('no')\n",
            "mine:Mine",
            "mine:Mine cannot be made: ValueError: no",
        ),
    ],
)
def test_what_does_not_load_says_why(tmp_path: Path, text: str, name: str, says: str) -> None:
    with pytest.raises(LocalError, match=says):
        find_strategy(name, write(tmp_path, text))
