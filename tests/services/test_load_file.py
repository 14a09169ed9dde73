"""Load files: what they may say, and every fault with its line."""

from pathlib import Path

import pytest

from softswitch.acd.simulation.load import Break, Kind
from softswitch.acd.simulation.times import Times
from softswitch.services.faults import ConfigurationError
from softswitch.services.load_file import read_load

EXAMPLE = Path(__file__).parents[2] / "docs" / "load.example.toml"


def faults_of(path, text):
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_load(path)
    return [(fault.line, fault.key, fault.message, fault.suggestion) for fault in caught.value.faults]


def test_the_example_is_read():
    load = read_load(EXAMPLE)
    support = load.queues["support"]
    assert support.profile["08:00"] == 60.0
    assert support.talk == Times(mean=180.0, distribution="lognormal", cv=0.9)
    assert support.kinds[1] == Kind(share=1.0, needs={"german": 60}, head_start=30.0)
    assert load.shifts["early"].breaks[0] == Break(at="11:30", minutes=30.0, reason="lunch")
    assert load.agents.no_answer == 0.02


def test_every_fault_of_shape_has_its_line(tmp_path):
    found = faults_of(
        tmp_path / "load.toml",
        '[queues.support]\ncall = 60\ntalk = "long"\n[agents]\npick_up = { mena = 3 }\nno_answer = true\n',
    )
    assert [fault[:2] for fault in found] == [
        *((2, "queues.support.call"), (3, "queues.support.talk"), (5, "agents.pick_up"), (5, "agents.pick_up.mena")),
        (6, "agents.no_answer"),
    ]
    assert ("unknown key", "calls") in {fault[2:] for fault in found}


def test_every_fault_of_meaning_has_its_line(tmp_path):
    found = faults_of(
        tmp_path / "load.toml",
        """start = "soon"
[queues.support]
calls = -1
profile = { "8h" = 3 }
days = { monday = 2 }
redial = 2
talk = { mean = 0 }
[shifts.day]
days = "workdays"
begin = "8"
breaks = [{ at = "12:00" }, { at = "noon" }]
[agents]
no_answer = 0.6
rejected = 0.4
""",
    )
    assert [line for line, *_ in found] == [1, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert found[8][1] == "shifts.day.breaks[1].at"


@pytest.mark.parametrize("text", ["[queues", "start = 5\n", "talk = 1\n"])
def test_not_a_load(tmp_path, text):
    assert faults_of(tmp_path / "load.toml", text)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'start = "\xe4"')
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_load(tmp_path / "latin.toml")
