"""The first call: trunk, menu, queue, agent, recording, call record."""

from softswitch.acd.model import Fact, QueueSettings
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Menu, Phone, Route, Settings, Sip, Trunk
from tests.switch.site import Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password="correct horse", name="Alice"), "1002": Phone(password="correct horse")},
    agents={"alice": Agent(phone="1001", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", country="370")},
    queues={"support": QueueSettings(agents=("alice",), wrap_up=5.0)},
    ivr={"welcome": Menu(prompt="welcome", keys={"1": "queue:support"})},
    routes=(Route(source="trunk:carrier", number="+37052000000", to="ivr:welcome"),),
)


def test_trunk_menu_queue_agent() -> None:
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    carrier = site.party("+37061234567", "198.51.100.10")
    assert alice.responses == [200]

    line = carrier.call("+37052000000")
    assert line.state == "up"
    call = next(iter(site.switch.calls.values()))
    assert call.stage.label == "menu"
    assert site.media.played == [("en/welcome",)]
    site.run(2.0)
    site.press(call.leg.id, "1")
    site.run(10.0)
    assert call.stage.label == "talking"
    talk = alice.line
    assert talk.state == "up"
    assert talk.request is not None
    assert talk.request.from_.uri.user == "+37061234567"
    callee = call.stage.legs()[0]
    assert site.media.hears(call.leg.id) == {callee.id}
    assert site.media.hears(callee.id) == {call.leg.id}
    assert len(site.media.recorders) == 1
    carrier.hang_up(line)
    assert talk.state == "over"
    site.run(3.0)
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert (record.outcome, record.queue, record.agent) == ("answered", "support", "alice")
    assert record.hung_up_by == "caller"
    assert len(record.legs) == 2
    kinds = [fact.kind for fact in site.saved if isinstance(fact, Fact)]
    assert kinds.count("queue.answered") == 1
    site.nothing_left()
