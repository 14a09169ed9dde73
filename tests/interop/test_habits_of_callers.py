"""How phones, gateways and carriers write an INVITE and what they do in a call, collected from what users of other
switches complain of: each is taken, over a real socket. The names say which kind of device is known for it."""

import re
from collections.abc import Callable

import pytest

from tests.interop.conftest import OddOffice
from tests.interop.raw_peer import Call, RawPeer, token

pytestmark = pytest.mark.interop

Parts = Callable[[RawPeer], dict[str, str]]


def branch() -> str:
    return f"branch=z9hG4bK{token()}"


def via(rest: str, sent_by: str = "") -> Parts:
    return lambda peer: {"via": f"Via: SIP/2.0/UDP {sent_by or f'{peer.host}:{peer.port}'};{rest}"}


def caller(text: str) -> Parts:
    return lambda peer: {"from": text.replace("HOST", peer.host)}


def contact(text: str) -> Parts:
    return lambda peer: {"contact": f"Contact: {text.replace('HERE', f'{peer.host}:{peer.port}')}"}


def uri(text: str) -> Parts:
    return lambda peer: {"uri": text.replace("US", f"{peer.switch[0]}:{peer.switch[1]}")}


def more(*lines: str) -> Parts:
    return lambda peer: {"more": "\n".join(lines).replace("HERE", f"{peer.host}:{peer.port}")}


def part(**parts: str) -> Parts:
    return lambda peer: parts


def compact(peer: RawPeer) -> dict[str, str]:
    return {
        "via": f"v:SIP/2.0/UDP {peer.host}:{peer.port};{branch()}", "from": f"f:<sip:1@{peer.host}>;tag=a",
        "to": "t:<sip:300@x>", "call_id": f"i:{token()}", "contact": f"m:<sip:1@{peer.host}:{peer.port}>",
        "type": "c:application/sdp", "length": f"l:{len(peer.sdp)}", "more": "k:timer\nx:1800;refresher=uac\ns:hello",
    }  # fmt: skip


def multipart(peer: RawPeer) -> dict[str, str]:
    body = (
        "prologue\r\n--b-1\r\nContent-Type: APPLICATION/SDP; charset=ISO-10646\r\n\r\n" + peer.sdp
        + "\r\n--b-1\r\nContent-Type: application/ISUP;version=itu-t92+;base=itu-t92+\r\n"
        "Content-Disposition: signal;handling=optional\r\n\r\n\x01\x02\x03\r\n--b-1--\r\n"
    )  # fmt: skip
    return {"type": 'Content-Type: Multipart/Mixed;Boundary="b-1"', "body": body}


