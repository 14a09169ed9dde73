"""What goes wrong, or comes in an order that nobody planned: the call still ends well and is told truly."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState
from softswitch.sip.events import Accepted, Ended
from softswitch.sip.flow import Flow, Send
from softswitch.sip.offer_answer import Capabilities, answer
from softswitch.switch.events import AgentCommand, HangUpCall, Reload
from softswitch.switch.settings import Agent, RingGroup
from softswitch.wire.sip import parse
from tests.switch.odd_site import SETTINGS, last_record, phones, state, story
from tests.switch.site import Party, Site

# ------------------------------------------------------------------------------------------------------------- accounts


@pytest.mark.parametrize("who_ends", ["holder", "held"])
def test_a_hold_that_lasts_to_the_end_is_counted(who_ends: str) -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    line = alice.call("1002")
    site.run(4.0)
    bob.hold(bob.line)
    site.run(6.0)
    party, its = (bob, bob.line) if who_ends == "holder" else (alice, line)
    party.hang_up(its)
    record = last_record(site)
    assert record.hold_seconds == pytest.approx(6.0, abs=0.05)
    assert record.talk_seconds == pytest.approx(10.0, abs=0.05)
    site.nothing_left()


def test_two_holds_at_once_are_one_time() -> None:
    """Both sides hold for overlapping times: the record's hold is the time when anybody held."""
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    line = alice.call("1002")
    alice.hold(line)
    site.run(4.0)
    bob.hold(bob.line)
    site.run(4.0)
    alice.resume(line)
    site.run(2.0)
    bob.resume(bob.line)
    site.run(5.0)
    alice.hang_up(line)
    assert last_record(site).hold_seconds == pytest.approx(10.0, abs=0.05)
    site.nothing_left()


def test_ringing_is_told_of_who_was_rung_last_when_nobody_answers() -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    bob.on_invite = "ring"
    line = alice.call("1002")
    site.run(7.0)
    alice.hang_up(line)
    record = last_record(site)
    assert record.ring_seconds == pytest.approx(7.0, abs=0.05)
    assert record.talk_seconds == 0.0
    site.nothing_left()


def test_a_prompt_that_was_dialled_counts_as_answered() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    alice.call("700")
    site.prompt_ends()
    record = last_record(site)
    assert (record.outcome, record.destination, record.hung_up_by) == ("answered", "play:closed", "switch")
    assert record.answered is not None
    site.nothing_left()


def test_a_prompt_after_a_failure_does_not_hide_it() -> None:
    site = Site(SETTINGS)
    alice, _, carol = phones(site)
    carol.on_invite = 486
    alice.call("1003")
    site.prompt_ends()
    assert last_record(site).outcome == "busy"
    site.nothing_left()


def test_a_hang_up_in_the_menu_is_abandoned_and_the_ledger_knows_it_left() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    line = alice.call("300")
    site.run(1.0)
    alice.hang_up(line)
    record = last_record(site)
    assert (record.outcome, record.destination) == ("abandoned", "ivr:welcome")
    assert story(site) == ["call.started", "menu.entered", "menu.left", "call.ended"]
    site.nothing_left()


def test_an_operators_hang_up_in_the_queue_is_no_abandonment() -> None:
    site = Site(SETTINGS)
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("100")
    site.give(HangUpCall(next(iter(site.switch.calls))))
    record = last_record(site)
    assert (record.outcome, record.reason, record.hung_up_by) == ("failed", "operator", "switch")
    assert "queue.abandoned" not in story(site)
    assert "queue.left" in story(site)
    site.nothing_left()


def test_the_ledger_tells_a_whole_call_in_order() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("300")
    site.press(next(iter(site.switch.calls.values())).leg.id, "1")
    site.run(5.0)
    carrier.hold(line)
    site.run(1.0)
    carrier.resume(line)
    carrier.hang_up(line)
    site.run(3.0)
    assert story(site) == [
        "call.started", "menu.entered", "menu.left", "queue.entered", "offer.made", "queue.answered",
        "recording.started", "call.answered", "call.held", "call.resumed", "talk.ended", "recording.ended",
        "call.ended",
    ]  # fmt: skip
    assert alice.line.state == "over"
    site.nothing_left()


def test_the_loser_of_a_group_is_in_the_record_too() -> None:
    groups = {"row": RingGroup(members=("phone:1002", "phone:1003"))}
    site = Site(replace(SETTINGS, groups=groups))
    alice, bob, carol = phones(site)
    bob.on_invite = carol.on_invite = "ring"
    line = alice.call("500")
    carol.answer(carol.line)
    alice.hang_up(line)
    record = last_record(site)
    assert sorted((leg.party, leg.status) for leg in record.legs) == [
        ("phone:1001", 200), ("phone:1002", 487), ("phone:1003", 200),
    ]  # fmt: skip
    site.nothing_left()


# ----------------------------------------------------------------------------------------------------------------- ACD


def test_answer_and_hang_up_in_one_instant_leave_no_agent_behind() -> None:
    """The ACD has joined them when the caller is found gone: the agent's phone is hung up, the agent is free."""
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    carrier = site.party("+37061234567", "198.51.100.10")
    alice.on_invite = "ring"
    carrier.call("100")
    (call,) = site.switch.calls.values()
    alice.line.state = "up"
    (accepted,) = [
        output for output in alice.ua.accept(alice.line.session, _answer(alice), site.now) if isinstance(output, Send)
    ]
    office = site.switch.office
    outputs = office.ua.receive(parse(accepted.data), Flow("udp", alice.remote), site.now)
    assert any(isinstance(output, Accepted) for output in outputs)
    office.drive([*outputs, Ended(call.leg.session, "timeout", None)])
    site.effects(site.switch.wake(site.now))
    site.settle()
    assert alice.line.state == "over"
    assert state(site) is not AgentState.TALKING
    assert not office.engine.check(site.now, live=set(site.switch.calls))


def _answer(party: Party) -> bytes:
    assert party.line.request is not None
    return answer(party.line.request.body, Capabilities(("PCMA",), True, party.remote[0], 4000), 1, 1)[0]


def test_two_agents_at_one_phone_do_not_get_two_calls() -> None:
    site = Site(SETTINGS)
    alice, *_ = phones(site)
    site.give(AgentCommand("late", "login"))
    carrier = site.party("+37061234567", "198.51.100.10")
    first = carrier.call("100")
    assert alice.line.state == "up"
    second = carrier.call("101")
    assert len(alice.lines) == 1
    assert state(site, "late") is AgentState.BUSY
    carrier.hang_up(first)
    assert len(alice.lines) == 2
    carrier.hang_up(second)
    site.nothing_left()


def test_a_call_dialled_to_an_agent_keeps_the_queue_away() -> None:
    site = Site(SETTINGS)
    alice, bob, _ = phones(site)
    own = bob.call("900")
    assert state(site) is AgentState.BUSY
    carrier = site.party("+37061234567", "198.51.100.10")
    carrier.call("100")
    assert len(alice.lines) == 1
    bob.hang_up(own)
    assert len(alice.lines) == 2
    assert last_record(site).destination == "agent:alice"


def test_agents_that_a_reload_brings_are_logged_in_as_configured() -> None:
    site = Site(replace(SETTINGS, agents={"alice": SETTINGS.agents["alice"]}, queues={}, routes=()))
    phones(site)
    site.give(Reload(replace(SETTINGS, agents={**SETTINGS.agents, "bob": Agent(phone="1002", logged_in=True)})))
    assert state(site, "bob") is AgentState.READY
