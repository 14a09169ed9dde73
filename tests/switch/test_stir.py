"""Callers' numbers signed and verified by the switch (RFC 8224, RFC 8588), in virtual time: the key is real, the
shell's part is played by the test."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.stir_keys import es256
from softswitch.sip.passport import Claim, Verdict, claim
from softswitch.switch.events import CallerVerified, HookAnswered
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Hook, Phone, Route, Settings, Sip, Stir, Trunk, TrunkStir
from softswitch.wire.sip import Request
from tests.stir_pki import X5U, issue, signed
from tests.switch.site import Line, Site

KEY = issue("signer")
CALLER, CALLED = "37069999999", "37052000001"
BOTH = TrunkStir(sign=True, verify="mark")


def settings(trunk: TrunkStir = BOTH, stir: dict[str, Any] | None = None, **more: Any) -> Settings:
    return Settings(
        sip=Sip(domain="pbx.test"),
        stir=Stir(x5u=X5U, key="here", anchors="there", **(stir or {})),
        hooks={"crm": Hook(url="http://127.0.0.1:1/")},
        phones={
            "1001": Phone(password="correct horse", verstat=True),
            "1002": Phone(password="correct horse", caller_id="+37052000002"),
        },
        trunks={"carrier": Trunk(address="sip:198.51.100.10", country="370", stir=trunk, **more)},
        routes=(
            Route(source="trunk:carrier", number="+37052000001", to="phone:1001"),
            Route(source="trunk:carrier", number="+37052000009", to="trunk:carrier/+37061111111"),
            Route(source="phone:*", number="06X.", to="trunk:carrier"),
        ),
    )


class Place:
    """The site, a carrier that calls and is called, and the key."""

    def __init__(self, settings: Settings) -> None:
        self.site = Site(settings)
        self.phones = [self.site.phone(name, f"192.0.2.{10 + index}") for index, name in enumerate(settings.phones)]
        self.carrier = self.site.party("+" + CALLER, "198.51.100.10")
        self.site.switch.office.sign = lambda stir, octets: es256(KEY.key, octets)

    def comes(self, *identities: str, to: str = "052000001") -> Line:
        return self.carrier.call(to, headers=tuple(("Identity", text) for text in identities))

    def good(self, dest: str = CALLED, **changes: Any) -> str:
        return signed(KEY, CALLER, dest, self.site.now, **changes)

    def verdict(self, status: int = 0, why: str = "") -> None:
        (question,) = self.site.to_verify[-1:]
        self.site.give(CallerVerified(question.number, Verdict(status, why)))

    def went_out(self) -> Request:
        request = next(line.request for line in reversed(self.carrier.lines.values()) if line.request is not None)
        assert request is not None
        return request

    def over(self) -> list[CallRecord]:
        for party in (*self.phones, self.carrier):
            for line in list(party.lines.values()):
                if line.state != "over":
                    party.hang_up(line)
        self.site.run(70.0)
        self.site.nothing_left()
        assert not self.site.switch.office.hooks.pending
        return [record for record in self.site.saved if isinstance(record, CallRecord)]


def proved(request: Request, orig: str, dest: str, now: float) -> Claim:
    found = claim(request.headers.all("Identity"), {orig}, {dest}, now, 60.0)
    assert isinstance(found, Claim), found
    return found


# ------------------------------------------------------------------------------------------------------------------ out


@pytest.mark.parametrize(("phone", "more", "orig", "attest"), [
    (1, {}, "37052000002", "A"), (0, {"caller_id": "+37052000000"}, "37052000000", "A"),
    (0, {"numbers": ("+3705200000X",), "caller_id": "+37052000000"}, "37052000000", "A"),
])  # fmt: skip
def test_a_call_of_ours_is_signed(phone: int, more: dict[str, Any], orig: str, attest: str) -> None:
    """RFC 8588 §4: A, the number is the phone's or the trunk's own. Date goes with it (RFC 8224 §6.1)."""
    place = Place(settings(**more))
    place.phones[phone].call("061234567")
    request = place.went_out()
    assert proved(request, orig, "37061234567", place.site.now).attestation == attest
    assert request.headers.get("Date") == "Fri, 15 Jan 2027 08:00:00 GMT"
    place.over()


def test_what_we_cannot_vouch_for_is_b_or_c() -> None:
    changed = settings(pass_caller_id=True)
    place = Place(replace(changed, routes=(Route(source="phone:*", to="trunk:carrier", caller_id="+37060000000"),
                                           *changed.routes[:2])))  # fmt: skip
    place.phones[0].call("061234567")
    assert proved(place.went_out(), "37060000000", "37061234567", place.site.now).attestation == "B"
    place.comes(to="052000009")
    assert proved(place.went_out(), CALLER, "37061111111", place.site.now).attestation == "C"
    place.over()


def test_a_hidden_number_is_signed_where_it_is_told() -> None:
    """The carrier knows it from P-Asserted-Identity; From names nobody."""
    place = Place(settings())
    place.phones[1].call("#31#061234567")
    request = place.went_out()
    assert "anonymous.invalid" in str(request.from_)
    proved(request, "37052000002", "37061234567", place.site.now)
    place.over()


def test_a_call_without_a_key_or_a_number_goes_out_unsigned() -> None:
    place = Place(settings())

    def broken(stir: Stir, octets: bytes) -> bytes:
        raise LocalError("the key is gone")

    place.site.switch.office.sign = broken
    place.phones[1].call("061234567")
    assert "Identity" not in place.went_out().headers
    assert any("unsigned" in log.event and log.level == "error" for log in place.site.logs)
    place.phones[0].call("061234567")  # its number is no telephone number: 1001
    assert "Identity" not in place.went_out().headers
    place.over()
    quiet = Place(settings(TrunkStir()))
    quiet.phones[1].call("061234567")
    assert "Identity" not in quiet.went_out().headers
    assert "Date" not in quiet.went_out().headers
    quiet.over()


def test_a_signed_call_that_passes_keeps_its_signature_and_ours_says_where_it_went() -> None:
    """RFC 8946."""
    place = Place(settings(pass_caller_id=True))
    came = place.good("37052000009")
    place.comes(came, to="052000009")
    place.verdict()
    request = place.went_out()
    assert request.headers.all("Identity")[0] == came
    found = proved(request, CALLER, "37061111111", place.site.now)
    assert [proof.number for proof in found.proofs] == [CALLER, CALLER]
    place.over()


def test_a_signing_service_signs() -> None:
    """ATIS-1000082: asked before the call goes out; the carrier gets what it said."""
    place = Place(settings(stir={"signing_service": "http://127.0.0.1:1", "token": "s3cret"}))
    place.phones[1].call("061234567")
    (question,) = place.site.asked
    assert (question.url, question.token) == ("http://127.0.0.1:1/stir/v1/signing", "s3cret")
    asked = msgspec.json.decode(question.body)["signingRequest"]
    assert (asked["attest"], asked["orig"], asked["dest"]) == ("A", {"tn": "37052000002"}, {"tn": ["37061234567"]})
    assert not place.carrier.lines
    body = msgspec.json.encode({"signingResponse": {"identity": "a.b.c;info=<https://x.test>"}})
    place.site.give(HookAnswered(question.number, 200, body))
    assert place.went_out().headers.get("Identity") == "a.b.c;info=<https://x.test>"
    place.over()


@pytest.mark.parametrize("answer", [
    (500, b""), (200, b"[]"), (200, b"{"), (200, b'{"signingResponse":{"identity":"a\\r\\nX: y"}}'), (0, b""), None,
])  # fmt: skip
def test_a_signing_service_that_fails_costs_the_signature_only(answer: tuple[int, bytes] | None) -> None:
    place = Place(settings(stir={"signing_service": "http://127.0.0.1:1", "timeout": 1.0}))
    place.phones[1].call("061234567")
    (question,) = place.site.asked
    if answer is not None:
        place.site.give(HookAnswered(question.number, *answer, "broken"))
    else:
        place.site.run(1.5)
        place.site.give(HookAnswered(question.number, 200, b"late"))
    assert "Identity" not in place.went_out().headers
    assert len(place.site.asked) == 1
    place.over()


# ------------------------------------------------------------------------------------------------------------------- in


def test_a_number_that_is_proved_is_said_everywhere() -> None:
    """Phones that want it, hooks' variables, the record, the ledger; the call waits for the verdict."""
    place = Place(settings())
    place.comes(place.good(attest="B"))
    assert not place.phones[0].lines
    place.verdict()
    request = place.phones[0].line.request
    assert request is not None
    assert request.from_.uri.params["verstat"] == "TN-Validation-Passed"
    (call,) = place.site.switch.calls.values()
    assert call.vouched
    (record,) = place.over()
    assert (record.collected["verstat"], record.collected["attestation"]) == ("TN-Validation-Passed", "B")
    (fact,) = [row for row in place.site.saved if getattr(row, "kind", "") == "caller.verified"]
    assert fact.data["status"] == 0