HABITS: dict[str, Parts] = {
    # the form of the message
    "compact header names (SIP-T gateways, long INVITEs)": compact,
    "header names in other cases (Java stacks)": part(cseq="CSEQ: 1 INVITE", forwards="max-forwards: 70"),
    "blanks before the colon (old gateways)": part(to="To : <sip:300@x>", cseq="CSeq\t: 1 INVITE"),
    "folded lines (old Cisco gateways)": part(to="To:\n <sip:300@x>", more="Subject: a\n  long\n\tone"),
    "no Content-Length over UDP (embedded phones)": part(length="none"),
    "blanks about the Content-Length": lambda peer: {"length": f"Content-Length:   {len(peer.sdp)}  "},
    "octets behind the body (door stations)": lambda peer: {
        "length": f"Content-Length: {len(peer.sdp)}", "body": peer.sdp + "\0\0junk",
    },
    "no Max-Forwards (RFC 2543 devices)": part(forwards=""),
    "CSeq without a blank": part(cseq="CSeq:1 INVITE"),
    "CSeq with zeros and blanks": part(cseq="CSeq:  0001   INVITE"),
    "CSeq that begins near its end": part(cseq="CSeq: 2147483000 INVITE"),
    "empty header fields (softphones)": more("Allow:", "Supported:", "Accept:", "User-Agent:", "Require:", "Subject: "),
    "methods of Allow in lower case, empty entries": more("Allow: invite,ack,bye , CANCEL,,"),
    "a long header field (marketing platforms)": more("X-Data: " + "x" * 3000),
    "fields of operators nobody else knows": more(
        "X-Twilio-CallSid: CA1", "Av-Global-Session-ID: 1", "P-Charging-Vector: icid-value=\"a;b\";orig-ioi=x",
        "P-Early-Media: supported", "Geolocation: <cid:x>",
    ),
    "remote-control fields (Cisco call managers)": more(
        'Call-Info: <sip:10.0.0.1:5061>;method="NOTIFY;Event=telephone-event;Duration=500"',
        "Call-Info: <urn:x-cisco-remotecc:callinfo>; security= Unknown; orientation= from; isVoip",
        "Supported: timer,resource-priority,replaces,X-cisco-srtp-fallback", "Expires: 180", "Min-SE:  1800",
        "Session-ID: 6805838500105000a0009c57adb842c6;remote=00000000000000000000000000000000",
    ),
    "session timer in capitals": more("Session-Expires: 1800;Refresher=UAC", "Supported: TIMER, 100REL"),
    # bodies
    "ISUP beside the description (SIP-T gateways)": multipart,
    "media type with parameters, in capitals": part(type="Content-Type: Application/SDP;charset=utf-8"),
    "media type with blanks about its slash": part(type="Content-Type: application / sdp"),
    "no media type at all": part(type=""),
    "disposition that must be handled": more("Content-Disposition: session;handling=required", "MIME-Version: 1.0"),
    # names and addresses
    "empty display name (Grandstream)": caller('From: "" <sip:1@HOST>;tag=a'),
    "display name without quotes": caller("From: Alice Van Der Berg <sip:1@HOST>;tag=a"),
    "display name with dots and a comma, no quotes": caller("From: J. Smith, Jr. <sip:1@HOST>;tag=a"),
    "display name with quoted semicolons, brackets, quotes": caller(r'From: "D; \"J\" <x>, y" <sip:1@HOST>;tag=a'),
    "display name in Latin-1 (old gateways)": caller('From: "J\udcfcrgen" <sip:1@HOST>;tag=a'),
    "no angle brackets": part(to="To: sip:300@x"),
    "parameters and headers in the To (Snom)": part(to="To: <sip:300@x;user=phone?Replaces=a%3Bto-tag%3Db>"),
    "empty tag in the first To": part(to="To: <sip:300@x>;tag="),
    "no From tag (RFC 2543)": caller("From: <sip:1@HOST>"),
    "blanks about the tag's signs": caller("From: <sip:1@HOST> ; tag = abc"),
    "tags with slashes and signs (Oracle, Nokia)": caller("From: <sip:1@HOST>;tag=81573~31cf/dad-45eb=="),
    "From with no user (trunks' OPTIONS-like calls)": caller("From: <sip:HOST>;tag=a"),
    "Restricted with a lone plus": caller('From: "Restricted" <sip:+@HOST>;tag=a'),
    "Call-ID of odd signs": lambda peer: {"call_id": "Call-ID: {" + token() + "}<x>\"'`/[]?:@" + peer.host},
    "Call-ID with an IPv6 host without brackets (Jitsi)": part(call_id=f"Call-ID: {token()}@0:0:0:0:0:0:0:0"),
    # numbers
    "tel: in From and To (IMS)": part(**{"from": "From: <tel:+15550001>;tag=a", "to": "To: <tel:+15550100>"}),
    "tel: without brackets": part(**{"from": "From: tel:+15550001;tag=a", "to": "To: tel:+15550100"}),
    "tel: as Request-URI": uri("tel:+15550100"),
    "tel: with a context": uri("tel:300;phone-context=+1555"),
    "tel: with separators": uri("tel:+1-555-01.00"),
    "escaped plus": uri("sip:%2B15550100@US"),
    "escaped hash": uri("sip:%2331%23@US"),
    "hash as it is (Cisco SPA)": uri("sip:#31#@US"),
    "escaped star": uri("sip:%2A99@US"),
    "number portability and carrier in the user part (RFC 4694)": uri(
        "sip:+15550100;npdi;rn=+15550199;cic=+10288@US;user=phone"
    ),
    "context in the user part (Huawei, Nokia)": uri("sip:300;phone-context=ims.test@US;user=phone"),
    "separators in the user part": uri("sip:+1-555-0100@US;user=phone"),
    "a password in the URI": uri("sip:300:secret@US"),
    "scheme and parameters in capitals": uri("SIP:300@US;USER=PHONE;TRANSPORT=UDP"),
    "line type in the From (BroadWorks)": caller("From: <sip:+15550001;cpc=ordinary;oli=0@HOST;user=phone>;tag=a"),
    "trunk group in the From": caller("From: <sip:+15550001@HOST;otg=TRUNK-1;noa=national>;tag=a;isup-oli=0"),
    # Via
    "Via with a host name": via(f"{branch()};rport", "phone.local:5060"),
    "Via with no address": via(f"{branch()};rport", "0.0.0.0:5060"),
    "Via without a branch (RFC 2543)": lambda peer: {"via": f"Via: SIP/2.0/UDP {peer.host}:{peer.port}"},
    "Via with an old branch": via("branch=1"),
    "Via that fills rport and received itself": via(f"rport=9;received=10.0.0.1;{branch()}"),
    "Via with an empty rport": via(f"rport=;{branch()}"),
    "Via in small letters": lambda peer: {"via": f"Via: sip/2.0/udp {peer.host}:{peer.port};{branch()}"},
    "Via with alias and ob": via(f"{branch()};alias;ob;rport;keep"),
    "Via received in brackets": via(f"{branch()};received=[2001:db8::1];rport"),
    "Via with IPv6 over IPv4": via(f"{branch()};rport", "[2001:db8::1]:5060"),
    "Via with port 0": via(f"{branch()};rport", "127.0.0.2:0"),
    "several Vias in one line": via(f"{branch()},SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx , SIP/2.0/TCP h;branch=z9hG4bKy"),
    "Via with parameters of its own (Huawei)": via(f"{branch()}*+x.;Role=3;Hpt=8e48_16;X-HwDim=4"),
    "Via that names another transport (application gateways)": lambda peer: {
        "via": f"Via: SIP/2.0/TLS {peer.host}:{peer.port};{branch()};rport",
    },
    # Contact and routes
    "Contact that names TLS in capitals": contact("<sip:1@HERE;transport=TLS>"),
    "Contact with ;ob and an instance": contact(
        '<sip:1@HERE;ob>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>";reg-id=1;audio;'
        '+u.sip!model.ccm.cisco.com="622"'
    ),
    "Contact with a host name (Teams SBCs)": contact("<sip:sbc.pstn.test:5061;transport=udp>"),
    "Contact without user": contact("<sip:HERE>"),
    "Contact without brackets (STARFACE)": contact("sip:1@HERE"),
    "two Contacts": contact("<sip:1@HERE>;q=0.9, <mailto:x@y.test>"),
    "Contact with parameters of its own (Huawei)": contact("<sip:HERE;Dpt=eb5a-200;CxtId=4;TRC=ffffffff-ffffffff>"),
    "Contact with pstn-params (Twilio)": contact("<sip:+15550001@HERE;transport=udp;pstn-params=9082828088>"),
    "Contact with an escaped domain": contact("<sip:1%40example.test@HERE>"),
    "Contact of a private network": contact("<sip:1@10.11.12.13:5060>"),
    "Contact with port 0": contact("<sip:1@10.11.12.13:0>"),
    "several Record-Routes": more(
        "Record-Route: <sip:HERE;lr=on;ftag=a;nat=yes>", "Record-Route: <sip:HERE;lr>,<sip:HERE;lr>"
    ),
    "a Record-Route without lr": more("Record-Route: <sip:HERE>"),
    "a Record-Route with a host name (Teams)": more("Record-Route: <sip:sip-du.pstn.test:5061;transport=tls;lr>"),
    # identity
    "two lines of P-Asserted-Identity, sip and tel": more(
        'P-Asserted-Identity: "9 9" <sip:+15550009@mpbx.test>', 'P-Asserted-Identity: "9" <tel:+15550009>'
    ),
    "two in one line": more('P-Asserted-Identity: "Dr who" <sip:dr.who@sp.test>, <tel:+15550009>'),
    "tel without brackets": more("P-Asserted-Identity: tel:+15550009"),
    "one that is none": more("P-Asserted-Identity: +15550009"),
    "a Remote-Party-ID that is none": more("Remote-Party-ID: x;y;"),
    "Diversion by tel, quoted, and one that is none": more(
        'Diversion: "a;b" <tel:+15550008>;reason=unconditional;counter=1;privacy="off"', "Diversion: ;;;"
    ),
    "History-Info with a reason in it": more(
        "History-Info: <sip:300@x?Reason=SIP%3Bcause%3D302>;index=1,<sip:301@x;cause=404>;index=1.1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("habit", HABITS)
def test_a_call_comes_about(odd_office: OddOffice, habit: str) -> None:
    """It is answered, and ends as calls do."""
    call = Call(odd_office.carrier, **HABITS[habit](odd_office.carrier))
    answer = call.invite()
    assert (answer.status, answer.reason) == (200, "OK")
    call.over()


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        ("sip:+15550001;cpc=ordinary;oli=0@HOST;user=phone", "+15550001"),
        ("tel:+1-555-0001;cpc=payphone", "+15550001"),
        ("sip:%2B15550001@HOST", "+15550001"),
        ("sip:alice;day=tuesday@HOST", "alice;day=tuesday"),
    ],
)
def test_who_calls(odd_office: OddOffice, sender: str, number: str) -> None:
    """RFC 3261 §19.1.6: what follows the number in a user part is not the number; a name may have a semicolon."""
    peer = odd_office.carrier
    call = Call(peer, **{"from": f"From: <{sender.replace('HOST', peer.host)}>;tag={token()}"})
    answer = call.invite()
    assert answer.status == 200
    shown = odd_office.switch.get(f"calls/{answer.headers.get('X-Call-Id')}")
    assert shown["caller"].replace("-", "") == number
    call.over()


