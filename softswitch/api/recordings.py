"""Recordings: found, heard, paused and resumed while they run, held and deleted afterwards."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, HTTPException, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from softswitch.api.replies import Limit, TheOperator, Time, json
from softswitch.services.recordings import CONTENT_TYPES
from softswitch.shell.operator import Operator
from softswitch.switch.records import SavedRecording
from softswitch.switch.views import CallView

router = APIRouter(prefix="/api/v1", tags=["recordings"])


class RecordingList(BaseModel):
    items: list[SavedRecording]
    next: float | None


class CallRecordings(BaseModel):
    items: list[SavedRecording]


class RecordingOrder(BaseModel):
    reason: str = Field("", max_length=200, description="Why; goes into the ledger")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")


Order = Annotated[RecordingOrder | None, Body()]


@router.get("/recordings", response_model=RecordingList)
async def recordings(
    operator: TheOperator,
    limit: Limit = 100,
    since: Time = None,
    until: Time = None,
    call: str | None = None,
    queue: str | None = None,
    agent: str | None = None,
    number: Annotated[str | None, Query(description="The caller's or the called number")] = None,
    kind: Annotated[Literal["call", "voicemail"] | None, Query(description="Of calls, or messages")] = None,
    box: Annotated[str | None, Query(description="Messages of this voicemail")] = None,
    held: bool | None = None,
    deleted: Annotated[
        bool | None, Query(description="Those that were deleted, which only the chain still has")
    ] = False,
) -> Response:
    """Finished recordings, the latest first. For the next page hand `next` back as `until`."""
    rows = await operator.store.recordings(
        limit,
        since=since,
        until=until,
        call=call,
        queue=queue,
        agent=agent,
        number=number,
        held=held,
        deleted=deleted,
        kind=kind,
        box=box,
    )
    return json({"items": rows, "next": rows[-1].started if len(rows) == limit else None})


@router.get("/recordings/{call}/audio", response_class=FileResponse)
async def audio(call: str, operator: TheOperator) -> Response:
    """The sound of a call's recording: of two channels the caller is on the left. Ranges are understood."""
    rows = await operator.keeper.of_call(call)
    return _file(operator, rows[0].path)


@router.get("/recordings/{call}", response_model=CallRecordings)
async def recording(call: str, operator: TheOperator) -> Response:
    """The recordings of one call, also one that was deleted; or the file of that path."""
    rows = await operator.store.recordings(call=call)
    if rows:
        return json({"items": rows})
    return _file(operator, call)


@router.get("/recordings/{path:path}", response_class=FileResponse)
async def file(path: str, operator: TheOperator) -> Response:
    """The file of a recording by its path. Ranges are understood."""
    return _file(operator, path)


@router.post("/recordings/{call}/{verb}", response_model=CallView | CallRecordings)
async def order(
    call: str,
    verb: Literal["start", "pause", "resume", "hold", "release"],
    operator: TheOperator,
    order: Order = None,
) -> Response:
    """`start`, `pause` and `resume` the recording of a live call (silence of the same length is written, as often as
    one likes); `hold` a finished one against deletion and conversion, `release` it."""
    order = order or RecordingOrder(reason="", by="operator")
    if verb == "hold":
        return json({"items": await operator.keeper.hold(call, order.by, order.reason)})
    if verb == "release":
        return json({"items": await operator.keeper.release(call, order.by, order.reason)})
    view = operator.record(call, verb, order.by, order.reason)
    if view is None:
        raise HTTPException(404, f"no live call {call}")
    return json(view)


@router.delete("/recordings/{call}", response_model=CallRecordings)
async def delete(call: str, operator: TheOperator, order: Order = None) -> Response:
    """Delete a finished recording; its place in the chain stays. 409 while it is held."""
    order = order or RecordingOrder(reason="", by="operator")
    return json({"items": await operator.keeper.delete(call, order.by, order.reason)})


def _file(operator: Operator, path: str) -> FileResponse:
    found = operator.recordings.find(path)
    return FileResponse(found, media_type=CONTENT_TYPES.get(found.suffix), filename=found.name)
