"""The switch as it is now: status, calls, agents, queues, trunks, registrations."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import Limit, Offset, TheHolder, TheOperator, json, page
from softswitch.shell.operator import Verb
from softswitch.switch.views import AgentRow, CallView, QueueRow, RegistrationRow, Status, TrunkRow

router = APIRouter(prefix="/api/v1", tags=["live"])


class CallPage(BaseModel):
    items: list[CallView]
    total: int


class AgentPage(BaseModel):
    items: list[AgentRow]
    total: int


class QueuePage(BaseModel):
    items: list[QueueRow]
    total: int


class TrunkPage(BaseModel):
    items: list[TrunkRow]
    total: int


class RegistrationPage(BaseModel):
    items: list[RegistrationRow]
    total: int


class AgentOrder(BaseModel):
    reason: str = Field("", max_length=200, description="Why, for a pause or a log-out")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")
    phone: str = Field("", max_length=200, description="Where to log in, when not at the agent's own phone")


@router.get("/status", response_model=Status)
async def status(operator: TheOperator) -> Response:
    """The switch in one glance, with the counters of its shell and the alarms that stand."""
    certificate = operator.certificate()
    shown = {
        "counters": operator.counters(),
        "alarms": operator.alarms.active(),
        "certificate": None if certificate is None else {"names": certificate.names, "ends": certificate.ends},
    }
    return json(asdict(operator.status()) | shown)


@router.get("/calls", response_model=CallPage)
async def calls(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Live calls."""
    return page(operator.views.calls(operator.now), limit, offset)


@router.get("/calls/{call}", response_model=CallView)
async def call(call: str, operator: TheOperator) -> Response:
    """One live call."""
    view = operator.views.call(call, operator.now)
    if view is None:
        raise HTTPException(404, f"no live call {call}; of an ended one: softswitch records {call}, /api/v1/records")
    return json(view)


class DialOrder(BaseModel):
    party: str = Field(alias="from", min_length=1, max_length=100, description="A phone, its number, or `agent:NAME`")
    to: str = Field(
        min_length=1,
        max_length=128,
        description="A number as that phone dials it, or a target that is no trunk: `agent:bob`, `queue:support`",
    )
    auto_answer: bool = Field(
        False, description="The phone answers by itself, if its `intercom` or its agent's `auto_answer` allows that"
    )
    by: str = Field("operator", max_length=100, description="Who wants it; goes into the ledger beside the token")


@router.post("/calls", response_model=CallView, status_code=202)
async def dial(order: DialOrder, operator: TheOperator, holder: TheHolder) -> Response:
    """Click to dial: the user's phone rings, and when it is answered, `to` is called as if that phone had dialled it,
    with that phone's rights. Answers with the call, which `DELETE` ends. 404: no such phone or agent; 409: it is busy
    or not registered; 403: it may not call that; 422: the number leads nowhere; 503: no calls are taken."""
    view = operator.dial(order.party, order.to, order.by, holder.token, auto_answer=order.auto_answer)
    if view is None:
        raise HTTPException(409, f"{order.party} cannot be rung")
    return json(view, 202)


@router.delete("/calls/{call}", status_code=202)
async def hang_up(call: str, operator: TheOperator, holder: TheHolder) -> Response:
    """End a live call. Tokens below `operate` may end those that they had begun."""
    view = operator.views.call(call, operator.now)
    if view is not None and view.ordered_by != holder.token and not holder.may("operate"):
        raise HTTPException(403, f'call {call} was not begun by token "{holder.token}"; to end it needs operate')
    if not operator.hang_up(call):
        raise HTTPException(404, f"no live call {call}")
    return json({"call": call, "hanging_up": True}, 202)


@router.get("/agents", response_model=AgentPage)
async def agents(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Agents and their states."""
    return page(operator.views.agents(operator.now), limit, offset)


@router.get("/agents/{name}", response_model=AgentRow)
async def agent(name: str, operator: TheOperator) -> Response:
    """One agent."""
    row = operator.agent(name)
    if row is None:
        raise HTTPException(404, f"no agent {name}")
    return json(row)


@router.post("/agents/{name}/{verb}", response_model=AgentRow)
async def order_agent(
    name: str, verb: Verb, operator: TheOperator, order: Annotated[AgentOrder | None, Body()] = None
) -> Response:
    """Log an agent in or out, pause an agent, or end a pause or wrap-up; answers with the state that follows."""
    order = order or AgentOrder(reason="", by="operator", phone="")
    row = operator.command_agent(name, verb, order.reason, order.by, order.phone)
    if row is None:
        raise HTTPException(404, f"no agent {name}")
    return json(row)


class WrapUpOrder(BaseModel):
    seconds: float = Field(ge=0, le=86400, description="The wrap-up ends so many seconds from now")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")


class OutcomeNote(BaseModel):
    code: str = Field(min_length=1, max_length=100, description="One of the queue's `outcomes`, when it has a list")
    call: str = Field("", max_length=200, description="Empty: the call that the agent has or wraps up")
    by: str = Field("operator", max_length=100, description="Who notes it; goes into the ledger")


@router.put("/agents/{name}/wrap-up", response_model=AgentRow)
async def wrap_up(name: str, order: WrapUpOrder, operator: TheOperator) -> Response:
    """Extend an agent's wrap-up, or shorten it; answers with the state that follows."""
    row = operator.wrap_up(name, order.seconds, order.by)
    if row is None:
        raise HTTPException(404, f"no agent {name}")
    return json(row)


@router.put("/agents/{name}/outcome", response_model=OutcomeNote)
async def outcome(name: str, note: OutcomeNote, operator: TheOperator) -> Response:
    """Note what came of a call, as a code that goes into the ledger."""
    if operator.outcome(name, note.call, note.code, note.by) is None:
        raise HTTPException(404, f"no agent {name}")
    return json(note.model_dump())


@router.get("/queues", response_model=QueuePage)
async def queues(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Queues with today's figures."""
    return page(operator.views.queues(operator.now), limit, offset)


@router.get("/trunks", response_model=TrunkPage)
async def trunks(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Trunks: health, registration, calls."""
    return page(operator.views.trunks(operator.now), limit, offset)


@router.get("/registrations", response_model=RegistrationPage)
async def registrations(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Registered contacts of phones."""
    return page(operator.views.registrations(operator.now), limit, offset)
