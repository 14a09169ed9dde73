"""The customers table."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from softswitch.api.replies import Limit, Offset, TheOperator, json, page
from softswitch.switch.customers import Customer

router = APIRouter(prefix="/api/v1", tags=["live"])


class CustomerBody(BaseModel):
    name: str = Field("", max_length=200)
    numbers: list[str] = Field([], max_length=100, description="As calls bring them: E.164")
    head_start: float = Field(0.0, description="Seconds of head start in queues")
    language: str = ""
    agent: str = Field("", description="The agent whose customer this is; see `sticky` of queues")
    needs: dict[str, int] = Field({}, description="Least proficiency (0-100) by skill")
    queue: str = Field("", description="For `queue:{customer_queue|…}` in targets")
    notes: str = Field("", max_length=2000)


class CustomerWithId(CustomerBody):
    id: str = Field(min_length=1, max_length=100)


class Many(BaseModel):
    customers: list[CustomerWithId] = Field(max_length=1000)
    by: str = Field("operator", max_length=100)


@router.get("/customers")
async def customers(
    operator: TheOperator,
    find: Annotated[str, Query(description="An id, a number, or a part of a name")] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Customers."""
    return page(operator.live.find_customers(find), limit, offset)


@router.get("/customers/{id}")
async def customer(id: str, operator: TheOperator) -> Response:
    """One customer."""
    found = operator.live.customers.get(id)
    if found is None:
        raise HTTPException(404, f"no customer {id}")
    return json(found)


@router.put("/customers/{id}")
async def put_customer(id: str, body: CustomerBody, operator: TheOperator, by: str = "operator") -> Response:
    """A new customer, or in place of the one with that id; calls that come from now on are treated so."""
    await operator.live.put_customers([_customer(id, body)], by)
    return json(operator.live.customers.get(id))


@router.post("/customers")
async def put_customers(many: Many, operator: TheOperator) -> Response:
    """Up to 1,000 customers at once, all or none; answered when they are stored."""
    return json(
        {"stored": await operator.live.put_customers([_customer(body.id, body) for body in many.customers], many.by)}
    )


@router.delete("/customers/{id}")
async def delete_customer(
    id: str, operator: TheOperator, by: Annotated[str, Body(embed=True)] = "operator"
) -> Response:
    """Forget a customer."""
    if not await operator.live.remove_customer(id, by):
        raise HTTPException(404, f"no customer {id}")
    return json({"id": id, "deleted": True})


def _customer(id: str, body: CustomerBody) -> Customer:
    return Customer(
        id=id,
        name=body.name,
        numbers=tuple(dict.fromkeys(body.numbers)),
        head_start=body.head_start,
        language=body.language,
        agent=body.agent,
        needs=tuple(sorted(body.needs.items())),
        queue=body.queue,
        notes=body.notes,
    )
