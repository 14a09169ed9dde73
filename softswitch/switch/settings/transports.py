"""TLS and WebSocket for signalling."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files, relative to the configuration file. `certificate`: ours with its chain, for listeners `tls` and `wss`
    and for servers that ask us for one; `key` may be in the same file. `client_ca`: peers that connect to us are asked
    for a certificate, and a shown one must be signed by these authorities; `require_client`: without one nobody gets
    in. `trusted`: the authorities that servers we call must be signed by; None: those that the system trusts."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None
    require_client: bool = False
    trusted: str | None = None
    min_version: Literal["1.2", "1.3"] = "1.2"
    warn_days: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocket:
    """RFC 7118. `origins`: pages that may connect, as browsers name them (`https://desk.example.com`); empty: all. Who
    may call is decided by the digest, as everywhere. `ping_seconds`: an idle connection is asked for a sign of life;
    who gives none within as long again is cut off; 0: never."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    origins: tuple[str, ...] = ()
    ping_seconds: float = 30.0
