"""Complaint: agent unregistered yet "Available" (fusionpbx#2831). Ours: registration gates readiness, at once."""

from softswitch.acd.model import AgentState
from softswitch.switch.events import AgentCommand
from tests.switch.test_queue import site_with, state


def test_an_agent_whose_phone_unregisters_is_not_ready_and_gets_no_call() -> None:
    site, alice, carrier = site_with()
    assert state(site) is AgentState.READY
    alice.register(expires=0)
    assert state(site) is AgentState.UNREACHABLE
    (row,) = (row for row in site.switch.desk.agents(site.now) if row.name == "alice")
    assert row.state == "unreachable"
    (queue,) = site.switch.desk.queues(site.now)
    assert (queue.ready, queue.logged_in) == (0, 1)
    carrier.call("100")
    site.run(30.0)
    assert not alice.lines, "rung without a registration"
    alice.register()
    assert alice.line.state == "up", "the waiting caller is offered as soon as the phone is back"


def test_an_agent_whose_registration_runs_out_is_not_ready() -> None:
    site, _alice, _ = site_with()
    site.run(601.0)
    assert state(site) is AgentState.UNREACHABLE


def test_an_agent_who_logs_in_without_a_phone_is_not_ready() -> None:
    site, _, _ = site_with()
    site.give(AgentCommand("bob", "login"))
    assert state(site, "bob") is AgentState.UNREACHABLE
