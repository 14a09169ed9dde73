"""Who is banned, and what calls out have cost today."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import TheOperator, json

router = APIRouter(prefix="/api/v1", tags=["defence"])


class BanView(BaseModel):
    address: str = Field(description="An IPv4 address, or an IPv6 /64")
    reason: str
    since: float
    until: float
    times: int = Field(description="How often it was banned by now")


class LockView(BaseModel):
    address: str
    account: str = Field(description="Whose password is not looked at from there; empty: anybody's")
    until: float
    failures: int = Field(description="Wrong passwords by now")


class BanPage(BaseModel):
    items: list[BanView]
    total: int
    locked: list[LockView]


class BanOrder(BaseModel):
    seconds: float = Field(600.0, gt=0, le=31_536_000)
    reason: str = Field("by order", max_length=200)


_USUAL = BanOrder(seconds=600.0, reason="by order")


@router.get("/bans", response_model=BanPage)
async def bans(operator: TheOperator) -> Response:
    """Addresses from which nothing is taken for now, and those whose passwords are not looked at."""
    rows = [asdict(row) for row in operator.gate.bans()]
    locked = [asdict(row) for row in operator.views.locked(operator.now)]
    return json({"items": rows, "total": len(rows), "locked": locked})


@router.put("/bans/{address}", response_model=BanPage)
async def ban(address: str, operator: TheOperator, order: Annotated[BanOrder, Body()] = _USUAL) -> Response:
    """Take nothing from an address. Phones, trunks and allowed networks cannot be banned (409)."""
    try:
        done = operator.gate.ban(address, order.seconds, order.reason)
    except ValueError as error:
        raise HTTPException(422, f"{address} is not an IP address") from error
    if not done:
        raise HTTPException(409, f"{address} is a phone's, a trunk's, or allowed by [defence]: it is not banned")
    return await bans(operator)


@router.delete("/bans/{address}", response_model=BanPage)
async def unban(address: str, operator: TheOperator) -> Response:
    """Lift a ban, and lock-outs after wrong passwords."""
    try:
        done = operator.let_in(address)
    except ValueError as error:
        raise HTTPException(422, f"{address} is not an IP address") from error
    if not done:
        raise HTTPException(404, f"{address} is neither banned nor locked out")
    return await bans(operator)


@router.get("/spending", response_model=dict[str, float])
async def spending(operator: TheOperator) -> Response:
    """What calls out have cost today by phone and trunk, in the unit of `[guards] rates`; `switch` is all together."""
    return json(operator.views.spent(operator.now))
