"""Changes of how calls are distributed while the switch runs: queues, agents, waiting calls."""

from dataclasses import asdict
from json import dumps
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, Field

from softswitch.api.replies import TheOperator, json
from softswitch.kernel.errors import LocalError
from softswitch.services.live_settings import parse_path
from softswitch.shell.operator import Operator
from softswitch.switch.views import CallView, HookRow

router = APIRouter(prefix="/api/v1", tags=["live"])

By = Annotated[str, Field(max_length=100, description="Who orders it; goes into the ledger")]


class Order(BaseModel):
    by: By = "operator"


def _unicode(value: Any) -> Any:
    """A file could not say anything else; of texts by themselves pydantic sees to it."""
    try:
        dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("text that is no Unicode") from None
    return value


class NewValue(Order):
    value: Annotated[Any, AfterValidator(_unicode)] = Field(description="As the configuration file would say it")


class Closing(Order):
    reason: str = Field("closed", max_length=200)
    send_away: bool = Field(False, description="Those who wait leave now, too")


class Priority(Order):
    seconds: float = Field(ge=-86400, le=86400, description="Head start that the call gets beside what it has")


class Move(Order):
    queue: str = Field(max_length=200)


_NOBODY = Order()


@router.get("/queues/{name}")
async def queue(name: str, operator: TheOperator) -> Response:
    """One queue: today's figures, the settings that count, and which of them were changed over the file."""
    rows = [row for row in operator.views.queues(operator.now) if row.name == name]
    if not rows:
        raise HTTPException(404, f"no queue {name}")
    settings = operator.live.settings.queues[name]
    takes = operator.views.open_queue(name, operator.now)
    changed = operator.live.rows("queues", name)
    return json({"queue": rows[0], "open": takes, "shut": settings.shut, "settings": settings, "changed": changed})


@router.put("/queues/{name}/settings/{key}")
async def set_queue(name: str, key: str, order: NewValue, operator: TheOperator) -> Response:
    """Change one setting of a queue, or (`weights.alice`) one entry of a table; it goes before the file until it is
    deleted. Nobody is logged out and nobody loses a place."""
    return _changed(operator, "queues", name, key, order.value, order.by)


@router.delete("/queues/{name}/settings/{key}")
async def unset_queue(
    name: str, key: str, operator: TheOperator, order: Annotated[Order, Body()] = _NOBODY
) -> Response:
    """What the configuration file says counts again."""
    return _changed(operator, "queues", name, key, None, order.by)


@router.put("/agents/{name}/settings/{key}")
async def set_agent(name: str, key: str, order: NewValue, operator: TheOperator) -> Response:
    """Change one setting of an agent, or (`skills.english`) one entry of a table."""
    return _changed(operator, "agents", name, key, order.value, order.by)


@router.delete("/agents/{name}/settings/{key}")
async def unset_agent(
    name: str, key: str, operator: TheOperator, order: Annotated[Order, Body()] = _NOBODY
) -> Response:
    """What the configuration file says counts again."""
    return _changed(operator, "agents", name, key, None, order.by)


@router.post("/queues/{name}/close")
async def close(name: str, operator: TheOperator, order: Annotated[Closing | None, Body()] = None) -> Response:
    """Take no calls from now on, whatever the hours say, until the queue is opened; a restart changes nothing."""
    order = order or Closing(reason="closed", send_away=False)
    operator.live.close_queue(name, order.reason, order.by)
    if order.send_away:
        operator.live.send_away(name, order.by)
    return await queue(name, operator)


@router.post("/queues/{name}/open")
async def open_(name: str, operator: TheOperator, order: Annotated[Order, Body()] = _NOBODY) -> Response:
    """Take calls again, in the queue's hours."""
    operator.live.open_queue(name, order.by)
    return await queue(name, operator)


@router.post("/queues/{name}/agents/{agent}")
async def add_agent(
    name: str, agent: str, operator: TheOperator, order: Annotated[Order, Body()] = _NOBODY
) -> Response:
    """Put an agent into a queue; who is ready is offered its calls at once."""
    operator.live.members(name, agent, True, order.by)
    return await queue(name, operator)


@router.delete("/queues/{name}/agents/{agent}")
async def remove_agent(
    name: str, agent: str, operator: TheOperator, order: Annotated[Order, Body()] = _NOBODY
) -> Response:
    """Take an agent out of a queue. A talk goes on; the agent stays logged in."""
    operator.live.members(name, agent, False, order.by)
    return await queue(name, operator)


@router.put("/calls/{call}/priority", response_model=CallView)
async def prioritise(call: str, order: Priority, operator: TheOperator) -> Response:
    """Give a waiting call more head start, or less."""
    return json(operator.live.prioritise(call, order.seconds, order.by))


@router.put("/calls/{call}/queue", response_model=CallView)
async def move(call: str, order: Move, operator: TheOperator) -> Response:
    """Move a waiting call to another queue; it keeps its place: it waits there as if since it first waited."""
    return json(operator.live.move(call, order.queue, order.by))


@router.get("/hooks", response_model=list[HookRow])
async def hooks(operator: TheOperator) -> Response:
    """Hooks, with what came of their questions."""
    return json(operator.views.hooks(operator.now))


@router.get("/configuration/diff")
async def differences(operator: TheOperator) -> Response:
    """`file`: what reading the configuration again would change. `live`: what was changed over it."""
    return json(asdict(await operator.live.differences()))


def _changed(operator: Operator, section: str, name: str, key: str, value: object, by: str) -> Response:
    try:
        path = parse_path(f"{section}.{name}.{key}")
    except LocalError as error:
        raise HTTPException(422, str(error)) from error
    operator.live.change(path, value, by)
    return json({"changed": operator.live.rows(section, name)})
