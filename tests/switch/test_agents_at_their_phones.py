"""Agents with several phones, phones that are asked to answer by themselves, wrap-up and outcomes by order."""

from dataclasses import replace

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.switch.events import AgentCommand, OutcomeCommand, WrapUpCommand
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Trunk
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
QUEUE = QueueSettings(agents=("alice",), ring_seconds=20.0, wrap_up=30.0, outcomes=("sold", "lost"))
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002", "1003")},
    agents={"alice": Agent(phone="1001", phones=("1002",), logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QUEUE},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"), Route(number="5", to="agent:alice")),
)


def site_with(**agent: object) -> tuple[Site, Party, Party, Party]:
    """The site, alice's desk phone and soft phone, the carrier."""
    alice = replace(SETTINGS.agents["alice"], **agent)  # type: ignore[arg-type]
    site = Site(replace(SETTINGS, agents={"alice": alice}))
    desk, soft = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    desk.on_invite = soft.on_invite = "ring"
    return site, desk, soft, site.party("+37061234567", "198.51.100.10")


def state(site: Site) -> AgentState:
    view = site.switch.office.engine.agent_view("alice", site.now)
    assert view is not None
    return view.state


def header(line: Line, name: str) -> str | None:
    assert line.request is not None
    return line.request.headers.get(name)


def facts(site: Site, kind: str) -> list[Fact]:
    return [record for record in site.saved if isinstance(record, Fact) and record.kind == kind]


def test_all_phones_ring_and_the_one_that_answers_has_the_call() -> None:
    site, desk, soft, carrier = site_with()
    line = carrier.call("100")
    assert (desk.line.state, soft.line.state) == ("ringing", "ringing")
    soft.answer(soft.line)
    assert (desk.line.state, soft.line.state) == ("over", "up")
    assert state(site) is AgentState.TALKING
    assert len(facts(site, "offer.made")) == 1
    carrier.hang_up(line)
    assert state(site) is AgentState.WRAP_UP
    site.nothing_left()


def test_phones_in_turn_each_for_its_part_of_the_ring_time() -> None:
    site, desk, soft, carrier = site_with(ring="in-turn")
    line = carrier.call("100")
    assert desk.line.state == "ringing"
    assert not soft.lines
    site.run(9.5)
    assert not soft.lines
    site.run(1.0)
    assert (desk.line.state, soft.line.state) == ("over", "ringing")
    site.run(8.5)
    assert soft.line.state == "ringing"
    site.run(1.5)
    assert soft.line.state == "over"
    assert [fact.data["cause"] for fact in facts(site, "offer.failed")] == ["no-answer"]
    carrier.hang_up(line)
    site.nothing_left()


def test_one_registered_phone_is_enough_to_be_reachable() -> None:
    site, desk, soft, carrier = site_with()
    desk.register(expires=0)
    assert state(site) is AgentState.READY
    line = carrier.call("100")
    assert soft.line.state == "ringing"
    soft.answer(soft.line)
    carrier.hang_up(line)
    site.run(31.0)
    soft.register(expires=0)
    assert state(site) is AgentState.UNREACHABLE
    desk.register()
    assert state(site) is AgentState.READY
    site.nothing_left()


def test_a_call_at_any_of_its_phones_keeps_the_agent_busy() -> None:
    site, desk, soft, _ = site_with()
    other = site.phone("1003", "192.0.2.12")
    line = other.call("1002")
    soft.answer(soft.line)
    assert state(site) is AgentState.BUSY
    other.hang_up(line)
    assert state(site) is AgentState.READY
    line = other.call("5")  # the agent as a person, not by the queue
    desk.answer(desk.line)
    assert state(site) is AgentState.BUSY
    other.hang_up(line)
    site.nothing_left()


def test_an_agent_with_room_for_two_calls_has_both_and_a_third_waits() -> None:
    site, desk, _, carrier = site_with(capacity=2)
    lines = [carrier.call("100")]
    desk.answer(desk.line)
    lines += [carrier.call("100"), carrier.call("100")]
    desk.answer(desk.line)
    view = site.switch.office.engine.agent_view("alice", site.now)
    assert view is not None
    assert (view.state, len(view.calls)) == (AgentState.TALKING, 2)
    assert [line.state for line in desk.lines.values()] == ["up", "up"]
    carrier.hang_up(lines[0])
    site.run(31.0)  # the wrap-up of the first
    assert desk.line.state == "ringing"
    for line in lines[1:]:
        carrier.hang_up(line)
    site.nothing_left()


def test_a_phone_is_asked_to_answer_by_itself_when_the_agent_wants_it_so() -> None:
    for auto_answer in (True, False):
        _, desk, _, carrier = site_with(auto_answer=auto_answer)
        line = carrier.call("100")
        assert (header(desk.line, "Answer-Mode") == "Auto") is auto_answer
        assert ("answer-after=0" in (header(desk.line, "Call-Info") or "")) is auto_answer
        carrier.hang_up(line)


def test_a_supervisor_extends_a_wrap_up_ends_it_and_notes_what_came_of_the_call() -> None:
    site, desk, _, carrier = site_with()
    line = carrier.call("100")
    desk.answer(desk.line)
    site.give(OutcomeCommand("alice", "", "maybe", "api"))
    site.give(OutcomeCommand("alice", "", "sold", "carol"))
    carrier.hang_up(line)
    site.run(25.0)
    site.give(WrapUpCommand("alice", 60.0, "carol"))
    site.run(58.0)
    assert state(site) is AgentState.WRAP_UP
    site.give(AgentCommand("alice", "ready", by="carol"))
    assert state(site) is AgentState.READY
    assert [(fact.data["code"], fact.data["by"]) for fact in facts(site, "call.outcome")] == [("sold", "carol")]
    assert facts(site, "wrapup.extended")[0].data["by"] == "carol"
    assert [fact.data["lasted"] for fact in facts(site, "wrapup.ended")] == [83.0]
    assert "no outcome maybe in queue support" in str(facts(site, "acd.ignored")[0].data["why"])
    site.nothing_left()


def test_a_strategy_that_fails_is_told_in_the_log() -> None:
    site, _, _, carrier = site_with()
    pool = site.switch.office.engine._state.queues["support"].pool
    pool.give_up("KeyError: x")
    line = carrier.call("100")
    assert [log.level for log in site.logs if "strategy failed" in log.event] == ["error"]
    carrier.hang_up(line)
