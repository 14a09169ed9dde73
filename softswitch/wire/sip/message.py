"""SIP messages: bytes to values and back (RFC 3261 §7).

`parse` checks what RFC 4475 demands of every element and splits no more than that; the rest stays text until a view
(`message.contacts`, `message.route` …) asks for it, and a view raises `PeerError` (400) when the text is malformed.
"""

import re
from typing import Final

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.wire.sip.address import ADDRESSES, CSEQS, METHODS, CSeq, NameAddr, Via, is_method
from softswitch.wire.sip.grammar import clamped, is_token, split_commas
from softswitch.wire.sip.headers import CANONICAL, SINGLE, Headers, canonical
from softswitch.wire.sip.reasons import reason as default_reason
from softswitch.wire.sip.uri import MEMO_LENGTH, MEMO_TEXTS, Uri

MAX_HEADERS: Final = 256  # lines

# lines that came lately, as (key, value); those that differ in every message are not worth it
_lines: dict[str, tuple[str, str]] = {}
_request_lines: dict[str, tuple[str, Uri]] = {}
_UNIQUE: Final = frozenset(("Via", "Authorization", "Proxy-Authorization"))

_version = re.compile(r"SIP/[0-9]++\.[0-9]++", re.IGNORECASE)


class Message:
    """What requests and responses share. `headers` may be changed at any time: the views follow."""

    __slots__ = ("_via", "_via_text", "body", "headers")

    headers: Headers
    body: bytes
    # a view of changing text is kept beside the text that it was read from
    _via: Via | None
    _via_text: str | tuple[str, ...] | None

    @property
    def via(self) -> Via:
        """The top Via. Raises `PeerError` when there is none."""
        lines = self.headers._fields.get("Via")
        if lines is self._via_text and self._via is not None:
            return self._via
        if lines is None:
            raise PeerError("missing Via")
        top = lines if isinstance(lines, str) else lines[0]
        if "," in top:
            top = split_commas(top)[0]
        self._via = via = Via.parse(top)
        self._via_text = lines
        return via

    @property
    def vias(self) -> tuple[Via, ...]:
        """All Via values, top first."""
        return tuple([Via.parse(value) for value in self.headers.all("Via")])

    @property
    def from_(self) -> NameAddr:
        """From. Raises `PeerError` when there is none."""
        return ADDRESSES.get(self.headers._fields.get("From")) or NameAddr.parse(self._text("From"))

    @property
    def to(self) -> NameAddr:
        """To. Raises `PeerError` when there is none."""
        return ADDRESSES.get(self.headers._fields.get("To")) or NameAddr.parse(self._text("To"))

    @property
    def call_id(self) -> str:
        """Call-ID. Raises `PeerError` when there is none."""
        return self._text("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """CSeq. Raises `PeerError` when there is none."""
        return CSEQS.get(self.headers._fields.get("CSeq")) or CSeq.parse(self._text("CSeq"))

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """All Contact values; `*` (all bindings, RFC 3261 §10.2.2) is none."""
        lines = self.headers._fields.get("Contact")
        if lines is None or lines == "*":
            return ()
        if isinstance(lines, str) and "," not in lines:
            return (NameAddr.parse(lines),)
        return tuple([NameAddr.parse(value) for value in self.headers.all("Contact")])

    @property
    def route(self) -> tuple[NameAddr, ...]:
        """All Route values in order."""
        return self._addresses("Route")

    @property
    def record_route(self) -> tuple[NameAddr, ...]:
        """All Record-Route values in order."""
        return self._addresses("Record-Route")

    @property
    def max_forwards(self) -> int | None:
        """0–255, or None if it is missing."""
        if "Max-Forwards" not in self.headers._fields:
            return None
        hops = clamped(self._text("Max-Forwards"))
        if hops is None or hops > 255:
            raise PeerError("malformed Max-Forwards")
        return hops

    @property
    def expires(self) -> int | None:
        """Seconds, at most 2**32 − 1; None if it is missing or malformed (RFC 3261 §20.19)."""
        text = self.headers.get("Expires")
        return None if text is None else clamped(text)

    @property
    def content_type(self) -> str | None:
        """The media type in lower case without parameters; None if it is missing."""
        text = self.headers.get("Content-Type")
        return None if text is None else text.partition(";")[0].strip(" \t").lower()

    def _text(self, key: str) -> str:
        text = self.headers._fields.get(key)
        if text is None:
            raise PeerError(f"missing {key}")
        return text if isinstance(text, str) else text[0]

    def _addresses(self, key: str) -> tuple[NameAddr, ...]:
        if key not in self.headers._fields:
            return ()
        return tuple([NameAddr.parse(value) for value in self.headers.all(key)])

    def _serialise(self, start: str) -> bytes:
        if "\n" in start or "\r" in start:
            raise LocalError(f"line end in the start line {start[:80]!r}")
        lines = self.headers.lines()
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        text = "\r\n".join((start, *lines))
        if text.isascii():
            return text.encode() + self.body
        return text.encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    """A request (RFC 3261 §7.1). The method is case-sensitive and may be unknown."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: Uri, headers: Headers | None = None, body: bytes = b"") -> None:
        self.headers = Headers() if headers is None else headers
        self.body = body
        self._via = self._via_text = None
        self.method = method
        self.uri = uri

    def stamp(self, host: str, port: int) -> None:
        """Write the source address into the top Via (RFC 3261 §18.2.1, RFC 3581 §4)."""
        via = self.via
        stamped = via.stamped(host, port)
        if stamped is not via:
            others = self.headers.all("Via")[1:]
            text = (str(stamped), *others) if others else str(stamped)
            self.headers._fields["Via"] = self._via_text = text
            self._via = stamped

    def to_bytes(self) -> bytes:
        """The message for the wire; Content-Length is always written, last. Raises `LocalError` on a line end in the
        method or the URI."""
        return self._serialise(f"{self.method} {self.uri} SIP/2.0")

    def copy(self) -> "Request":
        """An independent copy."""
        return Request(self.method, self.uri, self.headers.copy(), self.body)

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {str(self.uri)!r}, {self.headers!r}, {self.body!r})"


