"""Intercom and paging: phones that answer by themselves, only where they allow it, never in a call."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.switch.events import Drain, PhoneCommand
from softswitch.switch.settings import Paging, Phone, Route, Settings, Sip
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
OPEN = Phone(password=PASSWORD, intercom=True)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones={"1001": Phone(password=PASSWORD), "1002": OPEN, "1003": OPEN, "1004": replace(OPEN, busy="phone:1001")},
    paging={"floor": Paging(phones=("1001", "1002", "1003", "1004"), seconds=30.0)},
    routes=(Route(number="900", source="phone:*", to="page:floor"),),
)


def desks() -> tuple[Site, dict[str, Party]]:
    site = Site(SETTINGS)
    return site, {name: site.phone(name, f"192.0.2.{name[2:]}") for name in SETTINGS.phones}


def test_a_phone_that_allows_it_is_asked_to_answer_by_itself() -> None:
    """RFC 5373 §3, and the headers that desk phones know."""
    site, phones = desks()
    line = phones["1001"].call("*801002")
    request = phones["1002"].line.request
    assert request is not None
    assert request.headers.get("Answer-Mode") == "Auto"
    assert "answer-after=0" in (request.headers.get("Call-Info") or "")
    assert "info=alert-autoanswer" in (request.headers.get("Alert-Info") or "")
    assert line.state == "up"
    phones["1001"].hang_up(line)
    ordinary = phones["1001"].call("1002")
    assert phones["1002"].line.request is not None
    assert phones["1002"].line.request.headers.get("Answer-Mode") is None
    phones["1001"].hang_up(ordinary)
    site.nothing_left()


def test_not_where_it_is_not_allowed_or_would_disturb() -> None:
    site, phones = desks()
    assert phones["1002"].call("*801001").status == 403, "no intercom there"
    assert phones["1002"].call("*809999").status == 404
    talk = phones["1003"].call("1004")
    assert phones["1002"].call("*801004").status == 486, "in a call; nor is the busy target for the intercom"
    assert not phones["1001"].lines
    phones["1003"].hang_up(talk)
    site.give(PhoneCommand("1004", "dnd", True))
    assert phones["1002"].call("*801004").status == 486
    phones["1004"].register(0)
    site.give(PhoneCommand("1004", "dnd", False))
    assert phones["1002"].call("*801004").status == 480
    site.nothing_left()


def test_paging_is_one_way_to_all_who_are_free() -> None:
    site, phones = desks()
    talk = phones["1001"].call("1004")
    line = phones["1002"].call("900")
    assert line.state == "up"
    assert [len(phones[name].lines) for name in ("1001", "1003", "1004")] == [1, 1, 1], "who talks is left in peace"
    call = next(call for call in site.switch.calls.values() if call.stage.at == "floor")
    (listener,) = call.stage.legs()
    assert listener.peer == "phone:1003"
    assert site.media.hears(listener.id) == {call.leg.id}
    assert listener.id not in site.media.hears(call.leg.id), "one way"
    site.prompt_ends()
    assert site.media.hears(call.leg.id) == set()
    phones["1002"].hang_up(line)
    assert phones["1003"].line.state == "over"
    phones["1001"].hang_up(talk)
    site.nothing_left()


def test_paging_has_an_end() -> None:
    site, phones = desks()
    line = phones["1002"].call("900")
    assert (phones["1003"].line.state, phones["1004"].line.state) == ("up", "up")
    site.run(31.0)
    assert (line.state, phones["1003"].line.state, phones["1004"].line.state) == ("over", "over", "over")
    (fact,) = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "page.started"]
    assert fact.data == {"paging": "floor", "phones": 2}
    site.nothing_left()


def test_phones_that_ring_instead_of_answering_stop_soon() -> None:
    site, phones = desks()
    phones["1003"].on_invite = phones["1004"].on_invite = "ring"
    line = phones["1002"].call("900")
    site.run(6.0)
    assert (phones["1003"].line.state, phones["1004"].line.state) == ("over", "over")
    assert site.media.played[-1] == ("en/unavailable",)
    site.prompt_ends()
    assert line.state == "over"
    site.nothing_left()


@pytest.mark.parametrize("moment", ["ringing", "listening"])
@pytest.mark.parametrize("who", ["caller", "listener", "all listeners", "drain"])
def test_somebody_vanishes(who: str, moment: str) -> None:
    site, phones = desks()
    if moment == "ringing":
        phones["1003"].on_invite = phones["1004"].on_invite = "ring"
    line = phones["1002"].call("900")
    if who == "caller":
        phones["1002"].hang_up(line)
    elif who == "drain":
        site.give(Drain())
    else:
        for name in ("1003", "1004")[: 1 if who == "listener" else 2]:
            if moment == "listening":
                phones[name].hang_up(phones[name].line)
            else:
                phones[name].reject(phones[name].line, 486)
    site.prompt_ends()
    if who == "all listeners":
        assert line.state == "over"
    if who in ("listener", "drain"):
        assert line.state == "up"
        phones["1002"].hang_up(line)
    site.nothing_left()
