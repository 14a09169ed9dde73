"""Serves phones their configuration by HTTPS, beside the API and apart from it: each device at an address with a secret
of its own, read-only, from the networks that are allowed."""

import asyncio
import ssl
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from time import time

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from softswitch.api.http_server import BoundedHttp, GuestServer
from softswitch.kernel.errors import LocalError
from softswitch.services.provisioning.site import PREFIX, ProvisioningSite
from softswitch.shell.endpoint import bind, parse_endpoint
from softswitch.shell.tls import server_context
from softswitch.switch.settings import Settings

_MOST_SOURCES = 4096
_MISSES = 20  # wrong addresses from one source in an hour; then it is not heard for the rest of it
_HOUR = 3600.0
_CONNECTIONS = 200
_IDLE_SECONDS = 5
_STOP_SECONDS = 2

log = structlog.get_logger()


class Misses:
    """How often each source has asked for what it may not have, within the hour."""

    def __init__(self) -> None:
        self._since = 0.0
        self._counts: dict[str, int] = {}

    def shut_out(self, source: str, now: float) -> bool:
        """Whether the source has guessed too often."""
        if now - self._since >= _HOUR or len(self._counts) >= _MOST_SOURCES:
            self._since = now
            self._counts.clear()
        return self._counts.get(source, 0) >= _MISSES

    def add(self, source: str) -> int:
        """One more; how many there are."""
        self._counts[source] = self._counts.get(source, 0) + 1
        return self._counts[source]


def phone_files_app(site: ProvisioningSite, settings: Callable[[], Settings], misses: Misses) -> Starlette:
    """The application. Every refusal looks the same: 404."""

    async def file(request: Request) -> Response:
        source = request.client.host if request.client is not None else ""
        now = time()
        site.settings = settings()
        if misses.shut_out(source, now) or not _allowed(source, site.settings.provisioning.allow):
            return PlainTextResponse("", 404)
        agent = request.headers.get("User-Agent", "")
        try:
            found = await run_in_threadpool(site.asked, request.path_params["link"], request.path_params["name"])
            if found is not None:
                await run_in_threadpool(site.secrets.fetched, found[0], now, source, agent)
        except LocalError as error:
            log.error("provisioning.failed", reason=str(error))
            return PlainTextResponse("", 503)
        if found is None:
            if misses.add(source) in (1, _MISSES):
                log.warning("provisioning.refused", source=source, agent=agent, name=request.path_params["name"])
            return PlainTextResponse("", 404)
        phone, told = found
        log.info("provisioning.fetched", phone=phone, source=source, agent=agent)
        return Response(told.text, media_type=told.content_type, headers={"Cache-Control": "no-store"})

    routes = [Route(f"{PREFIX}{{link}}/{{name:path}}", file, methods=["GET"])]
    return Starlette(routes=routes)


class PhoneFiles:
    """The HTTPS server; it does not exist without `[provisioning] listen`."""

    def __init__(self, settings: Settings) -> None:
        """Opens the socket. Raises `LocalError`."""
        listen = settings.provisioning.listen
        assert listen is not None
        self._data_dir = Path(settings.server.data_dir)
        self._context = FreshContext(settings)
        try:
            self._socket = bind(parse_endpoint(listen, "tcp"))
        except LocalError as error:
            raise LocalError(f"[provisioning] {error}") from error
        self._server: GuestServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port bound."""
        return int(self._socket.getsockname()[1])

    async def start(self, settings: Callable[[], Settings]) -> None:
        """Serve with whatever `settings` says at the time."""
        app = phone_files_app(ProvisioningSite(settings(), self._data_dir), settings, Misses())
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            http=BoundedHttp,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        config.load()
        self._context.follow(settings)
        config.ssl = self._context.context
        self._server = GuestServer(config)
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="phone files")
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Open requests are cut after two seconds."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        self._socket.close()


class FreshContext:
    """A server's TLS context that takes new settings and files with the next handshake; broken ones are told once and
    the old ones stay. The server keeps the first context for good, so each handshake is given the latest, and of the
    first what OpenSSL has read of it by then is kept true: the least version and whether a certificate is asked for.
    The handshake that finds these two stricter than it began with is broken off."""

    def __init__(self, settings: Settings) -> None:
        """Raises `LocalError` when there is no certificate that can be used."""
        self._settings: Callable[[], Settings] = lambda: settings
        self._loaded = _stamp(settings)
        self.context = self._latest = _context(settings)
        self.context.sni_callback = self._greeted

    def follow(self, settings: Callable[[], Settings]) -> None:
        """Where the settings are from now on."""
        self._settings = settings

    def _greeted(self, connection: ssl.SSLObject, _name: str | None, _context_before: ssl.SSLContext) -> int | None:
        settings = self._settings()
        stamp = _stamp(settings)
        refusal: int | None = None
        if stamp != self._loaded:
            self._loaded = stamp
            try:
                self._latest = _context(settings)
            except LocalError as error:
                log.error("provisioning.certificate", reason=str(error))
            else:
                refusal = self._tighten()
        if self._latest is not self.context:
            connection.context = self._latest
        return refusal

    def _tighten(self) -> int | None:
        first, latest = self.context, self._latest
        stricter = latest.minimum_version > first.minimum_version or latest.verify_mode > first.verify_mode
        first.minimum_version, first.verify_mode = latest.minimum_version, latest.verify_mode
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if stricter else None


def _context(settings: Settings) -> ssl.SSLContext:
    tls, required = settings.tls, settings.provisioning.require_client
    if tls.certificate is None:
        raise LocalError("[provisioning] listen needs a certificate: see [tls], or `softswitch certificate`")
    return server_context(tls, ask=required, require=required)


def _stamp(settings: Settings) -> tuple[object, ...]:
    tls, required = settings.tls, settings.provisioning.require_client
    files = (tls.certificate, tls.key, tls.client_ca if required else None)
    return files, tls.min_version, required, tuple(_changed(path) for path in files if path is not None)


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _allowed(source: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(source)
    except ValueError:
        return False
    return any(address in ip_network(network) for network in networks)
