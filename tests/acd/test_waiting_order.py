"""The structures under the order: places with positions, and the heap with lazy deletion, against a sorted list."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from softswitch.acd.model import QueueSettings
from softswitch.acd.pools import Pools
from softswitch.acd.queue import CallHeap, Places, Queue, WaitingCall
from softswitch.acd.strategies import STRATEGIES


def a_queue() -> Queue:
    pools = Pools({}, Random(1), lambda pool, error: None)
    pools.types = dict(STRATEGIES)
    return pools.rebuild({"support": QueueSettings()}, {})["support"]


QUEUE = a_queue()

moves = st.lists(st.tuples(st.sampled_from("aafr"), st.integers(0, 50)), max_size=400)


def waiting(rank: float, serial: int) -> WaitingCall:
    return WaitingCall(f"c{serial}", QUEUE, "", rank, serial, 0.0, QUEUE.pool)


def key(call: WaitingCall) -> tuple[float, int]:
    return call.rank, call.serial


@given(moves)
def test_places_are_a_sorted_list(script: list[tuple[str, int]]) -> None:
    places, truth = Places(), []
    for serial, (move, number) in enumerate(script):
        if move == "a":
            call = waiting(float(number), serial)
            places.add(call)
            truth = sorted([*truth, call], key=key)
        elif truth:
            index = 0 if move == "f" else number % len(truth)
            assert places.position(truth[index]) == index + 1
            gone = truth.pop(index)
            assert places.remove(gone) == index + 1
            assert places.position(gone) == 0
            assert places.remove(gone) == 0
        assert list(places) == truth
        assert len(places) == len(truth)


@given(moves)
def test_the_heap_gives_the_lowest_rank_of_the_living(script: list[tuple[str, int]]) -> None:
    heap, truth = CallHeap(), []
    for serial, (move, number) in enumerate(script):
        if move == "a":
            call = waiting(float(number), serial)
            heap.push(call)
            truth = sorted([*truth, call], key=key)
        elif move == "f":
            assert heap.pop() is (truth.pop(0) if truth else None)
        elif truth:
            heap.discard(truth.pop(number % len(truth)))
        assert heap.live == len(truth)
        assert heap.head == (key(truth[0]) if truth else None)
        assert sorted(heap, key=key) == truth


def test_a_head_whose_rank_changed_leaves_like_any_other() -> None:
    """A supervisor's order changes a rank while the call is in its heap; it is taken out and put in again."""
    heap, first, second = CallHeap(), waiting(1.0, 1), waiting(2.0, 2)
    heap.push(first)
    heap.push(second)
    first.rank += 10.0
    heap.discard(first)
    heap.push(first)
    assert (heap.head, heap.live) == ((2.0, 2), 2)
    assert [heap.pop(), heap.pop(), heap.pop()] == [second, first, None]


def test_ten_thousand_come_and_go_without_a_trace() -> None:
    """Dead entries do not gather, neither at the front nor in the middle."""
    places, heap = Places(), CallHeap()
    crowd = [waiting(float(number % 97), number) for number in range(10_000)]
    for call in crowd:
        places.add(call)
        heap.push(call)
    for call in crowd[5:]:
        places.remove(call)
        heap.discard(call)
    assert len(places._places) < 200
    assert len(heap._heap) < 200
