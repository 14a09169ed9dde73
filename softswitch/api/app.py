"""The HTTP API of a running switch. Everything but `/health` needs a bearer token whose role may it (`roles`)."""

from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

import softswitch
from softswitch.api import (
    admin,
    archive,
    bans,
    callers,
    conferences,
    customers,
    live,
    live_changes,
    mailboxes,
    orders,
    phones,
    recordings,
    reports,
    stream,
    why,
)
from softswitch.api.body_limit import BodyLimit
from softswitch.api.replies import json
from softswitch.api.roles import REQUIRED, Tokens, may
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.shell.operator import Operator
from softswitch.switch.events import Security

_TAGS = [
    {"name": "live", "description": "The switch as it is now"},
    {"name": "archive", "description": "Call records, ledger, SIP traces"},
    {"name": "recordings", "description": "Recordings: found, heard, paused, held, deleted"},
    {"name": "reports", "description": "Statistics over any time, folded from the ledger"},
    {"name": "defence", "description": "Bans, and what calls out have cost"},
    {"name": "admin", "description": "Orders to the switch, health, metrics"},
]
log = structlog.get_logger()
_bearer = HTTPBearer(
    auto_error=False, description="`[api] token` or `[api.tokens.NAME]` of the configuration, or the run directory's"
)


def create_app(operator: Operator, token: str) -> FastAPI:
    """The application; its only state is the operator."""

    tokens = Tokens(token)

    async def authorised(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> None:
        given = credentials.credentials if credentials is not None else ""
        source = request.client.host if request.client is not None else ""
        holder = tokens.holder(given, operator.settings.api)
        if holder is None:
            if given:
                operator.security.write(Security("api-auth-failed", operator.now, source, "", request.url.path))
            raise HTTPException(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
        name, role = holder
        path = request.scope["route"].path
        if not may(role, request.method, path):
            asked = f"{request.method} {request.url.path}"
            operator.security.write(Security("api-forbidden", operator.now, source, name, asked))
            needed = REQUIRED.get((request.method, path), "admin")
            raise HTTPException(403, f'token "{name}" has the role {role}; this needs {needed}')
        request.state.token, request.state.role = holder
        if request.method != "GET":
            log.info("api.order", by=name, role=role, method=request.method, path=request.url.path, source=source)

    app = FastAPI(
        title="softswitch",
        version=softswitch.__version__,
        summary="SIP softswitch with a built-in automatic call distributor",
        openapi_tags=_TAGS,
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.operator = operator
    app.add_middleware(BodyLimit, known=lambda given: tokens.holder(given, operator.settings.api) is not None)
    for router in (
        orders.router,  # before the verbs of agents
        live.router,
        live_changes.router,
        mailboxes.router,
        phones.router,
        conferences.router,
        customers.router,
        callers.router,
        why.router,
        archive.router,
        recordings.router,
        reports.router,
        stream.router,
        bans.router,
        admin.router,
    ):
        app.include_router(router, dependencies=[Depends(authorised)])
    app.include_router(admin.open_router)
    app.add_exception_handler(LocalError, _our_fault)
    app.add_exception_handler(PeerError, _their_fault)
    app.add_exception_handler(RequestValidationError, _malformed)
    return app


async def _malformed(_request: Request, error: Exception) -> Response:
    """As FastAPI does it, but for numbers that JSON has no word for: its own answer to NaN is status 500."""
    return json({"detail": jsonable_encoder(getattr(error, "errors", list)())}, 422)


async def _their_fault(_request: Request, error: Exception) -> Response:
    """What cannot be done as asked: the error carries the status."""
    return json({"detail": str(error)}, getattr(error, "status", 0) or 409)


async def _our_fault(_request: Request, error: Exception) -> Response:
    return json({"detail": str(error)}, 503)
