"""A small public-key infrastructure for tests of STIR: a root, what it issues, and signed Identity header fields."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from softswitch.services.stir_keys import es256
from softswitch.sip import passport

X5U = "https://certs.test/shaken.pem"
_TN_AUTH_LIST = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.26")


def tlv(tag: int, body: bytes) -> bytes:
    """DER of short contents."""
    return bytes((tag, len(body))) + body


def service_provider(code: str) -> bytes:
    return tlv(0xA0, tlv(0x16, code.encode()))


def one(number: str) -> bytes:
    return tlv(0xA2, tlv(0x16, number.encode()))


def block(start: str, count: int) -> bytes:
    return tlv(0xA1, tlv(0x30, tlv(0x16, start.encode()) + tlv(0x02, count.to_bytes(2, "big"))))


@dataclass
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Certificate and key in PEM files."""
        files = directory / f"{name}.pem", directory / f"{name}.key"
        files[0].write_bytes(self.pem)
        files[1].write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


def issue(
    name: str,
    by: Issued | None = None,
    *,
    ca: bool = False,
    at: float = 1_800_000_000.0,
    days: tuple[int, int] = (-10, 10),
    numbers: bytes = b"",
    bits: int = 0,
    curve: ec.EllipticCurve | None = None,
    host: str = "",
) -> Issued:
    """A certificate that is valid for `days` around `at`; self-signed without `by`. `numbers`: entries of the
    TNAuthList. `bits`: an RSA key of that size. `host`: of a web server."""
    key: Any = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(curve or ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(at, UTC)
    issuer_key = key if by is None else by.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days[0]))
        .not_valid_after(now + timedelta(days[1]))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    if numbers:
        builder = builder.add_extension(x509.UnrecognizedExtension(_TN_AUTH_LIST, tlv(0x30, numbers)), critical=False)
    return Issued(builder.sign(issuer_key, SHA256()), key)


def revoked(
    by: Issued,
    *certificates: x509.Certificate,
    at: float = 1_800_000_000.0,
    hours: tuple[int, int] = (-1, 24),
    indirect: bool = False,
) -> bytes:
    """A revocation list in DER, good for `hours` around `at`. `indirect`: each entry names who issued the certificate,
    if that is another than the one before it (RFC 5280 §5.3.3)."""
    now = datetime.fromtimestamp(at, UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(now + timedelta(hours=hours[0]))
        .next_update(now + timedelta(hours=hours[1]))
    )
    if indirect:
        point = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
        builder = builder.add_extension(point, critical=True)
    issuer = by.certificate.subject
    for one in certificates:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now)
        if indirect and one.issuer != issuer:
            issuer = one.issuer
            names = x509.CertificateIssuer([x509.DirectoryName(issuer)])
            entry = entry.add_extension(names, critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(by.key, SHA256()).public_bytes(Encoding.DER)


def signed(by: Issued, orig: str, dest: str, at: float, /, *, attest: str = "A", x5u: str = X5U, **changes: Any) -> str:
    """An Identity header field. `changes` replace members of the PASSporT: `alg`, `typ`, `ppt`, `iat` …; None: left
    out."""
    head = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": x5u}
    claims = {"attest": attest, "dest": {"tn": [dest]}, "iat": int(at), "orig": {"tn": orig}, "origid": "a-b-c"}
    for name, value in changes.items():
        part = head if name in head else claims
        part[name] = value
    head, claims = ({k: v for k, v in part.items() if v is not None} for part in (head, claims))
    octets = b".".join(passport._encode(msgspec.json.encode(part)) for part in (head, claims))
    return passport.field(octets, es256(by.key, octets), x5u, str(head.get("ppt", "shaken")))
