"""Who is shown to whom: trust, privacy, preferred and asserted identities, diversions, connected identity."""

from dataclasses import replace
from typing import Any

import pytest

from softswitch.sip.events import Progressed
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Request, parse
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
HIDE = (("Privacy", "id"),)


def settings(phone: dict[str, Any] | None = None, other: dict[str, Any] | None = None, **trunk: Any) -> Settings:
    """Two phones, one carrier that numbers like 06… go to and that reaches 1001 and back out by 052000009."""
    return Settings(
        sip=Sip(domain="pbx.test"),
        phones={
            "1001": Phone(password=PASSWORD, name="Alice Ž", **(phone or {})),
            "1002": Phone(password=PASSWORD, name="Bob", **(other or {})),
        },
        trunks={"carrier": Trunk(address="sip:198.51.100.10", caller_id="+37052000000", country="370", **trunk)},
        routes=(
            Route(source="trunk:carrier", number="+37052000001", to="phone:1001"),
            Route(source="trunk:carrier", number="+37052000009", to="trunk:carrier/+37061111111"),
            Route(source="phone:*", number="06X.", to="trunk:carrier"),
        ),
    )


class Place:
    """The site with everybody at home."""

    def __init__(self, settings: Settings) -> None:
        self.site = Site(settings)
        self.alice = self.site.phone("1001", "192.0.2.10")
        self.bob = self.site.phone("1002", "192.0.2.11")
        self.carrier = self.site.party("+37069999999", "198.51.100.10")

    def over(self) -> list[CallRecord]:
        for party in (self.alice, self.bob, self.carrier):
            for line in list(party.lines.values()):
                if line.state != "over":
                    party.hang_up(line)
        self.site.run(70.0)
        self.site.nothing_left()
        return [record for record in self.site.saved if isinstance(record, CallRecord)]


def invited(party: Party) -> Request:
    request = next(line.request for line in party.lines.values() if line.request is not None)
    assert request is not None
    return request


@pytest.mark.parametrize(("code", "phone", "headers", "hidden"), [
    ("", {}, (), False), ("#31#", {}, (), True), ("", {"hide_caller_id": True}, (), True),
    ("*31#", {"hide_caller_id": True}, (), False), ("", {"hide_caller_id": True}, (("Privacy", "none"),), False),
    ("", {}, HIDE, True), ("*31#", {}, HIDE, False),
])  # fmt: skip
def test_a_phone_hides_its_number(code: str, phone: dict[str, Any], headers: Any, hidden: bool) -> None:
    """By code for one call (3GPP TS 22.030 §6.5.2), by setting, by Privacy; the carrier knows, and is told not to
    tell."""
    place = Place(settings(phone))
    place.alice.call(code + "061234567", headers=headers)
    request = invited(place.carrier)
    assert ("anonymous.invalid" in str(request.from_)) is hidden
    assert (request.headers.get("Privacy") == "id") is hidden
    assert ("Alice" in str(request.to_bytes())) is not hidden
    assert "+37052000000" in (request.headers.get("P-Asserted-Identity") or "")
    assert request.uri.user == "061234567"
    assert place.over()[0].called == "061234567"


def test_names_keep_their_letters() -> None:
    """RFC 3261 §25.1: quoted-string is UTF-8."""
    place = Place(settings())
    place.alice.call("061234567")
    assert invited(place.carrier).from_.display == "Alice Ž"
    place.over()


@pytest.mark.parametrize(("trusted", "told"), [(None, False), (True, True), (False, False)])
def test_a_strangers_hidden_number_goes_to_the_trust_domain_only(trusted: bool | None, told: bool) -> None:
    """RFC 3325 §7: a PBX asserts a caller of its own who hides; only a trunk that is trusted outright learns who."""
    changed = settings({"trusted": True}, trusted=trusted, pass_caller_id=True)
    place = Place(replace(changed, trunks={"carrier": replace(changed.trunks["carrier"], caller_id=None)}))
    place.alice.call("061234567", headers=(*HIDE, ("P-Asserted-Identity", "<sip:+37065555555@pbx.test>")))
    request = invited(place.carrier)
    assert "anonymous.invalid" in str(request.from_)
    assert request.headers.get("Privacy") == "id"
    assert ("37065555555" in str(request.to_bytes())) is told
    place.over()


@pytest.mark.parametrize("trusted", [None, True, False])
def test_what_an_untrusted_trunk_asserts_is_not_looked_at(trusted: bool | None) -> None:
    place = Place(settings(trusted=trusted))
    diverted = ("Diversion", "<sip:+37052000005@c.test>;reason=user-busy")
    place.carrier.call("052000001", headers=(("P-Asserted-Identity", "<sip:+37065555555@c.test>"), diverted))
    assert invited(place.alice).from_.uri.user == ("+37069999999" if trusted is False else "+37065555555")
    assert "P-Asserted-Identity" not in invited(place.alice).headers
    (record,) = place.over()
    assert record.collected.get("diverted_from") == (None if trusted is False else "+37052000005")


