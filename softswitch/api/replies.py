"""What all routes share: JSON by msgspec, the operator of this application, pages."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from softswitch.api.roles import ROLES
from softswitch.shell.operator import Operator
from softswitch.switch.settings.server import Role
from softswitch.wire.plain_text import encode

Item = TypeVar("Item")


def json(value: Any, status: int = 200) -> Response:
    """`value` (dataclasses, dicts, lists) as JSON."""
    return Response(encode(value), status, media_type="application/json")


def page(items: Sequence[Any], limit: int, offset: int) -> Response:
    """A part of a live list, with the length of the whole."""
    return json({"items": items[offset : offset + limit], "total": len(items)})


async def _operator(request: Request) -> Operator:
    operator: Operator = request.app.state.operator
    return operator


class Holder(NamedTuple):
    """The token that a request came with."""

    token: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether it may what that role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


async def _holder(request: Request) -> Holder:
    return Holder(request.state.token, request.state.role)


TheHolder = Annotated[Holder, Depends(_holder)]
TheOperator = Annotated[Operator, Depends(_operator)]
Time = Annotated[float | None, Query(ge=0, le=1e10, description="Seconds since 1970, UTC")]
MOST_SEQ = 2**63 - 1  # that a database counts to
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows at most")]
Offset = Annotated[int, Query(ge=0, description="Rows to leave out")]
