"""Keys between parties that want them differently, and what media hears of a call."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.call.leg import Leg
from softswitch.sip.events import InDialog
from softswitch.sip.offer_answer import Capabilities, make_offer
from softswitch.switch.events import Reported
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Media, Menu, Phone, Recording, Route, Settings, Sip, Trunk
from softswitch.wire import control
from softswitch.wire.control import LISTEN_DTMF, LISTEN_SPEECH
from softswitch.wire.sip import Request
from tests.switch.site import Line, Party, Site

WAYS = ("rfc4733", "inband", "info")


def settings(first: str = "auto", second: str = "auto", **more: object) -> Settings:
    phones = {
        "1001": Phone(password="correct horse", dtmf=first),  # type: ignore[arg-type]  # one of the words
        "1002": Phone(password="correct horse", dtmf=second),  # type: ignore[arg-type]  # one of the words
    }
    return replace(Settings(sip=Sip(domain="pbx.test"), phones=phones), **more)  # type: ignore[arg-type]


def talking(configured: Settings) -> tuple[Site, Party, Party, Line, Leg, Leg]:
    site = Site(configured)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("1002")
    call = next(iter(site.switch.calls.values()))
    (callee,) = call.stage.legs()
    return site, alice, bob, line, call.leg, callee


def infos(line: Line) -> list[Request]:
    return [event.request for event in line.events if isinstance(event, InDialog) and event.request.method == "INFO"]


@pytest.mark.parametrize("there", WAYS)
@pytest.mark.parametrize("here", WAYS)
def test_every_way_becomes_every_other(here: str, there: str) -> None:
    """What comes with the sound media passes on by itself, but to a party that wants INFO; the rest is ours to do."""
    site, alice, bob, line, caller, callee = talking(settings(here, there))
    if here == "info":
        alice.info(line, "5")
    else:
        site.press(caller.id, "5", here)
    if there == "info":
        (request,) = infos(bob.line)
        assert request.content_type == "application/dtmf-relay"
        assert request.body == f"Signal=5\r\nDuration={160 if here == 'info' else 100}\r\n".encode()
        assert not site.media.digits
    else:
        assert not infos(bob.line)
        assert site.media.digits == ([(callee.id, "5")] if here == "info" else [])
    bob.hang_up(bob.line)
    site.nothing_left()


@pytest.mark.parametrize("way", [*WAYS, "auto"])
def test_media_is_told_what_the_party_wants(way: str) -> None:
    """Events are negotiated for `rfc4733` and `auto`, tones are listened to for `inband`, media passes nothing on to
    `info`."""
    site, _, bob, _, caller, _ = talking(settings(way))
    spec = site.media.legs[caller.id]
    assert (spec.event_type >= 0) is (way in ("auto", "rfc4733"))
    assert bool(spec.listen & LISTEN_DTMF) is (way == "inband")
    assert spec.keys is (way != "info")
    bob.hang_up(bob.line)
    site.nothing_left()


def without_events(party: Party) -> bytes:
    return make_offer(Capabilities(("PCMA",), False, party.remote[0], 4000), 1, 1)


@pytest.mark.parametrize(("way", "listens"), [("auto", True), ("rfc4733", False), ("inband", True), ("info", False)])
def test_a_phone_without_events_is_listened_to_in_band(way: str, listens: bool) -> None:
    site = Site(settings(way))
    alice = site.phone("1001", "192.0.2.10")
    site.phone("1002", "192.0.2.11")
    line = alice.call("1002", sdp=without_events(alice))
    leg = next(iter(site.switch.calls.values())).leg
    assert site.media.legs[leg.id].event_type < 0
    assert bool(site.media.legs[leg.id].listen & LISTEN_DTMF) is listens
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("method", WAYS)
def test_a_menu_takes_keys_that_come_any_way(method: str) -> None:
    """A caller from a carrier that has tones only chooses like any other."""
    configured = settings(
        trunks={"carrier": Trunk(address="sip:198.51.100.10")},
        ivr={"welcome": Menu(prompt="welcome", keys={"2": "phone:1002"})},
        routes=(Route(source="trunk:carrier", number="100", to="ivr:welcome"),),
    )
    site = Site(configured)
    bob, carrier = site.phone("1002", "192.0.2.11"), site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100", sdp=without_events(carrier))
    leg = next(iter(site.switch.calls.values())).leg
    assert site.media.legs[leg.id].listen == LISTEN_DTMF
    if method == "info":
        carrier.info(line, "2")
    else:
        site.press(leg.id, "2", method)
    assert bob.line.state == "up"
    carrier.hang_up(line)
    site.nothing_left()


def test_a_flash_is_no_choice_in_a_menu() -> None:
    configured = settings(
        ivr={"welcome": Menu(prompt="welcome", keys={"2": "phone:1002"})},
        routes=(Route(source="phone:*", number="100", to="ivr:welcome"),),
    )
    site = Site(configured)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = alice.call("100")
    leg = next(iter(site.switch.calls.values())).leg
    site.press(leg.id, "!")
    site.press(leg.id, "2")
    assert bob.line.state == "up"
    assert site.media.played == [("en/welcome",), ("tone",)]  # no complaint between
    alice.hang_up(line)
    site.nothing_left()


def test_a_phone_that_sends_keys_twice_is_heard_once() -> None:
    """RFC 4733 and INFO for the same key; later INFO beside events counts for nothing."""
    site, alice, bob, line, caller, _ = talking(settings("auto", "info"))
    for digit in "11":
        site.press(caller.id, digit)
        alice.info(line, digit)
        site.run(1.0)
    alice.info(line, "9")
    assert [request.body[:8] for request in infos(bob.line)] == [b"Signal=1"] * 2
    bob.hang_up(bob.line)
    site.nothing_left()


def test_letters_and_flash_pass_by_info() -> None:
    site, alice, bob, line, _, callee = talking(settings("info", "rfc4733"))
    for digit in ("12", "D", "16", "flash", "17"):
        alice.info(line, digit)
    assert [digit for leg, digit in site.media.digits if leg == callee.id] == ["A", "D", "!", "!"]
    bob.hang_up(bob.line)
    site.nothing_left()


def test_no_info_to_a_party_that_has_not_answered() -> None:
    site = Site(settings("rfc4733", "info"))
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.on_invite = "ring"
    line = alice.call("1002")
    leg = next(iter(site.switch.calls.values())).leg
    site.press(leg.id, "5")
    assert not infos(bob.line)
    alice.hang_up(line)
    site.nothing_left()


# ---------------------------------------------------------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("which", "recorded", "measured"),
    [("none", "all", False), ("recorded", "all", True), ("recorded", "none", False), ("all", "none", True)],
)
def test_speech_is_measured_where_the_configuration_says(which: str, recorded: str, measured: bool) -> None:
    """And what was said stands in the call record, for each leg."""
    configured = settings(
        media=Media(speech_facts=which, dead_air=7.0),  # type: ignore[arg-type]  # one of the words
        recording=Recording(directory="/recordings", calls=recorded),  # type: ignore[arg-type]  # one of the words
    )
    site, alice, _, line, caller, callee = talking(configured)
    for leg in (caller, callee):
        spec = site.media.legs[leg.id]
        assert bool(spec.listen & LISTEN_SPEECH) is measured
        assert spec.dead_air == (7.0 if measured else 0.0)
    alice.hang_up(line)
    site.run(3.0)
    (record,) = [record for record in site.saved if isinstance(record, CallRecord)]
    for one in record.legs:
        assert (one.speech is not None) is measured
        if one.speech is not None:
            assert (one.speech.talk, one.speech.silence, one.speech.overtalk) == (20.0, 40.0, 2.0)
            assert (one.speech.dead_air, one.speech.clipped, one.speech.level) == (1.0, 3, -18.0)
    site.nothing_left()


def test_the_wish_outlives_a_hold() -> None:
    """A re-INVITE describes the stream anew; what is measured goes on."""
    site, alice, bob, line, caller, _ = talking(settings(media=Media(speech_facts="all")))
    alice.hold(line)
    assert site.media.legs[caller.id].listen & LISTEN_SPEECH
    alice.resume(line)
    assert site.media.legs[caller.id].listen & LISTEN_SPEECH
    bob.hang_up(bob.line)
    site.nothing_left()


def test_what_media_hears_goes_to_the_ledger() -> None:
    site, _, bob, _, caller, _ = talking(settings())
    site.give(Reported(0, (control.Heard(caller.id, "dead-air", "10 s", 12_000), control.Heard(99, "busy"))))
    (fact,) = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "call.heard"]
    assert (fact.data["party"], fact.data["what"], fact.data["ms"]) == ("phone:1001", "dead-air", 12_000)
    bob.hang_up(bob.line)
    site.nothing_left()


def test_dead_air_of_a_leg_that_is_gone_is_nobodys() -> None:
    site, _, bob, _, caller, _ = talking(settings())
    bob.hang_up(bob.line)
    site.give(Reported(0, (control.Heard(caller.id, "busy"), control.Digit(caller.id, "1", 100, "inband"))))
    assert not [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "call.heard"]
    site.nothing_left()