def test_an_identity_that_cannot_be_read_is_none() -> None:
    """The call goes on with what From says, and is not vouched for."""
    place = Place(settings())
    place.carrier.call("052000001", headers=(("P-Asserted-Identity", "<sip:"),))
    assert invited(place.alice).from_.uri.user == "+37069999999"
    (call,) = place.site.switch.calls.values()
    assert not call.vouched
    assert any(log.event == "identity cannot be read" for log in place.site.logs)
    place.over()


def test_a_number_that_goes_on_for_ever_is_cut_and_not_vouched_for() -> None:
    """Else it would stand in records, in the ledger, and in an INVITE that no datagram holds."""
    place = Place(settings())
    long, name = "5" * 20_000, "x" * 20_000
    identity = ("P-Asserted-Identity", f'"{name}" <sip:+37{long}@c.test>')
    diverted = ("Diversion", f"<sip:+37{long}@c.test>;reason=user-busy")
    place.carrier.call("052000001", headers=(identity, diverted))
    from_ = invited(place.alice).from_
    assert (len(from_.uri.username), len(from_.display)) == (128, 256)
    (call,) = place.site.switch.calls.values()
    assert not call.vouched
    (record,) = place.over()
    assert (len(record.caller), len(record.collected["diverted_from"])) == (128, 128)


def test_a_critical_privacy_that_we_do_not_know_is_500() -> None:
    """RFC 3323 §5."""
    place = Place(settings())
    assert place.alice.call("061234567", headers=(("Privacy", "teleport;critical"),)).status == 500
    assert place.alice.call("061234567", headers=(("Privacy", "id;;"),)).status == 400
    assert not place.carrier.lines
    assert not place.over()


def test_a_phone_that_is_trusted_asserts_and_others_prefer_among_their_own() -> None:
    """RFC 3325 §9.1 and §9.2."""
    place = Place(settings({"trusted": True}, {"numbers": ("+37052000007",)}))
    asserts = (("P-Asserted-Identity", '"Desk 7" <sip:7007@pbx.test>'),)
    place.alice.call("1002", headers=asserts)
    assert str(invited(place.bob).from_).startswith('"Desk 7" <sip:7007@pbx.test>')
    place.bob.call("1001", headers=asserts)
    request = invited(place.alice)
    assert request.from_.uri.user == "1002"
    assert "sip:1002@pbx.test" in (request.headers.get("P-Asserted-Identity") or "")  # it is trusted to be told
    for number, shown in (("+37052000007", "+37052000007"), ("+37000000000", "+37052000000")):
        place.bob.call("061234567", headers=(("P-Preferred-Identity", f"<sip:{number}@pbx.test>"),))
        request = next(line.request for line in reversed(place.carrier.lines.values()) if line.request is not None)
        assert request.from_.uri.user == shown
    place.over()


def test_who_hides_is_refused_where_nobody_wants_that() -> None:
    """RFC 5079: 433, by phone and by route."""
    place = Place(settings(other={"reject_anonymous": True}))
    assert place.alice.call("#31#1002").status == 433
    assert place.alice.call("1002").status == 200
    changed = settings()
    routes = tuple(replace(route, reject_anonymous=True) for route in changed.routes)
    place.over()
    place = Place(replace(changed, routes=routes))
    assert place.carrier.call("052000001", headers=HIDE).status == 433
    assert place.carrier.call("052000001").status == 200
    place.over()


def test_older_carriers_get_remote_party_id() -> None:
    """draft-ietf-sip-privacy-04, both ways."""
    place = Place(settings(identity="remote-party-id"))
    place.alice.call("#31#061234567")
    request = invited(place.carrier)
    assert "P-Asserted-Identity" not in request.headers
    assert "sip:+37052000000@" in (request.headers.get("Remote-Party-ID") or "")
    assert "privacy=full" in (request.headers.get("Remote-Party-ID") or "")
    place.carrier.call("052000001", headers=(("Remote-Party-ID", '"Ona" <sip:061@c.test>;party=calling'),))
    assert invited(place.alice).from_.display == "Ona"
    place.over()


def connected_to(line: Line) -> list[str]:
    responses = [event.response for event in line.events if isinstance(event, Progressed)]
    return [found for response in responses if (found := response.headers.get("P-Asserted-Identity"))]


def test_a_phone_is_told_whom_it_reached() -> None:
    """RFC 3325 §9.1 in 180 and 200; carriers are told nothing."""
    place = Place(settings())
    line = place.alice.call("1002")
    accepted = next(event.response for event in line.events if type(event).__name__ == "Accepted")
    assert accepted.headers.get("P-Asserted-Identity") == '"Bob" <sip:1002@pbx.test>'
    assert connected_to(line) == ['"Bob" <sip:1002@pbx.test>']
    line = place.carrier.call("052000001")
    accepted = next(event.response for event in line.events if type(event).__name__ == "Accepted")
    assert "P-Asserted-Identity" not in accepted.headers
    place.over()


def updates(site: Site) -> list[tuple[str, str]]:
    """What the switch says from now on by UPDATE: to whom, who."""
    said: list[tuple[str, str]] = []

    def look(data: bytes) -> bool:
        if data.startswith(b"UPDATE"):
            request = parse(data)
            assert isinstance(request, Request)
            said.append((request.to.uri.user or "", request.headers.get("P-Asserted-Identity") or ""))
        return False

    site.lost = look
    return said


