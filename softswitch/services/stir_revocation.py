"""Certificates of STIR that are revoked: lists by RFC 5280 §5, also indirect ones (§5.2.5), as the STI-PA of the USA
gives out for the certificates of all its authorities (ATIS-1000080)."""

from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip.passport import UNSUPPORTED

MOST_OCTETS: Final = 16 * 1024 * 1024
_BEGIN: Final = b"-----BEGIN X509 CRL-----"


class RevocationList:
    """`until`: when its giver promised a newer one; None: nothing was promised."""

    def __init__(self, data: bytes, issuers: Iterable[x509.Certificate]) -> None:
        """Raises `LocalError` for what is no list (PEM or DER), or none that one of `issuers` has signed."""
        try:
            read = x509.load_pem_x509_crl if _BEGIN in data[:4096] else x509.load_der_x509_crl
            found = read(data)
            indirect = _is_indirect(found)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise LocalError("no certificate revocation list (PEM or DER)") from error
        if not any(_signed_by(found, issuer) for issuer in issuers):
            raise LocalError("the revocation list is signed by none of stir.anchors and stir.crl_issuers")
        self.until = None if found.next_update_utc is None else found.next_update_utc.timestamp()
        self._revoked: set[tuple[bytes, int]] = set()
        issuer = found.issuer.public_bytes()
        for entry in found:
            if indirect:
                issuer = _issuer_of(entry) or issuer  # §5.3.3: that of the entry before, if it names none
            self._revoked.add((issuer, entry.serial_number))

    def __len__(self) -> int:
        return len(self._revoked)

    def stale(self, now: Instant) -> bool:
        """Whether a newer one should be there."""
        return self.until is not None and now >= self.until

    def check(self, certificates: Iterable[x509.Certificate]) -> None:
        """Raises `PeerError` (437) when one of them is revoked."""
        for one in certificates:
            if (one.issuer.public_bytes(), one.serial_number) in self._revoked:
                raise PeerError(f"certificate {one.serial_number:x} is revoked", status=UNSUPPORTED)


def _is_indirect(found: x509.CertificateRevocationList) -> bool:
    try:
        return found.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value.indirect_crl
    except x509.ExtensionNotFound:
        return False


def _issuer_of(entry: x509.RevokedCertificate) -> bytes:
    try:
        names = entry.extensions.get_extension_for_class(x509.CertificateIssuer).value
    except x509.ExtensionNotFound:
        return b""
    found = names.get_values_for_type(x509.DirectoryName)
    return found[0].public_bytes() if found else b""


def _signed_by(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if found.issuer != issuer.subject:
        return False
    key = issuer.public_key()
    try:
        return isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) and found.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
