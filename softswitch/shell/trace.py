"""The last SIP messages, raw, in a ring; parsed only when somebody asks for a ladder.

`Trace.add` costs 0.6 µs, so it is always on.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.shell.masking import masked
from softswitch.sip.flow import Flow
from softswitch.wire.sip import Request, parse

Entry: TypeAlias = tuple[Instant, bool, Flow, bytes]

MAX_BYTES = 32 * 1024 * 1024
MAX_MESSAGES = 100_000


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One arrow of the ladder. `sent` is true for our messages; `line` is `INVITE sip:…` or `200 OK`; `sdp` tells
    whether the message has a session description."""

    at: Instant
    sent: bool
    transport: str
    peer: str
    line: str
    method: str
    call_id: str
    cseq: str
    sdp: bool
    raw: str


class Trace:
    """Bounded by bytes and by count; the oldest go first."""

    __slots__ = ("_bytes", "_max_bytes", "_max_messages", "_ring")

    def __init__(self, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES) -> None:
        self._ring: deque[Entry] = deque()
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._bytes = 0

    def add(self, at: Instant, sent: bool, flow: Flow, data: bytes) -> None:
        """Remember one message."""
        size = self._bytes + len(data)
        if size > self._max_bytes or len(self._ring) >= self._max_messages:
            size = self._make_room(len(data))
        self._bytes = size
        self._ring.append((at, sent, flow, data))

    def _make_room(self, wanted: int) -> int:
        """Drop a sixteenth at once, so that most messages pay nothing for it; the size with `wanted` bytes more."""
        ring = self._ring
        size = self._bytes + wanted
        keep_bytes, keep = self._max_bytes * 15 // 16, self._max_messages * 15 // 16
        while ring and (size > keep_bytes or len(ring) > keep):
            size -= len(ring.popleft()[3])
        return size

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes

    def snapshot(self) -> list[Entry]:
        """A copy to search in another thread."""
        return list(self._ring)


def ladder(entries: list[Entry], call_ids: Collection[str]) -> list[TraceRow]:
    """The messages of these SIP Call-IDs, in time order. Meant for a thread: it reads the whole ring."""
    needles = [call_id.encode("utf-8", "surrogateescape") for call_id in call_ids if call_id]
    rows = []
    for entry in entries:
        data = entry[3]
        if any(needle in data for needle in needles):
            row = _row(entry)
            if row is not None and row.call_id in call_ids:
                rows.append(row)
    return rows


def _row(entry: Entry) -> TraceRow | None:
    at, sent, flow, data = entry
    try:
        message = parse(data)
        cseq = message.cseq
        call_id = message.call_id
    except PeerError:
        return None
    if isinstance(message, Request):
        line, method = f"{message.method} {message.uri}", message.method
    else:
        line, method = f"{message.status} {message.reason}", cseq.method
    host, port = flow.remote
    peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    raw = masked(data).decode("utf-8", "replace")  # secrets are not for eyes
    return TraceRow(
        at, sent, flow.transport, peer, line, method, call_id, f"{cseq.number} {cseq.method}", bool(message.body), raw
    )
