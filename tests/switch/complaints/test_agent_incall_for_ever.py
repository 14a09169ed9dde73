"""Complaint: agent "incall" for ever (freeswitch#1973, #1062; OpenSIPS#3123). At the switch: a conversation that no
live call stands for is ended within twenty seconds, loudly."""

from softswitch.acd.model import AgentState, CallQueued, Fact, Offer, OfferAnswered, QueueSettings
from softswitch.switch.settings import Agent, Phone, Settings, Sip
from tests.switch.site import Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password="correct horse")},
    agents={"alice": Agent(phone="1001", logged_in=True)},
    queues={"support": QueueSettings(agents=("alice",))},
)


def test_the_watchdog_frees_an_agent_from_a_call_that_is_no_more() -> None:
    site = Site(SETTINGS)
    site.phone("1001", "192.0.2.10")
    engine = site.switch.office.engine
    (offer,) = [made for made in engine.receive(CallQueued("ghost", "support"), site.now) if isinstance(made, Offer)]
    engine.receive(OfferAnswered(offer.offer), site.now)

    def state() -> AgentState:
        view = engine.agent_view("alice", site.now)
        assert view is not None
        return view.state

    site.run(5.0)
    assert state() is AgentState.TALKING
    site.run(20.0)
    assert state() is AgentState.READY
    assert [log.fields["subject"] for log in site.logs if log.event == "ACD repaired"] == ["alice"]
    assert any(isinstance(record, Fact) and record.kind == "acd.repaired" for record in site.saved)
