"""Calls in a queue, performed: music, offers, announcements, overflow, wrap-up, codes."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.switch.events import AgentCommand
from softswitch.switch.records import CallRecord, SavedAgent
from softswitch.switch.settings import Agent, Collect, Menu, Phone, Route, Settings, Sip, Trunk
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
QUEUE = QueueSettings(agents=("alice", "bob"), ring_seconds=15.0, retry_after=5.0, wrap_up=10.0)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)},
    agents={"alice": Agent(phone="1001", logged_in=True), "bob": Agent(phone="1002")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QUEUE},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
)


def site_with(queue: QueueSettings = QUEUE, **more: object) -> tuple[Site, Party, Party]:
    site = Site(replace(SETTINGS, queues={"support": queue}, **more))  # type: ignore[arg-type]
    return site, site.phone("1001", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")


def state(site: Site, agent: str = "alice") -> AgentState:
    view = site.switch.office.engine.agent_view(agent, site.now)
    assert view is not None
    return view.state


def records(site: Site) -> list[CallRecord]:
    site.run(4.0)
    return [record for record in site.saved if isinstance(record, CallRecord)]


def test_music_until_an_agent_answers() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = "ring"
    line = carrier.call("100")
    call = next(iter(site.switch.calls.values()))
    (music,) = site.media.hears(call.leg.id)
    assert site.media.played == [("en/music/hold",)]
    assert alice.line.state == "ringing"
    site.run(4.0)
    alice.answer(alice.line)
    assert music not in site.media.hears(call.leg.id)
    site.run(6.0)
    alice.hang_up(alice.line)
    assert line.state == "over"
    assert state(site) is AgentState.WRAP_UP
    (record,) = records(site)
    assert (record.queue, record.agent, record.hung_up_by) == ("support", "alice", "callee")
    assert record.wait_seconds == pytest.approx(4.0, abs=0.05)
    assert record.talk_seconds == pytest.approx(6.0, abs=0.05)
    assert record.recording
    site.run(10.0)
    assert state(site) is AgentState.READY
    site.nothing_left()


def test_the_caller_leaves_while_offered() -> None:
    """No zombie call to the agent (PEERS: freeswitch#2529)."""
    site, alice, carrier = site_with()
    alice.on_invite = "ring"
    line = carrier.call("100")
    site.run(3.0)
    carrier.hang_up(line)
    assert alice.line.state == "over"
    assert state(site) is AgentState.READY
    (record,) = records(site)
    assert (record.outcome, record.hung_up_by) == ("abandoned", "caller")
    site.nothing_left()


def test_an_agent_who_does_not_answer_is_set_aside_then_paused() -> None:
    site, alice, carrier = site_with(replace(QUEUE, max_no_answer=2))
    alice.on_invite = "ring"
    line = carrier.call("100")
    site.run(15.5)
    assert alice.line.state == "over"
    assert len(alice.lines) == 1
    site.run(5.0)
    assert len(alice.lines) == 2
    site.run(30.0)
    assert state(site) is AgentState.PAUSED
    assert line.state == "up"
    carrier.hang_up(line)
    site.nothing_left()


def test_rejecting_keeps_the_callers_place() -> None:
    site, alice, carrier = site_with()
    alice.on_invite = 486
    first = carrier.call("100")
    second = carrier.call("100")
    site.run(1.0)
    alice.on_invite = "answer"
    site.run(6.0)
    talking = [call for call in site.switch.calls.values() if call.stage.label == "talking"]
    assert [call.leg.sip_call_id for call in talking] == [
        call.leg.sip_call_id for call in list(site.switch.calls.values())[:1]
    ]
    for line in (first, second):
        carrier.hang_up(line)
    site.nothing_left()


def test_two_agents_never_get_one_call() -> None:
    site, alice, carrier = site_with()
    bob = site.phone("1002", "192.0.2.11")
    site.give(AgentCommand("bob", "login"))
    lines = [carrier.call("100") for _ in range(2)]
    assert {alice.line.state, bob.line.state} == {"up"}
    assert len(alice.lines) == len(bob.lines) == 1
    for line in lines:
        carrier.hang_up(line)
    site.nothing_left()


def test_overflow_after_the_longest_wait() -> None:
    site, alice, carrier = site_with(replace(QUEUE, max_wait=20.0, on_max_wait="phone:1002"))
    bob = site.phone("1002", "192.0.2.11")
    alice.on_invite = "ring"
    line = carrier.call("100")
    site.run(21.0)
    assert bob.line.state == "up"
    assert alice.line.state == "over"
    carrier.hang_up(line)
    site.nothing_left()


def test_a_full_queue_speaks_and_hangs_up() -> None:
    """Never a busy tone without a word."""
    site, alice, carrier = site_with(replace(QUEUE, max_length=1))
    alice.on_invite = "ring"
    first, second = carrier.call("100"), carrier.call("100")
    assert second.state == "up"
    assert ("en/all-agents-busy",) in site.media.played
    site.prompt_ends()
    assert second.state == "over"
    carrier.hang_up(first)
    outcomes = sorted(record.outcome for record in records(site))
    assert outcomes == ["abandoned", "overflow"]
    site.nothing_left()


def test_a_full_queue_refuses_when_it_is_told_to() -> None:
    """`on_full = "hangup:486"`: the caller is not answered, and pays nothing."""
    site, alice, carrier = site_with(replace(QUEUE, max_length=1, on_full="hangup:486"))
    alice.on_invite = "ring"
    first, second = carrier.call("100"), carrier.call("100")
    assert (second.state, second.status) == ("over", 486)
    assert not second.sdp
    carrier.hang_up(first)
    assert sorted(record.outcome for record in records(site)) == ["abandoned", "overflow"]
    site.nothing_left()


def test_positions_are_announced_over_the_music() -> None:
    site, alice, carrier = site_with(replace(QUEUE, announce_position=10.0))
    alice.on_invite = "ring"
    lines = [carrier.call("100") for _ in range(2)]
    site.run(5.0)
    site.prompt_ends()
    site.run(5.5)
    spoken = [names for names in site.media.played if any("position" in name or "next" in name for name in names)]
    assert len(spoken) == 2
    second = list(site.switch.calls.values())[1]
    assert all(site.media.players[player].loops for player in site.media.hears(second.leg.id))
    site.prompt_ends()
    (music,) = site.media.hears(second.leg.id)
    assert not site.media.players[music].loops
    for line in lines:
        carrier.hang_up(line)
    site.nothing_left()


def test_the_agent_hears_a_prompt_first() -> None:
    site, alice, carrier = site_with(replace(QUEUE, agent_prompt="call-from-queue"))
    line = carrier.call("100")
    call = next(iter(site.switch.calls.values()))
    assert call.stage.label == "queued"
    assert site.media.played[-1] == ("en/call-from-queue",)
    site.prompt_ends()
    assert call.stage.label == "talking"
    alice.hang_up(alice.line)
    assert line.state == "over"
    site.nothing_left()


def test_an_agent_who_leaves_during_the_prompt_does_not_lose_the_caller() -> None:
    site, alice, carrier = site_with(replace(QUEUE, agent_prompt="call-from-queue", wrap_up=0.0))
    line = carrier.call("100")
    alice.hang_up(alice.line)
    assert line.state == "up"
    assert state(site) is AgentState.RESTING  # as after an offer that was rejected
    site.run(6.0)
    site.prompt_ends()
    (call,) = site.switch.calls.values()
    assert call.stage.label == "talking"
    carrier.hang_up(line)
    site.nothing_left()


def test_feature_codes_from_the_phone() -> None:
    site, alice, _carrier = site_with()
    for code, expected in (("*47*3", AgentState.PAUSED), ("*48", AgentState.READY), ("*46", AgentState.LOGGED_OUT)):
        line = alice.call(code)
        assert line.state == "up"
        site.prompt_ends()
        assert line.state == "over"
        assert state(site) is expected
    assert site.media.played == [("en/agent-paused",), ("en/agent-ready",), ("en/agent-logged-out",)]
    saved = [record for record in site.saved if isinstance(record, SavedAgent)]
    assert not saved[-1].logged_in
    site.nothing_left()


def test_an_agent_in_a_call_of_ones_own_gets_no_offer() -> None:
    site, alice, carrier = site_with()
    bob = site.phone("1002", "192.0.2.11")
    own = alice.call("1002")
    line = carrier.call("100")
    assert state(site) is AgentState.BUSY
    assert not any(one.request for one in alice.lines.values())
    bob.hang_up(bob.line)
    assert own.state == "over"
    site.run(1.0)
    assert alice.line.state == "up"
    carrier.hang_up(line)
    site.nothing_left()


def test_a_phone_that_goes_away_is_no_ready_agent() -> None:
    """PEERS: fusionpbx#2831, unregistered yet available."""
    site, alice, carrier = site_with()
    alice.register(expires=0)
    assert state(site) is AgentState.UNREACHABLE
    line = carrier.call("100")
    assert not alice.lines
    alice.register()
    assert alice.line.state == "up"
    carrier.hang_up(line)
    site.nothing_left()


def test_what_the_menu_collected_reaches_the_agent() -> None:
    """Header and event at the agent's side of the call."""
    menu = Menu(
        prompt="enter-number", collect=Collect(variable="account", min=3, max=6, next="queue:support"),
    )  # fmt: skip
    site, alice, carrier = site_with(
        ivr={"ask": menu}, routes=(Route(source="trunk:carrier", number="100", to="ivr:ask"),)
    )
    line = carrier.call("100")
    call = next(iter(site.switch.calls.values()))
    for digit in "4711#":
        site.press(call.leg.id, digit)
    site.run(1.0)
    assert alice.line.request is not None
    assert alice.line.request.headers.get("X-Collected") == "account=4711"
    assert alice.line.request.headers.get("X-Queue") == "support"
    assert alice.line.request.headers.get("X-Call-Id") == call.id
    carrier.hang_up(line)
    (record,) = records(site)
    assert record.collected == {"account": "4711"}
    kinds = [fact.kind for fact in site.saved if isinstance(fact, Fact)]
    assert kinds[0] == "agent.login" or "call.started" in kinds
    site.nothing_left()


def test_draining_waits_for_the_last_call() -> None:
    from softswitch.switch.events import Drain

    site, _, carrier = site_with()
    line = carrier.call("100")
    site.give(Drain())
    assert carrier.call("100").status == 503
    assert not site.drained
    carrier.hang_up(line)
    site.run(3.0)
    assert site.drained
