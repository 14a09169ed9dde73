"""PASSporT: RFC 8225 Appendix A, RFC 8588, RFC 8946; what is wrong gets the status of RFC 8224 §6.2.2."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.passport import (
    FAILED,
    PASSED,
    UNCHECKED,
    Claim,
    Verdict,
    canonical,
    claim,
    field,
    origination,
    shaken,
)
from tests.stir_pki import X5U, issue, signed

NOW = 1_800_000_000.0
ORIG, DEST = "12155551212", "12155551213"
KEY = issue("signer")

_HEAD = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9."
# RFC 8225 Appendix A
RFC_TOKEN = (
    _HEAD + "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1"
    "NTUxMjEyIn19.VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw"
)
# its draft (draft-ietf-stir-passport) had another time, and a signature that is proved by the key of Appendix A.2; the
# RFC's own is not
DRAFT_TOKEN = (
    _HEAD + "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIx"
    "NTU1NTEyMTIifX0.rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w"
)
RFC_KEY = (
    b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH\n"
    b"78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==\n-----END PUBLIC KEY-----\n"
)


def held(*fields: str, now: float = NOW) -> Claim | Verdict:
    return claim(fields, {ORIG}, {DEST}, now, 60.0)


def test_the_tokens_of_rfc_8225_and_its_draft() -> None:
    """Appendix A: a signature is r and s as JWS has them (RFC 7518 §3.4), over what stands before it."""
    for token in (RFC_TOKEN, DRAFT_TOKEN):
        octets, _, text = token.rpartition(".")
        signature = urlsafe_b64decode(text + "==")
        assert field(octets.encode(), signature, "https://x.test", "shaken").partition(";")[0] == token
        verdict = held(f"{token};info=<https://cert.example.org/passport.cer>;alg=ES256")
        assert isinstance(verdict, Verdict)  # no PASSporT of SHAKEN, which says nothing here
        assert verdict.status == 438
    key = load_pem_public_key(RFC_KEY)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), octets.encode(), ec.ECDSA(SHA256()))


def test_what_is_signed_is_in_the_order_of_rfc_8225() -> None:
    """§9: names in lexicographic order, no blanks; RFC 8588 §3."""
    head, _, claims = shaken(X5U, ORIG, DEST, 1443208345, "A", "123e4567-e89b-12d3-a456-426655440000").partition(b".")
    assert (
        urlsafe_b64decode(head + b"==") == f'{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}'.encode()
    )
    assert urlsafe_b64decode(claims + b"==") == (
        b'{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},'
        b'"origid":"123e4567-e89b-12d3-a456-426655440000"}'
    )


@pytest.mark.parametrize(("number", "digits"), [
    ("+1 (215) 555-1212", ORIG), ("+12155551212", ORIG), ("alice", ""), ("", ""), ("+", ""), ("1" * 16, ""), ("١٢", ""),
])  # fmt: skip
def test_numbers_are_canonical(number: str, digits: str) -> None:
    """RFC 8224 §8.3."""
    assert canonical(number) == digits


def test_an_origination_identifier_is_a_uuid_that_stays() -> None:
    """RFC 8588 §5."""
    assert origination("a") == origination("a") != origination("b")
    assert [len(part) for part in origination("a").split("-")] == [8, 4, 4, 4, 12]


def test_what_a_call_claims() -> None:
    found = held(signed(KEY, ORIG, DEST, NOW, attest="B"))
    assert isinstance(found, Claim)
    assert (found.attestation, found.called) == ("B", DEST)
    (proof,) = found.proofs
    assert (proof.url, proof.number, len(proof.signature)) == (X5U, ORIG, 64)


def broken(text: str, part: int, octets: str) -> str:
    token, semicolon, rest = text.partition(";")
    parts = token.split(".")
    parts[part] = octets
    return ".".join(parts) + semicolon + rest


GOOD = signed(KEY, ORIG, DEST, NOW)
TOO_DEEP = urlsafe_b64encode(b"[" * 3000).decode().rstrip("=")


@pytest.mark.parametrize(("fields", "status"), [
    ((), 428),
    (("",), 438), (("nonsense",), 438), ((";;;",), 438), (("..sig;info=<https://a.test>",), 438),
    ((broken(GOOD, 0, "!!"),), 438), ((broken(GOOD, 1, "e30"),), 438), ((broken(GOOD, 1, "W10"),), 438),
    ((broken(GOOD, 1, "A"),), 438), ((broken(GOOD, 2, "AAAA"),), 438), ((broken(GOOD, 1, TOO_DEEP),), 438),
    ((GOOD, GOOD), 438), ((GOOD,) * 6, 438), (("A" * 5000,), 438),
    ((signed(KEY, ORIG, DEST, NOW, alg="none"),), 438), ((signed(KEY, ORIG, DEST, NOW, alg="HS256"),), 438),
    ((GOOD.replace("alg=ES256", "alg=none"),), 438), ((signed(KEY, ORIG, DEST, NOW, ppt="rph"),), 438),
    ((GOOD.replace("ppt=shaken", "ppt=div"),), 438), ((signed(KEY, ORIG, DEST, NOW, typ="JWT"),), 438),
    ((signed(KEY, ORIG, DEST, NOW, attest="D"),), 438), ((signed(KEY, ORIG, DEST, NOW, origid=None),), 438),
    ((signed(KEY, "12155550000", DEST, NOW),), 438), ((signed(KEY, ORIG, "12155550000", NOW),), 438),
    ((signed(KEY, ORIG, DEST, NOW, orig={"uri": "sip:a@b"}),), 438),
    ((signed(KEY, ORIG, DEST, NOW, dest={"tn": []}),), 438),
    ((signed(KEY, ORIG, DEST, NOW, dest={"tn": DEST}),), 438), ((signed(KEY, ORIG, DEST, NOW, iat="now"),), 438),
    ((signed(KEY, ORIG, DEST, NOW, iat=True),), 438),
    ((signed(KEY, ORIG, DEST, NOW - 61),), 403), ((signed(KEY, ORIG, DEST, NOW + 62),), 403),
    ((GOOD.replace(f"info=<{X5U}>", "info=<https://other.test/a.pem>"),), 436), ((GOOD.replace("info=", "in=") ,), 436),
    ((signed(KEY, ORIG, DEST, NOW, x5u="file:///etc/passwd").replace("info=<file", "info=<https"),), 436),
])  # fmt: skip
def test_each_fault_has_its_status(fields: tuple[str, ...], status: int) -> None:
    """RFC 8224 §6.2.2 and §6.2.4; `alg` other than ES256 is no supported PASSporT (RFC 8225 §8.1)."""
    verdict = held(*fields)
    assert isinstance(verdict, Verdict)
    assert verdict.status == status
    assert verdict.verstat == (UNCHECKED if status in (428, 436) else FAILED)


def test_a_kind_that_we_do_not_know_stands_beside_one_that_we_do() -> None:
    """RFC 8224 §6.2 step 1."""
    assert isinstance(held(signed(KEY, ORIG, "1", NOW, ppt="rph"), GOOD), Claim)
    assert Verdict(0).verstat == PASSED


def diversion(by: str, dest: str, **changes: Any) -> str:
    return signed(KEY, ORIG, dest, NOW, ppt="div", attest=None, origid=None, div={"tn": by}, **changes)


def test_diversions_lead_from_whom_it_was_for_to_whom_it_reached() -> None:
    """RFC 8946 §4.2: in whatever order they stand, and none missing."""
    first = signed(KEY, ORIG, "370520001", NOW)
    steps = diversion("370520002", DEST), diversion("370520001", "370520002")
    found = held(first, *steps)
    assert isinstance(found, Claim)
    assert len(found.proofs) == 3
    for fields in ((first, steps[0]), (first, steps[1]), (first, diversion("370520001", DEST, orig={"tn": "1"}))):
        verdict = held(*fields)
        assert isinstance(verdict, Verdict)
        assert verdict.status == 438


@given(st.lists(st.text(max_size=80), max_size=3), st.integers(0, 2), st.binary(max_size=60))
def test_any_text_has_a_verdict(fields: list[str], part: int, octets: bytes) -> None:
    held(*fields)
    held(broken(GOOD, part, urlsafe_b64encode(octets).decode().rstrip("=")))
