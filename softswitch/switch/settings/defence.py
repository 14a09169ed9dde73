"""Who may talk to the switch at all, how much, and what becomes of those who try doors."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from softswitch.switch.settings.common import STRICT

SCANNERS: Final = (
    "friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sip-scan", "sipscan", "siparmyknife",
    "vaxsipuseragent", "vaxasip", "sipcli/", "sipcli ", "pplsip", "voipbuster scan", "user-agent: smap", "mr.sip",
    "sipptk", "pentest",
)  # fmt: skip
"""Words that scanners put into User-Agent, From or To, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """`[defence]`. Rates are messages a second from one source (an IPv4 address, an IPv6 /64), `burst` how many may
    come at once. *Known* sources are trunks, fixed and registered phones, and whoever has proved a password within the
    hour; all others are strangers, and `strangers_rate` is for all of these together. `allow` networks are neither
    limited nor banned, nor is loopback with `loopback`, nor `sip.local_networks` with `local`; from `deny` nothing is
    taken. With `only_allowed` nothing is taken from anybody but these and known sources.

    Bans: after `failures` wrong passwords, `accounts` different accounts asked for in vain, or `junk` messages that are
    none, within `window` seconds. A second ban lasts twice as long as the first, and so on, up to a day. `lock_after`
    wrong passwords for one account from one source, it is not listened to for `lock_seconds`, doubled each time.

    `dialogs`: what comes within a call from another address than its party's must come from one of the party's own, or
    with its password (`address`), or may come from anywhere (`any`).

    `options`: OPTIONS of strangers are answered (`all`) or not (`known`). `log`: the security log, a file in
    `data_dir`, or `syslog`, or empty for none."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    rate: float = 30.0
    burst: float = 200.0
    known_rate: float = 2000.0
    known_burst: float = 4000.0
    strangers_rate: float = 200.0
    strangers_burst: float = 1000.0
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    only_allowed: bool = False
    loopback: bool = True
    local: bool = False
    scanners: tuple[str, ...] = SCANNERS
    dialogs: Literal["address", "any"] = "address"
    options: Literal["known", "all"] = "known"
    bans: bool = True
    ban_seconds: float = 600.0
    window: float = 60.0
    failures: int = 10
    accounts: int = 8
    junk: int = 40
    lock_after: int = 4
    lock_seconds: float = 2.0
    log: str = "security.log"
