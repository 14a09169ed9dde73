"""The site of the odd orders: phones, an agent, a trunk, and looks at what became of calls."""

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Menu, Phone, RingGroup, Route, Settings, Sip, Trunk
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones={
        "1001": Phone(password=PASSWORD),
        "1002": Phone(password=PASSWORD),
        "1003": Phone(password=PASSWORD, max_calls=2, busy="play:busy"),
    },
    agents={"alice": Agent(phone="1001", logged_in=True), "late": Agent(phone="1001")},
    trunks={
        "carrier": Trunk(address="sip:198.51.100.10", country="370", backup="second", options_seconds=60.0),
        "second": Trunk(address="sip:198.51.100.20", options_seconds=0.0),
    },
    queues={"support": QueueSettings(agents=("alice",)), "evening": QueueSettings(agents=("late",))},
    ivr={"welcome": Menu(prompt="welcome", keys={"1": "queue:support"})},
    groups={
        "row": RingGroup(members=("phone:1002", "phone:1003"), mode="in-order", ring_seconds=8.0),
        "mixed": RingGroup(members=("trunk:carrier/99", "phone:1002"), mode="in-order", ring_seconds=8.0),
    },
    routes=(
        Route(source="any", number="100", to="queue:support"),
        Route(source="any", number="101", to="queue:evening"),
        Route(source="any", number="300", to="ivr:welcome"),
        Route(source="any", number="500", to="group:row"),
        Route(source="any", number="510", to="group:mixed"),
        Route(source="any", number="700", to="play:closed"),
        Route(source="any", number="800", to="answer:"),
        Route(source="any", number="900", to="agent:alice"),
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="trunk:*", number="052000001", to="phone:1002"),
    ),
)


def phones(site: Site) -> tuple[Party, Party, Party]:
    alice, bob, carol = (site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3))
    return alice, bob, carol


def last_record(site: Site) -> CallRecord:
    site.run(3.0)
    record = site.records(CallRecord)[-1]
    assert isinstance(record, CallRecord)
    return record


def story(site: Site) -> list[str]:
    return [fact.kind for fact in site.saved if isinstance(fact, Fact) and fact.call]


def state(site: Site, agent: str = "alice") -> AgentState:
    view = site.switch.office.engine.agent_view(agent, site.now)
    assert view is not None
    return view.state
