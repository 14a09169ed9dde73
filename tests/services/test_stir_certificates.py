"""Certificates of STIR (RFC 8226): chains, validity, keys, numbers, signatures."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.services.stir_certificates import MOST_OCTETS, Chain
from softswitch.services.stir_keys import certificates, es256, private_key
from softswitch.services.stir_signing import FileSigner
from softswitch.sip.passport import Proof
from softswitch.switch.settings import Stir
from tests.stir_pki import Issued, block, issue, one, service_provider

NOW = 1_800_000_000.0
ROOT = issue("root", ca=True)
BETWEEN = issue("between", ROOT, ca=True)
NUMBER = "37052000001"


def proof(by: Issued, number: str = NUMBER, octets: bytes = b"head.claims") -> Proof:
    return Proof("https://x.test", octets, es256(by.key, octets), number)


def status(call: Any) -> int:
    with pytest.raises(PeerError) as caught:
        call()
    return caught.value.status


def test_a_chain_leads_to_a_root_that_is_trusted() -> None:
    """RFC 8224 §6.2 step 2, with a certificate between."""
    leaf = issue("leaf", BETWEEN, numbers=service_provider("1234"))
    chain = Chain(leaf.pem + BETWEEN.pem)
    chain.check([ROOT.certificate], NOW)
    chain.prove(proof(leaf))


@pytest.mark.parametrize(("make", "trusted"), [
    (lambda: issue("leaf", BETWEEN).pem, [ROOT]),  # what is between was not sent
    (lambda: issue("leaf", ROOT).pem, [issue("other", ca=True)]),
    (lambda: issue("leaf", ROOT).pem, []),
    (lambda: issue("leaf").pem, [ROOT]),
    (lambda: issue("leaf", ROOT, days=(-10, -1)).pem, [ROOT]),
    (lambda: issue("leaf", ROOT, days=(1, 10)).pem, [ROOT]),
    (lambda: issue("leaf", (no := issue("no", ROOT))).pem + no.pem, [ROOT]),  # issued by one that is no authority
])  # fmt: skip
def test_a_chain_that_is_not_trusted_is_437(make: Any, trusted: list[Issued]) -> None:
    chain = Chain(make())
    assert status(lambda: chain.check([root.certificate for root in trusted], NOW)) == 437


@pytest.mark.parametrize(("data", "expected"), [
    (b"", 436), (b"hello", 436), (b"x" * (MOST_OCTETS + 1), 436), (ROOT.pem * 7, 436),
    (issue("rsa", ROOT, bits=2048).pem, 437), (issue("p384", ROOT, curve=ec.SECP384R1()).pem, 437),
])  # fmt: skip
def test_what_is_no_certificate_for_es256(data: bytes, expected: int) -> None:
    assert status(lambda: Chain(data)) == expected


def test_a_signature_of_another_key_or_of_something_else_is_438() -> None:
    leaf, other = issue("leaf", ROOT), issue("other", ROOT)
    chain = Chain(leaf.pem)
    assert status(lambda: chain.prove(proof(other))) == 438
    good = proof(leaf)
    assert status(lambda: chain.prove(Proof(good.url, good.signed + b"x", good.signature, NUMBER))) == 438
    assert status(lambda: chain.prove(Proof(good.url, good.signed, bytes(64), NUMBER))) == 438


@pytest.mark.parametrize(("numbers", "may"), [
    (service_provider("1234"), True), (one(NUMBER), True), (one("37052000002"), False),
    (block("37052000000", 10), True), (block("37052000002", 10), False), (block("37052000000", 1), False),
    (block("3705200000", 100), False), (one("1") + block("37052000000", 10), True),
    (one("1") + service_provider("x"), True),
])  # fmt: skip
def test_a_certificate_signs_for_its_numbers_only(numbers: bytes, may: bool) -> None:
    """RFC 8226 §9."""
    leaf = issue("leaf", ROOT, numbers=numbers)
    chain = Chain(leaf.pem)
    if may:
        chain.prove(proof(leaf))
    else:
        assert status(lambda: chain.prove(proof(leaf))) == 437


@pytest.mark.parametrize(
    "numbers", [b"\xa1", b"\xa1\x05\x30", b"\xa1\x84\xff\xff\xff\xff", b"\xa1\x80", b"\xa1\x02\x30\x00"]
)
def test_a_list_of_numbers_that_cannot_be_read_is_437(numbers: bytes) -> None:
    leaf = issue("leaf", ROOT, numbers=numbers)
    assert status(lambda: Chain(leaf.pem).prove(proof(leaf))) == 437


def test_the_key_file_is_read_again_after_a_reload(tmp_path: Path) -> None:
    """New settings, though they say the same, mean that files may be others."""
    first, second = issue("first", ROOT), issue("second", ROOT)
    _, key = first.write(tmp_path, "key")
    before, after = Stir(key=str(key)), Stir(key=str(key))
    signer = FileSigner()
    Chain(first.pem).prove(Proof("", b"x", signer(before, b"x"), NUMBER))
    second.write(tmp_path, "key")
    Chain(first.pem).prove(Proof("", b"x", signer(before, b"x"), NUMBER))
    Chain(second.pem).prove(Proof("", b"x", signer(after, b"x"), NUMBER))


def test_keys_that_cannot_sign(tmp_path: Path) -> None:
    pem, key = issue("one", ROOT).write(tmp_path, "one")
    _, big = issue("big", ROOT, bits=2048).write(tmp_path, "big")
    _, other = issue("two", ROOT).write(tmp_path, "two")
    for stir, words in (
        (Stir(), "not set"), (Stir(key=str(tmp_path / "none")), "cannot be read"),
        (Stir(key=str(pem)), "no private key"),
        (Stir(key=str(big)), "P-256"), (Stir(key=str(other), certificate=str(pem)), "not the certificate"),
        (Stir(key=str(key), certificate=str(key)), "no certificates"),
    ):  # fmt: skip
        with pytest.raises(LocalError, match=words):
            private_key(stir)
    private_key(Stir(key=str(key), certificate=str(pem)))
    with pytest.raises(LocalError, match="cannot be read"):
        certificates(str(tmp_path / "none"))
