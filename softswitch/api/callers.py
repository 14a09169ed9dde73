"""Those who wait: callers in a queue, with position and estimate, and call-backs."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import Limit, Offset, TheOperator, json, page
from softswitch.switch.views import CallbackRow, WaitingRow

router = APIRouter(prefix="/api/v1", tags=["callers"])


class WaitingPage(BaseModel):
    items: list[WaitingRow]
    total: int


class CallbackPage(BaseModel):
    items: list[CallbackRow]
    total: int


class CallbackOrder(BaseModel):
    queue: str = Field(max_length=100)
    number: str = Field(max_length=30, description="As the queue's callback settings allow it")
    head_start: float = Field(0.0, ge=-86400, le=86400, description="Seconds before those who come now")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")


@router.get("/queues/{name}/waiting", response_model=WaitingPage)
async def waiting(name: str, operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Who waits in the queue, in order; call-backs, which have no line, keep their places among them."""
    if all(row.name != name for row in operator.views.queues(operator.now)):
        raise HTTPException(404, f"no queue {name}")
    return page(operator.views.waiting(name, operator.now), limit, offset)


@router.get("/callbacks", response_model=CallbackPage)
async def callbacks(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Call-backs to come, in the order of their places."""
    return page(operator.views.callbacks(operator.now), limit, offset)


@router.post("/callbacks", response_model=CallbackRow, status_code=201)
async def ask(order: CallbackOrder, operator: TheOperator) -> Response:
    """Have a customer called back by an agent of the queue. A number that has one to come keeps that one. 422 when the
    queue may not call that number."""
    return json(operator.ask_callback(order.queue, order.number, order.by, order.head_start), 201)


@router.delete("/callbacks/{id}", status_code=202)
async def cancel(id: str, operator: TheOperator, by: str = "operator") -> Response:
    """Give a call-back up, wherever it is."""
    if not operator.cancel_callback(id, by):
        raise HTTPException(404, f"no call-back {id}")
    return json({"callback": id, "cancelled": True}, 202)
