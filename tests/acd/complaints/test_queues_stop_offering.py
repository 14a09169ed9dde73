"""Complaint: queues stop offering; a weight blocks other queues (asterisk#108, #1637, #1691, #1561).

Ours: one matcher and one total order. A weight is head start in the eyes of one agent, so it delays and never blocks.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.acd.model import Offer, QueueSettings
from tests.acd.acd_shift import Shift, only


def two_queues(weight: float, **heavy: object) -> Shift:
    """`alice` serves both queues, `boris` the light one only."""
    queues = {
        "heavy": QueueSettings(agents=("alice",), weights={"alice": weight}, **heavy),  # type: ignore[arg-type]
        "light": QueueSettings(agents=("alice", "boris")),
    }
    return Shift("alice", "boris", queues=queues)


def test_a_weight_is_head_start_in_the_eyes_of_that_agent() -> None:
    shift = two_queues(30.0)
    shift.pause("alice")
    shift.pause("boris")
    shift.call("light1", "light")
    shift.after(29)
    shift.call("heavy1", "heavy")
    shift.ready("alice")
    assert shift.ringing["alice"].call == "heavy1"


def test_a_call_of_the_other_queue_that_has_waited_longer_than_the_weight_goes_first() -> None:
    shift = two_queues(30.0)
    shift.pause("alice")
    shift.pause("boris")
    shift.call("light1", "light")
    shift.after(31)
    shift.call("heavy1", "heavy")
    shift.ready("alice")
    assert shift.ringing["alice"].call == "light1"


def test_a_heavy_queue_with_callers_and_no_agent_of_its_own_blocks_nobody() -> None:
    """asterisk#1561: the heavier queue has waiting callers, so the lighter one is never served."""
    shift = two_queues(3600.0)
    shift.logout("alice")
    for number in range(50):
        shift.call(f"heavy{number}", "heavy")
    shift.call("light1", "light")
    assert shift.ringing["boris"].call == "light1"


def test_the_light_queue_is_served_while_the_heavy_one_never_empties() -> None:
    """A new heavy call every five seconds, each served by alice in ten: the light call still has its turn."""
    shift = two_queues(60.0)
    shift.logout("boris")
    shift.call("heavy0", "heavy")
    shift.call("light1", "light")
    arrived, number = shift.now, 0
    while "alice" not in shift.ringing or shift.ringing["alice"].call != "light1":
        offer = shift.ringing["alice"]
        shift.answer("alice")
        for _ in range(2):
            shift.after(5)
            number += 1
            shift.call(f"heavy{number}", "heavy")
        shift.end(offer.call, "alice")
        assert shift.now - arrived < 3600, "starved"
    assert shift.now - arrived <= 10 * (60 / 5 + 2)  # the heavy calls of the next 60 seconds, ten seconds each


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heavy", "light"]),
            st.floats(0, 20).map(lambda s: round(s, 2)),
            st.sampled_from([0, 15, 60]),
        ),
        min_size=2,
        max_size=40,
    ),
    st.sampled_from([-40.0, 0.0, 25.0, 100.0]),
)
def test_a_call_is_overtaken_only_by_calls_that_arrived_within_the_difference_of_head_starts(
    calls: list[tuple[str, float, int]], weight: float
) -> None:
    """Bounded starvation: X goes before Y, who came first, only if X came at most as many seconds later as X has more
    head start, weight included. Alice alone serves everybody, in any mix of arrivals."""
    shift = two_queues(weight, priority=10.0)
    shift.logout("boris")
    arrived: dict[str, float] = {}
    ahead: dict[str, float] = {}
    script = [(queue, gap, head, f"c{number}") for number, (queue, gap, head) in enumerate(calls)]
    served: set[str] = set()
    shift.call("first", "light")
    shift.answer("alice")
    talking = "first"
    while script or len(served) < len(calls):
        for queue, gap, head, call in script[:3]:
            shift.after(gap)
            arrived[call] = shift.now
            ahead[call] = head + (10.0 + weight if queue == "heavy" else 0.0)
            shift.call(call, queue, head_start=head)
        del script[:3]
        (offer,) = only(shift.end(talking, "alice"), Offer)
        for other in arrived.keys() - served - {offer.call}:
            later = arrived[offer.call] - arrived[other]
            assert later <= ahead[offer.call] - ahead[other] + 1e-6, f"{other} was overtaken by {offer.call}"
        served.add(offer.call)
        talking = offer.call
        shift.answer("alice")
    assert served == set(arrived)