_COPIED: Final = ("Via", "From", "To", "Call-ID", "CSeq")


class Response(Message):
    """A response (RFC 3261 §7.2)."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers | None = None, body: bytes = b"") -> None:
        self.headers = Headers() if headers is None else headers
        self.body = body
        self._via = self._via_text = None
        self.status = status
        self.reason = reason

    @classmethod
    def to_request(
        cls, request: Request, status: int, reason: str | None = None, to_tag: str | None = None
    ) -> "Response":
        """A response with Via, From, To, Call-ID and CSeq copied, and Record-Route in 101–299 (RFC 3261 §8.2.6.2,
        §12.1.1). `to_tag` goes into a To that has no tag, except in a 100. Broken requests are answered as far as
        their fields can be read."""
        headers = Headers.__new__(Headers)
        source = request.headers._fields
        fields: dict[str, str | tuple[str, ...]]
        try:
            fields = {key: source[key] for key in _COPIED}
        except KeyError:
            fields = {key: source[key] for key in _COPIED if key in source}
        for key, value in fields.items():
            if value.__class__ is tuple and key != "Via":
                fields[key] = value[0]
        if 100 < status < 300 and "Record-Route" in source:
            fields["Record-Route"] = source["Record-Route"]
        if status == 100:
            if "Timestamp" in source:  # RFC 3261 §8.2.6.1
                fields["Timestamp"] = source["Timestamp"]
        elif to_tag is not None and isinstance(to := fields.get("To"), str) and not _has_tag(to):
            fields["To"] = f"{to};tag={to_tag}"
        headers._fields = fields
        headers._spelled = {}
        return cls(status, default_reason(status) if reason is None else reason, headers)

    def to_bytes(self) -> bytes:
        """The message for the wire; Content-Length is always written, last. Raises `LocalError` on a line end in the
        reason."""
        return self._serialise(f"SIP/2.0 {self.status} {self.reason}")

    def copy(self) -> "Response":
        """An independent copy."""
        return Response(self.status, self.reason, self.headers.copy(), self.body)

    def __repr__(self) -> str:
        return f"Response({self.status}, {self.reason!r}, {self.headers!r}, {self.body!r})"


class BadMessage(PeerError):
    """A malformed message. `status` answers it, 0: silence. `partial` is the request as far as it could be read, for
    `Response.to_request`; None where there is nobody to answer. An unreadable URI is its `uri`'s `user`, no scheme."""

    def __init__(self, message: str, *, status: int = 400, partial: Request | None = None) -> None:
        super().__init__(message, status=status)
        self.partial = partial


