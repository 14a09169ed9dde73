"""The words of RFC 3261 §25.1 that the other modules share: characters, quoting, escapes, comma lists, parameters.

Every expression here runs in linear time (possessive quantifiers, Python 3.11), so a hostile message costs no more
than its length. Text is `str` decoded from UTF-8 with `surrogateescape`: odd bytes survive a round trip.
"""

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from softswitch.kernel.errors import PeerError

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]"  # one character of token
HOST: Final = (
    r"(?:[A-Za-z0-9._\-]++|\[[0-9A-Fa-f:.]++\])"  # hostname / IPv4address / IPv6reference; "_" is seen in the wild
)
PORT: Final = r"[0-9]{1,5}+"
QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'
VALUE: Final = r'[^\s;,"<>=][^\s;,"<>]*+'  # gen-value without quoted-string; wider than token / host, as peers are

# parameters as nearly all peers write them: no white space, no quotes
PLAIN_PARAMS: Final = rf"(?:;{TOKEN}++(?:=(?:{VALUE})?+)?+)*+"
_PARAM: Final = rf"[ \t]*+;[ \t]*+({TOKEN}++)(?:[ \t]*+=[ \t]*+({QUOTED}|(?:{VALUE})?+))?+"

_token = re.compile(rf"{TOKEN}++")
_plain_params = re.compile(PLAIN_PARAMS)
_param = re.compile(_PARAM, re.DOTALL)
_escape = re.compile(r"%([0-9A-Fa-f]{2})")
_quoted_pair = re.compile(r"\\(.)", re.DOTALL)
# qdtext forbids these (RFC 3261 §25.1); CR and LF cannot be quoted at all
_needs_quoting = re.compile(r'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')
# a stretch up to the next comma outside quotes and angle brackets; an unclosed one reaches the end of the text
_element = re.compile(r'(?:[^,"<]++|"(?:[^"\\]++|\\.|\\\Z)*+"?+|<[^>]*+>?+)++', re.DOTALL)

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")

Params = Mapping[str, str | None]


def is_token(text: str) -> bool:
    """Whether `text` is a token."""
    return _token.fullmatch(text) is not None


def split_commas(text: str) -> list[str]:
    """The elements of a comma list (RFC 3261 §7.3.1), without surrounding white space; empty elements are kept."""
    if "," not in text:
        return [text]
    if '"' not in text and "<" not in text:
        return [part.strip(" \t") for part in text.split(",")]
    parts = []
    at = 0
    while True:
        match = _element.match(text, at)
        end = at if match is None else match.end()
        parts.append(text[at:end].strip(" \t"))
        if end >= len(text):
            return parts
        at = end + 1


def plain_params(text: str) -> dict[str, str | None]:
    """`parse_params` for text that `PLAIN_PARAMS` has matched."""
    params: dict[str, str | None] = {}
    for part in text[1:].split(";"):
        name, equals, value = part.partition("=")
        params[name.lower()] = value if equals else None
    return params


def parse_params(text: str) -> dict[str, str | None]:
    """`;name=value;name` as a dict: names in lower case, values as written (quoted strings keep their quotes).

    Raises `PeerError` (400) on anything else; of a repeated name the last counts.
    """
    if _plain_params.fullmatch(text) is not None:
        return plain_params(text) if text else {}
    params: dict[str, str | None] = {}
    at, end = 0, len(text.rstrip(" \t"))
    while at < end:
        match = _param.match(text, at)
        if match is None:
            raise PeerError(f"malformed parameter at {text[at : at + 40]!r}")
        params[match[1].lower()] = match[2]
        at = match.end()
    return params


def format_params(params: Params) -> str:
    """The inverse of `parse_params`."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params.items()])


def quote(text: str) -> str:
    """A quoted-string that says `text`."""
    return f'"{_needs_quoting.sub(_backslash, text)}"'


def unquote(text: str) -> str:
    """What a quoted-string says; other text is returned as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1]
        return _quoted_pair.sub(r"\1", text) if "\\" in text else text
    return text


def unescape(text: str) -> str:
    """`%HH` replaced by the octets that they mean, read as UTF-8 (RFC 3261 §19.1.2)."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return _escape_bytes.sub(lambda match: bytes([int(match[1], 16)]), raw).decode("utf-8", "surrogateescape")


def normalise_escapes(text: str) -> str:
    """Drop escapes that RFC 3261 §19.1.4 says mean nothing (those of unreserved characters); others in upper case."""
    return _escape.sub(_normal_escape, text) if "%" in text else text


def host_name(text: str) -> str:
    """`text` as matched by `HOST`, an IPv6 reference without its brackets.

    RFC 5118 §4.10: the three colons that RFC 3261's grammar bug allows are read as two. Raises `PeerError` (400).
    """
    if text[0] != "[":
        return text
    address = text[1:-1].replace(":::", "::")
    try:
        IPv6Address(address)
    except AddressValueError:
        raise PeerError(f"malformed IPv6 reference {text!r}") from None
    return address


def port_number(text: str | None) -> int | None:
    """A port, None if there is none. Raises `PeerError` (400) above 65535."""
    if text is None:
        return None
    port = int(text)
    if port > 65535:
        raise PeerError(f"port {text} out of range")
    return port


def clamped(text: str, limit: int = 0xFFFFFFFF) -> int | None:
    """A decimal number, at most `limit` (RFC 4475 §3.1.2.4: overlarge values are the largest); None if it is none."""
    if not (text.isascii() and text.isdigit()):
        return None
    return limit if len(text) > 18 and len(text.lstrip("0")) > 18 else min(int(text[-18:]), limit)


_escape_bytes = re.compile(rb"%([0-9A-Fa-f]{2})")


def _backslash(match: re.Match[str]) -> str:
    return "\\" + match[0]


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()
