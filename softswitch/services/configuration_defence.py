"""What the settings of defence mean: networks that can be read, numbers that make sense."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from softswitch.services.faults import Finding
from softswitch.switch.settings import Settings

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_SHORT_TOKEN: Final = 16
_WIDE: Final = 8  # a prefix shorter than that allows half of the internet


def check_defence(settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong with `[defence]`."""
    rules = settings.defence
    for key in ("allow", "deny"):
        for index, text in enumerate(getattr(rules, key)):
            try:
                network = ip_network(text, strict=False)
            except ValueError:
                yield Finding(("defence", key, index), f'"{text}" is not an address or a network, as in "192.0.2.0/24"')
                continue
            if network.prefixlen < _WIDE:
                yield Finding(("defence", key, index), f"{text} is very wide", severity="warning")
    for key in ("rate", "burst", "known_rate", "known_burst", "strangers_rate", "strangers_burst", "window"):
        if getattr(rules, key) <= 0:
            yield Finding(("defence", key), "must be more than 0")
    for key in ("failures", "accounts", "junk"):
        if getattr(rules, key) < 2:
            yield Finding(("defence", key), "must be at least 2: one may be a mistake")
    if rules.ban_seconds < 1:
        yield Finding(("defence", "ban_seconds"), "must be at least 1; bans = false switches bans off")
    if rules.known_rate < rules.rate:
        yield Finding(("defence", "known_rate"), f"phones and trunks get less than strangers ({rules.rate:g})")
    if any(not word.strip() or len(word) < 3 for word in rules.scanners):
        yield Finding(("defence", "scanners"), "words of three letters at least: they are looked for in every message")
    yield from _tokens(settings)
    if rules.log.endswith("/"):
        yield Finding(("defence", "log"), "must name a file, syslog, or nothing")


def _tokens(settings: Settings) -> Iterator[Finding]:
    for name, one in settings.api.tokens.items():
        path = ("api", "tokens", name)
        if (one.token is None) is (one.sha256 is None):
            yield Finding(path, "needs either token or sha256; `softswitch token` makes both")
        elif one.sha256 is not None and _SHA256.fullmatch(one.sha256) is None:
            yield Finding((*path, "sha256"), "must be 64 hexadecimal digits, as `softswitch token` prints them")
        elif one.token is not None and len(one.token) < _SHORT_TOKEN:
            yield Finding((*path, "token"), f"weak: shorter than {_SHORT_TOKEN} characters", severity="warning")