@pytest.mark.parametrize(("identity", "status", "verstat"), [
    (None, 428, "No-TN-Validation"), ("nonsense", 438, "TN-Validation-Failed"), ("old", 403, "TN-Validation-Failed"),
    ("wrong key", 438, "TN-Validation-Failed"), ("unreachable", 436, "No-TN-Validation"),
    ("untrusted", 437, "TN-Validation-Failed"), ("silence", 436, "No-TN-Validation"),
])  # fmt: skip
@pytest.mark.parametrize("verify", ["mark", "reject"])
def test_a_number_that_is_not_proved(identity: str | None, status: int, verstat: str, verify: Any) -> None:
    """RFC 8224 §6.2.2 when it is to be refused; RFC 9410 tells the caller's side either way."""
    place = Place(settings(TrunkStir(verify=verify)))
    made: dict[str | None, Callable[[], list[str]]] = {
        None: list,
        "nonsense": lambda: ["nonsense"],
        "old": lambda: [signed(KEY, CALLER, CALLED, place.site.now - 100)],
    }
    line = place.comes(*made.get(identity, lambda: [place.good()])())
    if identity == "silence":
        place.site.run(3.0)
        place.verdict()  # late: nobody waits
    elif place.site.to_verify:
        place.verdict(status, str(identity))
    if verify == "reject":
        assert line.status == status
        response = line.events[-1].response
        assert not place.phones[0].lines
    else:
        assert line.status == 200
        (response,) = [event.response for event in line.events if type(event).__name__ == "Accepted"]
        request = place.phones[0].line.request
        assert request is not None
        assert request.from_.uri.params["verstat"] == verstat
    assert f"STIR;cause={status}" in (response.headers.get("Reason") or "")
    (record,) = place.over()
    assert record.collected["verstat"] == verstat