# ------------------------------------------------------------------------------------------------------- what they do


def answered(office: OddOffice) -> Call:
    call = Call(office.carrier)
    assert call.invite().status == 200
    return call


def test_a_re_invite_in_the_same_breath_as_the_ack(odd_office: OddOffice) -> None:
    """Gateways that change the codec at once."""
    call = Call(odd_office.carrier)
    odd_office.carrier.send(call.text())
    call.answer = odd_office.carrier.response(call.call_id)
    call.ack()
    assert call.ask("INVITE", body=odd_office.carrier.sdp) == 200
    call.over()


def test_a_re_invite_with_the_branch_of_the_invite(odd_office: OddOffice) -> None:
    """A transaction of its own by its CSeq, whatever its branch."""
    call = Call(odd_office.carrier)
    used = re.findall("branch=([^;]*)", call.parts["via"])[0]
    assert call.invite().status == 200
    assert call.ask("INVITE", body=odd_office.carrier.sdp, branch=used) == 200
    assert call.ask("BYE", branch=used) == 200


def test_bye_before_the_ack(odd_office: OddOffice) -> None:
    call = Call(odd_office.carrier)
    odd_office.carrier.send(call.text())
    call.answer = odd_office.carrier.response(call.call_id)
    call.over()


def test_an_ack_that_comes_from_elsewhere(odd_office: OddOffice) -> None:
    """Carriers whose ACK leaves by another proxy: it counts, and the BYE is answered where it came from."""
    call = Call(odd_office.carrier)
    odd_office.carrier.send(call.text())
    call.answer = odd_office.carrier.response(call.call_id)
    other = RawPeer("127.0.0.6", 0, odd_office.carrier.switch)
    try:
        other.send(call.within("ACK", number=1))
        assert not [one for one in odd_office.carrier.quiet(0.7) if one.call_id == call.call_id], "200 no more"
        call.over()
    finally:
        other.close()


