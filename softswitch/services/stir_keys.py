"""Keys and certificates of STIR from PEM files, and signatures by ES256: ECDSA, P-256, SHA-256 (RFC 7518 §3.4)."""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from softswitch.kernel.errors import LocalError
from softswitch.switch.settings import Stir


def es256(key: ec.EllipticCurvePrivateKey, octets: bytes) -> bytes:
    """A signature of 64 octets: r and s (RFC 7518 §3.4)."""
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def private_key(stir: Stir) -> ec.EllipticCurvePrivateKey:
    """The key of the settings, which must be that of the certificate if one is named. Raises `LocalError`."""
    if stir.key is None:
        raise LocalError("stir.key is not set")
    try:
        key = load_pem_private_key(Path(stir.key).read_bytes(), None)
    except OSError as error:
        raise LocalError(f"{stir.key} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LocalError(f"{stir.key} is no private key without a password (PEM)") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise LocalError(f"{stir.key} is not a P-256 key, which ES256 needs (prime256v1)")
    if stir.certificate is not None and certificates(stir.certificate)[0].public_key() != key.public_key():
        raise LocalError(f"{stir.certificate} is not the certificate of {stir.key}")
    return key


def certificates(path: str) -> list[x509.Certificate]:
    """Those of a PEM file, ours first. Raises `LocalError`."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise LocalError(f"{path} has no certificates (PEM)") from error
