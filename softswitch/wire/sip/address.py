"""The structured header values that every message carries: name-addr, Via and CSeq (RFC 3261 §20)."""

import re
from typing import Final

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip.grammar import (
    HOST,
    PLAIN_PARAMS,
    PORT,
    QUOTED,
    TOKEN,
    VALUE,
    Params,
    clamped,
    format_params,
    host_name,
    is_token,
    parse_params,
    port_number,
    quote,
    unquote,
)
from softswitch.wire.sip.uri import MEMO_LENGTH, MEMO_TEXTS, Uri

MAGIC_COOKIE: Final = "z9hG4bK"  # RFC 3261 §8.1.1.7
KEEP: Final = "30"  # seconds, RFC 6223: how often keep-alives are welcome
MAX_CSEQ: Final = 2**31 - 1  # RFC 3261 §8.1.1.5

# An unquoted display name may be tokens only; wider here, as RFC 4475 §3.1.2.15 allows. So may blanks inside <>.
_name_addr = re.compile(rf'(?:({QUOTED})[ \t]*+|([^<>"]*+))<[ \t]*+([^<>]*+)>(.*+)', re.DOTALL)
_via_plain = re.compile(rf"SIP/2\.0/([A-Z]++) ({HOST})(?::({PORT}))?({PLAIN_PARAMS})")
# as nearly all clients write it; read in one go, because every message has one that never came before
_via_usual = re.compile(
    rf"SIP/2\.0/([A-Z]++) ({HOST})(?::({PORT}))?(?:(;rport)?;branch=({VALUE})|;branch=({VALUE});rport)"
)
_via_any = re.compile(
    rf"SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+({TOKEN}++)[ \t]++({HOST})[ \t]*+(?::[ \t]*+({PORT})[ \t]*+)?(.*+)",
    re.IGNORECASE | re.DOTALL,
)
# what texts that came lately say; see `uri.MEMO_LENGTH`
ADDRESSES: Final[dict[object, "NameAddr"]] = {}
CSEQS: Final[dict[object, "CSeq"]] = {}

_cseq = re.compile(rf"([0-9]++)[ \t]++({TOKEN}++)")


class NameAddr(msgspec.Struct, frozen=True, gc=False):
    """The value of From, To, Contact, Route and their like. `display` is what a person reads, without quotes.

    `params` are those of the header field, not of the URI: lower-case names, values as written.
    """

    display: str = ""
    uri: Uri = Uri()
    params: Params = {}

    @staticmethod
    def parse(text: str) -> "NameAddr":
        """Read one value. Raises `PeerError` (400), also for a bare URI with a `?` or `,` (RFC 3261 §20.10)."""
        address = ADDRESSES.get(text)
        if address is None:
            address = _parse(text)
            if len(text) <= MEMO_LENGTH:
                if len(ADDRESSES) >= MEMO_TEXTS:
                    ADDRESSES.clear()
                ADDRESSES[text] = address
        return address

    @property
    def tag(self) -> str | None:
        """The tag parameter, None if there is none, or an empty one."""
        return self.params.get("tag") or None

    def with_tag(self, tag: str) -> "NameAddr":
        """The same with another tag."""
        return NameAddr(self.display, self.uri, {**self.params, "tag": tag})

    def __str__(self) -> str:
        params = format_params(self.params) if self.params else ""
        if not self.display:
            return f"<{self.uri}>{params}"
        return f"{quote(self.display)} <{self.uri}>{params}"


