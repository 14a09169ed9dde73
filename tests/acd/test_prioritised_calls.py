"""A supervisor's word on a waiting call: it gets another rank, once, and everything else stays."""

import pytest

from softswitch.acd.model import CallPrioritised, Offer, QueueSettings, Reconfigured
from tests.acd.acd_shift import Shift, only


def test_the_call_passes_those_whom_the_seconds_bring_it_before() -> None:
    shift = Shift("alice")
    shift.pause("alice")
    for call in ("c1", "c2", "c3"):
        shift.call(call)
        shift.after(10)
    shift.do(CallPrioritised("c3", 15.0, "carol"))
    assert shift.order() == ["c1", "c3", "c2"]
    fact = shift.last("call.prioritised")
    assert (fact.data["was"], fact.data["position"], fact.data["by"]) == (3, 2, "carol")
    shift.do(CallPrioritised("c3", 60.0))
    assert only(shift.ready("alice"), Offer)[0].call == "c3"


@pytest.mark.parametrize("seconds", [-1000.0, 1000.0])
def test_the_head_of_the_line_may_be_moved_and_is_still_found(seconds: float) -> None:
    """Found by the random days of `tests/switch/test_changes_under_load.py`: the pool lost sight of its head."""
    shift = Shift("alice")
    shift.pause("alice")
    shift.call("c1")
    shift.do(CallPrioritised("c1", seconds))
    assert only(shift.ready("alice"), Offer)[0].call == "c1"


def test_what_rings_for_the_call_goes_on() -> None:
    shift = Shift("alice", "bob", strategy="ring-all")
    shift.call("c1")
    assert len(shift.ringing) == 2
    shift.do(CallPrioritised("c1", -50.0))
    assert len(shift.ringing) == 2
    shift.answer("alice")
    assert not shift.order()


def test_the_new_rank_outlives_new_settings_and_a_call_that_is_gone_is_told() -> None:
    shift = Shift("alice")
    shift.pause("alice")
    for call in ("c1", "c2"):
        shift.call(call)
        shift.after(10)
    shift.do(CallPrioritised("c2", 15.0))
    shift.do(Reconfigured({"support": QueueSettings(agents=("alice",), wrap_up=5.0)}, frozenset({"alice"})))
    assert shift.order() == ["c2", "c1"]
    shift.do(CallPrioritised("nobody", 15.0))
    assert shift.last("acd.ignored").data["why"] == "the call does not wait"


def test_seconds_are_bounded() -> None:
    shift = Shift("alice")
    shift.pause("alice")
    shift.call("c1")
    shift.do(CallPrioritised("c1", 1e12))
    assert shift.last("call.prioritised").data["seconds"] == 86_400.0
