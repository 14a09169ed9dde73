"""What the settings of recording servers mean: names, backups, codecs, times."""

from collections.abc import Iterator
from typing import Final

from softswitch.kernel.errors import PeerError
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.sip.codec_table import CODECS
from softswitch.sip.transports import SECURE, transport_of
from softswitch.switch.settings import RecordingServer, Settings
from softswitch.wire.sip import Uri

_SECTIONS: Final = ("queues", "phones", "trunks")
_LONGEST: Final = 60.0  # seconds that a server may be waited for: after that much of a call is lost anyway


def check_siprec(settings: Settings) -> Iterator[Finding]:
    """Servers that cannot be reached as written, names of none, backups that go round."""
    servers = settings.siprec
    for section in _SECTIONS:
        for name, entry in getattr(settings, section).items():
            if entry.siprec is not None and entry.siprec not in servers:
                path = (section, name, "siprec")
                yield Finding(path, f'no recording server "{entry.siprec}"', closest(entry.siprec, servers))
    everybodys = [name for name, server in servers.items() if server.all]
    for name in everybodys[1:]:
        yield Finding(("siprec", name, "all"), f"siprec.{everybodys[0]} has all calls already")
    for name, server in servers.items():
        yield from _server(settings, ("siprec", name), server)
    seen: set[str] = set()
    for name in servers:
        chain = [name]
        while (following := servers[chain[-1]].backup or "") in servers and following not in chain:
            chain.append(following)
        if servers[chain[-1]].backup in chain and not seen.intersection(chain):
            seen.update(chain)
            words = " → ".join((*chain, servers[chain[-1]].backup or ""))
            yield Finding(("siprec", name, "backup"), f"backups go round: {words}")


def _server(settings: Settings, path: KeyPath, server: RecordingServer) -> Iterator[Finding]:
    if server.backup is not None and server.backup not in settings.siprec:
        yield Finding(
            (*path, "backup"), f'no recording server "{server.backup}"', closest(server.backup, settings.siprec)
        )
    if server.listener is not None and server.listener not in settings.sip.listen:
        match = closest(server.listener, settings.sip.listen)
        yield Finding((*path, "listener"), f'"{server.listener}" is not in sip.listen', match)
    if not server.codecs:
        yield Finding((*path, "codecs"), "must name at least one codec")
    for index, codec in enumerate(server.codecs):
        if codec not in CODECS or not CODECS[codec].mixed:
            known = [name for name, row in CODECS.items() if row.mixed]
            yield Finding((*path, "codecs", index), f'"{codec}" is none that we speak', closest(codec, known))
    if not 0.5 <= server.timeout_seconds <= _LONGEST:
        yield Finding((*path, "timeout_seconds"), f"must be 0.5 to {_LONGEST:.0f}")
    if not server.timeout_seconds <= server.answer_seconds <= _LONGEST:
        yield Finding((*path, "answer_seconds"), f"must be timeout_seconds to {_LONGEST:.0f}")
    if server.options_seconds and server.options_seconds < 5.0:
        yield Finding((*path, "options_seconds"), "must be 0 (not at all) or at least 5")
    if server.retry_seconds and server.retry_seconds < 5.0:
        yield Finding((*path, "retry_seconds"), "must be 0 (not at all) or at least 5")
    try:
        uri = Uri.parse(server.address)
    except PeerError:
        return  # told elsewhere
    if server.srtp in ("optional", "required") and transport_of(uri) not in SECURE:
        text = "the keys of SRTP go to the server in the clear: use transport=tls"
        yield Finding((*path, "srtp"), text, severity="warning")
