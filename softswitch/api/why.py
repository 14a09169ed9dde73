"""Why a call waits or who got it; why an agent gets no calls; what the ACD's watchdog looks after."""

from dataclasses import asdict

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel

from softswitch.acd.why import AgentStory, CallStory
from softswitch.api.replies import TheOperator, json
from softswitch.switch.views import InvariantRow

router = APIRouter(prefix="/api/v1", tags=["live"])


class CallStories(BaseModel):
    call: str
    stays: list[CallStory]


@router.get("/why/calls/{call}", response_model=CallStories)
async def why_call(call: str, operator: TheOperator) -> Response:
    """Every offer of a call and every agent it was not offered to, with the reason; one stay for each time that it was
    in a queue. Remembered for some thousand calls that have left their queue."""
    stays = operator.views.why_call(call, operator.now)
    if not stays:
        raise HTTPException(404, f"no call {call} in a queue lately")
    return json({"call": call, "stays": [asdict(stay) for stay in stays]})


@router.get("/why/agents/{name}", response_model=AgentStory)
async def why_agent(name: str, operator: TheOperator) -> Response:
    """The last offers of an agent, and the calls that wait in its queues with the reason why it does not have them."""
    story = operator.views.why_agent(name, operator.now)
    if story is None:
        raise HTTPException(404, f"no agent {name}")
    return json(asdict(story))


@router.get("/invariants", response_model=list[InvariantRow])
async def invariants(operator: TheOperator) -> Response:
    """What is true of queues, agents and offers at any time, looked after every ten seconds. `repaired` is zero unless
    there is a fault of ours; the ledger's `acd.repaired` tells of each."""
    return json(operator.views.invariants())
