"""How phones register, prove themselves and keep their flows open, collected from what users of other switches complain
of: each is taken, over a real socket."""

import hashlib
import re
from collections.abc import Callable

import pytest

from softswitch.wire.sip import Response
from tests.interop.conftest import PASSWORD, OddOffice
from tests.interop.raw_peer import RawPeer, token

pytestmark = pytest.mark.interop


class Registration:
    """What the phone 1002 sends, twice; parts of it may be written otherwise."""

    def __init__(self, peer: RawPeer, **parts: str) -> None:
        self.peer, self.call_id = peer, token()
        user = "sip:1002@DOMAIN"
        self.parts = {
            "uri": "sip:DOMAIN", "via": f"Via: SIP/2.0/UDP {peer.host}:{peer.port};rport;branch=z9hG4bKNEW",
            "from": f"From: <{user}>;tag=a", "to": f"To: <{user}>", "header": "Authorization: ", "digest_uri": "",
            "contact": f"Contact: <sip:1002@{peer.host}:{peer.port}>", "more": "", "method": "REGISTER",
        } | parts  # fmt: skip
        self._number = 0

    def send(self, domain: str, proof: str = "") -> Response:
        parts, self._number = self.parts, self._number + 1
        lines = [
            f"{parts['method']} {parts['uri']} SIP/2.0", parts["via"].replace("NEW", token()),
            parts["from"], parts["to"], f"Call-ID: {self.call_id}",
            f"CSeq: {self._number} {parts['method']}", "Max-Forwards: 70", parts["contact"],
            parts["more"], f"{parts['header']}{proof}" if proof else "", "Content-Length: 0", "", "",
        ]  # fmt: skip
        text = "\n".join([*(line for line in lines[:-2] if line), *lines[-2:]])
        self.peer.send(text.replace("DOMAIN", domain).replace("HERE", f"{self.peer.host}:{self.peer.port}"))
        return self.peer.response(self.call_id, parts["method"])

    def proved(self, write: Callable[[dict[str, str]], str]) -> Response:
        """With digest as `write` writes it."""
        host = self.peer.switch[0]
        domain = re.findall(r'realm="([^"]*)"', str(self.send(host).headers.get("WWW-Authenticate")))[0]
        asked = self.send(domain)
        nonce = re.findall(r'nonce="([^"]*)"', str(asked.headers.get("WWW-Authenticate")))[0]
        uri = (self.parts["digest_uri"] or self.parts["uri"]).replace("DOMAIN", domain)
        secret, request = md5(f"1002:{domain}:{PASSWORD}"), md5(f"REGISTER:{uri}")
        values = {
            "nonce": nonce, "uri": uri, "realm": domain,
            "response": md5(f"{secret}:{nonce}:00000001:abc:auth:{request}"),
            "old": md5(f"{secret}:{nonce}:{request}"),
        }  # fmt: skip
        return self.send(domain, write(values))


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def usual(values: dict[str, str]) -> str:
    return (
        f'Digest username="1002",realm="{values["realm"]}",nonce="{values["nonce"]}",uri="{values["uri"]}",'
        f'response="{values["response"]}",algorithm=MD5,cnonce="abc",qop=auth,nc=00000001'
    )


def old(values: dict[str, str]) -> str:
    return (
        f'Digest username="1002", realm="{values["realm"]}", nonce="{values["nonce"]}", uri="{values["uri"]}", '
        f'response="{values["old"]}"'
    )


PROOFS: dict[str, Callable[[dict[str, str]], str]] = {
    "as it should be": usual,
    "without qop (RFC 2069, old phones)": old,
    "algorithm in quotes": lambda values: usual(values).replace("algorithm=MD5", 'algorithm="MD5"'),
    "algorithm in small letters": lambda values: usual(values).replace("algorithm=MD5", "algorithm=md5"),
    "qop in quotes (Grandstream)": lambda values: usual(values).replace("qop=auth", 'qop="auth"'),
    "nc in quotes": lambda values: usual(values).replace("nc=00000001", 'nc="00000001"'),
    "response in capitals": lambda values: usual(values).replace(values["response"], values["response"].upper()),
    "scheme in small letters": lambda values: usual(values).replace("Digest", "digest"),
    "names in capitals": lambda values: usual(values).replace("username", "Username").replace("nonce=", "Nonce=", 1),
    "blanks and tabs about the commas": lambda values: usual(values).replace(",", " ,\t"),
    "folded": lambda values: usual(values).replace(",", ",\n "),
    "a comma at the end": lambda values: usual(values) + ",",
    "an empty opaque": lambda values: usual(values) + ',opaque=""',
}


@pytest.mark.parametrize("proof", PROOFS)
def test_a_proof_is_taken(odd_office: OddOffice, proof: str) -> None:
    assert Registration(odd_office.phone).proved(PROOFS[proof]).status == 200


