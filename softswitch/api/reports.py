"""Reports over any time, folded from the ledger in a process of their own."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from softswitch.acd.model import ServiceLevelDefinition
from softswitch.acd.reports import Kind, Question, Report, Step
from softswitch.api.replies import TheOperator, Time

router = APIRouter(prefix="/api/v1", tags=["reports"])

_DAY = 86400.0
_MOST_ROWS = 200_000


@router.get("/reports/{kind}", response_model=Report)
async def reports(
    kind: Kind,
    operator: TheOperator,
    since: Time = None,
    until: Time = None,
    interval: Annotated[Step | None, Query(description="Rows by interval of local time, too")] = None,
    queue: Annotated[list[str] | None, Query(description="Only these queues")] = None,
    agent: Annotated[list[str] | None, Query(description="Only these agents")] = None,
    definition: Annotated[ServiceLevelDefinition, Query(description="Which service level")] = "standard",
    scope: Annotated[Literal["queue", "any"] | None, Query(description="Of first-call resolution")] = None,
    charts: Annotated[bool, Query(description="With what pictures need")] = False,
) -> Response:
    """The ledger as a table: since local midnight unless `since` says otherwise, until now."""
    now = operator.now
    settings = operator.settings
    since = operator.midnight if since is None else since
    until = now if until is None else until
    if not since < until:
        raise HTTPException(422, "since must be before until")
    if kind == "intervals" and interval is None:
        interval = "30m" if until - since <= 2 * _DAY else "day"
    if interval in ("15m", "30m", "1h") and (until - since) / 900.0 > _MOST_ROWS:
        raise HTTPException(422, "too many intervals: ask for less time or longer intervals")
    question = Question(
        kind=kind,
        since=since,
        until=until,
        now=max(now, time.time()),
        timezone=settings.server.timezone,
        interval=interval,
        queues=tuple(queue or ()),
        agents=tuple(agent or ()),
        definition=definition,
        fcr_days=settings.statistics.fcr_days,
        fcr_scope=scope or settings.statistics.fcr_scope,
        charts=charts,
    )
    return Response(await operator.report(question), media_type="application/json")