def test_a_caller_who_gives_up_while_we_verify_leaves_nothing() -> None:
    place = Place(settings())
    line = place.comes(place.good())
    place.carrier.hang_up(line)
    place.verdict()
    (record,) = place.over()
    assert record.outcome == "abandoned"


def test_a_failed_number_is_not_vouched_for() -> None:
    place = Place(settings())
    place.comes(place.good())
    place.verdict(438)
    (call,) = place.site.switch.calls.values()
    assert not call.vouched
    place.over()


@pytest.mark.parametrize(("answer", "verstat"), [
    ({"verstat": "TN-Validation-Passed"}, "TN-Validation-Passed"),
    ({"verstat": "TN-Validation-Failed", "reasoncode": 437}, "TN-Validation-Failed"),
    ({"verstat": "No-TN-Validation"}, "No-TN-Validation"), ({"verstat": 5}, "No-TN-Validation"),
    (7, "No-TN-Validation"),
])  # fmt: skip
def test_a_verification_service_verifies(answer: Any, verstat: str) -> None:
    """ATIS-1000082."""
    place = Place(settings(stir={"verification_service": "http://127.0.0.1:1"}))
    came = place.good()
    place.comes(came)
    assert not place.site.to_verify
    (question,) = place.site.asked
    assert question.url == "http://127.0.0.1:1/stir/v1/verification"
    asked = msgspec.json.decode(question.body)["verificationRequest"]
    assert (asked["from"], asked["to"], asked["identity"]) == ({"tn": CALLER}, {"tn": [CALLED]}, came)
    place.site.give(HookAnswered(question.number, 200, msgspec.json.encode({"verificationResponse": answer})))
    (record,) = place.over()
    assert record.collected["verstat"] == verstat


def test_a_route_with_a_hook_hears_what_was_proved() -> None:
    changed = settings()
    first = replace(changed.routes[0], hook="crm")
    place = Place(replace(changed, routes=(first, *changed.routes[1:])))
    place.comes(place.good())
    place.verdict()
    (question,) = place.site.asked
    assert msgspec.json.decode(question.body)["variables"]["verstat"] == "TN-Validation-Passed"
    place.site.give(HookAnswered(question.number, 200))
    place.over()