FORMS: dict[str, dict[str, str]] = {
    "a user in the Request-URI": {"uri": "sip:1002@DOMAIN"},
    "a transport in the Request-URI alone": {"uri": "sip:DOMAIN;transport=UDP", "digest_uri": "sip:DOMAIN"},
    "a port in the digest alone": {"digest_uri": "sip:DOMAIN:5060"},
    "no blank after the colon": {"header": "Authorization:"},
    "a display name and user=phone": {"to": 'To: "A B" <sip:1002@DOMAIN:5060;user=phone>'},
    "no brackets": {"to": "To: sip:1002@DOMAIN", "from": "From: sip:1002@DOMAIN;tag=a"},
    "compact Via": {"via": "v:SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bKNEW"},
    "no Contact: it asks what there is": {"contact": ""},
    "a Contact with line, rinstance and methods (Snom, X-Lite)": {
        "contact": 'Contact: "1" <sip:1002@10.0.0.6:5060;transport=UDP;line=abc;rinstance=1>;expires=3600;q=1.00;'
        'methods="INVITE, ACK, BYE";audio;+u.sip!devicename.ccm.cisco.com="SEP"',
    },
    ";ob with an instance (PJSIP)": {
        "contact": 'Contact: <sip:1002@10.0.0.5:5060;ob>;reg-id=1;+sip.instance="<urn:uuid:0-0>"',
        "more": "Supported: path, outbound",
    },
    "a Contact without brackets": {"contact": "Contact: sip:1002@10.0.0.7:5060;expires=60"},
    "a Contact that names TLS over UDP": {"contact": "Contact: <sip:1002@HERE;transport=TLS>"},
    "a mail address beside it (RFC 3261's own example)": {
        "contact": "Contact: <sip:1002@10.0.0.6:5060>;q=0.7, <mailto:1002@mail.test>;q=0.1",
    },
    "expires in quotes": {"contact": 'Contact: <sip:1002@10.0.0.6:5060>;expires="3600"'},
    "Expires with a parameter": {"more": "Expires: 3600 ;x"},
    "Expires that is none": {"more": "Expires: never"},
    "the longest Expires": {"more": "Expires: 4294967295"},
    "an IPv6 Contact over IPv4": {"contact": "Contact: <sip:1002@[2001:db8::5]:5060>"},
    "all at once taken away": {"contact": "Contact: *", "more": "Expires: 0"},
    "one taken away that was not there": {"contact": "Contact: <sip:1002@10.0.0.77>;expires=0"},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_registration_is_taken(odd_office: OddOffice, form: str) -> None:
    response = Registration(odd_office.phone, **FORMS[form]).proved(usual)
    assert response.status == 200
    assert all(contact.uri.scheme == "sip" for contact in response.contacts)
    cleared = Registration(odd_office.phone, contact="Contact: *", more="Expires: 0").proved(usual)
    assert (cleared.status, cleared.contacts) == (200, ())


def test_a_mail_address_alone_is_no_place_to_call(odd_office: OddOffice) -> None:
    assert Registration(odd_office.phone, contact="Contact: <mailto:1002@mail.test>").proved(usual).status == 400


# --------------------------------------------------------------------------------------------------------- keep-alives


@pytest.mark.parametrize("noise", [b"\0\0\0\0", b"\0", b"\r\n", b"jaK", b"hello", b"\xff" * 20, b"\r\n\r\n\r\nOPT"])
def test_keep_alives_that_nobody_answers(odd_office: OddOffice, noise: bytes) -> None:
    """Four zeros (Cisco SPA), a lone line end (Grandstream), and words: what follows is heard."""
    odd_office.phone.send(noise)
    asked = Registration(odd_office.phone, method="OPTIONS", uri="sip:DOMAIN", contact="")
    assert asked.send(odd_office.phone.switch[0]).status == 200


def test_notify_as_keep_alive(odd_office: OddOffice) -> None:
    """Cisco SPA and Linksys: `Event: keep-alive`; other NOTIFY outside subscriptions is 481."""
    for event, status in (("keep-alive", 200), ("message-summary", 481)):
        asked = Registration(odd_office.phone, method="NOTIFY", uri="sip:DOMAIN", more=f"Event: {event}")
        assert asked.send(odd_office.phone.switch[0]).status == status


def test_line_ends_before_a_request(odd_office: OddOffice) -> None:
    """RFC 3261 §7.5."""
    phone, call_id = odd_office.phone, token()
    phone.send(
        f"\n\n\nOPTIONS sip:{phone.switch[0]} SIP/2.0\n"
        f"Via: SIP/2.0/UDP {phone.host}:{phone.port};branch=z9hG4bK{token()}\n"
        f"From: <sip:a@b.test>;tag=1\nTo: <sip:c@d.test>\nCall-ID: {call_id}\nCSeq: 1 OPTIONS\n\n"
    )
    assert phone.response(call_id, "OPTIONS").status == 200


@pytest.mark.parametrize(
    ("method", "status"),
    [("INFO", 481), ("BYE", 481), ("PRACK", 481), ("UPDATE", 481), ("PING", 405), ("options", 405)],
)
def test_what_belongs_nowhere_is_answered(odd_office: OddOffice, method: str, status: int) -> None:
    asked = Registration(odd_office.phone, method=method, uri="sip:DOMAIN", more="RAck: 1 1 INVITE")
    assert asked.send(odd_office.phone.switch[0]).status == status
