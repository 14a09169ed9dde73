"""Log-in, pause and wrap-up survive a restart as plain values."""

import json
from random import Random

import pytest
from acd_shift import Shift

from softswitch.acd.engine import Engine
from softswitch.acd.model import AgentState, DeviceReachable, Fact, QueueSettings

AGENTS = ("alice", "bob", "carol", "dave")
QUEUES = {"support": QueueSettings(agents=AGENTS, wrap_up=30.0)}


def test_who_was_logged_in_paused_or_wrapping_up_still_is() -> None:
    shift = Shift(*AGENTS, queues=QUEUES)
    shift.logout("bob")
    shift.pause("carol", "lunch")
    shift.call("c1")
    (agent,) = shift.ringing
    shift.answer(agent)
    shift.after(5)
    shift.end("c1", agent)
    shift.after(10)
    remembered = json.loads(json.dumps(shift.engine.snapshot()))

    engine = Engine(QUEUES, AGENTS, shift.now, Random(1))
    for name in AGENTS:
        engine.receive(DeviceReachable(name, True), shift.now)
    effects = engine.restore(remembered, shift.now)
    assert [effect.kind for effect in effects if isinstance(effect, Fact)].count("agent.login") == 0
    idle = ({"alice", "dave"} - {agent}).pop()
    states = {name: engine.agent_view(name, shift.now).state for name in AGENTS}  # type: ignore[union-attr]
    assert states == {
        "bob": AgentState.LOGGED_OUT,
        "carol": AgentState.PAUSED,
        agent: AgentState.WRAP_UP,
        idle: AgentState.READY,
    }
    assert engine.deadline() == shift.now + 20
    engine.wake(shift.now + 20)
    assert engine.agent_view(agent, shift.now + 20).state is AgentState.READY  # type: ignore[union-attr]
    assert engine.check(shift.now + 20) == []


@pytest.mark.parametrize(
    "memory",
    [
        {"nobody": {"pause": None}},
        {"alice": {}},
        {"alice": {"pause": 7, "misses": "x", "idle_since": None, "wrap_ups": ["c1"]}},
        {"alice": {"wrap_ups": 3, "work": [1], "phone": 4}},
        {"alice": {"wrap_ups": [["c1", "support", 1.0, 2.0]]}},
    ],
)
def test_a_damaged_or_outdated_memory_does_no_harm(memory: dict[str, dict[str, object]]) -> None:
    shift = Shift(*AGENTS, queues=QUEUES, ready=False)
    shift.do(DeviceReachable("alice", True))
    shift.take(shift.engine.restore(memory, shift.now))
    assert shift.state("alice") is (AgentState.READY if "alice" in memory else AgentState.LOGGED_OUT)
