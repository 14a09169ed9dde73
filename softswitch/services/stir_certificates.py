"""Certificates of STIR (RFC 8226): read, bounded, held against the roots we trust and the number they sign for."""

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.passport import INVALID, UNREACHABLE, UNSUPPORTED, Proof

MOST_OCTETS: Final = 65_536  # of what is fetched: a chain is 3 KiB
_MOST_CERTIFICATES: Final = 6
_TN_AUTH_LIST: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.26")  # RFC 8226 §9
_SEQUENCE: Final = 0x30


class Chain:
    """A signer's certificate and what came with it."""

    def __init__(self, data: bytes) -> None:
        """Raises `PeerError` (436) for what is no PEM of a few certificates, (437) for a key that is not P-256."""
        if len(data) > MOST_OCTETS:
            raise PeerError("certificate is too large", status=UNREACHABLE)
        try:
            certificates = x509.load_pem_x509_certificates(data)
        except ValueError as error:
            raise PeerError("no PEM certificate there", status=UNREACHABLE) from error
        if len(certificates) > _MOST_CERTIFICATES:
            raise PeerError("too many certificates", status=UNREACHABLE)
        self.leaf, self.between = certificates[0], certificates[1:]
        try:
            key = self.leaf.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise PeerError("a key that cannot be read", status=UNSUPPORTED) from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise PeerError("the key is not P-256", status=UNSUPPORTED)
        self.key = key

    def check(self, anchors: list[x509.Certificate], now: Instant) -> None:
        """Raises `PeerError` (437) unless it leads to one of `anchors` and is valid at `now` (RFC 8224 §6.2 step 2)."""
        if not anchors:
            raise PeerError("no root is trusted: stir.anchors is not set", status=UNSUPPORTED)
        builder = PolicyBuilder().store(Store(anchors)).time(datetime.fromtimestamp(now, UTC)).max_chain_depth(4)
        policies = {"ca_policy": ExtensionPolicy.webpki_defaults_ca(), "ee_policy": ExtensionPolicy.permit_all()}
        try:
            builder.extension_policies(**policies).build_client_verifier().verify(self.leaf, self.between)
        except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
            raise PeerError(f"certificate is not trusted: {error}"[:200], status=UNSUPPORTED) from error

    def prove(self, proof: Proof) -> None:
        """Raises `PeerError`: 438 when the signature is not this key's, 437 when the number is not the signer's."""
        r, s = (int.from_bytes(half, "big") for half in (proof.signature[:32], proof.signature[32:]))
        try:
            self.key.verify(encode_dss_signature(r, s), proof.signed, ec.ECDSA(SHA256()))
        except InvalidSignature as error:
            raise PeerError("the signature is wrong", status=INVALID) from error
        if not self._may_sign(proof.number):
            raise PeerError("the certificate is for other numbers", status=UNSUPPORTED)

    def _may_sign(self, number: str) -> bool:
        """RFC 8226 §9: a list without a service provider's code is of all numbers that there are."""
        try:
            extension = self.leaf.extensions.get_extension_for_oid(_TN_AUTH_LIST).value
        except x509.ExtensionNotFound:
            return True
        except ValueError as error:
            raise PeerError("extensions that cannot be read", status=UNSUPPORTED) from error
        assert isinstance(extension, x509.UnrecognizedExtension)
        return _allows(extension.value, number)


def _allows(der: bytes, number: str) -> bool:
    """TNAuthorizationList ::= SEQUENCE OF CHOICE { [0] spc, [1] range, [2] one }, each explicitly tagged."""
    tag, entries, _ = _element(der)
    if tag != _SEQUENCE:
        raise PeerError("TNAuthList cannot be read", status=UNSUPPORTED)
    found = False
    while entries:
        tag, body, entries = _element(entries)
        kind, value, _ = _element(body)
        match tag, kind:
            case 0xA0, _:
                return True  # a service provider: which numbers it has is not in the certificate
            case 0xA1, 0x30:
                _, start, rest = _element(value)
                _, count, _ = _element(rest)
                found = found or _within(number, start.decode("ascii", "replace"), int.from_bytes(count, "big"))
            case 0xA2, 0x16:
                found = found or number == value.decode("ascii", "replace")
    return found


def _within(number: str, start: str, count: int) -> bool:
    if not (start.isascii() and start.isdigit()) or len(number) != len(start):
        return False
    return 0 <= int(number) - int(start) < count


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows (ITU-T X.690 §8.1)."""
    if len(data) < 2:
        raise PeerError("TNAuthList cannot be read", status=UNSUPPORTED)
    length, start = data[1], 2
    if length & 0x80:
        octets = length & 0x7F
        length, start = int.from_bytes(data[2 : 2 + octets], "big"), 2 + octets
        if not 0 < octets <= 4:
            raise PeerError("TNAuthList cannot be read", status=UNSUPPORTED)
    if len(data) < start + length:
        raise PeerError("TNAuthList cannot be read", status=UNSUPPORTED)
    return data[0], data[start : start + length], data[start + length :]
