"""How phones and carriers answer an INVITE of ours, collected from what users of other switches complain of: the call
comes about, its ACK and BYE reach the device, and nothing of it is left."""

import re
from collections.abc import Callable

import pytest

from softswitch.wire.sip import Request
from tests.interop.conftest import OddOffice
from tests.interop.raw_peer import Call, RawPeer, token

pytestmark = pytest.mark.interop

Habit = Callable[[RawPeer, Request], None]
"""What the phone does with an INVITE, up to its 200."""


def here(phone: RawPeer, rest: str = "") -> str:
    return f"Contact: <sip:1001@{phone.host}:{phone.port}{rest}>"


def ok(*lines: str, before: tuple[tuple[int, bool, str], ...] = (), tag: str = "callee") -> Habit:
    """`before`: provisional responses with their status, whether they have a description, and a To tag."""

    def habit(phone: RawPeer, invite: Request) -> None:
        for status, sound, early_tag in before:
            phone.reply(invite, status, here(phone), body=phone.sdp if sound else "", tag=early_tag)
        fields = [line.replace("HERE", f"{phone.host}:{phone.port}") for line in lines]
        if not any(line.startswith(("Contact", "m:")) for line in fields) and "no contact" not in fields:
            fields.append(here(phone))
        phone.reply(invite, 200, *(line for line in fields if line != "no contact"), body=phone.sdp, tag=tag)

    return habit


def by_hand(change: Callable[[str], str]) -> Habit:
    """The 200 in the usual form, changed as text."""

    def habit(phone: RawPeer, invite: Request) -> None:
        text = "\n".join([
            "SIP/2.0 200 OK", f"Via: {invite.headers.get('Via')}", f"From: {invite.headers.get('From')}",
            f"To: {invite.headers.get('To')};tag=callee", f"Call-ID: {invite.call_id}",
            f"CSeq: {invite.headers.get('CSeq')}", here(phone), "Content-Type: application/sdp",
            f"Content-Length: {len(phone.sdp)}", "", phone.sdp,
        ])  # fmt: skip
        phone.send(change(text))

    return habit


HABITS: dict[str, Habit] = {
    "as it should be": ok(before=((180, False, "callee"),)),
    "no provisional response": ok(),
    "ringing without a To tag (Genband)": ok(before=((180, False, ""), (183, True, ""))),
    "early sound, then 180 (media gateways)": ok(before=((183, True, "callee"), (180, False, "callee"))),
    "180 with a description": ok(before=((180, True, "callee"),)),
    "100, 101, 182, 199 before": ok(
        before=((100, False, ""), (101, False, "x"), (182, False, "x"), (199, False, "y"), (180, False, "x"))
    ),
    "early sound of three forks, the third answers": ok(
        before=((183, True, "one"), (183, True, "two"), (180, False, "callee"))
    ),
    "a 200 without Contact (door stations)": ok("no contact"),
    "a 200 without Contact after a 180 with one": ok("no contact", before=((180, False, "callee"),)),
    "a Contact that names TLS in capitals": ok("Contact: <sip:1001@HERE;transport=TLS>"),
    "a Contact with a host name": ok("Contact: <sip:1001@phone.local:5060;ob>"),
    "a Contact without an address": ok("Contact: <sip:1001@0.0.0.0:5060>"),
    "a Contact with port 0": ok("Contact: <sip:1001@127.0.0.3:0>"),
    "a Contact of the network behind its router": ok("Contact: <sip:1001@10.9.9.9:5060>"),
    "a tel: Contact": ok("Contact: <tel:+15550001>"),
    "a Contact without brackets": ok("Contact: sip:1001@HERE"),
    "two Record-Routes": ok("Record-Route: <sip:HERE;lr;ftag=1>", "Record-Route: <sip:HERE;lr>"),
    "a Record-Route without lr": ok("Record-Route: <sip:strict@HERE>"),
    "a Record-Route with a host name": ok("Record-Route: <sip:edge.pstn.test:5061;transport=tls;lr>"),
    "a session timer without refresher": ok("Session-Expires: 1800", "Require: timer", "Supported:"),
    "a session timer with more": ok("Session-Expires: 1800;refresher=uas;x", "Allow:"),
    "a session timer that is none": ok("Session-Expires: soon"),
    "RSeq without Require": ok("RSeq: 1", before=((183, True, "callee"),)),
    "an unknown status": ok(before=((700, False, "callee"),)),
    "compact names, no length, no blanks": by_hand(
        lambda text: re.sub(r"\nContent-Length: \d+", "", text).replace("Via: ", "v:").replace("From: ", "f:")
        .replace("To: ", "t:").replace("Call-ID: ", "i:").replace("Contact: ", "m:").replace("Content-Type: ", "c:")
    ),
    "no reason phrase": by_hand(lambda text: text.replace("200 OK", "200")),
    "no reason phrase, but the blank": by_hand(lambda text: text.replace("200 OK", "200 ")),
    "a reason phrase in Latin-1": by_hand(lambda text: text.replace("200 OK", "200 Gespr\udce4ch")),
    "From and To written anew (session border controllers)": by_hand(
        lambda text: re.sub(r"(From|To): [^\n]*?;tag=", r'\1: "New" <sip:other@y.test:5060>;tag=', text)
    ),
    "Via with received and rport of its own": by_hand(
        lambda text: re.sub(r"(Via: [^;\n]*)[^\n]*(branch=[^;\n]*)[^\n]*", r"\1;rport=9;received=10.0.0.1;\2", text)
    ),
    "Via that lost its port": by_hand(lambda text: re.sub(r"(Via: SIP/2.0/UDP [0-9.]*):\d+", r"\1", text)),
    "CSeq without a blank": by_hand(lambda text: text.replace("CSeq: ", "CSeq:")),
}  # fmt: skip


