"""Complaint: two agents answer one call; ring-all storms (asterisk#176, #1557).

Ours: a claim is atomic. The first answer has the call; every other phone is told to stop in the same step, and an
answer that is on its way already is refused. How many phones ring for a call is bounded.
"""

import pytest

from softswitch.acd.model import Bridge, Offer, OfferAnswered, Refuse, Withdraw
from tests.acd.acd_shift import Shift, only

CREW = tuple(f"agent{number:02d}" for number in range(40))


@pytest.mark.parametrize("crew", [CREW[:6], CREW], ids=["few", "many"])
def test_all_answer_at_once_and_one_has_the_call(crew: tuple[str, ...]) -> None:
    shift = Shift(*crew, strategy="ring-all", ring_at_most=100)
    offers = only(shift.call("c1"), Offer)
    assert len(offers) == len(crew)
    first = shift.do(OfferAnswered(offers[0].offer))
    assert [bridge.agent for bridge in only(first, Bridge)] == [offers[0].agent]
    assert {withdrawn.offer for withdrawn in only(first, Withdraw)} == {offer.offer for offer in offers[1:]}
    for offer in offers[1:]:
        late = shift.do(OfferAnswered(offer.offer))
        assert [refused.offer for refused in only(late, Refuse)] == [offer.offer]
        assert not only(late, Bridge)
    assert [fact.kind for fact in shift.facts if fact.call == "c1"].count("queue.answered") == 1


def test_a_storm_of_calls_rings_each_phone_once_and_each_call_at_so_many() -> None:
    shift = Shift(*CREW, strategy="ring-all", ring_at_most=4)
    for number in range(200):
        shift.call(f"c{number}")
    rung = [offer.call for offer in shift.ringing.values()]
    assert len(rung) == len(CREW)
    assert max(rung.count(call) for call in rung) == 4
    assert set(rung) == {f"c{number}" for number in range(10)}  # those who came first


def test_phones_that_lost_the_call_ring_for_the_next_one_at_once_and_no_miss_is_counted() -> None:
    shift = Shift(*CREW[:5], strategy="ring-all", max_no_answer=1)
    for number in range(10):
        shift.call(f"c{number}")
    for number in range(5):
        agent = next(iter(shift.ringing))
        assert shift.ringing[agent].call == f"c{number}"
        shift.answer(agent)
        assert len(shift.ringing) == 4 - number
    assert not [fact for fact in shift.facts if fact.kind == "agent.pause"]
