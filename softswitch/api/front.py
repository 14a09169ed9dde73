"""Serves the API inside the control process's loop (uvicorn without its own signals and logs).

FastAPI takes half a second to import; that happens in `start`, while the media processes come up beside us.
"""

import asyncio
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from softswitch.kernel.errors import LocalError
from softswitch.shell.endpoint import bind, parse_endpoint
from softswitch.shell.operator import Operator
from softswitch.shell.run_dir import ApiAccess, read_access, write_access
from softswitch.switch.settings import Settings

if TYPE_CHECKING:
    from softswitch.api.http_server import GuestServer
    from softswitch.api.phone_files import PhoneFiles


class HttpFront:
    """The API as `shell.control.Front`. Without a configured token one is made for this run."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._token = ""
        self._run = Path()
        self._phone_files: PhoneFiles | None = None
        self._server: GuestServer | None = None
        self._task: asyncio.Task[None] | None = None

    def bind(self, settings: Settings, run: Path) -> None:
        """Open the socket. Raises `LocalError`."""
        try:
            self._socket = bind(parse_endpoint(settings.api.listen, "tcp"))
        except LocalError as error:
            raise LocalError(f"[api] {error}") from error
        if settings.provisioning.listen is not None:
            from softswitch.api.phone_files import PhoneFiles

            self._phone_files = PhoneFiles(settings)
        before = read_access(run.parent)  # of a control process that died: programs go on with its token
        self._token = settings.api.token or (before.token if before else "") or secrets.token_urlsafe(32)
        self._run = run

    async def start(self, operator: Operator) -> None:
        """Serve, and tell the programs of this machine where."""
        from softswitch.api.http_server import make_server

        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        self._server = make_server(operator, self._token)
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="api")
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        url = f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"
        write_access(self._run, ApiAccess(url, self._token))
        if self._phone_files is not None:
            await self._phone_files.start(lambda: operator.settings)

    async def stop(self) -> None:
        """Open requests are cut after two seconds."""
        if self._phone_files is not None:
            await self._phone_files.stop()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        if self._socket is not None:
            self._socket.close()
