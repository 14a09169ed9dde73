"""Orders to the switch as a whole, and its health."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from softswitch.api.metrics import CONTENT_TYPE, exposition
from softswitch.api.replies import TheOperator, json
from softswitch.kernel.errors import LocalError
from softswitch.services.faults import ConfigurationError

router = APIRouter(tags=["admin"])
open_router = APIRouter(tags=["admin"])


@router.post("/api/v1/reload")
async def reload(operator: TheOperator) -> Response:
    """Read the configuration again. A faulty one changes nothing and is answered by 422 with every fault."""
    try:
        return json({"changes": await operator.reload()})
    except ConfigurationError as error:
        return json({"detail": "the configuration has faults", "faults": error.faults}, 422)
    except LocalError as error:
        raise HTTPException(422, str(error)) from error


@router.post("/api/v1/drain", status_code=202)
async def drain(operator: TheOperator) -> Response:
    """Take no new calls, and end when the last one has ended."""
    operator.drain()
    return json({"draining": True}, 202)


@router.get("/metrics")
async def metrics(operator: TheOperator) -> Response:
    """Prometheus text format; gathered when asked."""
    return Response(exposition(operator), media_type=CONTENT_TYPE)


@open_router.get("/health")
async def health(operator: TheOperator) -> Response:
    """200 while new calls are welcome; 503 while draining or without a media process. Needs no token."""
    status = operator.status()
    if status.draining:
        return json({"status": "draining"}, 503)
    if not any(worker.up for worker in status.workers):
        return json({"status": "no media process"}, 503)
    return json({"status": "ok"})
