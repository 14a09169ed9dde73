"""3xx from phones and carriers (RFC 3261 §8.1.3.4), Retry-After (§20.33) and Reason (RFC 3326) through the switch."""

from dataclasses import replace

import pytest

from softswitch.sip.events import Ended, Rejected
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, RingGroup, Route, Settings, Sip, Trunk
from tests.switch.site import Line, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones={name: Phone(password="correct horse") for name in ("1001", "1002", "1003")},
    groups={"all": RingGroup(members=("phone:1002", "phone:1003"))},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", domain="carrier.test", strip=1, prefix="00", redirect=True)},
    routes=(
        Route(number="601", source="any", to="group:all"),
        Route(number="700", source="any", to="play:closed"),
        Route(number="0X.", source="phone:1002", to="trunk:carrier"),
        Route(number="8X.", source="phone:1001", to="trunk:carrier"),
    ),
)


def office(settings: Settings = SETTINGS) -> tuple[Site, Party, Party, Party, Party]:
    site = Site(settings)
    phones = [site.phone(f"100{n}", f"192.0.2.1{n}") for n in (1, 2, 3)]
    for phone in phones:
        phone.on_invite = "ring"
    return site, *phones, site.party("+37061234567", "198.51.100.10")


def send_on(party: Party, *contacts: str, status: int = 302) -> None:
    """The party's latest line answers with 3xx."""
    party.reject(party.line, status, tuple(("Contact", contact) for contact in contacts))


def refusal(line: Line):  # type: ignore[no-untyped-def]
    """How a call of ours ended."""
    return next(event for event in line.events if isinstance(event, Rejected)).response


def test_a_phone_sends_the_call_on() -> None:
    """As if it had dialled that itself; the far side is told (RFC 5806)."""
    site, one, two, three, _ = office()
    line = one.call("1002")
    send_on(two, "<sip:1003@pbx.test>")
    three.answer(three.line)
    assert line.state == "up"
    one.hang_up(line)
    site.run(3.0)
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert (record.outcome, record.destination) == ("answered", "phone:1003")
    assert record.collected["diverted_by"] == "1002"
    site.nothing_left()


def test_with_the_phones_own_rights() -> None:
    """1002 may call out, 1001 may not; the carrier is told who sent the call on."""
    site, one, two, _, carrier = office()
    line = one.call("1002")
    send_on(two, "<sip:061234567@pbx.test>")
    assert line.state == "up"
    request = carrier.line.request
    assert request is not None
    assert request.uri.user == "0061234567"
    one.hang_up(line)
    line = two.call("1001")
    send_on(one, "<sip:061234567@pbx.test>")
    assert line.status == 480, "1001 could not have dialled that"
    site.nothing_left()


def test_to_what_does_not_ring() -> None:
    site, one, two, _, _ = office()
    line = one.call("1002")
    send_on(two, "<sip:700@pbx.test>")
    assert line.state == "up"
    assert site.media.played[-1] == ("en/closed",)
    one.hang_up(line)
    site.nothing_left()


def test_several_contacts_in_the_order_of_q() -> None:
    """RFC 3261 §20.10; what cannot be dialled is left out."""
    site, one, two, three, carrier = office()
    carrier.on_invite = 486
    line = one.call("1002")
    contacts = ("<sip:1003@pbx.test>;q=0.2", "<sip:nobody@pbx.test>", "<sip:06777@pbx.test>;q=0.9", "<mailto:a@b.test>")
    send_on(two, *contacts, status=300)
    assert carrier.line.request is not None, "first"
    three.answer(three.line)
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("contacts", [(), ("<sip:nobody@pbx.test>",), ("<https://example.com>",), ("<sip:pbx.test>",)])
def test_nowhere_to_go(contacts: tuple[str, ...]) -> None:
    site, one, two, _, _ = office()
    line = one.call("1002")
    send_on(two, *contacts)
    assert line.status == 480
    site.nothing_left()


