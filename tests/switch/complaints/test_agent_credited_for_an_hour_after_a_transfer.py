"""Complaint: an agent is credited for an hour after a transfer (FreePBX#124, asterisk#759). Ours: accounting by leg."""

import pytest

from softswitch.acd.model import AgentState
from softswitch.switch.events import AgentCommand
from tests.switch.test_transfers import Talk

HOUR = 3600.0
MINUTE = 60  # that alice talks before the transfer


@pytest.mark.parametrize(
    ("keys", "private"), [("*11003#", 0), ("*21003#*3", 0), ("*19100#", 0)], ids=["blind", "attended", "over the trunk"]
)
def test_the_former_agents_time_ends_when_the_agent_leaves(keys: str, private: int) -> None:
    talk = Talk()
    talk.carrier.on_invite = "answer"
    talk.keys(talk.alice, keys)
    assert talk.state("alice") is AgentState.WRAP_UP
    talk.site.run(HOUR)
    assert talk.line.state == "up"
    talk.carrier.hang_up(talk.line)
    talk.site.run(3.0)
    totals = talk.totals().agent("alice")
    assert (totals.talks, round(totals.talk)) == (1, MINUTE + private)
    (alice,) = (leg for leg in talk.record().legs if leg.party == "agent:alice")
    assert [round(end - start) for start, end in alice.talk] == [MINUTE]
    talk.site.nothing_left()


def test_the_next_agent_has_exactly_the_rest() -> None:
    talk = Talk()
    talk.site.give(AgentCommand("bob", "login"))
    talk.keys(talk.alice, "*11002#")
    talk.site.run(HOUR)
    talk.carrier.hang_up(talk.line)
    totals = talk.totals()
    assert round(totals.agent("alice").talk) == MINUTE
    assert round(totals.agent("bob").talk) == HOUR
    assert round(totals.queue("support").talk) == MINUTE + HOUR
    talk.site.nothing_left()
