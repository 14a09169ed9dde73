"""uvicorn as a guest of the control process: its loop, its signals, its logs, and its file descriptors, which calls
need more."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from softswitch.api.app import create_app
from softswitch.shell.operator import Operator

_STOP_SECONDS = 2
MOST: Final = 500  # connections of one server
PATIENCE: Final = 10.0  # seconds for the head of the first request


class BoundedHttp(H11Protocol):
    """A connection that is closed when there are too many, or when it says nothing: uvicorn waits for ever."""

    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._impatience = self.loop.call_later(PATIENCE, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if not self.headers:  # none was read
            self.transport.abort()


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
