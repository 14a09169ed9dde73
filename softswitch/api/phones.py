"""Phones: what counts for them, and what is said over their settings: forwarding, do not disturb, call waiting."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import Limit, Offset, TheOperator, json, page
from softswitch.shell.operator import Operator
from softswitch.switch.views import PhoneRow

router = APIRouter(prefix="/api/v1", tags=["live"])

Kind = Literal["always", "busy", "no_answer", "unavailable"]
By = Annotated[str, Field(max_length=100, description="Who orders it; goes into the ledger")]


class Order(BaseModel):
    by: By = "operator"


class ForwardOrder(Order):
    to: str = Field(
        max_length=200,
        description="A target (`voicemail:sales`, `phone:1002`), or a number as the phone dials it; empty: off",
    )


class SwitchOrder(Order):
    on: bool


class PhonePage(BaseModel):
    items: list[PhoneRow]
    total: int


_NOBODY = Order()


@router.get("/phones", response_model=PhonePage)
async def phones(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """All phones."""
    return page(operator.views.phones(operator.now), limit, offset)


@router.put("/phones/{name}/forward/{kind}", response_model=PhoneRow)
async def forward(name: str, kind: Kind, order: ForwardOrder, operator: TheOperator) -> Response:
    """Forward the phone's calls. A number has the phone's rights: 422 when it could not dial it itself."""
    return _set(operator, name, kind, order.to, order.by)


@router.delete("/phones/{name}/forward/{kind}", response_model=PhoneRow)
async def forward_as_settings(
    name: str, kind: Kind, operator: TheOperator, order: Annotated[Order, Body()] = _NOBODY
) -> Response:
    """What the configuration file says counts again."""
    return _set(operator, name, kind, None, order.by)


@router.put("/phones/{name}/{what}", response_model=PhoneRow)
async def switch(
    name: str, what: Literal["dnd", "call_waiting"], order: SwitchOrder, operator: TheOperator
) -> Response:
    """Do not disturb or call waiting, on or off."""
    return _set(operator, name, what, order.on, order.by)


@router.delete("/phones/{name}/{what}", response_model=PhoneRow)
async def switch_as_settings(
    name: str,
    what: Literal["dnd", "call_waiting"],
    operator: TheOperator,
    order: Annotated[Order, Body()] = _NOBODY,
) -> Response:
    """What the configuration file says counts again."""
    return _set(operator, name, what, None, order.by)


def _set(operator: Operator, name: str, what: str, value: str | bool | None, by: str) -> Response:
    return json(operator.set_phone(name, what, value, by))