@pytest.mark.parametrize("q", ["x", "", "-1", "nan", "1e9"])
def test_a_garbled_q(q: str) -> None:
    """It says nothing of the order; the address is good."""
    site, one, two, three, _ = office()
    line = one.call("1002")
    send_on(two, f"<sip:1003@pbx.test>;q={q}")
    three.answer(three.line)
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()


def test_in_a_circle() -> None:
    """482, and nobody rings for ever: to itself, and round two phones."""
    site, one, two, three, _ = office()
    line = one.call("1002")
    send_on(two, "<sip:1002@pbx.test>")
    assert line.status == 482
    line = one.call("1002")
    send_on(two, "<sip:1003@pbx.test>")
    send_on(three, "<sip:1002@pbx.test>")
    send_on(two, "<sip:1003@pbx.test>")
    assert line.status == 482
    site.nothing_left()


def test_switched_off_and_in_groups() -> None:
    """A member of a group does not take the group's call away."""
    phones = {**SETTINGS.phones, "1002": Phone(password="correct horse", redirect=False)}
    site, one, two, three, _ = office(replace(SETTINGS, phones=phones))
    line = one.call("1002")
    send_on(two, "<sip:1003@pbx.test>")
    assert (line.status, len(three.lines)) == (480, 0)
    line = one.call("601")
    send_on(three, "<sip:1001@pbx.test>")
    assert line.state == "calling"
    two.answer(two.line)
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("follow", [True, False])
def test_a_carrier_sends_the_call_on(follow: bool) -> None:
    """Off unless `redirect = true`, and to its own address only; the number goes as it was given."""
    trunk = replace(SETTINGS.trunks["carrier"], redirect=follow)
    site, one, _, _, carrier = office(replace(SETTINGS, trunks={"carrier": trunk}))
    carrier.on_invite = "ring"
    line = one.call("8555")
    send_on(carrier, "<sip:4444@carrier.test>;q=0.1", "<sip:666@198.51.100.66>")
    if not follow:
        assert line.status == 480
    else:
        request = carrier.line.request
        assert request is not None
        assert (request.uri.user, request.uri.host) == ("4444", "198.51.100.10")
        for _ in range(site.switch.office.settings.sip.max_diversions):
            send_on(carrier, "<sip:4444@carrier.test>")
        assert line.status == 482, "it goes round"
    site.nothing_left()


def test_retry_after_is_passed_on() -> None:
    site, one, _, _, carrier = office()
    carrier.on_invite = "ring"
    for value, told in (("120", "120"), ("18 (at lunch);duration=3600", "18"), ("soon", None), ("-1", None)):
        line = one.call("8555")
        carrier.reject(carrier.line, 480, (("Retry-After", value),))
        assert refusal(line).headers.get("Retry-After") == told
    site.nothing_left()


def test_causes_pass_through_and_are_kept() -> None:
    """RFC 3326, RFC 6432: of a refusal, and of the end of a talk."""
    site, one, two, _, carrier = office()
    carrier.on_invite = "ring"
    line = one.call("8555")
    reason = 'Q.850;cause=1;text="Unallocated number"'
    carrier.reject(carrier.line, 404, (("Reason", reason),))
    assert refusal(line).headers.get("Reason") == reason
    line = two.call("0555")
    carrier.answer(carrier.line)
    bye = (("Reason", "Q.850;cause=38"),)
    carrier.perform(carrier.ua.hang_up(carrier.line.session, site.now, bye))
    site.settle()
    ended = next(event for event in line.events if isinstance(event, Ended))
    assert ended.request is not None
    assert ended.request.headers.get("Reason") == "Q.850;cause=38"
    site.run(3.0)
    records = [record for record in site.records(CallRecord) if isinstance(record, CallRecord)]
    said = [leg.reason for record in records for leg in record.legs if leg.party == "trunk:carrier"]
    assert said == [reason, "Q.850;cause=38"]
    site.nothing_left()
