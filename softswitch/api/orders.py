"""Orders about live calls: pass them on, consult, conference."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import TheOperator, json
from softswitch.shell.operator import Operator, TransferVerb
from softswitch.switch.settings import Supervising
from softswitch.switch.views import CallView

router = APIRouter(prefix="/api/v1", tags=["live"])


class TransferOrder(BaseModel):
    verb: TransferVerb = Field("blind", description="`blind`, `consult`, `join` with a target; then the other three")
    target: str = Field("", max_length=200, description="As in the configuration: `agent:bob`, `trunk:carrier/00491`")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")


@router.post("/calls/{call}/transfer", response_model=CallView)
async def transfer(call: str, order: TransferOrder, operator: TheOperator) -> Response:
    """Pass a live call on. `blind`: at once. `consult`: the agent talks with the target first, then `complete`,
    `cancel` or `three_way`. `join`: the target joins the talk. Answers with the call as it is then."""
    view = operator.transfer(call, order.verb, order.target, order.by)
    if view is None:
        raise HTTPException(410, f"call {call} has ended")
    return json(view)


class SuperviseOrder(BaseModel):
    mode: Supervising = Field("listen", description="`take`: the agent leaves, the supervisor has the call")
    phone: str = Field(max_length=100, description="The supervisor's, which is rung")
    follow: bool = Field(False, description="Stay with the agent call after call")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")


class Supervised(BaseModel):
    agent: str
    phone: str
    mode: Supervising


@router.post("/calls/{call}/supervise", response_model=Supervised, status_code=202)
async def supervise_call(call: str, order: SuperviseOrder, operator: TheOperator) -> Response:
    """Let a supervisor listen to the agent in a live call, whisper to the agent, speak with all, or take over. A
    supervisor who is there already changes to that mode. 403 when `[supervisors]` does not allow it."""
    return _supervise(operator, call, order)


@router.post("/agents/{name}/supervise", response_model=Supervised, status_code=202)
async def supervise_agent(name: str, order: SuperviseOrder, operator: TheOperator) -> Response:
    """The same by the agent's name; with `follow` also before the agent's next call."""
    return _supervise(operator, name, order)


def _supervise(operator: Operator, target: str, order: SuperviseOrder) -> Response:
    agent = operator.supervise(target, order.mode, order.phone, order.follow, order.by)
    return json({"agent": agent, "phone": order.phone, "mode": order.mode}, 202)