def rung(office: OddOffice) -> tuple[Call, Request]:
    """A call of the carrier's to the phone, and the INVITE there."""
    call = Call(office.carrier, "1001")
    office.carrier.send(call.text())
    return call, office.lobby.request("INVITE")


def taken(office: OddOffice, call: Call) -> None:
    """The caller hears the answer, the phone the ACK."""
    call.answer = office.carrier.response(call.call_id)
    assert call.answer.status == 200
    call.ack()


def ended(office: OddOffice, call: Call, invite: Request) -> Request:
    """The caller hangs up; the BYE that the phone gets."""
    office.carrier.send(call.within("BYE"))
    bye = office.lobby.request("BYE", call_id=invite.call_id)
    office.lobby.reply(bye, 200)
    assert office.carrier.response(call.call_id, "BYE").status == 200
    return bye


@pytest.mark.parametrize("habit", HABITS)
def test_a_call_comes_about(odd_office: OddOffice, habit: str) -> None:
    call, invite = rung(odd_office)
    HABITS[habit](odd_office.lobby, invite)
    taken(odd_office, call)
    ack = odd_office.lobby.request("ACK", call_id=invite.call_id)
    bye = ended(odd_office, call, invite)
    assert ack.to.tag == bye.to.tag == "callee"
    assert (ack.cseq.number, bye.cseq.number) == (invite.cseq.number, invite.cseq.number + 1)


def test_two_phones_answer(odd_office: OddOffice) -> None:
    """RFC 3261 §13.2.2.4: a forking carrier lets two answer; one has the call, the other ACK and BYE."""
    call, invite = rung(odd_office)
    lobby = odd_office.lobby
    for tag in ("one", "two"):
        lobby.reply(invite, 200, here(lobby), body=lobby.sdp, tag=tag)
    taken(odd_office, call)
    got: dict[str, list[str]] = {"one": [], "two": []}
    while sorted(got["two"]) != ["ACK", "BYE"] or got["one"] != ["ACK"]:
        request = lobby.heard()
        assert isinstance(request, Request)
        got[str(request.to.tag)].append(request.method)
        if request.method == "BYE":
            lobby.reply(request, 200)
    assert ended(odd_office, call, invite).to.tag == "one"


