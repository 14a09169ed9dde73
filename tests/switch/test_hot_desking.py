"""Hot-desking: an agent logs in at any phone; one phone is one agent's at a time; log-out frees it."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.switch.events import AgentCommand, Reload
from softswitch.switch.records import SavedAgent
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Trunk
from softswitch.switch.switch import Switch
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002", "1003")},
    agents={
        "alice": Agent(phone="1001", number="201", pin="1234"),
        "bob": Agent(phone="1002", number="202"),
        "carol": Agent(phone="1002"),
    },
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=("alice", "bob", "carol"), wrap_up=0.0)},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
)


def site_with(settings: Settings = SETTINGS) -> tuple[Site, Party, Party, Party]:
    """The site and its phones 1001, 1002, 1003, all registered."""
    site = Site(settings)
    phones = [site.phone(f"100{number}", f"192.0.2.1{number}") for number in (1, 2, 3)]
    return site, *phones


def dial(site: Site, phone: Party, code: str) -> str:
    """Dial a feature code to its end; the prompt that was heard."""
    line = phone.call(code)
    heard = site.media.played[-1][0] if site.media.played else ""
    site.prompt_ends()
    assert line.state == "over"
    return heard.partition("/")[2]


def state(site: Site, agent: str) -> AgentState:
    view = site.switch.office.engine.agent_view(agent, site.now)
    assert view is not None
    return view.state


@pytest.mark.parametrize("code", ["*45201*1234", "*45201#1234", "*45201%231234"])
def test_an_agent_logs_in_at_another_phone_by_number_and_pin(code: str) -> None:
    site, home, _, desk = site_with()
    assert dial(site, desk, code) == "agent-logged-in"
    assert state(site, "alice") is AgentState.READY
    site.party("+37061234567", "198.51.100.10").call("100")
    assert desk.line.state == "up"
    assert not home.lines
    assert site.switch.desk.agents(site.now)[0].phone == "1003"


def test_a_wrong_pin_is_refused_and_after_five_the_right_one_too() -> None:
    """The pin of an agent cannot be tried out from a phone."""
    site, _, _, desk = site_with()
    assert dial(site, desk, "*45201") == "not-an-agent"
    assert dial(site, desk, "*45999*1234") == "not-an-agent"
    for _ in range(4):
        assert dial(site, desk, "*45201*9999") == "not-an-agent"
    assert dial(site, desk, "*45201*1234") == "not-an-agent"
    assert state(site, "alice") is AgentState.LOGGED_OUT
    site.run(901.0)
    assert dial(site, desk, "*45201*1234") == "agent-logged-in"
    refused = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "agent.refused"]
    assert len(refused) == 7
    assert "1234" not in str([(fact.data, log.fields) for fact in refused for log in site.logs])


def test_log_out_frees_the_phone_and_the_own_phone_counts_again() -> None:
    site, home, _, desk = site_with()
    dial(site, desk, "*45201*1234")
    assert dial(site, desk, "*46") == "agent-logged-out"
    assert (state(site, "alice"), site.switch.office.seats.at) == (AgentState.LOGGED_OUT, {})
    assert dial(site, home, "*45") == "agent-logged-in"
    site.party("+37061234567", "198.51.100.10").call("100")
    assert home.line.state == "up"


def test_one_phone_is_one_agent_s_at_a_time() -> None:
    """Who sat there and has no call is logged out; who talks there keeps the phone."""
    site, _, _, desk = site_with()
    dial(site, desk, "*45202")
    assert dial(site, desk, "*45201*1234") == "agent-logged-in"
    assert (state(site, "bob"), state(site, "alice")) == (AgentState.LOGGED_OUT, AgentState.READY)
    site.party("+37061234567", "198.51.100.10").call("100")
    assert state(site, "alice") is AgentState.TALKING
    site.give(AgentCommand("bob", "login", phone="1003"))
    assert (state(site, "bob"), state(site, "alice")) == (AgentState.LOGGED_OUT, AgentState.TALKING)
    site.give(AgentCommand("alice", "login", phone="1002"))  # nor can she leave her own call behind
    assert site.switch.office.seats.at == {"alice": "1003"}


def test_feature_codes_of_the_phone_are_those_of_who_sits_there() -> None:
    site, _, desk, _ = site_with()
    dial(site, desk, "*45201*1234")
    assert dial(site, desk, "*47") == "agent-paused"
    assert state(site, "alice") is AgentState.PAUSED
    assert state(site, "bob") is AgentState.LOGGED_OUT


def test_a_seat_outlives_a_restart_and_new_settings() -> None:
    site, _, _, desk = site_with()
    dial(site, desk, "*45201*1234")
    (saved,) = [record for record in site.saved if isinstance(record, SavedAgent) and record.name == "alice"][-1:]
    assert (saved.logged_in, saved.phone) == (True, "1003")
    site.give(Reload(replace(SETTINGS, queues={"support": replace(SETTINGS.queues["support"], wrap_up=5.0)})))
    assert site.switch.office.settings.agents["alice"].phone == "1003"
    fresh = Site(SETTINGS)
    memory = {"alice": {"logged_in": True, "pause": None, "phone": saved.phone}}
    fresh.switch = Switch(
        SETTINGS, site.switch.office.addressing, site.switch.office.dice, fresh.now, lambda name, language: name
    )
    fresh.switch.restore((), memory, (), fresh.now)
    assert fresh.switch.office.settings.agents["alice"].phone == "1003"
    assert fresh.switch.office.directory.agents_of_phone["1003"] == ["alice"]


def test_an_agent_moves_to_another_phone_without_logging_out() -> None:
    site, home, _, desk = site_with()
    site.give(AgentCommand("alice", "login"))
    dial(site, desk, "*45201*1234")
    kinds = [fact.kind for fact in site.saved if isinstance(fact, Fact) and fact.agent == "alice"]
    assert "agent.moved" in kinds
    assert "agent.logout" not in kinds
    site.party("+37061234567", "198.51.100.10").call("100")
    assert desk.line.state == "up"
    assert not home.lines


def test_a_seat_whose_phone_is_not_registered_is_not_ready() -> None:
    """PEERS: agent unregistered yet "Available" (fusionpbx#2831). The seat's registration counts, not that of home."""
    site, home, _, desk = site_with()
    site.give(AgentCommand("alice", "login", phone="1003"))
    assert state(site, "alice") is AgentState.READY
    home.register(0)
    assert state(site, "alice") is AgentState.READY
    desk.register(0)
    assert state(site, "alice") is AgentState.UNREACHABLE
    home.register()
    assert state(site, "alice") is AgentState.UNREACHABLE
    site.give(AgentCommand("alice", "logout"))
    site.give(AgentCommand("alice", "login"))
    assert state(site, "alice") is AgentState.READY


def test_a_phone_that_is_gone_after_a_reload_is_left() -> None:
    site, _, _, _ = site_with()
    site.give(AgentCommand("alice", "login", phone="1003"))
    phones = {name: phone for name, phone in SETTINGS.phones.items() if name != "1003"}
    site.give(Reload(replace(SETTINGS, phones=phones)))
    assert site.switch.office.settings.agents["alice"].phone == "1001"
    assert state(site, "alice") is AgentState.READY
