"""How much a client may send. A request's body is read before its token is looked at: without a bound any stranger
could fill the memory of the process that has the calls."""

from collections.abc import Callable
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 4 * 1024 * 1024  # octets: a thousand customers are half of that
MOST_OF_STRANGERS: Final = 16 * 1024


class BodyLimit:
    """`known`: whether somebody has that token. 413 for more (RFC 9110 §15.5.14)."""

    def __init__(self, app: ASGIApp, known: Callable[[str], bool]) -> None:
        self._app = app
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        left = MOST if scheme.lower() == "bearer" and self._known(token) else MOST_OF_STRANGERS

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, "the body is too large")
            return message

        await self._app(scope, bounded, send)
