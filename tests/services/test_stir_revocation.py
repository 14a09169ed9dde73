"""Revocation lists (RFC 5280 §5): whose they are, whom they revoke, lists for many issuers."""

import base64

import pytest

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.services.stir_revocation import RevocationList
from tests.stir_pki import issue, revoked

AT = 1_800_000_000.0
ROOT = issue("root", ca=True)
OTHER_ROOT = issue("other root", ca=True)
AUTHORITY = issue("policy administrator", ca=True)
BAD, GOOD, THIRD = issue("bad", ROOT), issue("good", ROOT), issue("third", OTHER_ROOT)


def test_who_is_on_the_list_is_revoked() -> None:
    found = RevocationList(revoked(ROOT, BAD.certificate), [ROOT.certificate])
    found.check([GOOD.certificate, ROOT.certificate])
    with pytest.raises(PeerError, match="is revoked") as raised:
        found.check([GOOD.certificate, BAD.certificate])
    assert raised.value.status == 437
    assert (len(found), found.until) == (1, AT + 24 * 3600)
    assert not found.stale(AT)
    assert found.stale(AT + 25 * 3600)


def test_pem_is_read_too() -> None:
    text = base64.encodebytes(revoked(ROOT, BAD.certificate)).decode()
    data = f"-----BEGIN X509 CRL-----\n{text}-----END X509 CRL-----\n".encode()
    assert len(RevocationList(data, [ROOT.certificate])) == 1


def test_the_same_number_of_another_issuer_is_not_meant() -> None:
    found = RevocationList(revoked(AUTHORITY, BAD.certificate), [AUTHORITY.certificate])
    found.check([BAD.certificate])


def test_a_list_for_all_authorities_names_the_issuers() -> None:
    """§5.3.3: an entry without an issuer has that of the entry before; ATIS-1000080: the STI-PA's list."""
    data = revoked(AUTHORITY, BAD.certificate, THIRD.certificate, indirect=True)
    found = RevocationList(data, [ROOT.certificate, AUTHORITY.certificate])
    for one in (BAD, THIRD):
        with pytest.raises(PeerError, match="is revoked"):
            found.check([one.certificate])
    found.check([GOOD.certificate])
    both = revoked(AUTHORITY, BAD.certificate, GOOD.certificate, indirect=True)
    with pytest.raises(PeerError, match="is revoked"):
        RevocationList(both, [AUTHORITY.certificate]).check([GOOD.certificate])


def test_anybodys_list_is_none() -> None:
    with pytest.raises(LocalError, match="signed by none"):
        RevocationList(revoked(issue("root", ca=True), BAD.certificate), [ROOT.certificate])
    with pytest.raises(LocalError, match="signed by none"):
        RevocationList(revoked(AUTHORITY, BAD.certificate), [ROOT.certificate])


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"-----BEGIN X509 CRL-----\nxx\n-----END X509 CRL-----\n", b"\x30\x82"]
)
def test_what_is_no_list(data: bytes) -> None:
    with pytest.raises(LocalError, match="no certificate revocation list"):
        RevocationList(data, [ROOT.certificate])


def test_every_cut_of_a_list_is_refused() -> None:
    data = revoked(AUTHORITY, BAD.certificate, THIRD.certificate, indirect=True)
    for length in range(0, len(data), 7):
        with pytest.raises(LocalError):
            RevocationList(data[:length], [AUTHORITY.certificate])
