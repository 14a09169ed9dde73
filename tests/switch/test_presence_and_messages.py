"""Presence with PUBLISH (RFC 3856, RFC 3863, RFC 3903), MESSAGE (RFC 3428), and NOTIFY outside subscriptions."""

from dataclasses import replace

import pytest

from softswitch.sip.events import InDialogAnswered
from softswitch.switch.events import ResyncPhone
from softswitch.switch.settings import Messages, Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Response
from tests.switch.site import Site
from tests.switch.watcher import Watcher

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={f"100{n}": Phone(password="correct horse", number=f"20{n}", name=f"Phone {n}") for n in range(1, 5)},
    trunks={"carrier": Trunk(address="sip:198.51.100.1", options_seconds=0.0)},
    routes=(Route(source="phone:*", number="0.", to="trunk:carrier"),),
)
DOCUMENT = (
    b'<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" '
    b'xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" '
    b'entity="sip:201@pbx.test">'
    b'<tuple id="a"><status><basic>open</basic></status><note>At lunch</note></tuple>'
    b"<d:person id='p'><r:activities><r:meal/></r:activities></d:person></presence>"
)


def office(settings: Settings = SETTINGS) -> tuple[Site, Watcher, Watcher]:
    site = Site(settings)
    return site, Watcher(site, "1001", "192.0.2.11"), Watcher(site, "1002", "192.0.2.12")


def publish(phone: Watcher, body: bytes = DOCUMENT, number: str = "201", **fields: str) -> Response:
    headers = [("Event", "presence")]
    headers += [(name.replace("_", "-"), value) for name, value in fields.items()]
    if body and "Content_Type" not in fields:
        headers.append(("Content-Type", "application/pidf+xml"))
    return phone.send("PUBLISH", number, *headers, body=body)


# ---------------------------------------------------------------------------------------------------------- presence


def test_presence_follows_registration_and_calls() -> None:
    site, one, two = office()
    assert two.subscribe("201", "presence").status == 200
    assert b"<basic>open</basic>" in two.notified[-1].body
    one.call("203")
    site.run(1.0)
    three = Watcher(site, "1003", "192.0.2.13")
    line = one.call("203")
    site.run(1.0)
    assert b"<r:on-the-phone/>" in two.notified[-1].body
    one.hang_up(line)
    site.run(1.0)
    assert b"on-the-phone" not in two.notified[-1].body
    one.register(expires=0)
    site.run(1.0)
    assert b"<basic>closed</basic>" in two.notified[-1].body
    assert three.line.state == "over"
    site.nothing_left()


def test_published() -> None:
    """RFC 3903 §4: make, refresh, change, remove; each with a new tag, and the watcher is told what is new."""
    site, one, two = office()
    two.subscribe("201", "presence")
    made = publish(one, Expires="100")
    assert (made.status, made.headers.get("Expires")) == (200, "100")
    tag = made.headers.get("SIP-ETag") or ""
    site.run(1.0)
    assert b"At lunch" in two.notified[-1].body
    assert b"<r:meal/>" in two.notified[-1].body
    told = len(two.notified)
    kept = publish(one, b"", SIP_If_Match=tag, Expires="100")
    assert kept.status == 200
    fresh = kept.headers.get("SIP-ETag") or ""
    assert fresh != tag
    site.run(1.0)
    assert len(two.notified) == told, "a refresh is no news"
    assert publish(one, b"", SIP_If_Match=tag).status == 412, "the old tag is none any more"
    changed = publish(one, DOCUMENT.replace(b"At lunch", b"Back"), SIP_If_Match=fresh)
    site.run(1.0)
    assert b"Back" in two.notified[-1].body
    assert publish(one, b"", SIP_If_Match=changed.headers.get("SIP-ETag") or "", Expires="0").status == 200
    site.run(1.0)
    assert b"Back" not in two.notified[-1].body
    assert len(site.switch.office.subscriptions.presences.published) == 0


def test_what_was_published_expires() -> None:
    site, one, two = office()
    two.subscribe("201", "presence")
    publish(one, Expires="60")
    site.run(1.0)
    assert b"At lunch" in two.notified[-1].body
    site.run(60.0)
    assert b"At lunch" not in two.notified[-1].body


BOMB = (
    b'<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<presence xmlns="urn:ietf:params:xml:ns:pidf">&b;</presence>'
)


