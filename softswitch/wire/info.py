"""Keys in SIP INFO bodies: `application/dtmf-relay` and `application/dtmf`. No RFC defines them (RFC 6086 §1 calls
such use legacy); this is what phones and gateways send."""

import re
from dataclasses import dataclass
from typing import Final

from softswitch.wire.dtmf import DIGITS, FLASH

RELAY: Final = "application/dtmf-relay"
PLAIN: Final = "application/dtmf"
DEFAULT_MS: Final = 160

_SIGNAL: Final = re.compile(rb"(?im)^[ \t]*Signal[ \t]*=[ \t]*([0-9A-D*#!]|1[0-6]|flash)[ \t]*\r?$")
_DURATION: Final = re.compile(rb"(?im)^[ \t]*Duration[ \t]*=[ \t]*(\d{1,5})[ \t]*\r?$")
_BARE: Final = re.compile(rb"(?i)\s*([0-9A-D*#!]|1[0-6])\s*")
_BOUNDS_MS: Final = (40, 8000)


@dataclass(frozen=True, slots=True)
class Signal:
    """One key."""

    digit: str
    duration_ms: int = DEFAULT_MS


def parse(content_type: str, body: bytes) -> Signal | None:
    """The key in the body; None when it is of another type or holds none. Numbers from 10 on are event codes."""
    kind = content_type.partition(";")[0].strip().lower()
    found = _SIGNAL.search(body) if kind == RELAY else _BARE.fullmatch(body) if kind == PLAIN else None
    if found is None:
        return None
    name = found[1].decode().upper()
    digit = FLASH if name == "FLASH" else (DIGITS + FLASH)[int(name)] if len(name) == 2 else name
    length = _DURATION.search(body) if kind == RELAY else None
    if length is None:
        return Signal(digit)
    return Signal(digit, min(max(int(length[1]), _BOUNDS_MS[0]), _BOUNDS_MS[1]))


def build(digit: str, duration_ms: int = DEFAULT_MS) -> bytes:
    """An `application/dtmf-relay` body."""
    return f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()
