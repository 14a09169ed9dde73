"""SIP and SIPS URIs (RFC 3261 §19.1); others as far as a switch needs them."""

import re
from collections.abc import Mapping
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
    plain_params,
    port_number,
    unescape,
)

# Texts that came lately, and what they say. Long ones stay out: a flood of them must not fill memory.
MEMO_TEXTS: Final = 4096
MEMO_LENGTH: Final = 256
_memo: dict[str, "Uri"] = {}

_UNRESERVED: Final = r"A-Za-z0-9\-_.!~*'()"
# "#", "|" and "^" are dialled unescaped by many phones
_USER: Final = rf"{_UNRESERVED}&=+$,;?/#|^\x80-\U0010ffff"
_PASSWORD: Final = rf"{_UNRESERVED}&=+$,"
_PARAM: Final = rf"{_UNRESERVED}\[\]/:&+$"
_HEADER: Final = rf"{_UNRESERVED}\[\]/?:+$;"


def _expression(escape: str) -> re.Pattern[str]:
    """SIP-URI / SIPS-URI with `escape` allowed; without one it is three times as fast."""

    def some(characters: str) -> str:
        return rf"(?:[{characters}]++|{escape})*+" if escape else f"[{characters}]*+"

    def one(characters: str) -> str:
        return rf"(?:[{characters}]|{escape}){some(characters)}" if escape else f"[{characters}]++"

    header = f"{one(_HEADER)}={some(_HEADER)}"
    return re.compile(
        rf"([sS][iI][pP][sS]?):(?:({one(_USER)})(?::({some(_PASSWORD)}))?@)?({HOST})(?::({PORT}))?"
        rf"((?:;{one(_PARAM)}(?:={some(_PARAM + '=')})?+)*+)(?:\?({header}(?:&{header})*+))?+"
    )


_sip = _expression("")
_sip_escaped = _expression("%[0-9A-Fa-f]{2}")
_other = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+):([^\s<>\"]++)")

_PLAIN_USER: Final = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,/#]*")  # "#" is dialled unescaped by many phones

_TELEPHONE: Final = re.compile(r"\+?[0-9A-Fa-f*#().-]+")  # RFC 3966 §3, with visual separators

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
        uri = _memo.get(text)
        if uri is None:
            uri = _parse(text)
            if len(text) <= MEMO_LENGTH:
                if len(_memo) >= MEMO_TEXTS:
                    _memo.clear()
                _memo[text] = uri
        return uri

    @property
    def username(self) -> str:
        """The user part with every escape resolved, "" if there is none."""
        return "" if self.user is None else unescape(self.user)

    @property
    def number(self) -> str:
        """`username` without what may follow a telephone number in it (RFC 3261 §19.1.6: `+15550100;npdi;rn=…`)."""
        head, semicolon, _ = (self.user or "").partition(";")
        if semicolon and _TELEPHONE.fullmatch(number := unescape(head)):
            return number
        return self.username

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
    match = (_sip_escaped if "%" in text else _sip).fullmatch(text)
    if match is None:
        return _parse_other(text)
    scheme, user, password, host, port, param_text, header_text = match.groups()
    if "%" in text:
        user = None if user is None else normalise_escapes(user)
        password = None if password is None else normalise_escapes(password)
        param_text = normalise_escapes(param_text)
    headers: dict[str, str] = {}
    if header_text:
        for part in header_text.split("&"):
            name, _, value = part.partition("=")
            headers[normalise_escapes(name)] = value
    if host[0] == "[":
        host = host_name(host)
    return Uri(
        scheme.lower(),
        user,
        password,
        host,
        None if port is None else port_number(port),
        plain_params(param_text) if param_text else {},
        headers,
    )


def _parse_other(text: str) -> Uri:
    match = _other.fullmatch(text)
    if match is None or match[1].lower() in ("sip", "sips"):
        raise PeerError(f"malformed URI {text[:80]!r}")
    scheme, rest = match[1].lower(), match[2]
    if scheme != "tel":
        return Uri(scheme, rest)
    number, semicolon, params = rest.partition(";")  # RFC 3966 §3
    return Uri(scheme, number, None, "", None, plain_params(f";{params}") if semicolon else {})


def escaped_user(text: str) -> str:
    """The user part of a URI (RFC 3261 §25.1): what others sent us was unescaped, and goes out escaped again."""
    if _PLAIN_USER.fullmatch(text):
        return text
    return "".join(sign if _PLAIN_USER.fullmatch(sign) else escaped(sign) for sign in text)


def escaped(text: str) -> str:
    """Every octet as `%HH`."""
    return "".join(f"%{octet:02X}" for octet in text.encode("utf-8", "surrogateescape"))
