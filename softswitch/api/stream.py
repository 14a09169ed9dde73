"""Ledger entries as they happen: server-sent events (WHATWG HTML §9.2)."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from softswitch.api.replies import MOST_SEQ, TheOperator
from softswitch.services.rows import LedgerEntry
from softswitch.shell.operator import Operator
from softswitch.wire.plain_text import encode

router = APIRouter(prefix="/api/v1", tags=["live"])

_KEEP_ALIVE = 15.0
_PAGE = 500  # entries that are read at once, 5 ms of the loop: calls must not wait for who was away for a month


def _event(entry: LedgerEntry) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.seq, entry.kind.encode(), encode(entry))


@router.get("/events", response_class=StreamingResponse)
async def events(
    operator: TheOperator,
    kind: Annotated[list[str] | None, Query(description="Only these kinds")] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=MOST_SEQ)] = None,
) -> StreamingResponse:
    """Live ledger entries. A client that comes back with `Last-Event-ID` gets what it missed first."""
    kinds = frozenset(kind or ())
    return StreamingResponse(
        _stream(operator, kinds, last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(operator: Operator, kinds: frozenset[str], last: int | None) -> AsyncIterator[bytes]:
    with operator.bus.subscribe() as subscription:
        yield b": connected\n\n"
        seen = 0
        if last is not None:
            await operator.store.writer.flush()
            seen = last
            while page := await operator.store.ledger_entries(_PAGE, after=seen):
                for missed in page:
                    seen = missed.seq
                    if not kinds or missed.kind in kinds:
                        yield _event(missed)
        while True:
            try:
                entry = await subscription.next(_KEEP_ALIVE)
            except TimeoutError:
                yield b": alive\n\n"
                continue
            if entry is None:
                return
            if entry.seq > seen and (not kinds or entry.kind in kinds):
                yield _event(entry)
