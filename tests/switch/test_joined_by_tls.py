"""RFC 5630 §5.1.1.3: a call for a sips URI goes on by TLS, or not at all, however it is joined with another."""

from dataclasses import replace

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Supervisor
from tests.switch.site import Line, Party, Site
from tests.switch.test_refer import notified, refer

SETTINGS = Settings(
    sip=Sip(domain="pbx.test", listen=("udp:0.0.0.0:5060", "tls:0.0.0.0:5061")),
    phones={f"100{n}": Phone(password="correct horse", pickup_groups=("all",)) for n in range(1, 5)},
)


def four(kinds: str, settings: Settings = SETTINGS) -> tuple[Site, list[Party]]:
    """Phones 1001 …: `u` by UDP, `t` by TLS, `s` by TLS and calling sips URIs."""
    site = Site(settings)
    phones = []
    for number, kind in enumerate(kinds, 1):
        name, host = f"100{number}", f"192.0.2.1{number}"
        make = {"u": site.phone, "t": site.phone_by_tls, "s": site.phone_by_tls}[kind]
        phones.append(make(name, host))
        phones[-1].scheme = "sips" if kind == "s" else "sip"
    return site, phones


def attended(kinds: str, *, answered: bool = True) -> tuple[Site, list[Party], Line, int]:
    """1001 talks with 1002, and consults 1003, for whom it calls a sips URI if it can; it refers 1002 there."""
    site, phones = four(kinds)
    one, two, three = phones
    one.scheme = "sip"
    line = one.call("1002")
    assert two.line.state == "up"
    one.scheme = "sips" if kinds[0] == "s" else "sip"
    three.on_invite = "answer" if answered else "ring"
    consultation = one.call("1003")
    assert three.line.state == ("up" if answered else "ringing")
    session = one.ua._sessions.get(consultation.session)
    assert session is not None
    ids = one.ua.dialog_of(consultation.session)
    assert ids is not None
    replaces = f"{ids.call_id}%3Bto-tag%3D{ids.remote_tag}%3Bfrom-tag%3D{ids.local_tag}"
    return site, phones, line, refer(one, line, f"<sip:1003@pbx.test?Replaces={replaces}>")


@pytest.mark.parametrize(("kinds", "status"), [("sut", 480), ("stt", 202), ("tut", 202), ("uuu", 202)])
@pytest.mark.parametrize("answered", [True, False])
def test_who_is_referred_to_a_sips_call(kinds: str, status: int, answered: bool) -> None:
    """REFER with Replaces: 1002 is to talk with 1003, who was called by sips."""
    site, (one, two, three), line, answer = attended(kinds, answered=answered)
    if not answered and status == 202:
        three.answer(three.line)
    assert answer == status
    assert {two.line.state, three.line.state} == ({"up", "ringing"} if status == 480 and not answered else {"up"})
    if status == 480:
        assert line.state == "up", "the transferor has both calls still"
        assert not notified(line)
    else:
        assert line.state == "over"
    for phone in (one, two, three):
        for each in phone.lines.values():
            phone.hang_up(each)
    site.nothing_left()


def test_the_joined_call_stays_one_by_tls() -> None:
    """1002 refers 1003 on to a phone in the clear: what the call was begun for still binds."""
    site, (_, two, three), _, answer = attended("stt")
    assert answer == 202
    four = site.phone("1004", "192.0.2.14")
    assert refer(two, two.line, "<sip:1004@pbx.test>") == 202
    assert notified(two.line)[-2] == "SIP/2.0 480 Temporarily Unavailable"
    assert not four.lines
    assert three.line.state == "up"


@pytest.mark.parametrize(("taker", "state"), [("u", 480), ("t", 200)])
def test_a_sips_call_is_picked_up_by_tls(taker: str, state: int) -> None:
    site, (one, two, three) = four("st" + taker)
    two.on_invite = "ring"
    line = one.call("1002")
    picked = three.call("**1002")
    assert picked.status == state
    assert line.state == ("up" if state == 200 else "calling")
    assert all(call.secured for call in site.switch.calls.values())


@pytest.mark.parametrize(("rung", "picked"), [("u", 480), ("t", 200)])
def test_who_picks_up_by_sips_gets_callers_by_tls_only(rung: str, picked: int) -> None:
    """The taker's own call is the one for a sips URI; the call is one afterwards."""
    site, (one, two, three) = four(rung + "us")
    two.on_invite = "ring"
    one.call("1002")
    line = three.call("**1002")
    assert line.status == picked
    assert any(call.secured for call in site.switch.calls.values()) is (picked == 200)


@pytest.mark.parametrize(("kinds", "state"), [("stu", "over"), ("stt", "up"), ("uut", "up"), ("uus", "over")])
def test_a_supervisor_hears_a_sips_call_by_tls_only(kinds: str, state: str) -> None:
    settings = replace(
        SETTINGS,
        agents={"ann": Agent(phone="1002", logged_in=True)},
        queues={"help": QueueSettings(agents=("ann",))},
        supervisors={"vera": Supervisor(phone="1003", queues=("help",))},
        routes=(Route(source="phone:*", number="70", to="queue:help"),),
    )
    site, (one, _, vera) = four(kinds, settings)
    assert one.call("70").state == "up"
    line = vera.call("*501002")
    assert line.state == state
    site.run(1.0)
    assert line.state == state
    assert len(site.switch.calls) == (2 if state == "up" else 1)