def test_cancel_after_the_200(odd_office: OddOffice) -> None:
    """RFC 3261 §9.2: it has no effect."""
    call = Call(odd_office.carrier)
    odd_office.carrier.send(call.text())
    call.answer = odd_office.carrier.response(call.call_id)
    head = call.text().replace("INVITE", "CANCEL").partition("Content-Type")[0]
    odd_office.carrier.send(f"{head}Content-Length: 0\n\n")
    assert odd_office.carrier.response(call.call_id, "CANCEL").status == 200
    call.ack()
    assert call.ask("INFO") == 200
    call.over()


def test_bye_while_it_rings(odd_office: OddOffice) -> None:
    """RFC 3261 §15: a caller may end an early dialog by BYE."""
    carrier, lobby = odd_office.carrier, odd_office.lobby
    call = Call(carrier, "1001")
    carrier.send(call.text())
    invite = lobby.request("INVITE")
    lobby.reply(invite, 180)
    while (ringing := carrier.heard()).status != 180:  # type: ignore[union-attr]
        pass
    call.answer = ringing  # type: ignore[assignment]
    carrier.send(call.within("BYE"))
    statuses = {carrier.heard().status for _ in range(2)}  # type: ignore[union-attr]
    assert statuses == {200, 487}
    lobby.reply(lobby.request("CANCEL"), 200)
    lobby.reply(invite, 487)
    lobby.request("ACK")


def test_requests_to_our_address_instead_of_our_contact(odd_office: OddOffice) -> None:
    """Devices that never take over the Contact: the dialog is found all the same."""
    call = answered(odd_office)
    carrier = odd_office.carrier
    host, port = carrier.switch
    carrier.send(re.sub(r"^BYE \S+", f"BYE sip:{host}:{port}", call.within("BYE")))
    assert carrier.response(call.call_id, "BYE").status == 200


@pytest.mark.parametrize(
    ("method", "lines", "body", "status"),
    [
        ("OPTIONS", ("Accept: application/sdp",), "", 200),
        ("INFO", ("Content-Type: application/dtmf-relay",), "Signal=5\r\nDuration=100\r\n", 200),
        ("INFO", ("Content-Type: application/dtmf-relay",), "Signal= 5\nDuration= 100\n", 200),
        ("INFO", ("Content-Type: application/dtmf",), "5", 200),
        ("UPDATE", (), "", 200),
        ("NOTIFY", ("Event: refer",), "", 489),
        ("PING", (), "", 405),
    ],
)
def test_requests_within_a_call(
    odd_office: OddOffice, method: str, lines: tuple[str, ...], body: str, status: int
) -> None:
    call = answered(odd_office)
    text = call.within(method, *lines).replace("Content-Length: 0", f"Content-Length: {len(body)}").encode()
    odd_office.carrier.send(re.sub(b"\r?\n", b"\r\n", text) + body.encode())
    assert odd_office.carrier.response(call.call_id, method).status == status
    call.over()
