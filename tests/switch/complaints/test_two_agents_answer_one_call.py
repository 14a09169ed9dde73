"""Complaint: two agents answer one call; ring-all storms (asterisk#176, #1557). At the phones: the second 200 OK gets a
BYE, whatever crossed on the way, and every other phone a CANCEL."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.sip.events import Cancelled
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Trunk
from tests.switch.site import Party, Site

CREW = tuple(f"agent{number}" for number in range(8))
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={f"10{number:02d}": Phone(password="correct horse") for number in range(8)},
    agents={name: Agent(phone=f"10{number:02d}", logged_in=True) for number, name in enumerate(CREW)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=CREW, strategy="ring-all", ring_at_most=5)},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
)


def centre(**queue: object) -> tuple[Site, list[Party], Party]:
    queues = {"support": replace(SETTINGS.queues["support"], **queue)}  # type: ignore[arg-type]
    site = Site(replace(SETTINGS, queues=queues))
    phones = [site.phone(f"10{number:02d}", f"192.0.2.{10 + number}") for number in range(8)]
    for phone in phones:
        phone.on_invite = "ring"
    return site, phones, site.party("+37061234567", "198.51.100.10")


def ringing(phones: list[Party]) -> list[Party]:
    return [phone for phone in phones if phone.lines and phone.line.state == "ringing"]


def test_answers_that_cross_leave_one_conversation() -> None:
    site, phones, carrier = centre()
    line = carrier.call("100")
    rung = ringing(phones)
    for phone in rung[:3]:  # picked up in the same moment: all three 200 OK are on the wire at once
        accepted = phone.line
        accepted.sdp = phone.to_answer(accepted.request.body)  # type: ignore[union-attr]  # it was invited
        accepted.state = "up"
        phone.perform(phone.ua.accept(accepted.session, accepted.sdp, site.now))
    site.settle()
    assert [phone.line.state for phone in rung].count("up") == 1
    assert line.state == "up"
    answered = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "queue.answered"]
    assert len(answered) == 1
    carrier.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("agent_prompt", [None, "call-from-queue"])
def test_phones_that_lose_the_call_show_no_missed_call(agent_prompt: str | None) -> None:
    """RFC 3326 §3.1: the CANCEL says that the call was completed elsewhere."""
    site, phones, carrier = centre(agent_prompt=agent_prompt)
    line = carrier.call("100")
    rung = ringing(phones)
    rung[0].answer(rung[0].line)
    for phone in rung[1:]:
        (cancelled,) = [event for event in phone.line.events if isinstance(event, Cancelled)]
        assert cancelled.request.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    carrier.hang_up(line)
    site.nothing_left()


def test_a_storm_of_callers_rings_no_more_phones_than_allowed() -> None:
    site, phones, carrier = centre()
    lines = [carrier.call("100") for _ in range(30)]
    assert len(ringing(phones)) == 8  # five for the first caller, the other three for the second
    assert sum(len(phone.lines) for phone in phones) == 8
    for line in lines:
        carrier.hang_up(line)
    assert not ringing(phones)
    site.nothing_left()


def test_a_caller_who_leaves_stops_every_phone() -> None:
    """Also: zombie call to the agent after the caller left (freeswitch#2529)."""
    site, phones, carrier = centre()
    line = carrier.call("100")
    assert len(ringing(phones)) == 5
    carrier.hang_up(line)
    assert not ringing(phones)
    site.nothing_left()


def test_one_phone_more_every_step() -> None:
    site, phones, carrier = centre(strategy="ring-progressively", ring_step=5.0, ring_seconds=60.0)
    line = carrier.call("100")
    counts = []
    for _ in range(6):
        counts.append(len(ringing(phones)))
        site.run(5.1)
    assert counts == [1, 2, 3, 4, 5, 5]
    carrier.hang_up(line)
    site.nothing_left()