@pytest.mark.parametrize("wanted", [True, False])
def test_a_phone_that_is_passed_on_is_told_to_whom(wanted: bool) -> None:
    """RFC 4916: UPDATE where the phone takes it, with the session's timer as it is (RFC 4028 §7.4)."""
    changed = settings({"connected_id": wanted})
    phones = {**changed.phones, "1003": Phone(password=PASSWORD, name="Carol")}
    place = Place(replace(changed, phones=phones))
    carol = place.site.phone("1003", "192.0.2.12")
    said = updates(place.site)
    place.alice.call("1002")
    assert not said
    place.site.run(5.0)
    bob = place.bob.line
    place.bob.perform(
        place.bob.ua.send_in_dialog(
            bob.session, "REFER", place.site.now, headers=(("Refer-To", "<sip:1003@pbx.test>"),)
        )
    )
    place.site.settle()
    place.site.run(2.0)
    assert carol.line.state == "up"
    assert said == ([("1001", '"Carol" <sip:1003@pbx.test>')] if wanted else [])
    carol.hang_up(carol.line)
    place.over()


# ----------------------------------------------------------------------------------------------------------- diversions


def test_a_forwarded_call_says_by_whom_and_why() -> None:
    """RFC 5806: busy at 1001, so it goes out again; the carrier is told the number that the world dials."""
    place = Place(settings({"busy": "trunk:carrier/+37061111111"}, diversion="both"))
    place.alice.on_invite = 486
    place.carrier.call("052000001", headers=(("Diversion", "<sip:+37052000005@c.test>;reason=no-answer"),))
    request = invited(place.carrier)
    first, second = request.headers.all("Diversion")
    assert "sip:052000001@" in first
    assert "reason=user-busy" in first
    assert "sip:+37052000005@" in second
    assert "cause=486" in (request.headers.get("History-Info") or "") + "".join(request.headers.all("History-Info"))
    (record,) = place.over()
    assert (record.collected["diverted_from"], record.collected["diverted_by"]) == ("+37052000005", "1001")
    assert record.collected["diversion_reason"] == "user-busy"


def test_a_call_that_only_passes_was_passed_on_by_its_number() -> None:
    place = Place(settings(diversion="diversion"))
    place.carrier.call("052000009")
    assert "reason=unconditional" in (invited(place.carrier).headers.get("Diversion") or "")
    place.over()
    quiet = Place(settings())
    quiet.carrier.call("052000009")
    assert "Diversion" not in invited(quiet.carrier).headers
    quiet.over()


def test_calls_that_go_round_end() -> None:
    """RFC 5806 §4: the counters of all diversions; 482."""
    place = Place(settings({"busy": "trunk:carrier/+37061111111"}))
    place.alice.on_invite = 486
    line = place.carrier.call("052000001", headers=(("Diversion", "<sip:+370520@c.test>;counter=10"),))
    assert line.status == 482
    place.over()


def test_a_route_by_who_was_dialled_first() -> None:
    changed = settings()
    first = Route(source="trunk:carrier", number="+37052000001", to="phone:1002", diverted_from="+3705200000X")
    place = Place(replace(changed, routes=(first, *changed.routes)))
    place.carrier.call("052000001", headers=(("Diversion", "<tel:852000005>, <sip:052000005@c.test>;reason=away"),))
    assert invited(place.bob).headers.get("Diversion") is not None
    place.carrier.call("052000001")
    assert invited(place.alice).headers.get("Diversion") is None
    place.over()


def test_user_to_user_passes_where_it_may() -> None:
    """RFC 7433."""
    uui = (("User-to-User", "56a390f3d2b7310023;encoding=hex"),)
    for allowed in (True, False):
        place = Place(settings(user_to_user=allowed))
        place.carrier.call("052000001", headers=uui)
        assert ("User-to-User" in invited(place.alice).headers) is allowed
        (record,) = place.over()
        assert ("user_to_user" in record.collected) is allowed
    place = Place(settings(user_to_user=True))
    place.carrier.call("052000001", headers=(("User-to-User", "00" * 300),))
    assert "User-to-User" not in invited(place.alice).headers
    place.over()


@pytest.mark.parametrize("trusted", [True, None])
def test_a_private_history_is_for_the_trusted(trusted: bool | None) -> None:
    """RFC 7044 §10.1: `Privacy: history` is of all entries; RFC 7544 §3: as `privacy=full`."""
    place = Place(settings(trusted=trusted, diversion="both"))
    history = "<sip:+37052000005@c.test>;index=1, <sip:052000009@c.test;cause=302>;index=1.1;mp=1"
    place.carrier.call("052000009", headers=(("Privacy", "history"), ("History-Info", history)))
    request = invited(place.carrier)
    told = "".join((*request.headers.all("Diversion"), *request.headers.all("History-Info")))
    assert ("37052000005" in told) is (trusted is True)
    assert "privacy=full" in told
    assert "Privacy=history" in told
    place.over()
