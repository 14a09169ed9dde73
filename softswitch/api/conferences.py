"""Conferences: who is in them, and orders about them."""

from typing import Literal

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import Limit, Offset, TheOperator, json, page
from softswitch.switch.events import ConferenceCommand
from softswitch.switch.views import ConferenceRow

router = APIRouter(prefix="/api/v1", tags=["live"])

Verb = Literal["mute", "unmute", "kick", "lock", "unlock", "end", "invite", "gather"]


class ConferencePage(BaseModel):
    items: list[ConferenceRow]
    total: int


class ConferenceOrder(BaseModel):
    member: str = Field(
        "",
        max_length=100,
        description="To mute, unmute, kick: a call's id, a party (`phone:1001`), a number, or `all` but moderators",
    )
    number: str = Field("", max_length=100, description="For `invite`: whom to ring, as the phone dials it")
    phone: str = Field("", max_length=100, description="For `invite`: whose rights and account count")
    by: str = Field("operator", max_length=100, description="Who orders it; goes into the ledger")


class Conferred(BaseModel):
    conference: ConferenceRow | None


@router.get("/conferences", response_model=ConferencePage)
async def conferences(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """Those that somebody is in, with their members."""
    return page(operator.views.conferences(), limit, offset)


@router.get("/conferences/{name}", response_model=ConferenceRow)
async def conference(name: str, operator: TheOperator) -> Response:
    """One of them."""
    found = next((row for row in operator.views.conferences() if row.name == name), None)
    if found is None:
        raise HTTPException(404, f"nobody is in a conference {name}")
    return json(found)


@router.post("/conferences/{name}/{verb}", response_model=Conferred)
async def order(name: str, verb: Verb, order: ConferenceOrder, operator: TheOperator) -> Response:
    """`mute`, `unmute` or `kick` members, `lock`, `unlock` or `end` the conference, `invite` somebody, who is in it
    by answering, `gather` all who talk in a call (`member` is its id). Answers with the conference as it is then,
    null when nobody is in it."""
    if verb in ("mute", "unmute", "kick") and not order.member:
        raise HTTPException(422, "name the member, or all")
    if verb == "gather" and not order.member:
        raise HTTPException(422, "name the call")
    if verb == "invite" and not (order.number and order.phone):
        raise HTTPException(422, "an invitation needs a number and a phone that dials it")
    command = ConferenceCommand(name, verb, order.member, order.number, order.phone, order.by)
    return json({"conference": operator.conference(command)})
