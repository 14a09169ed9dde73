"""PRACK, UPDATE and session timers on both sides of a B2BUA call, each side by itself (RFC 3262, 3311, 4028)."""

from dataclasses import replace
from random import Random

import pytest

from softswitch.sip.flow import Flow
from softswitch.sip.offer_answer import answer, make_offer
from softswitch.sip.session_terms import OPTIONS, Terms
from softswitch.sip.user_agent import UserAgent
from softswitch.switch.events import Arrived
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Media, Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Request, Response, parse
from tests.switch.site import At, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password="correct horse") for name in ("1001", "1002")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    routes=(
        Route(source="phone:*", number="9.", to="trunk:carrier", strip=1),
        Route(source="trunk:*", number="100", to="phone:1001"),
    ),
)
ABLE = Terms("supported", 300)


class Wire:
    """A site whose messages are noted as (from, to, message)."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.site = Site(settings)
        self.seen: list[Request | Response] = []
        self.gone: Party | None = None
        self.site.lost = self._note
        self.one, self.two = (self.site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2))
        self.carrier = self.site.party("+37061234567", "198.51.100.10")
        self.parties = {party.remote[0]: party for party in (self.one, self.two, self.carrier)}

    def _note(self, data: bytes) -> bool:
        message = parse(data)
        self.seen.append(message)
        return self.gone is not None and self.gone.name.encode() in data

    def requests(self, method: str) -> list[Request]:
        return [one for one in self.seen if isinstance(one, Request) and one.method == method]

    def responses(self, status: int, method: str = "INVITE") -> list[Response]:
        return [
            one for one in self.seen if isinstance(one, Response) and (one.status, one.cseq.method) == (status, method)
        ]


@pytest.mark.parametrize("caller", [True, False])
@pytest.mark.parametrize("callee", [True, False])
def test_early_media_is_reliable_on_the_sides_that_can(caller: bool, callee: bool) -> None:
    """RFC 3262: each side by itself."""
    wire = Wire()
    one, carrier = wire.one, wire.carrier
    one.terms, carrier.terms = (ABLE if able else Terms() for able in (caller, callee))
    carrier.on_invite = "ring"
    line = one.call("9061234567")
    carrier.early(carrier.line)
    assert line.status == 183
    assert len(wire.requests("PRACK")) == caller + callee
    carrier.answer(carrier.line)
    assert line.state == "up"
    assert line.sdp or caller
    one.hang_up(line)
    wire.site.nothing_left()


def test_a_caller_without_offer_who_requires_reliability_gets_ours_at_once() -> None:
    """RFC 3261 §13.2.1: in the first response that arrives for certain; its PRACK answers."""
    wire = Wire()
    one, two = wire.one, wire.two
    two.on_invite = "ring"
    line = one.call("1002", sdp=False, headers=(("Require", "100rel"),))
    (ringing, *_) = (one for one in wire.responses(180) if "RSeq" in one.headers)
    assert ringing.body
    assert line.status == 180
    one.hang_up(line)
    wire.site.nothing_left()


def test_nobody_acknowledges_our_early_media() -> None:
    """RFC 3262 §3: 64*T1, then 504, and the callee is rung no more."""
    wire = Wire()
    one, carrier = wire.one, wire.carrier
    carrier.on_invite = "ring"
    line = one.call("9061234567", headers=(("Supported", "100rel"),))  # says so, and does not do it
    carrier.early(carrier.line)
    wire.site.run(33.0)
    assert (line.state, line.status) == ("over", 504)
    assert carrier.line.state == "over"
    (record,) = wire.site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.outcome == "abandoned"
    wire.site.nothing_left()


@pytest.mark.parametrize("update", [True, False])
def test_session_timers_go_on_through_holds(update: bool) -> None:
    """RFC 4028: an hour, both ends with timers, by UPDATE or re-INVITE; media is not touched by it."""
    wire = Wire(replace(SETTINGS, sip=Sip(domain="pbx.test", session_expires=300)))
    one, two, site = wire.one, wire.two, wire.site
    one.terms = two.terms = ABLE
    if not update:
        without_update(two)
    line = one.call("1002")
    before = dict(site.media.legs)
    site.run(1000)
    assert site.media.legs == before
    one.hold(line)
    site.run(1000)
    two.hold(two.line)
    site.run(600)
    one.resume(line)
    two.resume(two.line)
    site.run(1000)
    assert line.state == two.line.state == "up"
    assert len(site.switch.calls) == 1
    assert site.media.legs == before
    refreshes = wire.requests("UPDATE" if update else "INVITE")
    assert len(refreshes) > 25
    one.hang_up(line)
    site.nothing_left()


def without_update(party: Party) -> None:
    """A phone that knows timers, and no UPDATE."""
    party.ua = UserAgent(At(*party.remote), Random(party.name), None, ("INVITE", "ACK", "CANCEL", "BYE"), OPTIONS)
    party.register()


def test_a_phone_that_is_gone_ends_the_call() -> None:
    """RFC 4028 §10: nobody waits for media silence; the other side is told."""
    settings = replace(SETTINGS, media=replace(SETTINGS.media, silence=0.0))
    wire = Wire(settings)
    one, carrier, site = wire.one, wire.carrier, wire.site
    one.terms = ABLE
    carrier.call("100")
    assert one.line.state == "up"
    wire.gone = one
    site.run(2000)
    assert not site.switch.calls
    assert carrier.line.state == "over"
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.outcome == "answered"
    site.nothing_left()


def test_too_short_an_interval_is_422_and_the_retry_is_taken() -> None:
    """RFC 4028 §9, §7.3."""
    wire = Wire(replace(SETTINGS, sip=Sip(domain="pbx.test", min_session_expires=120)))
    wire.one.terms = Terms("off", 100, 90)
    line = wire.one.call("1002")
    assert [one.headers.get("Min-SE") for one in wire.responses(422)] == ["120"]
    assert line.state == "up"
    assert wire.responses(200)[-1].headers.get("Session-Expires") == "120;refresher=uac"
    wire.one.hang_up(line)
    wire.site.nothing_left()


def test_the_carriers_longer_interval_is_taken_up() -> None:
    """RFC 4028 §7.3: 422 to our INVITE."""
    wire = Wire()
    wire.carrier.on_invite = "silent"
    line = wire.one.call("9061234567")
    carrier, first = wire.carrier, wire.carrier.line
    carrier.perform(carrier.ua.reject(first.session, 422, wire.site.now, headers=(("Min-SE", "3600"),)))
    carrier.on_invite = "answer"
    wire.site.settle()
    assert line.state == "up"
    assert carrier.line.request is not None
    assert carrier.line.request.headers.get("Session-Expires") == "3600"
    wire.one.hang_up(line)
    wire.site.nothing_left()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("Session-Expires", "soon"),), 400),
        ((("Session-Expires", "300;refresher=nobody"),), 400),
        ((("Supported", "timer"), ("Session-Expires", "300"), ("Min-SE", "x")), 400),
        ((("Supported", "timer"), ("Session-Expires", "10")), 422),
        ((("Require", "100rel, magic"),), 420),
    ],
)
def test_what_cannot_be_taken(headers: tuple[tuple[str, str], ...], status: int) -> None:
    wire = Wire()
    line = wire.one.call("1002", headers=headers)
    assert len(wire.responses(status)) == 1
    wire.one.hang_up(line)
    wire.site.nothing_left()


def test_switched_off_for_one_phone() -> None:
    phones = {**SETTINGS.phones, "1001": Phone(password="correct horse", reliable="off", session_expires=0)}
    wire = Wire(replace(SETTINGS, phones=phones))
    assert wire.one.call("1002", headers=(("Require", "100rel"),)).status == 420
    wire.two.call("1001")
    assert wire.one.line.request is not None
    headers = wire.one.line.request.headers
    assert "Session-Expires" not in headers
    assert not {"100rel", "timer"} & set(headers.all("Supported"))
    wire.two.hang_up(wire.two.line)
    wire.site.nothing_left()


def test_the_winning_forks_media() -> None:
    """RFC 3261 §13.2.2.4: two early dialogs, each with its own description; the 2xx of the first one has none."""
    wire = Wire()
    one, carrier, site = wire.one, wire.carrier, wire.site
    carrier.on_invite = "silent"
    line = one.call("9061234567")
    request = carrier.line.request
    assert request is not None

    def says(status: int, tag: str, port: int = 0, **headers: str) -> None:
        response = Response.to_request(request, status, None, tag)
        response.headers.add("Contact", f"<sip:{tag}@198.51.100.10>")
        for name, value in headers.items():
            response.headers.add(name, value)
        if port:
            response.headers.add("Content-Type", "application/sdp")
            response.body = answer(request.body, carrier.caps(), 1, 1)[0].replace(b"audio 4000", b"audio %d" % port)
        site.give(Arrived(parse(response.to_bytes()), Flow("udp", carrier.remote)))

    def heard() -> int:
        (leg,) = (leg for leg in site.switch.office.fabric.legs.values() if leg.peer == "trunk:carrier")
        remote = site.media.legs[leg.id].remote
        assert remote is not None
        return remote[1]

    says(183, "left", 4100, Require="100rel", RSeq="1")
    says(183, "right", 4200)
    assert heard() == 4200
    says(199, "right")
    says(200, "left")
    assert line.state == "up"
    assert heard() == 4100
    says(200, "right", 4200)
    assert [bye.to.tag for bye in wire.requests("BYE")] == ["right"], "a fork that is one too many"
    assert heard() == 4100
    one.hang_up(line)
    site.nothing_left()


def test_early_media_in_another_codec_after_fail_over() -> None:
    """RFC 3311: the caller heard the first carrier in a codec that we only pass on; the next one does not have it."""
    media = Media(codecs=("PCMA", "G729"))
    trunks = {
        "carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0, backup="second"),
        "second": Trunk(address="sip:198.51.100.20", options_seconds=0.0),
    }
    wire = Wire(replace(SETTINGS, media=media, trunks=trunks))
    one, carrier, site = wire.one, wire.carrier, wire.site
    second = site.party("+37061234568", "198.51.100.20")
    one.terms = ABLE
    carrier.on_invite = second.on_invite = "ring"
    offer = make_offer(one.caps("G729", "PCMA"), 1, 1)
    line = one.call("9061234567", sdp=offer)
    carrier.codecs = ("G729",)
    carrier.early(carrier.line)
    carrier.reject(carrier.line, 503)
    second.codecs = ("PCMA",)
    second.early(second.line)
    (update,) = wire.requests("UPDATE")
    assert b"PCMA" in update.body
    second.answer(second.line)
    assert line.state == "up"
    assert {leg.codec for leg in site.switch.office.fabric.legs.values() if not leg.over} == {"PCMA"}
    one.hang_up(line)
    site.nothing_left()


def test_timers_go_on_through_a_transfer() -> None:
    """The leg that is passed on keeps its timer in the other call, and so does the one that is rung."""
    settings = replace(SETTINGS, sip=Sip(domain="pbx.test", session_expires=300))
    wire = Wire(replace(settings, phones={**SETTINGS.phones, "1003": Phone(password="correct horse")}))
    one, two, site = wire.one, wire.two, wire.site
    three = site.phone("1003", "192.0.2.13")
    one.terms = two.terms = three.terms = ABLE
    line = one.call("1002")
    site.run(400)
    fields = (("Refer-To", "<sip:1003@pbx.test>"),)
    two.perform(two.ua.send_in_dialog(two.line.session, "REFER", site.now, headers=fields))
    site.settle()
    assert two.line.state == "over"
    site.run(3000)
    assert line.state == three.line.state == "up"
    wire.gone = three
    site.run(400)
    assert line.state == "over"
    site.nothing_left()


def test_a_new_description_in_the_early_dialog() -> None:
    """RFC 3311 §5.2: the caller changes its port while it hears early media."""
    wire = Wire()
    one, carrier, site = wire.one, wire.carrier, wire.site
    one.terms = ABLE
    carrier.on_invite = "ring"
    line = one.call("9061234567")
    carrier.early(carrier.line)
    (leg,) = (leg for leg in site.switch.office.fabric.legs.values() if leg.peer == "phone:1001")
    update = make_offer(one.caps(), 1, 2).replace(b"m=audio 4000", b"m=audio 4444")
    (prack,) = (request for request in wire.requests("PRACK") if request.from_.uri.user == "1001")
    headers = prack.headers.copy()
    for name, value in (
        ("CSeq", f"{prack.cseq.number + 1} UPDATE"),
        ("Via", "SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bKanew"),
        ("Contact", "<sip:1001@192.0.2.11>"),
        ("Content-Type", "application/sdp"),
    ):
        headers.set(name, value)
    headers.remove("RAck")
    site.give(Arrived(Request("UPDATE", prack.uri, headers, update), Flow("udp", one.remote)))
    assert wire.responses(200, "UPDATE")[0].body
    assert line.state == "calling"
    assert site.media.legs[leg.id].remote == ("192.0.2.11", 4444)
    carrier.answer(carrier.line)
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()
