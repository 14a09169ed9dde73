"""SIP in WebSocket messages (RFC 7118 over RFC 6455), the server's side of one connection."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as HttpRequest
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from softswitch.wire.sip import BadMessage, Request, Response, parse
from softswitch.wire.sip.stream import MAX_BODY, MAX_HEAD, KeepAlive

_SIP = Subprotocol("sip")
_QUIET = logging.getLogger("softswitch.websocket")
_QUIET.setLevel(logging.CRITICAL)  # it would write two lines a connection; what matters is counted
_PING = b"softswitch"


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes of the transport itself: the handshake's answer, a pong, a close."""

    answer: bytes


class WebSocketFraming:
    """`dead` says why the connection ends: what `feed` returned is still sent."""

    __slots__ = ("_message", "_protocol", "dead", "refused")
    transparent = False

    def __init__(self, origins: Sequence[str]) -> None:
        self.dead: str | None = None
        self.refused = False
        self._message = bytearray()  # fragments so far: no list, since there may be a million empty ones
        self._protocol = ServerProtocol(
            origins=[Origin(one) for one in origins] or None,
            subprotocols=[_SIP],
            max_size=MAX_HEAD + MAX_BODY,
            logger=_QUIET,
        )

    @property
    def ready(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN

    def feed(self, data: bytes) -> list[Request | Response | KeepAlive | BadMessage | Reply]:
        """What `data` completes, in order; after it what goes out by itself."""
        out: list[Request | Response | KeepAlive | BadMessage | Reply] = []
        protocol = self._protocol
        rest = data
        while rest and self.dead is None:
            # Frames that come with the handshake belong to the time after our answer to it: line by line until then.
            end = rest.find(b"\n") + 1 if protocol.state is State.CONNECTING else 0
            piece, rest = (rest[:end], rest[end:]) if end else (rest, b"")
            self._take(piece, out)
        return out

    def _take(self, piece: bytes, out: list[Request | Response | KeepAlive | BadMessage | Reply]) -> None:
        protocol = self._protocol
        protocol.receive_data(piece)
        for event in protocol.events_received():
            if isinstance(event, HttpRequest):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame):
                self._frame(event, out)
        answer = b"".join(protocol.data_to_send())
        if answer:
            out.append(Reply(answer))
        if protocol.close_expected() or protocol.state is not State.OPEN:
            self._end()

    def frame(self, message: bytes) -> bytes:
        """One SIP message as one WebSocket message: text when it is UTF-8, which every client takes (RFC 7118 §4.2)."""
        protocol = self._protocol
        if message.isascii() or _utf8(message):
            protocol.send_text(message)
        else:
            protocol.send_binary(message)
        return b"".join(protocol.data_to_send())

    def ping(self) -> bytes:
        """A sign of life is asked for (RFC 6455 §5.5.2)."""
        self._protocol.send_ping(_PING)
        return b"".join(self._protocol.data_to_send())

    def good_bye(self) -> bytes:
        """1001: we go away."""
        if self._protocol.state is not State.OPEN:
            return b""
        self._protocol.send_close(CloseCode.GOING_AWAY)
        return b"".join(self._protocol.data_to_send())

    def _frame(self, frame: Frame, out: list[Request | Response | KeepAlive | BadMessage | Reply]) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                message = bytes(frame.data)
                if self._message or not frame.fin:
                    self._message += message
                    if not frame.fin:
                        return
                    message = bytes(self._message)
                    self._message.clear()
                out.append(self._parsed(message))
            case Opcode.PING | Opcode.PONG:
                out.append(KeepAlive(b""))
            case _:
                pass

    def _parsed(self, message: bytes) -> Request | Response | KeepAlive | BadMessage | Reply:
        if not message.strip(b"\r\n"):  # RFC 5626 §3.5.1, which some clients do here too
            return Reply(self.frame(b"\r\n")) if message == b"\r\n\r\n" else KeepAlive(b"")
        try:
            return parse(message)
        except BadMessage as error:
            return error

    def _end(self) -> None:
        protocol = self._protocol
        fault = protocol.handshake_exc
        self.refused = fault is not None
        if fault is not None:
            self.dead = str(fault) if isinstance(fault, InvalidHandshake) else "no WebSocket handshake"
        elif protocol.state is not State.CONNECTING:
            self.dead = "closed"
        self._message.clear()


def _utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
