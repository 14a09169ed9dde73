"""SIP messages (RFC 3261): bytes to values and back. See `message.parse` for datagrams and `stream.Stream` for TCP."""

from softswitch.wire.sip.address import CSeq, NameAddr, Via
from softswitch.wire.sip.headers import Headers
from softswitch.wire.sip.message import BadMessage, Request, Response, parse
from softswitch.wire.sip.reasons import reason
from softswitch.wire.sip.stream import KeepAlive, Stream
from softswitch.wire.sip.uri import Uri

__all__ = [
    "BadMessage",
    "CSeq",
    "Headers",
    "KeepAlive",
    "NameAddr",
    "Request",
    "Response",
    "Stream",
    "Uri",
    "Via",
    "parse",
    "reason",
]
