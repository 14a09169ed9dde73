"""Cuts a TCP or TLS byte stream into messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1)."""

import re
from dataclasses import dataclass
from typing import Final

from softswitch.kernel.errors import PeerError
from softswitch.wire.sip.grammar import clamped
from softswitch.wire.sip.message import BadMessage, Request, Response, parse

MAX_HEAD: Final = 65536  # bytes up to the empty line
MAX_BODY: Final = 1024 * 1024  # bytes

# a continuation line starts with a blank, so no value can pass for one of these
_length = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:(?:[ \t]|\r\n[ \t])*+([^\r\n]*+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """A CRLFCRLF ping, whose `answer` is CRLF, or the pong to ours, which gets no answer (b"")."""

    answer: bytes


class Stream:
    """The receiving half of one connection.

    A malformed message whose length is known comes as `BadMessage`, and the stream goes on. When the length cannot
    be known (Content-Length missing, malformed or contradictory, head or body over the limit) the last item is a
    `BadMessage`, `dead` says why, and whatever is fed later is ignored: answer and close the connection.
    """

    __slots__ = ("_buffer", "_pings", "_scanned", "_wanted", "dead")

    def __init__(self) -> None:
        self.dead: str | None = None
        self._buffer = bytearray()
        self._scanned = 0  # no head ends before this offset
        self._wanted = 0  # length of the message at the front, 0 while unknown
        self._pings = 0

    def ping_sent(self) -> None:
        """We have sent CRLFCRLF: one CRLF alone is the pong."""
        self._pings += 1

    def feed(self, data: bytes) -> list[Request | Response | KeepAlive | BadMessage]:
        """What `data` completes, in order."""
        out: list[Request | Response | KeepAlive | BadMessage] = []
        if self.dead is not None:
            return out
        buffer = self._buffer
        buffer += data
        while buffer and self.dead is None:
            if not self._wanted:
                if buffer[0] in b"\r\n" and self._scanned == 0:
                    if not self._skip_line_end(out):
                        break
                    continue
                if not self._find_end(out):
                    break
            if len(buffer) < self._wanted:
                break
            message = bytes(buffer[: self._wanted])
            del buffer[: self._wanted]
            self._scanned = self._wanted = 0
            try:
                out.append(parse(message))
            except BadMessage as error:
                out.append(error)
        return out

    def _skip_line_end(self, out: list[Request | Response | KeepAlive | BadMessage]) -> bool:
        """Take CRLFs between messages. False: more bytes are needed to tell a ping from a stray CRLF."""
        buffer = self._buffer
        if self._pings and buffer.startswith(b"\r\n"):
            self._pings -= 1
            del buffer[:2]
            out.append(KeepAlive(b""))
            return True
        if buffer.startswith(b"\r\n\r\n"):
            del buffer[:4]
            out.append(KeepAlive(b"\r\n"))
            return True
        if b"\r\n\r\n".startswith(buffer):
            return False
        del buffer[: 2 if buffer.startswith(b"\r\n") else 1]
        return True

    def _find_end(self, out: list[Request | Response | KeepAlive | BadMessage]) -> bool:
        """Look for the empty line, then for Content-Length. False: it is not there yet, or the stream died."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0 or end > MAX_HEAD:
            self._scanned = len(buffer)
            if len(buffer) > MAX_HEAD:
                self._die(out, "head too large", 513, bytes(buffer[: buffer.rfind(b"\r\n", 0, MAX_HEAD) + 2]))
            return False
        head = bytes(buffer[: end + 4])
        lengths = {clamped(value.strip(b" \t").decode("latin-1")) for value in _length.findall(head)}
        length = lengths.pop() if len(lengths) == 1 else None
        if length is None:
            self._die(out, "no valid Content-Length" if not lengths else "contradictory Content-Length", 400, head)
            return False
        if length > MAX_BODY:
            self._die(out, "body too large", 513, head)
            return False
        self._wanted = end + 4 + length
        return True

    def _die(
        self, out: list[Request | Response | KeepAlive | BadMessage], reason: str, status: int, head: bytes
    ) -> None:
        self.dead = reason
        self._buffer.clear()
        out.append(_unframed(reason, status, head))


def _unframed(reason: str, status: int, head: bytes) -> BadMessage:
    """The error for a message whose body cannot be found: answerable if its head is."""
    try:
        message = parse(_length.sub(b"", head))
    except PeerError as error:
        partial = error.partial if isinstance(error, BadMessage) else None
        return BadMessage(reason, status=status if partial is not None else 0, partial=partial)
    if isinstance(message, Response) or message.method == "ACK":
        return BadMessage(reason, status=0)
    return BadMessage(reason, status=status, partial=message)
