"""What the settings of TLS and WebSocket mean, the files that they name included."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.services.certificates import load_authorities, load_pair, read_certificate
from softswitch.services.faults import Finding
from softswitch.services.key_lines import KeyPath
from softswitch.sip.transports import SECURE, transport_of
from softswitch.switch.settings import Settings, Trunk
from softswitch.wire.sip import Uri

_FILES: Final = ("certificate", "key", "client_ca", "trusted")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def with_certificates(settings: Settings, directory: Path) -> Settings:
    """The settings with the files of `[tls]` found from the directory of the configuration file."""
    tls = settings.tls
    named = {name: path for name in _FILES if (path := getattr(tls, name)) is not None}
    found: dict[str, Any] = {name: str((directory / path).absolute()) for name, path in named.items()}
    return replace(settings, tls=replace(tls, **found)) if found else settings


def check_tls(settings: Settings) -> Iterator[Finding]:
    """Listeners that need a certificate, files that cannot be used, certificates that nobody would take."""
    tls = settings.tls
    for index, text in enumerate(settings.sip.listen):
        if text.partition(":")[0] in SECURE and tls.certificate is None:
            hint = "[tls] certificate is missing; `softswitch certificate` makes one to begin with"
            yield Finding(("sip", "listen", index), hint)
    if tls.certificate is None:
        if tls.key is not None:
            yield Finding(("tls", "key"), "needs a certificate")
    else:
        yield from _certificate(settings, tls.certificate)
    for name in ("client_ca", "trusted"):
        file = getattr(tls, name)
        if file is not None:
            try:
                load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), file)
            except LocalError as error:
                yield Finding(("tls", name), str(error))
    if tls.require_client and tls.client_ca is None:
        yield Finding(("tls", "require_client"), "needs client_ca: whose certificates are good?")
    for index, origin in enumerate(settings.websocket.origins):
        if _ORIGIN.fullmatch(origin) is None:
            hint = origin.rstrip("/") if _ORIGIN.fullmatch(origin.rstrip("/")) else ""
            text = f'"{origin}" is not an origin, as in "https://desk.example.com"'
            yield Finding(("websocket", "origins", index), text, hint)
    for name, trunk in settings.trunks.items():
        yield from _trunk(settings, ("trunks", name), trunk)


def _certificate(settings: Settings, file: str) -> Iterator[Finding]:
    path: KeyPath = ("tls", "certificate")
    tls = settings.tls
    try:
        certificate = read_certificate(file)
    except LocalError as error:
        yield Finding(path, str(error))
        if tls.key is not None and not Path(tls.key).is_file():
            yield Finding(("tls", "key"), f"{tls.key} cannot be read: No such file or directory")
        return
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), file, tls.key)
    except LocalError as error:
        yield Finding(("tls", "key") if tls.key is not None else path, str(error))
        return
    now = datetime.now(UTC)
    left = certificate.days_left(now)
    day = f"{certificate.ends:%Y-%m-%d}"
    if left <= 0:
        yield _warning(path, f"it is over since {day}: peers refuse it")
    elif left < tls.warn_days:
        yield _warning(path, f"it ends on {day}, in {left:.0f} days")
    if certificate.begins > now:
        yield _warning(path, f"it is good from {certificate.begins:%Y-%m-%d %H:%M} UTC only")
    domain = settings.sip.domain
    if not certificate.covers(domain):
        listed = ", ".join(certificate.names[:5]) or "nothing"
        yield _warning(path, f'it does not cover sip.domain "{domain}", but {listed}')


def _trunk(settings: Settings, path: KeyPath, trunk: Trunk) -> Iterator[Finding]:
    try:
        uri = Uri.parse(trunk.address)
    except PeerError:  # the check of addresses says so
        return
    transport = transport_of(uri)
    if not trunk.verify:
        text = "whoever answers there is believed to be the carrier: leave it out, or name its authority in tls.trusted"
        yield _warning((*path, "verify"), text)
    if trunk.tls_subject is not None and settings.tls.client_ca is None:
        yield Finding((*path, "tls_subject"), "needs tls.client_ca: otherwise nobody is asked for a certificate")
    if transport == "tls" and not any(text.startswith("tls:") for text in settings.sip.listen):
        yield _warning(
            (*path, "address"), "there is no listener tls:…, so it cannot reach us by a connection of its own"
        )


def _warning(path: KeyPath, text: str) -> Finding:
    return Finding(path, text, severity="warning")
