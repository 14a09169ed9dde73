"""Orders about live calls: pass them on, consult, conference."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import TheOperator, json
from softswitch.kernel.errors import PeerError
from softswitch.shell.operator import TransferVerb
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
    try:
        view = operator.transfer(call, order.verb, order.target, order.by)
    except PeerError as error:
        raise HTTPException(error.status, str(error)) from error
    if view is None:
        raise HTTPException(410, f"call {call} has ended")
    return json(view)
