"""Signed callers' numbers (STIR/SHAKEN): our key, whom we trust, what is asked of each trunk."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Stir:
    """`[stir]`. `key` and `certificate` are PEM files beside the configuration, read anew at each reload; others fetch
    the certificate (and what is between it and the root) at `x5u`. `signing_service` in their place: the base URL of
    one by ATIS-1000082; `verification_service` likewise in place of `anchors`, a PEM file of the roots that we trust.
    `timeout` bounds how long a call waits for either; `max_age` is how old a signature may be. Certificates are fetched
    by HTTPS from public addresses, unless `allow_http` or `allow_networks` say more, and kept `cache_seconds`.

    `crl`: revocation lists, files or https URLs, read anew every `crl_seconds`, and signed by a root of ours or one of
    `crl_issuers` (PEM). `crl_required`: without a list that is valid no signature is believed."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    key: str | None = None
    certificate: str | None = None
    x5u: str | None = None
    origid: str | None = None
    anchors: str | None = None
    signing_service: str | None = None
    verification_service: str | None = None
    token: str | None = field(default=None, repr=False)
    crl: tuple[str, ...] = ()
    crl_issuers: str | None = None
    crl_seconds: float = 3600.0
    crl_required: bool = False
    timeout: float = 2.0
    max_age: float = 60.0
    cache_seconds: float = 3600.0
    allow_http: bool = False
    allow_networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkStir:
    """`stir` of a trunk. `sign` what goes out over it; `verify` what comes in: `mark` tells what was found, `reject`
    refuses what is not proved (RFC 8224 §6.2.2)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    sign: bool = False
    verify: Literal["off", "mark", "reject"] = "off"
