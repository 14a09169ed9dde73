"""Lamps: SUBSCRIBE to the dialog package (RFC 6665, RFC 4235), followed through calls."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.switch.events import AgentCommand, Drain, HangUpCall, Reload, TransferCommand
from softswitch.switch.settings import Agent, Parking, Phone, Route, Settings, Sip, Subscriptions
from softswitch.wire.sip import Headers, Request, Uri
from tests.switch.site import Party, Site
from tests.switch.watcher import Watcher

PHONES = {f"100{n}": Phone(password="correct horse", number=f"20{n}") for n in range(1, 5)}
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones=PHONES | {"1009": Phone(password="correct horse", watched=False)},
    agents={"anna": Agent(phone="1002", number="302")},
    queues={"support": QueueSettings(agents=("anna",), announce_position=0.0)},
    parking={"main": Parking(slots="701-702")},
    routes=(Route(number="500", to="queue:support"), Route(number="600", to="conference:board")),
)
GROUPED = replace(
    SETTINGS, phones={name: replace(phone, pickup_groups=("all",)) for name, phone in SETTINGS.phones.items()}
)
NS = "{urn:ietf:params:xml:ns:dialog-info}"


def desk(settings: Settings = SETTINGS) -> tuple[Site, Watcher, Party, Party]:
    """1004 watches; 1001 and 1002 telephone."""
    site = Site(settings)
    return site, Watcher(site, "1004", "192.0.2.14"), site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")


def test_a_lamp_follows_a_call() -> None:
    """Ring, talk, hold, back, end; each told once, and the last as terminated."""
    site, watcher, one, two = desk()
    two.on_invite = "ring"
    assert watcher.subscribe("202").status == 200
    assert watcher.lamps() == [[]]
    site.run(2.0)
    line = one.call("202")
    site.run(1.0)
    assert watcher.lamps()[-1] == [("early", "recipient")]
    (early,) = watcher.dialogs()
    two.answer(two.line)
    site.run(1.0)
    assert watcher.lamps()[-1] == [("confirmed", "recipient")]
    two.hold(two.line)
    site.run(1.0)
    (held,) = watcher.dialogs()
    assert held.find(f"{NS}local/{NS}target/{NS}param") is not None, "RFC 4235 §4.1.6.2: +sip.rendering is no"
    two.resume(two.line)
    site.run(1.0)
    assert watcher.dialogs()[0].find(f"{NS}local/{NS}target/{NS}param") is None
    one.hang_up(line)
    site.run(1.0)
    assert watcher.lamps()[-1] == [("terminated", "recipient")]
    assert watcher.dialogs()[0].get("id") == early.get("id")
    assert two.line.request is not None
    assert early.get("call-id") not in (None, two.line.request.call_id), "who knows it can speak in the dialog"
    assert early.get("remote-tag") not in (None, two.line.request.from_.tag)
    assert early.get("local-tag")
    assert early.findtext(f"{NS}local/{NS}identity") == "sip:202@pbx.test"
    assert early.findtext(f"{NS}remote/{NS}identity") == "sip:201@pbx.test"
    versions = [ElementTree.fromstring(notify.body).get("version") for notify in watcher.notified]
    assert versions == [str(n) for n in range(len(versions))]
    watcher.again(watcher.replies[-1], "202", expires=0)
    site.nothing_left()


def test_the_caller_s_lamp_and_a_transfer() -> None:
    """Whose lamp burns moves with the call."""
    site, watcher, one, two = desk()
    three = site.phone("1003", "192.0.2.13")
    for number in ("201", "202", "203"):
        watcher.subscribe(number)
    site.run(1.0)
    watcher.notified.clear()
    line = one.call("202")
    site.run(1.0)
    assert sorted(watcher.lamps()[-2:]) == [[("confirmed", "initiator")], [("confirmed", "recipient")]]
    two.perform(
        two.ua.send_in_dialog(two.line.session, "REFER", site.now, headers=(("Refer-To", "<sip:203@pbx.test>"),))
    )
    site.settle()
    site.run(2.0)
    assert three.line.state == "up"
    last = {
        notify.body.split(b"entity=")[1][:20]: lamps
        for notify, lamps in zip(watcher.notified, watcher.lamps(), strict=True)
    }
    assert last[b'"sip:202@pbx.test">\n'] == [("terminated", "recipient")]
    assert last[b'"sip:203@pbx.test">\n'] == [("confirmed", "recipient")]
    one.hang_up(line)
    site.nothing_left()


def test_parking_places_and_do_not_disturb() -> None:
    site, watcher, one, _ = desk()
    seat = Watcher(site, "1002", "192.0.2.12")
    assert watcher.subscribe("701").status == 200
    assert seat.subscribe("*78").status == 200
    assert watcher.subscribe("202", "presence").status == 200
    watcher.notified.clear()
    line = one.call("202")
    site.run(1.0)
    site.give(TransferCommand(next(iter(site.switch.calls)), "blind", "park:main/701", "test"))
    site.run(1.0)
    assert watcher.lamps() == [[("confirmed", "recipient")]]
    one.hang_up(line)
    site.run(1.0)
    assert watcher.lamps()[-1] == [("terminated", "recipient")]
    site.switch.office.phones.set("1002", "dnd", True, "test", site.now)
    site.give(HangUpCall("none"))
    site.run(1.0)
    assert seat.lamps()[-1] == [("confirmed", "recipient")]
    assert b"<r:busy/>" in watcher.notified[-1].body
    site.nothing_left()


def test_a_call_is_picked_up_by_its_lamp() -> None:
    """RFC 3891 with what RFC 4235 told: the watcher takes the place of the watched phone while it rings."""
    site, watcher, one, two = desk(GROUPED)
    two.on_invite = "ring"
    watcher.subscribe("202")
    line = one.call("202")
    site.run(1.0)
    (dialog,) = watcher.dialogs()
    ids = {name: dialog.get(name) for name in ("call-id", "local-tag", "remote-tag")}
    replaces = f"{ids['call-id']};to-tag={ids['remote-tag']};from-tag={ids['local-tag']}"
    taken = watcher.call("202", headers=(("Replaces", replaces),))
    site.run(1.0)
    assert taken.state == "up", taken.status
    assert line.state == "up"
    assert two.line.state == "over"
    one.hang_up(line)
    site.nothing_left()


def test_a_private_caller_is_not_named() -> None:
    """RFC 3323."""
    site, watcher, one, _two = desk()
    watcher.subscribe("202")
    one.call("202", headers=(("Privacy", "id"),))
    site.run(1.0)
    assert watcher.dialogs()[0].findtext(f"{NS}remote/{NS}identity") == "sip:anonymous@anonymous.invalid"
    one.hang_up(one.line)
    site.nothing_left()


def test_identities_kept() -> None:
    site, watcher, one, _two = desk(replace(SETTINGS, subscriptions=Subscriptions(identities=False)))
    watcher.subscribe("202")
    one.call("202")
    site.run(1.0)
    (dialog,) = watcher.dialogs()
    assert dialog.find(f"{NS}remote") is None
    assert dialog.findtext(f"{NS}state") == "confirmed"


def test_watching_begins_amid_a_call() -> None:
    _site, watcher, one, _two = desk()
    one.call("202")
    watcher.subscribe("202")
    assert watcher.lamps() == [[("confirmed", "recipient")]]


def test_lamps_of_codes_queue_agent_and_conference() -> None:
    """They burn or they do not."""
    site, watcher, one, _two = desk()
    seat = Watcher(site, "1002", "192.0.2.12")
    seat.on_invite = "ring"
    for number in ("*45", "*47"):
        assert seat.subscribe(number).status == 200
    assert [lamps[0][0] for lamps in seat.lamps()] == ["terminated", "terminated"]
    for number in ("500", "302", "600"):
        assert watcher.subscribe(number).status == 200
    site.run(1.0)
    site.give(AgentCommand("anna", "login"))
    site.run(1.0)
    assert seat.lamps()[-1][0][0] == "confirmed"
    site.give(AgentCommand("anna", "pause", "lunch"))
    site.run(1.0)
    assert b"*47" in seat.notified[-1].body
    assert seat.lamps()[-1][0][0] == "confirmed"
    watcher.notified.clear()
    line = one.call("500")
    site.run(1.0)
    assert watcher.lamps() == [[("confirmed", "recipient")]], "somebody waits"
    site.give(AgentCommand("anna", "ready"))
    site.run(1.0)
    assert [("early", "recipient")] in watcher.lamps(), "the agent's phone rings"
    one.hang_up(line)
    site.run(1.0)
    watcher.notified.clear()
    line = one.call("600")
    site.run(1.0)
    assert watcher.lamps() == [[("confirmed", "recipient")]]
    one.hang_up(line)
    site.run(1.0)
    assert watcher.lamps()[-1] == [("terminated", "recipient")]
    site.nothing_left()


@pytest.mark.parametrize(("number", "status"), [("999", 404), ("1009", 404), ("201", 200)])
def test_who_may_watch_whom(number: str, status: int) -> None:
    _site, watcher, *_ = desk()
    assert watcher.subscribe(number).status == status


def test_a_stranger_learns_nothing() -> None:
    """The same answer whether the number is there or not."""
    site, *_ = desk()
    stranger = site.party("1001", "192.0.2.66")
    stranger.credentials = None
    for number in ("201", "999", "*45"):
        watcher = stranger
        headers = Headers()
        headers.add("From", "<sip:1001@pbx.test>")
        headers.add("To", f"<sip:{number}@pbx.test>")
        headers.add("Contact", "<sip:1001@192.0.2.66>")
        headers.add("Event", "dialog")
        _, outputs = watcher.ua.request(
            Request("SUBSCRIBE", Uri.parse(f"sip:{number}@pbx.test"), headers), watcher.flow, site.now
        )
        watcher.perform(outputs)
        site.settle()
    assert stranger.responses == [401, 401, 401]
    assert len(site.switch.office.subscriptions.notifier) == 0


def test_another_phone_does_not_refresh_it() -> None:
    site, watcher, *_ = desk()
    ok = watcher.subscribe("202")
    thief = Watcher(site, "1003", "192.0.2.13")
    thief.name = "1003"
    to, call_id = ok.headers.get("To") or "", ok.call_id
    thief.send("SUBSCRIBE", "202", ("Event", "dialog"), ("Expires", "0"), to=to, call_id=call_id)
    assert thief.replies[-1].status in (403, 481)
    assert len(site.switch.office.subscriptions.notifier) == 1


def test_nobody_watches_nothing_is_kept() -> None:
    """A site without subscriptions pays nothing: legs go unseen again once the last watcher is gone."""
    site, watcher, one, _two = desk()
    office = site.switch.office
    assert office.fabric.moved is None
    ok = watcher.subscribe("202")
    assert office.fabric.moved is not None
    watcher.again(ok, "202", expires=0)
    assert len(office.subscriptions.notifier) == 0
    line = one.call("202")
    assert office.fabric.moved is None
    one.hang_up(line)
    site.nothing_left()


def test_a_reload_ends_what_is_gone() -> None:
    site, watcher, *_ = desk()
    watcher.subscribe("202")
    watcher.subscribe("500")
    site.run(1.0)
    site.give(Reload(replace(SETTINGS, queues={}, routes=())))
    site.run(1.0)
    ended = [
        one for one in watcher.notified if str(one.headers.get("Subscription-State")) == "terminated;reason=noresource"
    ]
    assert len(ended) == 1
    assert len(site.switch.office.subscriptions.notifier) == 1


def test_the_end_of_the_switch_is_told() -> None:
    """RFC 6665 §4.1.3: deactivated, which asks for a new subscription."""
    site, watcher, *_ = desk()
    watcher.subscribe("202")
    site.run(1.0)
    site.give(Drain())
    assert str(watcher.notified[-1].headers.get("Subscription-State")) == "terminated;reason=deactivated"
    assert site.drained
    assert watcher.subscribe("202").status == 503


def test_switched_off() -> None:
    _site, watcher, *_ = desk(replace(SETTINGS, subscriptions=Subscriptions(enabled=False)))
    assert watcher.subscribe("202").status == 405


@pytest.mark.parametrize("event", ["dialog", "presence"])
def test_notify_to_us(event: str) -> None:
    """We subscribe to nothing: 481."""
    _site, watcher, *_ = desk()
    assert watcher.send("NOTIFY", "202", ("Event", event), ("Subscription-State", "active")).status == 481
