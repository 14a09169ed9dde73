"""Who calls: signatures, diversions, privacy, lists of numbers in certificates. What is read is bounded, and every
claim has a verdict."""

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.services.stir_certificates import _allows
from softswitch.sip import diversion
from softswitch.sip.passport import PHRASES, Claim, claim
from softswitch.sip.privacy import asserted, number_of, remote_party, wanted
from softswitch.wire.sip import Headers
from tests.fuzz.targets.target import Target, refused
from tests.stir_pki import block, issue, one, service_provider, signed, tlv

_NOW = 1_800_000_000.0
_KEY = issue("signer")
_OWN = signed(_KEY, "1", "2", _NOW).encode()
_DIV = signed(_KEY, "1", "3", _NOW, ppt="div", attest=None, origid=None, div={"tn": "2"}).encode()


def _fields(data: bytes, name: str) -> Headers | None:
    headers = Headers()
    try:
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            headers.add(name, line)
    except LocalError:  # a line end within
        return None
    return headers


def _identity(data: bytes) -> None:
    fields = data.decode("utf-8", "surrogateescape").split("\n")
    found = claim(fields, {"1"}, {"2", "3"}, _NOW, 60.0)
    if isinstance(found, Claim):
        assert found.attestation in ("A", "B", "C")
        assert all(len(proof.signature) == 64 and proof.number == "1" for proof in found.proofs)
    else:
        assert found.status in PHRASES


def _diversion(data: bytes) -> None:
    for name in ("Diversion", "History-Info"):
        headers = _fields(data, name)
        if headers is None:
            return
        found = diversion.read(headers)
        assert len(found) <= diversion.MOST
        assert all(one.reason in diversion.REASONS and one.times >= 1 for one in found)


def _privacy(data: bytes) -> None:
    for name, read in (("Privacy", wanted), ("Remote-Party-ID", remote_party)):
        headers = _fields(data, name)
        if headers is None:
            return
        try:
            read(headers)
        except PeerError as error:
            refused(error)
    headers = _fields(data, "P-Asserted-Identity")
    try:
        found = asserted(headers or Headers())
    except PeerError as error:
        refused(error)
        return
    assert len(found) <= 2
    number_of(found)


def _numbers_of_certificate(data: bytes) -> None:
    try:
        _allows(data, "37052000001")
    except PeerError as error:
        refused(error)


TARGETS = (
    Target("identity", _identity, [_OWN, _OWN + b"\n" + _DIV], longest=2048),
    Target(
        "diversion",
        _diversion,
        [
            b'<sip:+370@c>;reason=user-busy;privacy=full;counter=2, <tel:+371>;reason="no-answer"',
            b"<sip:a@c?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1,<sip:b@c;cause=486>;index=1.1;mp=1",
        ],
        longest=1024,
    ),
    Target("privacy", _privacy, [b"id; user;critical", b'"A" <sip:1@c>;party=calling, <tel:+1>'], longest=512),
    Target(
        "tn-auth-list",
        _numbers_of_certificate,
        [tlv(0x30, service_provider("1234") + one("1")), tlv(0x30, block("37052000000", 10))],
        longest=256,
    ),
)
