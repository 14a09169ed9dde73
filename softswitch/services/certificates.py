"""Certificates as files: what one says, what is wrong with it, and a self-signed one to begin with."""

import os
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from softswitch.kernel.errors import LocalError


@dataclass(frozen=True, slots=True)
class Certificate:
    """The first certificate of a file. `names` are the hosts and addresses that it is good for (RFC 5922 §7.1)."""

    file: str
    subject: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    self_signed: bool
    serial: int

    def days_left(self, now: datetime) -> float:
        """Below zero when it is over."""
        return (self.ends - now).total_seconds() / 86400

    def covers(self, host: str) -> bool:
        """Whether a client that looks for `host` takes it: a `*` stands for the first label (RFC 6125 §6.4.3)."""
        host = host.lower().rstrip(".")
        parent = host.partition(".")[2]
        return any(name == host or (name.startswith("*.") and name[2:] == parent) for name in self.names)


def read_certificate(path: str) -> Certificate:
    """What the file says. Raises `LocalError`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror}") from error
    return _parsed(path, data)


@lru_cache(maxsize=16)
def _parsed(path: str, data: bytes) -> Certificate:
    try:
        found = x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise LocalError(f"{path} holds no certificate in PEM") from error
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
        hosts += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        hosts += [uri[4:].lower() for uri in uris if re.fullmatch(r"sip:[^@;?]+", uri)]
    except x509.ExtensionNotFound:
        common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        hosts = [str(name.value).lower() for name in common]
    return Certificate(
        path,
        found.subject.rfc4514_string(),
        tuple(hosts),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        found.issuer == found.subject,
        found.serial_number,
    )


def load_pair(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Put a certificate and its key into `context`. Raises `LocalError` that says which of the two is at fault."""
    read_certificate(certificate)
    place = key or certificate
    try:
        os.stat(place)
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except OSError as error:  # ssl.SSLError is one
        raise LocalError(_pair_fault(error, certificate, place)) from error
    except _Passphrase:
        raise LocalError(
            f"{place} needs a passphrase: store the key without one, readable by the switch alone"
        ) from None


class _Passphrase(Exception):
    """OpenSSL asked for one; without this it would ask the terminal."""


def _no_passphrase() -> str:
    raise _Passphrase


def _pair_fault(error: OSError, certificate: str, key: str) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key in {key} is not that of {certificate}"
        return f"{key} holds no private key in PEM" if error.library != "X509" else f"{certificate}: {error.reason}"
    return f"{key} cannot be read: {error.strerror}"


def load_authorities(context: ssl.SSLContext, file: str) -> None:
    """Trust the certificates of a PEM file. Raises `LocalError`."""
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError as error:
        raise LocalError(f"{file} holds no certificates in PEM") from error
    except OSError as error:
        raise LocalError(f"{file} cannot be read: {error.strerror}") from error


def make_self_signed(names: tuple[str, ...], days: int, now: datetime) -> tuple[bytes, bytes]:
    """Certificate and key in PEM for `names` (hosts and IP addresses), P-256, good from an hour ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    begins = (now - timedelta(hours=1)).astimezone(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)  # phones import it as an authority
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.public_bytes(serialization.Encoding.PEM), secret


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
