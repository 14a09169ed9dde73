"""Complaint: zombie call to the agent after the caller left (freeswitch#2529). Ours: a caller who goes cancels every
offer in that very step, and a phone that answers all the same is refused."""

import pytest

from softswitch.acd.model import Bridge, OfferAnswered, Refuse, Withdraw
from tests.acd.acd_shift import Shift, only


@pytest.mark.parametrize("strategy", ["longest-idle", "ring-all", "ring-progressively"])
def test_every_phone_stops_in_the_step_in_which_the_caller_goes(strategy: str) -> None:
    shift = Shift("alice", "boris", "clara", strategy=strategy, ring_step=5.0)
    shift.call("c1")
    shift.after(6)
    rung = dict(shift.ringing)
    effects = shift.leave("c1")
    assert {withdrawn.agent for withdrawn in only(effects, Withdraw)} == set(rung)
    assert not shift.ringing
    for offer in rung.values():
        late = shift.do(OfferAnswered(offer.offer))
        assert [refused.agent for refused in only(late, Refuse)] == [offer.agent]
        assert not only(late, Bridge)
    shift.after(120)
    assert not shift.ringing


def test_a_late_ring_step_or_ring_of_a_call_that_left_rings_nobody() -> None:
    shift = Shift("alice", "boris", strategy="ring-progressively", ring_step=5.0)
    shift.call("c1")
    shift.leave("c1")
    shift.now += 300  # the process stalled; all that was due comes late, and there is nothing
    assert shift.take(shift.engine.wake(shift.now)) == []