@pytest.mark.parametrize(
    ("body", "fields", "status"),
    [
        (DOCUMENT, {"SIP_If_Match": "nonsense"}, 412),
        (DOCUMENT, {"Expires": "5"}, 423),
        (DOCUMENT, {"Expires": "never"}, 400),
        (DOCUMENT, {"Content_Type": "text/plain"}, 415),
        (b"", {}, 400),
        (BOMB, {}, 400),
        (BOMB.decode().encode("utf-16"), {}, 400),
        (b"<presence", {}, 400),
        (b"<other/>", {}, 400),
        (b"<a>" * 100 + b"</a>" * 100, {}, 400),
        (DOCUMENT + b" " * 9000, {}, 413),
    ],
)
def test_publish_malformed(body: bytes, fields: dict[str, str], status: int) -> None:
    site, one, _ = office()
    assert publish(one, body, **fields).status == status
    assert len(site.switch.office.subscriptions.presences.published) == 0


def test_publish_for_another() -> None:
    _, one, _ = office()
    assert publish(one, number="202").status == 403
    assert one.send("PUBLISH", "201", ("Event", "dialog"), body=b"x").status == 489


# ---------------------------------------------------------------------------------------------------------- MESSAGE

TEXT = ("Content-Type", "text/plain;charset=utf-8")


def test_a_message_reaches_the_phone() -> None:
    site, one, two = office()
    assert one.send("MESSAGE", "202", TEXT, body="Gruß".encode()).status == 200
    (message,) = two.received
    assert (message.body.decode(), message.headers.get("Content-Type")) == ("Gruß", TEXT[1])
    assert str(message.from_.uri) == "sip:201@pbx.test"
    assert message.from_.display == "Phone 1"
    assert not [line for line in site.logs if "Gru" in str(line.fields)]
    site.nothing_left()


@pytest.mark.parametrize(
    ("number", "body", "status"),
    [("999", b"x", 404), ("204", b"x", 480), ("202", b"x" * 1301, 413), ("0123", b"x", 403)],
)
def test_messages_refused(number: str, body: bytes, status: int) -> None:
    """RFC 3428 §7, §8; never out by a trunk unless allowed."""
    _, one, two = office()
    assert one.send("MESSAGE", number, TEXT, body=body).status == status
    assert not two.received


def test_the_phone_refuses_or_is_silent() -> None:
    site, one, two = office()
    two.message_status = 486
    assert one.send("MESSAGE", "202", TEXT, body=b"x").status == 486
    site.nothing_left()


def test_too_many_messages() -> None:
    site, one, _ = office(replace(SETTINGS, messages=Messages(burst=2, per_minute=60.0)))
    statuses = [one.send("MESSAGE", "202", TEXT, body=b"x").status for _ in range(3)]
    assert statuses == [200, 200, 480]
    site.run(1.5)
    assert one.send("MESSAGE", "202", TEXT, body=b"x").status == 200


def test_by_an_allowed_trunk() -> None:
    site, one, _ = office(replace(SETTINGS, messages=Messages(trunks=("carrier",))))
    carrier = site.party("carrier", "198.51.100.1")
    assert one.send("MESSAGE", "0123", TEXT, body=b"x").status == 200
    assert carrier


def test_within_a_call() -> None:
    """To whom one talks with, and the answer comes back."""
    site, one, two = office()
    line = one.call("202")
    assert line.state == "up"
    one.perform(one.ua.send_in_dialog(line.session, "MESSAGE", site.now, b"hello", "text/plain"))
    site.settle()
    assert [message.body for message in two.received] == [b"hello"]
    (answered,) = [event for event in line.events if isinstance(event, InDialogAnswered)]
    assert answered.status == 200
    one.perform(one.ua.send_in_dialog(line.session, "MESSAGE", site.now, b"x" * 1301, "text/plain"))
    site.settle()
    assert line.events[-1].status == 413  # type: ignore[union-attr]
    one.hang_up(line)
    site.nothing_left()


def test_a_subscription_does_not_share_a_call_s_dialog() -> None:
    """RFC 6665 §4.5.2."""
    site, one, _ = office()
    line = one.call("202")
    for method, status in (("SUBSCRIBE", 403), ("NOTIFY", 489)):
        fields = (("Event", "dialog"), ("Subscription-State", "active"))
        one.perform(one.ua.send_in_dialog(line.session, method, site.now, headers=fields))
        site.settle()
        assert line.events[-1].status == status  # type: ignore[union-attr]
    one.hang_up(line)
    site.nothing_left()


def test_resync() -> None:
    """Provisioned phones fetch their configuration on `check-sync`."""
    site, one, two = office()
    site.give(ResyncPhone("1001"))
    (notify,) = one.notified
    assert notify.headers.get("Event") == "check-sync"
    assert not two.notified
    site.nothing_left()
