"""The HTTP API of a running switch. Everything but `/health` needs the bearer token."""

import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

import softswitch
from softswitch.api import (
    admin,
    archive,
    callers,
    customers,
    live,
    live_changes,
    orders,
    recordings,
    reports,
    stream,
    why,
)
from softswitch.api.replies import json
from softswitch.kernel.errors import LocalError
from softswitch.shell.operator import Operator

_TAGS = [
    {"name": "live", "description": "The switch as it is now"},
    {"name": "archive", "description": "Call records, ledger, SIP traces"},
    {"name": "recordings", "description": "Recordings: found, heard, paused, held, deleted"},
    {"name": "reports", "description": "Statistics over any time, folded from the ledger"},
    {"name": "admin", "description": "Orders to the switch, health, metrics"},
]
_bearer = HTTPBearer(auto_error=False, description="`[api] token` of the configuration, or the run directory's")


def create_app(operator: Operator, token: str) -> FastAPI:
    """The application; its only state is the operator."""

    async def authorised(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        given = credentials.credentials if credentials is not None else ""
        if not secrets.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

    app = FastAPI(
        title="softswitch",
        version=softswitch.__version__,
        summary="SIP softswitch with a built-in automatic call distributor",
        openapi_tags=_TAGS,
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.operator = operator
    for router in (
        orders.router,  # before the verbs of agents
        live.router,
        live_changes.router,
        customers.router,
        callers.router,
        why.router,
        archive.router,
        recordings.router,
        reports.router,
        stream.router,
        admin.router,
    ):
        app.include_router(router, dependencies=[Depends(authorised)])
    app.include_router(admin.open_router)
    app.add_exception_handler(LocalError, _our_fault)
    return app


async def _our_fault(_request: Request, error: Exception) -> Response:
    return json({"detail": str(error)}, 503)
