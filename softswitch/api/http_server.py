"""uvicorn as a guest of the control process: its loop, its signals, its logs."""

import contextlib
from collections.abc import Iterator

import uvicorn

from softswitch.api.app import create_app
from softswitch.shell.operator import Operator

_STOP_SECONDS = 2


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
        http="h11",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return GuestServer(config)
