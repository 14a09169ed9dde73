"""Every strategy of the design, with few agents (a pool that looks at all) and with many (one that keeps an index)."""

from collections import Counter
from collections.abc import Callable

import pytest
from acd_shift import Shift

from softswitch.acd.model import AgentSettings, CallQueued, QueueSettings, Withdraw
from softswitch.acd.strategies import STRATEGIES, Crew, FindStrategy, Strategy, built_in
from softswitch.kernel.errors import LocalError

FEW = ("d", "a", "c", "b")
MANY = (*FEW, *(f"x{number:02d}" for number in range(30)))


def shift_of(names: tuple[str, ...], strategy: str, **settings: object) -> Shift:
    """`names` may be rung; only the four of `FEW` are ready, so that both kinds of pool choose among the same."""
    shift = Shift(*names, strategy=strategy, **settings)
    for name in names[4:]:
        shift.pause(name)
    return shift


def serve(shift: Shift, call: str, talk: float = 10.0) -> str:
    """A whole call; who got it."""
    shift.call(call)
    (agent,) = shift.ringing
    shift.answer(agent)
    shift.after(talk)
    shift.end(call, agent)
    return agent


both = pytest.mark.parametrize("names", [FEW, MANY], ids=["few", "many"])


@both
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_finds_the_one_agent_who_is_free(strategy: str, names: tuple[str, ...]) -> None:
    shift = shift_of(names, strategy)
    for agent in ("d", "a", "b"):
        shift.pause(agent)
    assert [serve(shift, f"c{number}") for number in range(3)] == ["c"] * 3


@both
def test_round_robin_goes_round_in_order_however_long_the_calls_last(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "round-robin")
    served = [serve(shift, f"c{number}", talk=50.0 if number % 2 else 1.0) for number in range(8)]
    assert served == [*FEW, *FEW]


@both
def test_round_robin_counts_the_turn_of_who_does_not_answer(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "round-robin")
    shift.call("c1")
    shift.fail("d", "rejected")
    assert list(shift.ringing) == ["a"]
    shift.answer("a")
    shift.after(30)
    assert serve(shift, "c2") == "c"


@both
def test_fewest_calls(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "fewest-calls")
    shift.pause("b")
    assert sorted(serve(shift, f"c{number}") for number in range(6)) == ["a", "a", "c", "c", "d", "d"]
    shift.ready("b")
    assert [serve(shift, f"n{number}") for number in range(2)] == ["b", "b"]


@both
def test_least_talk_time(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "least-talk-time")
    first = serve(shift, "long", talk=100.0)
    served = Counter(serve(shift, f"c{number}", talk=20.0) for number in range(12))
    assert first not in served
    assert set(served.values()) == {4}


@both
def test_least_occupied_looks_at_the_share_of_the_time_since_log_in(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "least-occupied")
    shift.logout("b")
    for number in range(3):
        serve(shift, f"c{number}", talk=60.0)
    shift.login("b")
    assert serve(shift, "n1", talk=1.0) == "b"  # all of the others have talked, b not yet
    assert serve(shift, "n2", talk=1.0) != "b"  # b's one second is half of its short shift


@both
def test_in_order_always_begins_at_the_top_of_the_configured_list(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "in-order")
    assert [serve(shift, f"c{number}") for number in range(2)] == ["d", "d"]
    shift.pause("d")
    assert serve(shift, "n1") == "a"


@both
def test_random_gives_all_the_same_chance(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "random")
    served = Counter(serve(shift, f"c{number}", talk=1.0) for number in range(800))
    assert set(served) == set(FEW)
    assert all(140 < count < 260 for count in served.values())


@both
def test_weighted_random_gives_chances_as_configured(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "weighted-random", shares={"a": 5.0, "b": 2.0})
    served = Counter(serve(shift, f"c{number}", talk=1.0) for number in range(900))
    assert 420 < served["a"] < 580
    assert 140 < served["b"] < 260
    assert all(50 < served[agent] < 150 for agent in "cd")


@both
def test_most_skilled_is_best_at_what_the_call_needs(names: tuple[str, ...]) -> None:
    skills = {"a": {"english": 60, "billing": 90}, "b": {"english": 80}, "c": {"english": 70, "billing": 70}}
    agents = {name: AgentSettings(skills=skills.get(name, {})) for name in names}
    queue = QueueSettings(agents=names, strategy="most-skilled")
    for needs, best in (
        ((("english", 50),), "b"),
        ((("billing", 1), ("english", 1)), "a"),
        ((("billing", 1),), "a"),
    ):
        shift = Shift(*names, queues={"support": queue}, agents=agents)
        shift.do(CallQueued("c1", "support", needs=needs))
        assert list(shift.ringing) == [best]


# ----------------------------------------------------------------------------------------------- several phones at once


