"""uvicorn as a guest of the control process: its loop, its signals, its logs, and its file descriptors, which calls
need more."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from softswitch.api.app import create_app
from softswitch.shell.operator import Operator

_STOP_SECONDS = 2
MOST: Final = 500  # connections of one server
PATIENCE: Final = 10.0  # seconds for the head of a request, from its first octet or the connection's beginning
BODY_PATIENCE: Final = 30.0  # seconds for its body


class BoundedHttp(H11Protocol):
    """A connection that is closed when there are too many, or when its peer does not come to the end of what it says:
    uvicorn waits for ever. However slowly it comes, a head has `PATIENCE` and a body `BODY_PATIENCE`."""

    _impatience: asyncio.TimerHandle | None = None
    _awaited = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._await("")
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """What has come is worked off; see what is still to come."""
        super().handle_events()
        said = self.conn.their_state
        if said is h11.SEND_BODY:
            self._await("body")
        elif said is h11.IDLE and self.conn.trailing_data[0]:
            self._await("head")
        else:
            self._await("")

    def _await(self, part: str) -> None:
        if part == self._awaited:
            return
        self._awaited = part
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
        if part:
            self._impatience = self.loop.call_later(PATIENCE if part == "head" else BODY_PATIENCE, self.transport.abort)


class GuestServer(uvicorn.Server):
    """Leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the control process's."""
        yield


def make_server(operator: Operator, token: str) -> GuestServer:
    """Serve the API with `serve([socket])`; `should_exit` ends it, open requests within two seconds."""
    config = uvicorn.Config(
        create_app(operator, token),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        http=BoundedHttp,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return GuestServer(config)
