"""Pickup: a call that rings at one phone is answered at another of its group; queue calls by agents only."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.acd.stats import Totals
from softswitch.switch.events import PhoneCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Codes, Phone, RingGroup, Route, Settings, Sip, Trunk
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones={
        "1001": Phone(password=PASSWORD),
        "1002": Phone(password=PASSWORD, pickup_groups=("sales",)),
        "1003": Phone(password=PASSWORD, pickup_groups=("sales", "service")),
        "1004": Phone(password=PASSWORD, pickup_groups=("service",)),
        "1005": Phone(password=PASSWORD, pickup_groups=("sales",)),
    },
    agents={
        "bob": Agent(phone="1002", logged_in=True),
        "carol": Agent(phone="1003", logged_in=False),
        "eve": Agent(phone="1005", logged_in=True),
    },
    queues={"sales": QueueSettings(agents=("bob", "carol"), wrap_up=5.0), "other": QueueSettings(agents=("eve",))},
    groups={"both": RingGroup(members=("phone:1002", "phone:1005"))},
    trunks={"carrier": Trunk(address="sip:198.51.100.9")},
    routes=(
        Route(number="600", source="any", to="queue:sales"),
        Route(number="601", source="any", to="group:both"),
    ),
)
NOTHING = ("en/nothing-to-pick-up",)


class Office:
    """Bob's phone rings; others may take the call."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.site = site = Site(settings)
        self.alice, self.bob, self.carol, self.dave, self.eve = (
            site.phone(name, f"192.0.2.{name[2:]}") for name in ("1001", "1002", "1003", "1004", "1005")
        )
        self.bob.on_invite = "ring"

    def refused(self, phone: Party, code: str) -> bool:
        before = len(self.site.media.played)
        line = phone.call(code)
        said = self.site.media.played[before:] == [NOTHING]
        self.site.prompt_ends()
        assert line.state == "over" or not said
        return said

    def facts(self, kind: str) -> list[Fact]:
        return [fact for fact in self.site.saved if isinstance(fact, Fact) and fact.kind == kind]

    def done(self, *lines: tuple[Party, Line]) -> None:
        for party, line in lines:
            party.hang_up(line)
        self.site.nothing_left()


def talk_together(site: Site) -> bool:
    """One call, two legs, each hears the other."""
    (call,) = site.switch.calls.values()
    one, other = (leg for leg in (call.leg, *call.stage.legs()))
    return site.media.hears(one.id) == {other.id} and site.media.hears(other.id) == {one.id}


@pytest.mark.parametrize("code", ["**1002", "*8"])
def test_a_ringing_call_is_picked_up(code: str) -> None:
    """RFC 3326 §3.1: the phone that rang shows no missed call."""
    office = Office()
    site = office.site
    cancels: list[bytes] = []
    site.lost = lambda data: bool(cancels.append(data)) if data.startswith(b"CANCEL") else False
    line = office.alice.call("1002")
    taker = office.carol.call(code)
    assert (line.state, taker.state, office.bob.line.state) == ("up", "up", "over")
    assert b'Reason: SIP;cause=200;text="Call completed elsewhere"' in cancels[0]
    assert talk_together(site)
    (fact,) = office.facts("call.picked_up")
    assert (fact.data["by"], fact.data["at_phone"]) == ("phone:1003", "1002")
    site.run(9.0)
    office.carol.hang_up(taker)
    assert line.state == "over"
    site.run(5.0)
    records = {record.destination: record for record in site.saved if isinstance(record, CallRecord)}
    assert records["phone:1003"].talk_seconds == pytest.approx(9.0, abs=0.1)
    assert records["code:pickup"].outcome == "answered"
    office.done()


def test_only_within_the_own_groups() -> None:
    office = Office()
    line = office.alice.call("1002")
    assert office.refused(office.dave, "**1002"), "another group"
    assert office.refused(office.dave, "*8")
    assert office.refused(office.alice, "**1002"), "no group at all"
    assert office.refused(office.bob, "*8"), "its own"
    assert office.refused(office.carol, "**1004"), "nothing rings there"
    assert office.refused(office.carol, "**9999"), "no such extension"
    assert office.bob.lines
    assert line.status == 180
    office.done((office.alice, line))


def test_the_oldest_is_taken_first_and_each_once() -> None:
    """Two pick up at once: one wins; who comes when all is taken hears that there is nothing."""
    office = Office()
    office.eve.on_invite = "ring"
    first = office.alice.call("1002")
    office.site.run(2.0)
    second = office.dave.call("1005")
    one = office.carol.call("*8")
    assert (first.state, second.status) == ("up", 180)
    assert office.refused(office.eve, "**1002"), "gone already"
    two = office.carol.call("*8")
    assert (second.state, two.state) == ("up", "up")
    assert office.refused(office.carol, "*8")
    office.done((office.carol, one), (office.carol, two))


