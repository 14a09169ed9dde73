"""Menus, performed: languages, consent, hours, collected digits, what is handed on."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.call.leg import Leg
from softswitch.switch.events import Reload
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Consent, Hours, Menu, Phone, Route, Settings, Sip, Trunk
from tests.switch.site import START, Line, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password="correct horse")},
    agents={"alice": Agent(phone="1001", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=("alice",))},
    routes=(Route(source="trunk:carrier", number="100", to="ivr:welcome"),),
)


def called(menu: Menu, **more: object) -> tuple[Site, Party, Party, Line, Leg]:
    site = Site(replace(SETTINGS, ivr={"welcome": menu}, **more))  # type: ignore[arg-type]
    alice, carrier = site.phone("1001", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    return site, alice, carrier, line, next(iter(site.switch.calls.values())).leg


def test_the_language_is_chosen_once_and_kept() -> None:
    menu = Menu(prompt="welcome", languages={"1": "en", "2": "lt"}, keys={"1": "queue:support"})
    site, alice, carrier, line, leg = called(menu)
    site.press(leg.id, "2")
    assert site.media.played[-1] == ("lt/welcome",)
    site.press(leg.id, "1")
    assert alice.line.request is not None
    assert alice.line.request.headers.get("X-Language") == "lt"
    carrier.hang_up(line)
    site.run(3.0)
    assert [record.language for record in site.saved if isinstance(record, CallRecord)] == ["lt"]
    site.nothing_left()


@pytest.mark.parametrize(("key", "recorded"), [("1", True), ("2", False)])
def test_no_consent_no_recording(key: str, recorded: bool) -> None:
    menu = Menu(prompt="welcome", consent=Consent(prompt="recording-consent", key="1"), keys={"5": "queue:support"})
    site, _, carrier, line, leg = called(menu)
    site.press(leg.id, key)
    site.press(leg.id, "5")
    site.run(1.0)
    assert bool(site.media.recorders) is recorded
    carrier.hang_up(line)
    site.nothing_left()


def test_closed_hours_go_elsewhere() -> None:
    day = datetime.fromtimestamp(START, UTC).strftime("%a").lower()
    menu = Menu(prompt="welcome", hours="office", closed="play:closed", keys={"1": "queue:support"})
    for spans, prompt in (({day: "00:00-24:00"}, "en/welcome"), ({}, "en/closed")):
        site, _, carrier, line, _ = called(menu, hours={"office": Hours(open=spans)})
        assert site.media.played == [(prompt,)]
        carrier.hang_up(line)
        site.nothing_left()


def test_wrong_keys_then_a_polite_end() -> None:
    """Every caller gets a word, none a dead line."""
    menu = Menu(prompt="welcome", keys={"1": "queue:support"}, repeat=1)
    site, _, _, line, leg = called(menu)
    for _ in range(4):
        if line.state == "up":
            site.press(leg.id, "9")
            site.prompt_ends()
            site.prompt_ends()
    site.run(30.0)
    site.prompt_ends()
    assert line.state == "over"
    assert ("en/goodbye",) in site.media.played or any("en/goodbye" in names for names in site.media.played)
    site.nothing_left()


def test_silence_goes_where_the_menu_says() -> None:
    menu = Menu(prompt="welcome", keys={"1": "queue:support"}, timeout=5.0, repeat=0, on_timeout="queue:support")
    site, alice, carrier, line, _ = called(menu)
    site.prompt_ends()
    site.run(6.0)
    assert alice.line.state == "up"
    carrier.hang_up(line)
    site.nothing_left()


def test_a_caller_may_hang_up_anywhere_in_a_menu() -> None:
    menu = Menu(prompt="welcome", languages={"1": "en"}, consent=Consent(key="1"), keys={"12": "queue:support"})
    for keys in ("", "1", "11", "111"):
        site, _, carrier, line, leg = called(menu)
        for key in keys:
            site.press(leg.id, key)
        carrier.hang_up(line)
        site.nothing_left()


def test_a_reload_does_not_touch_the_call_in_the_menu() -> None:
    """SIGHUP: new calls get the new menu, who is in the old one goes on; a target that is gone is refused politely."""
    menu = Menu(prompt="welcome", keys={"1": "queue:support", "2": "ivr:gone"})
    site, alice, carrier, line, leg = called(menu)
    settings = site.switch.office.settings
    site.give(Reload(replace(settings, ivr={"welcome": replace(menu, prompt="thank-you")})))
    assert line.state == "up"
    second = carrier.call("100")
    assert site.media.played[-1] == ("en/thank-you",)
    site.press(leg.id, "1")
    assert alice.line.state == "up"
    other = list(site.switch.calls.values())[1].leg
    site.press(other.id, "2")
    site.prompt_ends()
    assert second.state == "over"
    carrier.hang_up(line)
    site.nothing_left()


def test_menus_that_lead_in_circles_end() -> None:
    menu = Menu(prompt="welcome", repeat=0, timeout=1.0, on_timeout="ivr:welcome")
    site, _, _, line, _ = called(menu)
    for _ in range(60):
        site.prompt_ends()
        site.run(2.0)
    assert line.state == "over"
    site.nothing_left()


def test_a_reload_keeps_phones_that_only_a_connection_reaches() -> None:
    """SIGHUP touches no registration: a phone behind NAT over TCP lives on its connection."""
    from softswitch.sip.flow import Flow
    from softswitch.sip.registrar import Binding

    site = Site(SETTINGS)
    office = site.switch.office
    binding = Binding(
        "1001", "sip:1001@10.0.0.5:5060", "<sip:1001@10.0.0.5:5060>", Flow("tcp", ("192.0.2.10", 40000), 0, 7), "id", 1,
        site.now, site.now, site.now + 600.0, nat=True,
    )  # fmt: skip
    office.registrations._registrar._add(binding, binding.contact, binding.flow, (), site.now)
    site.give(Reload(replace(SETTINGS, sip=replace(SETTINGS.sip, max_contacts=2))))
    (kept,) = office.registrations.bindings("1001", site.now)
    assert kept.flow.connection == 7
