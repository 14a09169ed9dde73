"""Bad input of issue 4: the clock steps back. What waits goes on waiting, what was begun ends, nothing is thrown.

The engine takes a step back as standing still (`tests/acd/test_clock_jumps.py`); here the rest of the way of a call.
"""

import pytest

from softswitch.acd.model import AgentState
from softswitch.switch.customers import Customer, LastAgents
from softswitch.switch.events import CustomersChanged, HookAnswered, MoveCall, PrioritiseCall
from tests.switch.test_hooks import site_with, waiting
from tests.switch.test_hot_desking import dial, state
from tests.switch.test_hot_desking import site_with as desks


@pytest.mark.parametrize("seconds", [0.5, 3600.0, 86400.0 * 400])
def test_a_hook_under_way_and_calls_that_wait(seconds: float) -> None:
    site, carrier = site_with()
    site.run(5.0)
    carrier.call("100")
    site.give(HookAnswered(site.asked[-1].number, 200, b""))
    carrier.call("100")
    then = site.now
    site.now -= seconds
    first = next(call.id for call in site.switch.calls.values() if call.stage.label == "queued")
    site.give(PrioritiseCall(first, 30.0))
    site.give(MoveCall(first, "plain"))
    site.give(CustomersChanged((Customer(id="7", numbers=("+37061234567",)),)))
    assert waiting(site, "plain") == 1
    site.now = then
    site.run(2.0)  # the hook's time-out has come all the same
    assert waiting(site) == 1
    assert not site.switch.office.engine.check(site.now, live=set(site.switch.calls))


def test_seats_and_pins() -> None:
    site, _, _, desk = desks()
    site.run(100.0)
    dial(site, desk, "*45201*9999")
    site.now -= 50.0
    assert dial(site, desk, "*45201*1234") == "agent-logged-in"
    site.now += 60.0
    assert state(site, "alice") is AgentState.READY


def test_the_table_of_last_agents() -> None:
    table = LastAgents(100.0)
    for at, number in ((500.0, "1"), (100.0, "2"), (550.0, "3")):
        table.talked(number, "alice", at)
    assert (table.of("1", 560.0), table.of("3", 560.0)) == ("alice", "alice")
    table.talked("4", "bob", 1000.0)
    assert len(table) == 1