class Via(msgspec.Struct, frozen=True, gc=False):
    """One Via value (RFC 3261 §20.42). `transport` in upper case, `host` and `port` are the sent-by."""

    transport: str
    host: str
    port: int | None = None
    params: Params = {}

    @staticmethod
    def parse(text: str) -> "Via":
        """Read one value. Raises `PeerError` (400)."""
        match = _via_usual.fullmatch(text)
        if match is not None:
            transport, host, port, rport, first, second = match.groups()
            params: dict[str, str | None]
            if first is None:
                params = {"branch": second, "rport": None}
            else:
                params = {"branch": first} if rport is None else {"rport": None, "branch": first}
        else:
            match = _via_plain.fullmatch(text) or _via_any.fullmatch(text)
            if match is None:
                raise PeerError(f"malformed Via {text[:80]!r}")
            transport, host, port, rest = match.groups()
            transport = transport.upper()
            params = parse_params(rest) if rest else {}
        if host[0] == "[":
            host = host_name(host)
        return Via(transport, host, None if port is None else port_number(port), params)

    @property
    def branch(self) -> str | None:
        """The branch parameter as written."""
        return self.params.get("branch")

    @property
    def unique(self) -> bool:
        """Whether the branch identifies the transaction by itself (RFC 3261 §17.2.3; RFC 4475 §3.2.1)."""
        branch = self.params.get("branch")
        return branch is not None and branch.startswith(MAGIC_COOKIE) and len(branch) > len(MAGIC_COOKIE)

    @property
    def received(self) -> str | None:
        """The received address without the brackets that some put around IPv6 (RFC 5118 §4.5)."""
        received = self.params.get("received")
        return received.strip("[]") if received else None

    @property
    def rport(self) -> int | None:
        """The port of rport (RFC 3581); None if it is missing, or there without a value (`"rport" in via.params`)."""
        rport = self.params.get("rport")
        if rport and rport.isascii() and rport.isdigit() and len(rport) <= 5:
            return port_number(rport)
        return None

    @property
    def destination(self) -> tuple[str, int]:
        """Where a response goes: (host, port), by RFC 3261 §18.2.2 and RFC 3581 §4, without maddr and DNS."""
        default = 5061 if self.transport in ("TLS", "WSS") else 5060
        return self.received or self.host, self.rport or self.port or default

    def stamped(self, host: str, port: int) -> "Via":
        """This value with the source that the server saw (RFC 3261 §18.2.1, RFC 3581 §4)."""
        if "rport" in self.params:
            params = {**self.params, "rport": str(port), "received": host}
            if params.get("keep", "") is None:
                params["keep"] = KEEP  # RFC 6223 §4.4: keep-alives are welcome, so often
            return Via(self.transport, self.host, self.port, params)
        if host != self.host or "received" in self.params:
            return Via(self.transport, self.host, self.port, {**self.params, "received": host})
        return self

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            host = f"{host}:{self.port}"
        return f"SIP/2.0/{self.transport} {host}{format_params(self.params)}"


class CSeq(msgspec.Struct, frozen=True, gc=False):
    """Sequence number and method (RFC 3261 §20.16)."""

    number: int
    method: str

    @staticmethod
    def parse(text: str) -> "CSeq":
        """Read the value. Raises `PeerError` (400), also for a number of 2**31 or more."""
        cseq = CSEQS.get(text)
        if cseq is None:
            match = _cseq.fullmatch(text)
            if match is None:
                raise PeerError(f"malformed CSeq {text[:80]!r}")
            number = clamped(match[1], MAX_CSEQ + 1)
            if number is None or number > MAX_CSEQ:
                raise PeerError(f"CSeq number {match[1][:40]} out of range")
            cseq = CSeq(number, match[2])
            if len(text) <= MEMO_LENGTH:
                if len(CSEQS) >= MEMO_TEXTS:
                    CSEQS.clear()
                CSEQS[text] = cseq
        return cseq

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


METHODS: Final = frozenset(("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK")) | {
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
}


_UNKNOWN: Final = NameAddr()


def is_method(text: str) -> bool:
    """Whether `text` can be a method: any token."""
    return text in METHODS or is_token(text)


def _parse(text: str) -> NameAddr:
    head, mark, tag = text.rpartition(">;tag=")
    if mark and is_token(tag):
        # From and To: each call has tags of its own behind addresses that come again; a third of the cost
        try:
            known = NameAddr.parse(f"{head}>")
        except PeerError:
            known = _UNKNOWN
        if known.uri.host and not known.params:
            return NameAddr(known.display, known.uri, {"tag": tag})
    match = _name_addr.fullmatch(text)
    if match is None:
        # addr-spec: what follows the first semicolon belongs to the header field (RFC 3261 §20)
        address, semicolon, params = text.partition(";")
        if "?" in address or "," in address:
            raise PeerError(f"URI {address[:80]!r} must stand in angle brackets")
        return NameAddr("", Uri.parse(address.rstrip(" \t")), parse_params(f";{params}") if semicolon else {})
    quoted, plain, address, params = match.groups()
    display = unquote(quoted) if quoted is not None else plain.rstrip(" \t")
    return NameAddr(display, Uri.parse(address.rstrip(" \t")), parse_params(params) if params else {})