def parse(data: bytes) -> Request | Response:
    """Read one datagram, or one message that `Stream` has framed.

    Octets beyond Content-Length are dropped (RFC 3261 §18.3); without it the body is all that follows. Raises
    `BadMessage`: 400 for what RFC 4475 has rejected and for more than `MAX_HEADERS` header lines; 505 for another
    version; 0, which asks for silence, for a broken response, a broken ACK, a request without Via, a keep-alive, or
    no SIP at all.
    """
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")  # RFC 3261 §7.5
    end = data.find(b"\r\n\r\n")
    fault: str | None = None
    if end >= 0:
        lines = data[:end].decode("utf-8", "surrogateescape").split("\r\n")
        body = data[end + 4 :]
    else:
        lines = data.rstrip(b"\r\n").decode("utf-8", "surrogateescape").split("\r\n")
        body = b""
        fault = "no empty line after the header" if lines[0] else "keep-alive"
    start = lines[0]
    if start[:4] == "SIP/":
        return _parse_response(start, lines, body, fault)

    status = 400
    method, uri_text = "", ""
    known = _request_lines.get(start)
    if known is not None:
        method, uri = known
    else:
        uri = _NO_URI
        version = ""
        parts = start.split(" ")
        if len(parts) != 3:
            parts = start.split()  # RFC 4475 §3.1.2.9 and §3.1.2.10: blanks too many are forgiven
        if len(parts) == 3:
            method, uri_text, version = parts
        elif parts and is_method(parts[0]):
            method = parts[0]
        if version.upper() != "SIP/2.0":
            fault = fault or f"malformed request line {start[:80]!r}"
            if _version.fullmatch(version) is not None:
                fault, status = f"unknown version {version[:20]}", 505
        elif method not in METHODS and not is_method(method):
            fault = f"malformed method {method[:40]!r}"
    headers, flaw = _read_fields(lines)
    fault = fault or flaw
    request = Request(method, uri, headers, body)
    if fault is None:
        try:
            if uri is _NO_URI:
                uri = request.uri = Uri.parse(uri_text)
                if uri.headers:
                    raise PeerError("header fields in the Request-URI")  # RFC 4475 §3.1.2.11
                if len(start) <= MEMO_LENGTH:
                    if len(_request_lines) >= MEMO_TEXTS:
                        _request_lines.clear()
                    _request_lines[start] = method, uri
            _check(request, method)
            return request
        except PeerError as error:
            fault, status = str(error), error.status
    if uri is _NO_URI:
        request.uri = Uri("", uri_text)
    if method == "ACK" or not method or "Via" not in headers:
        raise BadMessage(fault, status=0)
    raise BadMessage(fault, status=status, partial=request)


_NO_URI: Final = Uri("")


def _parse_response(start: str, lines: list[str], body: bytes, fault: str | None) -> Response:
    """A broken response is dropped (RFC 3261 §8.1.3, RFC 4475 §3.1.2.19)."""
    code = start[8:11]
    sound = start[:8] == "SIP/2.0 " and len(code) == 3 and code.isascii() and code.isdigit() and "1" <= code[0] <= "6"
    if not sound or start[11:12] not in (" ", "") or "\n" in start or "\r" in start:
        raise BadMessage(f"malformed status line {start[:80]!r}", status=0)
    headers, flaw = _read_fields(lines)
    if fault is not None or flaw is not None:
        raise BadMessage(fault or flaw or "", status=0)
    response = Response(int(code), start[12:], headers, body)
    try:
        _check(response, None)
    except PeerError as error:
        raise BadMessage(str(error), status=0) from None
    return response