@both
def test_ring_all_rings_every_free_agent_and_the_first_answer_gets_the_call(names: tuple[str, ...]) -> None:
    shift = shift_of(names, "ring-all")
    shift.call("c1")
    assert sorted(shift.ringing) == ["a", "b", "c", "d"]
    shift.after(3)
    effects = shift.answer("c")
    assert sorted((effect.agent, effect.reason) for effect in effects if isinstance(effect, Withdraw)) == [
        (agent, "answered-elsewhere") for agent in "abd"
    ]
    assert not shift.ringing
    shift.call("c2")
    assert sorted(shift.ringing) == ["a", "b", "d"]


def test_who_becomes_free_while_it_rings_joins_in() -> None:
    shift = shift_of(FEW, "ring-all")
    shift.pause("a")
    shift.call("c1")
    shift.ready("a")
    assert sorted(shift.ringing) == ["a", "b", "c", "d"]


def test_a_waiting_call_goes_before_joining_one_that_rings() -> None:
    shift = shift_of(FEW, "ring-all")
    for agent in "bcd":
        shift.pause(agent)
    shift.call("c1")
    shift.call("c2")
    shift.ready("b")
    assert shift.ringing["b"].call == "c2"
    shift.ready("c")
    assert shift.ringing["c"].call == "c1"


def test_one_phone_that_fails_leaves_the_others_ringing() -> None:
    shift = shift_of(FEW, "ring-all")
    shift.call("c1")
    shift.fail("a", "busy")
    assert sorted(shift.ringing) == ["b", "c", "d"]
    for agent in "bcd":
        shift.fail(agent, "rejected")
    assert shift.order() == ["c1"]
    shift.after(6)
    assert sorted(shift.ringing) == ["a", "b", "c", "d"]


def test_ring_progressively_takes_one_more_every_step() -> None:
    shift = shift_of(FEW, "ring-progressively", ring_seconds=100.0, ring_step=10.0, ring_at_most=3)
    shift.call("c1")
    assert sorted(shift.ringing) == ["d"]
    shift.after(10)
    assert sorted(shift.ringing) == ["a", "d"]
    shift.after(10)
    assert sorted(shift.ringing) == ["a", "c", "d"]
    shift.after(60)
    assert sorted(shift.ringing) == ["a", "c", "d"]
    shift.leave("c1")
    assert not shift.ringing


# ------------------------------------------------------------------------------------------------------- a user's own


class LastOfTheAlphabet(Strategy):
    def key(self, agent: object) -> float:
        return -ord(agent.name[0])  # type: ignore[attr-defined]  # as a user writes it


def faulty(call: int) -> type[Strategy]:
    """A strategy that works until its key is asked for the `call`th time."""

    class Faulty(Strategy):
        asked = 0

        def key(self, agent: object) -> float:
            Faulty.asked += 1
            if Faulty.asked >= call:
                raise KeyError("no such customer")
            return 0.0

    return Faulty


class NotANumber(Strategy):
    def key(self, agent: object) -> float:
        return float("nan")


def with_shares_of(share: float) -> type[Strategy]:
    class Shares(Strategy):
        draws = True

        def share(self, agent: object) -> float:
            return share

    return Shares


class NeedsLuck(Strategy):
    def __init__(self, crew: Crew) -> None:
        super().__init__(crew)
        raise RuntimeError("no luck")


def finds(kind: type[Strategy]) -> FindStrategy:
    return lambda name: kind if ":" in name else built_in(name)


@both
def test_a_users_own_strategy(names: tuple[str, ...]) -> None:
    shift = Shift(*names, strategy="mine:Mine", find_strategy=finds(LastOfTheAlphabet))
    for name in names[4:]:
        shift.pause(name)
    assert serve(shift, "c1") == "d"


@both
@pytest.mark.parametrize(
    "kind",
    [
        lambda: faulty(1),
        lambda: faulty(7),
        lambda: NotANumber,
        lambda: NeedsLuck,
        lambda: with_shares_of(float("inf")),
        lambda: with_shares_of(float("nan")),
        lambda: with_shares_of(-1.0),
    ],
)
def test_a_fault_in_it_costs_no_call_and_is_told_loudly(
    names: tuple[str, ...], kind: Callable[[], type[Strategy]]
) -> None:
    shift = Shift(*names, strategy="mine:Mine", find_strategy=finds(kind()))
    served = [serve(shift, f"c{number}") for number in range(len(names))]
    assert len(served) == len(names)
    (fact,) = [fact for fact in shift.facts if fact.kind == "strategy.failed"]
    assert fact.data["strategy"] == "mine:Mine"
    later = [serve(shift, f"n{number}") for number in range(2 * len(names))]
    assert sorted(later[: len(names)]) == sorted(names)  # by longest idle from then on
    assert later[: len(names)] == later[len(names) :]


def test_an_unknown_name_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(LocalError, match=r"unknown strategy 'ring-al'; known are longest-idle, .*ring-progressively"):
        Shift("alice", strategy="ring-al")
