"""Complaint: an unknown strategy name falls back in silence (FusionPBX offers one that FreeSWITCH lacks).

Ours: an error that names the known ones, with file, line and a suggestion; a running switch keeps what it has.
"""

from pathlib import Path

import pytest

from softswitch.acd.model import QueueSettings, Reconfigured
from softswitch.acd.strategies import STRATEGIES
from softswitch.kernel.errors import LocalError
from softswitch.services.configuration import check
from tests.acd.acd_shift import Shift

HEAD = (
    '[phones.1001]\npassword = "long-enough-1"\n[agents.alice]\nphone = "1001"\n[queues.support]\nagents = ["alice"]\n'
)


def test_the_configuration_says_the_line_the_known_ones_and_what_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(HEAD + 'strategy = "agent-with-least-talk-time"\n', encoding="utf-8")
    (fault,) = [fault for fault in check(path) if fault.severity == "error"]
    assert (fault.line, fault.key) == (7, "queues.support.strategy")
    assert all(name in fault.message for name in STRATEGIES)
    assert fault.suggestion == "least-talk-time"


def test_the_engine_refuses_it_and_goes_on_as_before() -> None:
    shift = Shift("alice", strategy="ring-all")
    shift.pause("alice")
    shift.call("c1")
    with pytest.raises(LocalError, match="unknown strategy 'top-down'"):
        shift.do(Reconfigured({"support": QueueSettings(agents=("alice",), strategy="top-down")}, frozenset({"alice"})))
    assert shift.engine.check(shift.now) == []
    shift.ready("alice")
    assert shift.ringing["alice"].call == "c1"