def _read_fields(lines: list[str]) -> tuple[Headers, str | None]:
    """The header fields of `lines` after the first, and what was wrong, if anything. Hot: phones repeat
    most of their lines in every message; the memo takes 0.19 µs a line, splitting 0.32, a regular expression 0.6."""
    fields: dict[str, str | tuple[str, ...]] = {}
    spelled: dict[str, str] = {}
    headers = Headers.__new__(Headers)
    headers._fields = fields
    headers._spelled = spelled
    fault: str | None = None
    memo = _lines
    del lines[0]
    if len(lines) > MAX_HEADERS:
        return headers, f"{len(lines)} header lines"
    last = ""
    for line in lines:
        known = memo.get(line)
        if known is not None:
            key, value = known
        else:
            if "\n" in line or "\r" in line:
                # kept nowhere: it must not reach an answer or another peer, where it might read as a line end
                fault = fault or "CR or LF alone"
                last = ""
                continue
            name, colon, value = line.partition(":")
            found = CANONICAL.get(name)
            if found is not None and colon:
                key = found
                value = value.strip(" \t")
                if key not in _UNIQUE and len(line) <= MEMO_LENGTH:
                    if len(_lines) >= MEMO_TEXTS:
                        _lines.clear()
                    _lines[line] = key, value
            elif line[:1] in (" ", "\t") and last:  # RFC 3261 §7.3.1: folded
                lines_so_far = fields[last]
                more = line.strip(" \t")
                if isinstance(lines_so_far, str):
                    fields[last] = f"{lines_so_far} {more}".strip(" \t")
                else:
                    fields[last] = (*lines_so_far[:-1], f"{lines_so_far[-1]} {more}".strip(" \t"))
                continue
            else:
                name = name.rstrip(" \t")
                if not colon or not is_token(name):
                    fault = fault or f"malformed header line {line[:80]!r}"
                    last = ""
                    continue
                key = canonical(name)
                value = value.strip(" \t")
                if key not in CANONICAL:
                    spelled.setdefault(key, name)
        last = key
        if key not in fields:
            fields[key] = value
        elif key in SINGLE:
            fault = fault or f"more than one {key}"
        else:
            before = fields[key]
            fields[key] = (before, value) if isinstance(before, str) else (*before, value)
    return headers, fault


def _check(message: Request | Response, method: str | None) -> None:
    """What RFC 4475 has every element find wrong. Trims the body to Content-Length."""
    fields = message.headers._fields
    _ = message.via
    sender, to, call_id, cseq = fields.get("From"), fields.get("To"), fields.get("Call-ID"), fields.get("CSeq")
    if sender not in ADDRESSES:
        _ = message.from_
    if to not in ADDRESSES:
        _ = message.to
    if not isinstance(call_id, str) or not call_id or " " in call_id or "\t" in call_id:
        raise PeerError("missing or malformed Call-ID")
    if (CSEQS.get(cseq) or message.cseq).method != method and method is not None:
        raise PeerError("method of CSeq is not that of the request")
    stated = fields.get("Content-Length")
    if stated is not None and stated != str(len(message.body)):
        length = clamped("".join(stated))
        if length is None:
            raise PeerError("malformed Content-Length")
        if length > len(message.body):
            raise PeerError(f"Content-Length {length} but {len(message.body)} octets of body")
        message.body = message.body[:length]
    hops = fields.get("Max-Forwards")
    if hops is not None and hops != "70":
        _ = message.max_forwards
    contact = fields.get("Contact")
    if contact is not None and ("," in contact or ADDRESSES.get(contact) is None):
        _ = message.contacts
    if "Route" in fields:
        _ = message.route
    if "Record-Route" in fields:
        _ = message.record_route


def _has_tag(text: str) -> bool:
    """Whether a To or From has a tag; a malformed one is left as it is."""
    try:
        return NameAddr.parse(text).tag is not None
    except PeerError:
        return True
