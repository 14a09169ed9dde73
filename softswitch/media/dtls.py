"""DTLS for SRTP keys (RFC 5764) by OpenSSL on memory: datagrams in, datagrams out.

Not a pure core: OpenSSL has its own dice and looks at its own clock for retransmissions (RFC 6347 §4.2.4).
"""

import hmac
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from softswitch.kernel.clock import Instant
from softswitch.media.srtp import SUITES

MTU: Final = 1200  # octets a datagram; safe on every path (RFC 8261 §5 says the same)
_DTLS_1_2: Final = 0xFEFD
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
_PROFILES: Final = {  # RFC 5764 §4.1.2, RFC 7714 §14.2; ours first: GCM costs least
    b"SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    b"SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
    b"SRTP_AEAD_AES_256_GCM": "AEAD_AES_256_GCM",
    b"SRTP_AES128_CM_SHA1_32": "AES_CM_128_HMAC_SHA1_32",
}
_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
)
_LIFE: Final = timedelta(days=365)
_APPLICATION: Final = 23  # content type; nothing of ours, and a spoilt handshake if it comes early
_FRESH_STARTS: Final = 20
_RECORD: Final = 13  # octets of a record's head


class Identity:
    """A self-signed certificate (ECDSA, P-256), made at start and never written down. `fingerprint` is the value of
    `a=fingerprint` (RFC 8122 §5)."""

    def __init__(self, now: Instant) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "softswitch")])
        at = datetime.fromtimestamp(now, UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(at - timedelta(days=1)).not_valid_after(at + _LIFE)
        certificate = builder.sign(key, hashes.SHA256())
        self.fingerprint = f"sha-256 {_written(certificate.fingerprint(hashes.SHA256()))}"
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Certificates are self-signed; who it is, the fingerprint tells (RFC 5763 §5), after the handshake.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(b":".join(_PROFILES))
        self.context = context


class Phase(StrEnum):
    """Of an association."""

    SHAKING = "shaking"
    DONE = "done"
    FAILED = "failed"


class Association:
    """One handshake. When `phase` is `DONE`, `suite`, `local_key` and `remote_key` (master key and salt) are there;
    when it is `FAILED`, `reason` is. Both are final.

    Until we have answered, junk that OpenSSL takes for a broken handshake only makes the passive side start afresh, a
    few times: anybody could send it. Afterwards a forged record can end the handshake; ICE keeps forgers away."""

    __slots__ = (
        "_active",
        "_answered",
        "_connection",
        "_fingerprint",
        "_fresh_starts",
        "_hash",
        "_identity",
        "local_key",
        "phase",
        "reason",
        "remote_key",
        "suite",
    )

    def __init__(self, identity: Identity, *, active: bool, fingerprint_hash: str, fingerprint: str) -> None:
        self._identity = identity
        self._active = active
        self._answered = False
        self._fresh_starts = _FRESH_STARTS
        self._hash = fingerprint_hash.lower()
        self._fingerprint = fingerprint.upper()
        self.phase = Phase.SHAKING
        self.reason = self.suite = ""
        self.local_key = self.remote_key = b""
        self._connection = self._connect()

    def _connect(self) -> SSL.Connection:
        connection = SSL.Connection(self._identity.context)
        connection.set_ciphertext_mtu(MTU)
        if self._active:
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        return connection

    def start(self) -> list[bytes]:
        """The first flight of the active side."""
        return self._step() if self._active else []

    def receive(self, data: bytes) -> list[bytes]:
        """A datagram came; what to answer. What is no DTLS, OpenSSL drops (RFC 6347 §4.1.2.7)."""
        if self.phase is Phase.FAILED or (self.phase is Phase.SHAKING and data[0] == _APPLICATION):
            return []
        self._connection.bio_write(data)
        if self.phase is Phase.SHAKING:
            return self._step()
        with suppress(SSL.Error):
            self._connection.recv(MTU)  # our last flight again if the peer has missed it; nothing else is expected
        return self._flight()

    def wake(self) -> list[bytes]:
        """Retransmissions that are due."""
        if self.phase is not Phase.SHAKING:
            return []
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"DTLS: {_said(error)}")
        return self._flight()

    def fail(self, reason: str) -> None:
        """Nobody waits for it any more."""
        self._fail(reason)

    def _step(self) -> list[bytes]:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            said = _said(error)
            if not (self._active or self._answered or "alert" in said) and self._fresh_starts:
                self._fresh_starts -= 1
                self._connection = self._connect()
                return []
            self._fail(f"DTLS handshake failed: {said}")
        else:
            self._judge()
        return self._flight()

    def _judge(self) -> None:
        """The handshake is over: is it the peer that SIP told of, and which keys are ours?"""
        algorithm = _HASHES.get(self._hash)
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if algorithm is None or certificate is None:
            self._fail(f"fingerprint by {self._hash} cannot be checked")
            return
        if not hmac.compare_digest(_written(certificate.fingerprint(algorithm)), self._fingerprint):
            self._fail("the DTLS certificate is not the one that SIP told of")
            return
        suite = _PROFILES.get(self._connection.get_selected_srtp_profile())
        if suite is None:
            self._fail("the peer takes no SRTP protection profile of ours")
            return
        key, salt = SUITES[suite].key, SUITES[suite].salt
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt), None)
        salts = material[2 * key :]
        client, server = material[:key] + salts[:salt], material[key : 2 * key] + salts[salt:]  # RFC 5764 §4.2
        self.suite = suite
        self.local_key, self.remote_key = (client, server) if self._active else (server, client)
        self.phase = Phase.DONE

    def _fail(self, reason: str) -> None:
        if self.phase is Phase.SHAKING:
            self.phase, self.reason = Phase.FAILED, reason

    def _flight(self) -> list[bytes]:
        """What OpenSSL wants sent. A memory BIO joins datagrams; records are put into datagrams anew."""
        data = b""
        with suppress(SSL.Error):
            while True:
                data += self._connection.bio_read(1 << 16)
        datagrams: list[bytes] = []
        while len(data) >= _RECORD:
            size = _RECORD + int.from_bytes(data[11:13], "big")
            record, data = data[:size], data[size:]
            if datagrams and len(datagrams[-1]) + size <= MTU:
                datagrams[-1] += record
            else:
                datagrams.append(record)
        self._answered |= bool(datagrams)
        return datagrams


def _written(digest: bytes) -> str:
    return digest.hex(":").upper()


def _said(error: SSL.Error) -> str:
    """OpenSSL's own words, which hold no secret."""
    queue = error.args[0] if error.args else ()
    words = [entry[-1] for entry in queue if isinstance(entry, tuple) and entry[-1]] if isinstance(queue, list) else []
    return ", ".join(words) or "closed by the peer"
