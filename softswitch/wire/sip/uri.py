"""SIP and SIPS URIs (RFC 3261 §19.1); others as far as a switch needs them."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip.grammar import (
    HOST,
    PORT,
    Params,
    format_params,
    host_name,
    normalise_escapes,
    port_number,
    unescape,
)

CACHED_LENGTH: Final = 256  # longer texts are parsed anew: a flood of long ones must not fill memory
CACHED_TEXTS: Final = 4096

_UNRESERVED: Final = r"A-Za-z0-9\-_.!~*'()"
# "#" and other non-URI characters are dialled unescaped by many phones
_USER: Final = rf"(?:[{_UNRESERVED}&=+$,;?/#|^\x80-\U0010ffff]++|%[0-9A-Fa-f]{{2}})++"
_PASSWORD: Final = rf"(?:[{_UNRESERVED}&=+$,]++|%[0-9A-Fa-f]{{2}})*+"
_PARAM_TEXT: Final = rf"(?:[{_UNRESERVED}\[\]/:&+$]++|%[0-9A-Fa-f]{{2}})"
_HEADER_TEXT: Final = rf"(?:[{_UNRESERVED}\[\]/?:+$;]++|%[0-9A-Fa-f]{{2}})"

_sip = re.compile(
    rf"(sips?):(?:({_USER})(?::({_PASSWORD}))?@)?({HOST})(?::({PORT}))?"
    rf"((?:;{_PARAM_TEXT}++(?:=(?:{_PARAM_TEXT}|=)*+)?)*+)"
    rf"(?:\?({_HEADER_TEXT}++={_HEADER_TEXT}*+(?:&{_HEADER_TEXT}++={_HEADER_TEXT}*+)*+))?",
    re.IGNORECASE,
)
_other = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+):([^\s<>\"]++)")

# RFC 3261 §19.1.4: these never match when only one URI has them
_MUST_AGREE: Final = ("user", "ttl", "method", "maddr")


class Uri(msgspec.Struct, frozen=True, gc=False):
    """A URI as a value.

    `scheme` in lower case. `user` and `password` keep only the escapes that mean something (`%40`, `%00`); `username`
    is `user` with all of them resolved. `host` is a name or an address, IPv6 without brackets. `params` have
    lower-case names; a parameter without value has None. `headers` are those after `?`, values as escaped.
    In other schemes all that follows the colon is `user` (in tel: without its `params`), and `host` is "".
    """

    scheme: str = "sip"
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = {}
    headers: Mapping[str, str] = {}

    @staticmethod
    def parse(text: str) -> "Uri":
        """Read a URI without angle brackets. Raises `PeerError` (400)."""
        return _parse_cached(text) if len(text) <= CACHED_LENGTH else _parse(text)

    @property
    def username(self) -> str:
        """The user part with every escape resolved, "" if there is none."""
        return "" if self.user is None else unescape(self.user)

    @property
    def aor(self) -> str:
        """The address of record: scheme, user and host alone, the host in lower case (RFC 3261 §10.3 step 5)."""
        return str(Uri(self.scheme, self.user, None, self.host.lower()))

    def __str__(self) -> str:
        host = self.host
        if ":" in host:
            host = f"[{host}]"
        if self.user is not None:
            user = self.user if self.password is None else f"{self.user}:{self.password}"
            host = f"{user}@{host}" if host else user
        text = f"{self.scheme}:{host}" if self.scheme else host
        if self.port is not None:
            text = f"{text}:{self.port}"
        if self.params:
            text += format_params(self.params)
        if self.headers:
            text += "?" + "&".join([f"{name}={value}" for name, value in self.headers.items()])
        return text

    def equivalent(self, other: "Uri") -> bool:
        """Whether both mean the same resource (RFC 3261 §19.1.4)."""
        if (self.scheme, self.port) != (other.scheme, other.port) or self.host.lower() != other.host.lower():
            return False
        if (self.user, self.password) != (other.user, other.password):
            return False
        mine, theirs = self.params, other.params
        for name in mine.keys() & theirs.keys():
            if (mine[name] or "").lower() != (theirs[name] or "").lower():
                return False
        if any((name in mine) != (name in theirs) for name in _MUST_AGREE):
            return False
        return _comparable(self.headers) == _comparable(other.headers)


def _comparable(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): unescape(value) for name, value in headers.items()}


def _parse(text: str) -> Uri:
    match = _sip.fullmatch(text)
    if match is None:
        return _parse_other(text)
    scheme, user, password, host, port, param_text, header_text = match.groups()
    if user is not None and "%" in text:
        user = normalise_escapes(user)
        password = None if password is None else normalise_escapes(password)
    params: dict[str, str | None] = {}
    if param_text:
        for part in normalise_escapes(param_text).split(";")[1:]:
            name, equals, value = part.partition("=")
            params.setdefault(name.lower(), value if equals else None)
    headers: dict[str, str] = {}
    if header_text:
        for part in header_text.split("&"):
            name, _, value = part.partition("=")
            headers[normalise_escapes(name)] = value
    return Uri(scheme.lower(), user, password, host_name(host), port_number(port), params, headers)


def _parse_other(text: str) -> Uri:
    match = _other.fullmatch(text)
    if match is None or match[1].lower() in ("sip", "sips"):
        raise PeerError(f"malformed URI {text[:80]!r}")
    scheme, rest = match[1].lower(), match[2]
    if scheme != "tel":
        return Uri(scheme, rest)
    number, *parts = rest.split(";")  # RFC 3966 §3
    params: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        params.setdefault(name.lower(), value if equals else None)
    return Uri(scheme, number, None, "", None, params)


_parse_cached = lru_cache(CACHED_TEXTS)(_parse)
