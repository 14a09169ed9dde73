"""What the line says by tones: busy in early media, hung up after the answer, a machine that answers."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.call.leg import Leg
from softswitch.switch.events import Reported
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from softswitch.wire import control
from softswitch.wire.control import LISTEN_ANSWER, LISTEN_PROGRESS
from tests.switch.site import Line, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password="correct horse")},
    trunks={
        "gateway": Trunk(address="sip:198.51.100.10", detect=("tones", "answer"), options_seconds=0, backup="other"),
        "other": Trunk(address="sip:198.51.100.20", options_seconds=0),
    },
    routes=(
        Route(source="phone:*", number="0.", to="trunk:gateway"),
        Route(source="trunk:gateway", number="100", to="phone:1001"),
    ),
)


def dialled(settings: Settings = SETTINGS) -> tuple[Site, Party, Party, Line]:
    """A phone has dialled a number behind the gateway."""
    site = Site(settings)
    alice, gateway = site.phone("1001", "192.0.2.10"), site.party("gw", "198.51.100.10")
    site.party("other", "198.51.100.20").on_invite = "ring"
    gateway.on_invite = "ring"
    return site, alice, gateway, alice.call("0123")


def outward(site: Site) -> Leg:
    (leg,) = next(iter(site.switch.calls.values())).stage.legs()
    return leg


def says(site: Site, leg: Leg, what: str) -> None:
    site.give(Reported(0, (control.Heard(leg.id, what, "425 Hz", 2000),)))


def heard(site: Site) -> list[object]:
    return [fact.data["what"] for fact in site.saved if isinstance(fact, Fact) and fact.kind == "call.heard"]


@pytest.mark.parametrize(("tone", "status"), [("busy", 486), ("information", 404), ("unobtainable", 404)])
def test_a_tone_in_early_media_is_the_status_it_stands_for(tone: str, status: int) -> None:
    """Q.850: 17 user busy, 1 unallocated number."""
    site, _, gateway, line = dialled()
    gateway.early(gateway.line)
    leg = outward(site)
    assert site.media.legs[leg.id].listen & LISTEN_PROGRESS
    assert not site.media.legs[leg.id].listen & LISTEN_ANSWER
    says(site, leg, tone)
    assert (line.state, line.status) == ("over", status)
    assert gateway.line.state == "over"
    assert heard(site) == [tone]
    site.nothing_left()


def test_congestion_tries_the_backup() -> None:
    """Like a 503: another way there may be free."""
    site, alice, gateway, line = dialled()
    gateway.early(gateway.line)
    says(site, outward(site), "congestion")
    assert gateway.line.state == "over"
    assert outward(site).peer == "trunk:other"
    assert line.state == "calling"
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("tone", ["ringback", "dial-tone", "fax-answering", "human", "dead-air"])
def test_other_sounds_end_nothing(tone: str) -> None:
    site, alice, gateway, line = dialled()
    gateway.early(gateway.line)
    says(site, outward(site), tone)
    gateway.answer(gateway.line)
    says(site, outward(site), tone)
    assert line.state == "up"
    alice.hang_up(line)
    site.nothing_left()


def test_a_busy_tone_after_the_answer_is_a_hang_up() -> None:
    """An analogue line tells in no other way that the far end is gone."""
    site, _, gateway, line = dialled()
    gateway.answer(gateway.line)
    says(site, outward(site), "busy")
    assert line.state == "over"
    assert gateway.line.state == "over"
    site.run(3.0)
    (record,) = [record for record in site.saved if isinstance(record, CallRecord)]
    assert (record.outcome, record.hung_up_by) == ("answered", "callee")
    site.nothing_left()


def test_a_busy_tone_from_the_calling_line_is_a_hang_up() -> None:
    site = Site(SETTINGS)
    alice, gateway = site.phone("1001", "192.0.2.10"), site.party("gw", "198.51.100.10")
    line = gateway.call("100")
    caller = next(iter(site.switch.calls.values())).leg
    assert site.media.legs[caller.id].listen == LISTEN_PROGRESS  # who calls us is no machine that answers
    says(site, caller, "busy")
    assert (line.state, alice.line.state) == ("over", "over")
    site.run(3.0)
    (record,) = [record for record in site.saved if isinstance(record, CallRecord)]
    assert (record.hung_up_by, record.reason) == ("caller", "busy tone from the caller's line")
    site.nothing_left()


@pytest.mark.parametrize("early", [True, False])
def test_who_answered_is_judged_from_the_answer_on(early: bool) -> None:
    site, alice, gateway, line = dialled()
    if early:
        gateway.early(gateway.line)
    gateway.answer(gateway.line)
    leg = outward(site)
    assert site.media.legs[leg.id].listen & LISTEN_ANSWER
    says(site, leg, "machine")
    says(site, leg, "beep")
    assert heard(site) == ["machine", "beep"]
    assert line.state == "up"
    alice.hang_up(line)
    site.nothing_left()


def test_nobody_listens_unless_the_trunk_says_so() -> None:
    gateway = replace(SETTINGS.trunks["gateway"], detect=())
    site, alice, party, line = dialled(replace(SETTINGS, trunks={**SETTINGS.trunks, "gateway": gateway}))
    party.answer(party.line)
    assert site.media.legs[outward(site).id].listen == 0
    alice.hang_up(line)
    site.nothing_left()
