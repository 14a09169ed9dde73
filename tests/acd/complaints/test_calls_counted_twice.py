"""Complaint: calls counted twice (asterisk#1736, #1741). Ours: counters are folded from a ledger."""

from collections import Counter

from softswitch.acd.model import OfferAnswered, QueueSettings
from softswitch.acd.stats import Totals
from tests.acd.acd_shift import Shift

OUTCOMES = ("queue.answered", "queue.abandoned", "queue.overflowed", "queue.left")


def test_a_call_that_rang_at_many_phones_is_one_call() -> None:
    crew = ("a", "b", "c")
    shift = Shift(*crew, queues={"support": QueueSettings(agents=crew, strategy="ring-all", ring_seconds=10.0)})
    shift.call("c1")
    assert len(shift.ringing) == 3
    late = shift.ringing["b"]
    shift.answer("a")
    shift.do(OfferAnswered(late.offer))  # crossed our CANCEL
    shift.do(OfferAnswered(late.offer))
    shift.after(30)
    shift.end("c1", "a")
    shift.end("c1", "a")  # told twice
    totals = Totals(shift.facts)
    queue = totals.queue("support")
    assert (queue.entered, queue.answered, queue.talks, queue.talk, queue.offers) == (1, 1, 1, 30.0, 3)
    assert [totals.agent(name).answered for name in crew] == [1, 0, 0]
    assert sum(queue.waits.counts) == 1


def test_a_call_that_nobody_takes_for_long_is_one_call() -> None:
    shift = Shift("a", ring_seconds=10.0, retry_after=5.0, max_no_answer=0, max_wait=100.0, on_max_wait="play:sorry")
    shift.call("c1")
    shift.after(200)
    queue = Totals(shift.facts).queue("support")
    assert (queue.entered, queue.overflows, queue.answered, queue.abandoned) == (1, 1, 0, 0)
    assert queue.offers == queue.failed_offers + queue.withdrawn > 3


def test_every_call_has_one_entry_and_one_outcome() -> None:
    shift = Shift("a", "b", wrap_up=5.0, max_length=3)
    for number in range(12):
        shift.call(f"c{number}")
        shift.after(4)
        for agent in tuple(shift.ringing):
            shift.answer(agent)
        if number % 3 == 0:
            shift.leave(f"c{number}")
        shift.after(9)
        for call in range(number):
            shift.end(f"c{call}", "a")
            shift.end(f"c{call}", "b")
    shift.after(600)
    counted = Counter(fact.call for fact in shift.facts if fact.kind in OUTCOMES)
    entered = Counter(fact.call for fact in shift.facts if fact.kind == "queue.entered")
    assert set(entered.values()) == {1}
    assert set(counted.values()) == {1}
    queue = Totals(shift.facts).queue("support")
    assert queue.finished == len(counted)