def test_a_200_that_comes_again_is_acknowledged_again(odd_office: OddOffice) -> None:
    call, invite = rung(odd_office)
    lobby = odd_office.lobby
    for _ in range(3):
        lobby.reply(invite, 200, here(lobby), body=lobby.sdp)
    taken(odd_office, call)
    for _ in range(3):
        assert lobby.request("ACK").cseq.number == invite.cseq.number
    ended(odd_office, call, invite)


def test_a_re_invite_right_after_the_200(odd_office: OddOffice) -> None:
    """Phones that move at once: before the ACK it is to be tried again, afterwards it is taken."""
    call, invite = rung(odd_office)
    lobby = odd_office.lobby
    lobby.reply(invite, 200, here(lobby), body=lobby.sdp)
    taken(odd_office, call)
    ack = lobby.request("ACK")

    def within(method: str, number: int, body: str = "") -> str:
        kind = ["Content-Type: application/sdp"] if body else []
        return "\n".join([
            f"{method} {invite.contacts[0].uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {lobby.host}:{lobby.port};branch=z9hG4bK{token()}", "Max-Forwards: 70",
            f"From: {ack.headers.get('To')}", f"To: {ack.headers.get('From')}", f"Call-ID: {invite.call_id}",
            f"CSeq: {number} {method}", here(lobby), *kind, f"Content-Length: {len(body)}", "", body,
        ])  # fmt: skip

    for number in (1, 2):
        lobby.send(within("INVITE", number, lobby.sdp))
        assert lobby.response(invite.call_id).status == 200
        lobby.send(within("ACK", number))
    lobby.send(within("BYE", 3))
    assert lobby.response(invite.call_id, "BYE").status == 200
    odd_office.carrier.reply(odd_office.carrier.request("BYE"), 200)


@pytest.mark.parametrize(("status", "told"), [(486, 486), (600, 486), (603, 603), (404, 404), (499, 499), (503, 480)])
def test_refusals_with_all_they_may_carry(odd_office: OddOffice, status: int, told: int) -> None:
    """They are acknowledged, body, warnings and all."""
    call, invite = rung(odd_office)
    reason = 'Reason: Q.850 ;cause=17 ;text="User busy"'
    odd_office.lobby.reply(
        invite, status, 'Warning: 399 x "busy"', "Retry-After: 5 (later);duration=9", reason, body="x"
    )
    assert odd_office.lobby.request("ACK").cseq.number == invite.cseq.number
    call.answer = odd_office.carrier.response(call.call_id)
    call.ack()
    assert call.answer.status in (status, told)


def test_a_bye_that_is_answered_481(odd_office: OddOffice) -> None:
    """It is over at both ends."""
    call, invite = rung(odd_office)
    lobby = odd_office.lobby
    lobby.reply(invite, 200, here(lobby), body=lobby.sdp)
    taken(odd_office, call)
    odd_office.carrier.send(call.within("BYE"))
    lobby.reply(lobby.request("BYE"), 481)
    assert odd_office.carrier.response(call.call_id, "BYE").status == 200


def test_a_200_after_the_cancel(odd_office: OddOffice) -> None:
    """RFC 3261 §9.1: they crossed; the phone gets ACK and BYE."""
    call, invite = rung(odd_office)
    lobby, carrier = odd_office.lobby, odd_office.carrier
    lobby.reply(invite, 180)
    head = call.text().replace("INVITE", "CANCEL").partition("Content-Type")[0]
    carrier.send(f"{head}Content-Length: 0\n\n")
    cancel = lobby.request("CANCEL")
    lobby.reply(invite, 200, here(lobby), body=lobby.sdp)
    lobby.reply(cancel, 481)
    assert lobby.request("ACK").cseq.number == invite.cseq.number
    lobby.reply(lobby.request("BYE"), 200)
    call.answer = carrier.response(call.call_id)
    assert call.answer.status == 487
    call.ack()
