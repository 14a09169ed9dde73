"""What was: call records, the ledger, SIP ladders."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel

from softswitch.api.described import described
from softswitch.api.replies import MOST_SEQ, Limit, TheOperator, Time, json
from softswitch.services.rows import LedgerEntry
from softswitch.shell.trace import TraceRow
from softswitch.switch.records import CallRecord, Outcome

router = APIRouter(prefix="/api/v1", tags=["archive"])


_Record: Any = described(CallRecord)


class RecordList(BaseModel):
    items: list[_Record]
    next: float | None


class RecordWithLedger(BaseModel):
    record: _Record
    ledger: list[LedgerEntry]


class LedgerList(BaseModel):
    items: list[LedgerEntry]
    next: int | None


@router.get("/records", response_model=RecordList)
async def records(
    operator: TheOperator,
    limit: Limit = 100,
    since: Time = None,
    until: Time = None,
    queue: str | None = None,
    agent: str | None = None,
    outcome: Outcome | None = None,
    number: Annotated[str | None, Query(description="The caller's or the called number")] = None,
) -> Response:
    """Ended calls, the latest first. For the next page hand `next` back as `until`."""
    rows = await operator.store.calls(
        limit, since=since, until=until, queue=queue, agent=agent, outcome=outcome, number=number
    )
    return json({"items": rows, "next": rows[-1].started if len(rows) == limit else None})


@router.get("/records/{call}", response_model=RecordWithLedger)
async def record(call: str, operator: TheOperator) -> Response:
    """One ended call with its ledger."""
    row, ledger = await operator.store.call(call)
    if row is None:
        raise HTTPException(404, f"no record of call {call}")
    return json({"record": row, "ledger": ledger})


@router.get("/ledger", response_model=LedgerList)
async def ledger(
    operator: TheOperator,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=0, le=MOST_SEQ, description="Entries with a higher number only")] = 0,
    since: Time = None,
    call: str | None = None,
    queue: str | None = None,
    agent: str | None = None,
    kind: str | None = None,
) -> Response:
    """Everything that happened, in order. For the next page hand `next` back as `after`."""
    rows = await operator.store.ledger_entries(
        limit, after=after, since=since, call=call, queue=queue, agent=agent, kind=kind
    )
    return json({"items": rows, "next": rows[-1].seq if len(rows) == limit else None})


@router.get("/trace/{id:path}", response_model=list[TraceRow])
async def trace(id: str, operator: TheOperator) -> Response:
    """The SIP messages of a call, or of one SIP Call-ID, as long as they are remembered."""
    rows = await operator.trace(id)
    if not rows:
        raise HTTPException(404, f"no SIP messages of {id} are remembered")
    return json(rows)
