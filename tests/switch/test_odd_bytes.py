"""Names and numbers of callers that are no UTF-8, or no characters: they break no lamp, hook or service."""

from dataclasses import replace
from xml.etree import ElementTree

import msgspec
import pytest

from softswitch.sip.flow import Flow
from softswitch.switch.events import Arrived, HookAnswered
from softswitch.switch.settings import Hook, Phone, Route, Settings, Sip, Stir, Trunk, TrunkStir
from softswitch.wire.sip import parse
from tests.switch.site import Site
from tests.switch.test_redirects import send_on
from tests.switch.watcher import Watcher

CARRIER = ("198.51.100.10", 5060)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password="correct horse") for name in ("1001", "1002", "1003")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    hooks={"crm": Hook(url="http://127.0.0.1:9/crm", at_once=2)},
    routes=(
        Route(source="trunk:*", number="71.", to="phone:1001"),
        Route(source="trunk:*", number="72.", to="phone:1001", hook="crm"),
        Route(source="phone:*", number="5.", to="conference:room"),
    ),
)  # fmt: skip
ODD = [b"\xff", b"\x01", b"\x00", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xc3\xa9"]
SDP = b"v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"


def escaped(octets: bytes) -> bytes:
    return b"".join(b"%%%02X" % octet for octet in octets)


def invite(site: Site, called: bytes, caller: bytes, number: int = 1, extra: bytes = b"") -> None:
    """A call from the carrier, octet by octet."""
    data = (
        b"INVITE sip:%b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.10;branch=z9hG4bK%d\r\n"
        b"Max-Forwards: 70\r\nFrom: %b;tag=x%d\r\nTo: <sip:%b@192.0.2.1>\r\nCall-ID: c%d\r\nCSeq: 1 INVITE\r\n"
        b"Contact: <sip:c@198.51.100.10>\r\n%bContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b"
    ) % (called, number, caller, number, called, number, extra, len(SDP), SDP)
    site.effects(site.switch.receive(Arrived(parse(data), Flow("udp", CARRIER)), site.now))
    site.settle()


@pytest.mark.parametrize("odd", ODD)
def test_lamps_can_be_read_whoever_calls(odd: bytes) -> None:
    """The name as it came, the number in escapes: every NOTIFY is XML, and the call goes its way."""
    site = Site(SETTINGS)
    watcher, one = Watcher(site, "1003", "192.0.2.13"), site.phone("1001", "192.0.2.11")
    one.on_invite = "ring"
    assert watcher.subscribe("1001").status == 200
    assert watcher.subscribe("5" + escaped(odd).decode()).status == 200
    assert watcher.subscribe("5" + odd.decode("utf-8", "surrogateescape") if odd[0] > 127 else "5x").status == 200
    site.run(1.0)
    invite(site, b"71" + escaped(odd), b'"A%bB" <sip:1%b@x.test>' % (odd, escaped(odd)))
    site.run(1.0)
    assert watcher.lamps()[-1] == [("early", "recipient")]
    for notify in watcher.notified:
        ElementTree.fromstring(notify.body)


@pytest.mark.parametrize("odd", ODD)
def test_a_hook_is_asked_whoever_calls(odd: bytes) -> None:
    """Else a few such calls would use up the questions that it may be asked at once, and no caller came through."""
    site = Site(SETTINGS)
    one = site.phone("1001", "192.0.2.11")
    for number in range(1, 4):
        invite(site, b"72" + escaped(odd), b'"A%bB" <sip:1%b@x.test>' % (odd, escaped(odd)), number)
        site.give(HookAnswered(site.asked[-1].number, 200, b"{}"))
        assert len(site.asked) == number
        msgspec.json.decode(site.asked[-1].body)
    assert len(one.lines) == 3


@pytest.mark.parametrize("odd", ODD)
def test_a_verification_service_is_asked_whoever_calls(odd: bytes) -> None:
    stir = Stir(verification_service="http://127.0.0.1:9", anchors=None)
    trunk = replace(SETTINGS.trunks["carrier"], stir=TrunkStir(verify="reject"), country="1")
    site = Site(replace(SETTINGS, stir=stir, trunks={"carrier": trunk}))
    one = site.phone("1001", "192.0.2.11")
    invite(site, b"710", b'"A%bB" <sip:12125551212@x.test>' % odd, extra=b"Identity: a.b.c;info=<x>;x=%b\r\n" % odd)
    site.run(20.0)
    assert not one.lines
    assert not site.switch.calls


def test_a_phone_sends_on_to_odd_bytes() -> None:
    site = Site(SETTINGS)
    one, two = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    two.on_invite = "ring"
    line = one.call("1002")
    send_on(two, "<sip:%FF%00@pbx.test>")
    assert line.status == 480
    site.nothing_left()
