"""Complaint: 40,000 queues, 75,000 members: a scan for each state event (asterisk#1215, #1972).

Ours: an agent's change of state touches pools with callers, not queues. Counted in bytecodes.
"""

from functools import partial
from random import Random

from softswitch.acd.engine import Engine
from softswitch.acd.model import AgentLogin, AgentSettings, CallQueued, DeviceBusy, DeviceReachable, QueueSettings
from tests.acd.test_cost_stays_flat import flat, operations

AGENTS = 1500


def a_centre(queues: int, members: int) -> Engine:
    """`queues` of `members` agents each, drawn from 1,500 who are all ready; nobody calls."""
    dice = Random(1)
    names = [f"agent{number}" for number in range(AGENTS)]
    settings = {f"queue{number}": QueueSettings(agents=tuple(dice.sample(names, members))) for number in range(queues)}
    settings["mine"] = QueueSettings(agents=("agent3",))
    engine = Engine(settings, names, 0.0, Random(1))
    for name in names:
        engine.receive(DeviceReachable(name, True), 1.0)
        engine.receive(AgentLogin(name), 1.0)
    return engine


def busy_and_back(engine: Engine, agent: str = "agent3") -> None:
    engine.receive(DeviceBusy(agent, 1), 300.0)
    engine.receive(DeviceBusy(agent, 0), 301.0)


def test_a_state_event_costs_with_40000_queues_and_75000_members_what_it_costs_with_ten() -> None:
    small, large = a_centre(10, 2), a_centre(37_500, 2)
    view = large.agent_view("agent3", 1.0)
    assert view is not None
    assert len(view.queues) > 30
    assert flat([operations(partial(busy_and_back, engine)) for engine in (small, large)])


def test_nor_does_it_when_callers_wait_in_thousands_of_other_queues() -> None:
    """Agent 3 looks through its own pools only; 5,000 queues have callers whom others serve."""
    small, large = a_centre(10, 2), a_centre(12_000, 2)
    for engine in (small, large):
        for number in range(AGENTS):
            engine.receive(DeviceBusy(f"agent{number}", 1), 2.0)
    for number in range(5000):
        large.receive(CallQueued(f"c{number}", f"queue{number}"), 3.0)
    view = large.agent_view("agent3", 3.0)
    assert view is not None
    served = set(view.queues)
    costs = [operations(partial(engine.receive, DeviceBusy("agent3", 0), 300.0)) for engine in (small, large)]
    assert costs[1] < costs[0] + 120 * len(served)


def test_nor_with_hundreds_of_classes_of_needs_over_the_same_agents() -> None:
    """Each class of needs has a pool of 1,500 agents of its own. A state event is one entry in a journal."""
    skills = {f"s{number}": 50 for number in range(200)}
    names = [f"agent{number}" for number in range(AGENTS)]
    costs = []
    for classes in (1, 200):
        agents = dict.fromkeys(names, AgentSettings(skills=skills))
        engine = Engine({"q": QueueSettings(agents=tuple(names), ring_seconds=0.0)}, agents, 0.0, Random(1))
        for number in range(classes):
            engine.receive(CallQueued(f"c{number}", "q", needs=((f"s{number}", 1),)), 0.5)
        for name in names:
            engine.receive(DeviceReachable(name, True), 1.0)
            engine.receive(AgentLogin(name), 1.0)
        costs.append(operations(partial(busy_and_back, engine, "agent700")))  # those before are being rung
    assert flat(costs)