def test_a_group_call_leaves_all_phones_that_ring() -> None:
    office = Office()
    office.eve.on_invite = "ring"
    line = office.alice.call("601")
    taker = office.carol.call("**1005")
    assert (line.state, office.bob.line.state, office.eve.line.state) == ("up", "over", "over")
    assert talk_together(office.site)
    office.done((office.carol, taker))


def test_the_caller_is_gone_just_before() -> None:
    office = Office()
    line = office.alice.call("1002")
    office.alice.hang_up(line)
    assert office.refused(office.carol, "*8")
    office.done()


def test_the_answer_of_the_phone_that_rang_crosses() -> None:
    """The 200 that comes after the CANCEL is acknowledged and hung up (RFC 3261 §9.1)."""
    office = Office()
    line = office.alice.call("1002")
    rang = office.bob.line
    office.site.lost = lambda data: data.startswith(b"CANCEL")
    taker = office.carol.call("**1002")
    office.bob.answer(rang)
    office.site.lost = lambda data: False
    office.site.run(10.0)
    assert rang.state == "over"
    assert (line.state, taker.state) == ("up", "up")
    assert talk_together(office.site)
    office.done((office.carol, taker))


def test_a_taker_without_a_common_codec_leaves_the_call_ringing() -> None:
    office = Office()
    line = office.alice.call("1002")
    office.carol.codecs = ("G729",)
    taker = office.carol.call("*8")
    assert taker.status == 488
    assert (line.status, office.bob.line.state) == (180, "ringing")
    office.done((office.alice, line))


def test_a_taker_without_an_offer() -> None:
    """A delayed offer (RFC 3264 §4): the answer comes with the ACK."""
    office = Office()
    line = office.alice.call("1002")
    taker = office.carol.call("*8", sdp=False)
    assert (line.state, taker.state) == ("up", "up")
    assert talk_together(office.site)
    office.done((office.carol, taker))


def test_a_queue_call_goes_to_the_agent_who_picks_it_up() -> None:
    """The ACD gives it to that agent: talk, wrap-up, and the other's offer withdrawn through no fault of its own."""
    office = Office()
    site = office.site
    site.switch.office.sit("carol", "", "test", site.now)
    site.run(0.0)
    site.give(PhoneCommand("1003", "dnd", True))
    line = office.dave.call("600")
    assert office.bob.line.state == "ringing"
    site.run(3.0)
    taker = office.carol.call("*8")
    assert (line.state, taker.state, office.bob.line.state) == ("up", "up", "over")
    assert talk_together(site)
    rows = {row.name: row.state for row in site.switch.desk.agents(site.now)}
    assert (rows["bob"], rows["carol"]) == ("ready", "talking")
    assert not site.switch.office.engine.check(site.now, set(site.switch.calls))
    (answered,) = office.facts("queue.answered")
    assert answered.agent == "carol"
    (withdrawn,) = office.facts("offer.withdrawn")
    assert (withdrawn.agent, withdrawn.data["reason"]) == ("bob", "answered-elsewhere")
    site.run(20.0)
    office.dave.hang_up(line)
    rows = {row.name: row.state for row in site.switch.desk.agents(site.now)}
    assert rows["carol"] == "wrap-up"
    site.run(6.0)
    totals = Totals()
    for fact in site.saved:
        if isinstance(fact, Fact):
            totals.add(fact)
    record = next(one for one in site.saved if isinstance(one, CallRecord) and one.queue)
    assert (record.agent, record.outcome) == ("carol", "answered")
    assert record.talk_seconds == pytest.approx(20.0, abs=0.2)
    office.done()


@pytest.mark.parametrize("who", ["carol", "eve"])
def test_a_queue_call_is_not_for_who_is_no_agent_of_it(who: str) -> None:
    """Logged out, or of another queue: the ACD could not account it."""
    office = Office()
    line = office.dave.call("600")
    assert office.bob.line.state == "ringing"
    assert office.refused(office.carol if who == "carol" else office.eve, "**1002")
    assert office.bob.line.state == "ringing"
    office.bob.answer(office.bob.line)
    assert [fact.agent for fact in office.facts("queue.answered")] == ["bob"]
    office.done((office.dave, line))


def test_without_groups_or_code_nobody_picks_up() -> None:
    office = Office(replace(SETTINGS, codes=Codes(pickup="", pickup_group="")))
    line = office.alice.call("1002")
    assert office.carol.call("*8").status == 404
    assert office.carol.call("**1002").status == 404
    office.done((office.alice, line))
