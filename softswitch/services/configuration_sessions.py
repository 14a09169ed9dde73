"""What the settings of SIP's session extensions mean: session timers (RFC 4028)."""

from collections.abc import Iterator
from typing import Final

from softswitch.services.faults import Finding
from softswitch.services.key_lines import KeyPath
from softswitch.sip.session_terms import SHORTEST
from softswitch.switch.settings import Settings

_LONGEST: Final = 86_400


def check_sessions(settings: Settings) -> Iterator[Finding]:
    """Intervals that no peer could keep."""
    least = settings.sip.min_session_expires
    if not SHORTEST <= least <= _LONGEST:
        text = f"must be {SHORTEST} to {_LONGEST} s: RFC 4028 allows no shorter one"
        yield Finding(("sip", "min_session_expires"), text)
        return
    yield from _interval(("sip", "session_expires"), settings.sip.session_expires, least)
    for section, parties in (("phones", settings.phones), ("trunks", settings.trunks)):
        for name, party in parties.items():
            if party.session_expires is not None:
                yield from _interval((section, name, "session_expires"), party.session_expires, least)


def _interval(path: KeyPath, seconds: int, least: int) -> Iterator[Finding]:
    if seconds and not least <= seconds <= _LONGEST:
        text = f"must be 0 (no session timers) or {least} to {_LONGEST} s (sip.min_session_expires = {least})"
        yield Finding(path, text)
