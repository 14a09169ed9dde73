"""Complaints: a scan for each state event with 40,000 queues (Asterisk #1215, #1972), a query a member every 100 ms
(FreeSWITCH #2458). Counted in bytecodes, so that the machine's mood does not matter."""

import sys
from collections.abc import Callable
from functools import partial
from random import Random
from types import FrameType
from typing import Any

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEffect,
    AgentLogin,
    CallerLeft,
    CallQueued,
    DeviceBusy,
    DeviceReachable,
    Offer,
    OfferAnswered,
    QueueSettings,
    TalkEnded,
)


def operations(work: Callable[[], object]) -> int:
    """Bytecodes that `work` executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def centre(agents: int, queues: int = 1, members: int = 0) -> Engine:
    dice = Random(1)
    names = [f"agent{number}" for number in range(agents)]
    settings = {
        f"queue{number}": QueueSettings(agents=tuple(dice.sample(names, members) if members else names))
        for number in range(queues)
    }
    engine = Engine(settings, names, 0.0, Random(1))
    for number, name in enumerate(names):
        engine.receive(DeviceReachable(name, True), number / 100)
        engine.receive(AgentLogin(name), number / 100)
    return engine


def offer_of(effects: list[AcdEffect]) -> Offer:
    return next(effect for effect in effects if isinstance(effect, Offer))


def a_call(engine: Engine, now: float = 1000.0) -> None:
    offer = offer_of(engine.receive(CallQueued("one", "queue0"), now))
    engine.receive(OfferAnswered(offer.offer), now + 1)
    engine.receive(TalkEnded("one", offer.agent), now + 2)


def flat(costs: list[int], allowed: float = 1.05) -> bool:
    """The last, in the large centre, costs what the first does in the small one."""
    return 0 < costs[-1] <= allowed * costs[0]


def test_a_call_costs_the_same_with_20_and_2000_agents() -> None:
    engines = [centre(agents) for agents in (20, 2000)]
    for engine in engines:
        a_call(engine, 500.0)  # the first one makes the index of all who logged in
    assert flat([operations(partial(a_call, engine)) for engine in engines])


def crowd(engine: Engine, waiting: int) -> Offer:
    """Everybody talks, `waiting` callers wait; returns the offer of one of the conversations."""
    offers = []
    for number in range(waiting + 20):
        for effect in engine.receive(CallQueued(f"c{number}", "queue0"), 100.0 + number / 1000):
            if isinstance(effect, Offer):
                offers.append(effect)
                engine.receive(OfferAnswered(effect.offer), 200.0)
    return offers[0]


def test_a_match_costs_the_same_with_100_and_10000_waiting() -> None:
    costs = []
    for waiting in (100, 10_000):
        engine = centre(20)
        offer = crowd(engine, waiting)
        costs.append(operations(partial(engine.receive, TalkEnded(offer.call, offer.agent), 300.0)))
    assert flat(costs)


def test_a_caller_who_leaves_from_the_middle_costs_the_same() -> None:
    costs = []
    for waiting in (100, 10_000):
        engine = centre(20)
        crowd(engine, waiting)
        costs.append(operations(partial(engine.receive, CallerLeft(f"c{waiting // 2}"), 300.0)))
    assert flat(costs)


def busy_and_back(engine: Engine) -> None:
    engine.receive(DeviceBusy("agent3", 1), 300.0)
    engine.receive(DeviceBusy("agent3", 0), 301.0)


def test_an_agent_in_all_of_20000_queues_changes_state_as_cheaply_as_in_one() -> None:
    engines = [centre(20, 1), centre(20, 20_000)]
    assert flat([operations(partial(busy_and_back, engine)) for engine in engines])


def test_an_agent_of_a_hundred_different_queues_looks_only_at_those_with_callers() -> None:
    """200 agents, 4,000 queues of five: each agent serves about a hundred, and a caller waits in one."""
    many = centre(200, 4000, 5)
    for agent in many.agent_names():
        view = many.agent_view(agent, 200.0)
        if view is not None and "queue0" in view.queues:
            many.receive(DeviceBusy(agent, 1), 200.0)
    many.receive(CallQueued("c1", "queue0"), 201.0)
    assert flat([operations(partial(busy_and_back, engine)) for engine in (centre(20), many)], 1.5)


def test_thousands_of_other_queues_with_callers_cost_an_agent_nothing() -> None:
    """Each queue has two agents of its own; everybody but one pair is away, and callers wait everywhere."""
    costs = []
    for queues in (10, 3000):
        agents = [f"agent{number}" for number in range(2 * queues)]
        settings = {f"queue{n}": QueueSettings(agents=(agents[2 * n], agents[2 * n + 1])) for n in range(queues)}
        engine = Engine(settings, agents, 0.0, Random(1))
        for number in range(1, queues):
            engine.receive(CallQueued(f"c{number}", f"queue{number}"), 1.0)
        engine.receive(DeviceReachable("agent0", True), 2.0)
        costs.append(operations(partial(engine.receive, AgentLogin("agent0"), 3.0)))
    assert flat(costs)
