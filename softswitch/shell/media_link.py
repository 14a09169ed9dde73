"""The line to one media process: commands out, gathered when there are many; reports in; reconnects by itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from softswitch.kernel.errors import PeerError
from softswitch.wire.control import VERSION, Command, Failed, Frames, Hello, Ready, Report, decode_reports, encode

_FIRST_RETRY = 0.05
_LAST_RETRY = 2.0
_HELLO_SECONDS = 5.0
_BUFFER = 32 * 1024 * 1024
_BATCH = 2000
_GATHER = 0.004
"""Seconds between two frames: each wakes a process with cold caches, which costs more than what the frame says."""

log = structlog.get_logger()


class _Wire(asyncio.Protocol):
    def __init__(self, link: "MediaLink") -> None:
        self.link = link
        self.frames = Frames()
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self.frames.feed(data):
                self.link.reported(decode_reports(body))
        except PeerError as error:
            log.error("media.protocol", worker=self.link.worker, error=str(error))
            self.link.break_off()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class MediaLink:
    """`reports(worker, reports)` is called for every frame, `Ready` first; `lost(worker)` when the line broke after
    `Ready`. Commands given while there is no line are dropped: `lost` has said so."""

    def __init__(
        self,
        worker: int,
        path: Path,
        reports: Callable[[int, tuple[Report, ...]], None],
        lost: Callable[[int], None],
    ) -> None:
        self.worker = worker
        self.up = asyncio.Event()
        self.dropped = 0
        self._path = path
        self._reports = reports
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pending: list[Command] = []
        self._scheduled = False
        self._flushed = 0.0  # when, by the loop's clock
        self._task = self._loop.create_task(self._keep_up())

    async def _keep_up(self) -> None:
        retry = _FIRST_RETRY
        while True:
            try:
                transport, wire = await self._loop.create_unix_connection(lambda: _Wire(self), str(self._path))
            except OSError:
                await asyncio.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY)
                continue
            self._transport = transport
            transport.write(encode([Hello(VERSION)]))
            hello = self._loop.call_later(_HELLO_SECONDS, self._no_answer)
            try:
                await wire.lost
            finally:
                hello.cancel()
                transport.abort()
                self._transport = None
                self._pending.clear()
            if self.up.is_set():
                self.up.clear()
                retry = _FIRST_RETRY
                log.error("media.lost", worker=self.worker)
                self._lost(self.worker)
            await asyncio.sleep(retry)
            retry = min(retry * 2, _LAST_RETRY)

    def _no_answer(self) -> None:
        if not self.up.is_set():
            log.error("media.silent", worker=self.worker, seconds=_HELLO_SECONDS)
            self.break_off()

    def reported(self, reports: list[Report]) -> None:
        """A frame came."""
        if not self.up.is_set():
            first = reports[0] if reports else None
            if isinstance(first, Failed):
                log.error("media.refused", worker=self.worker, reason=first.reason)
                self.break_off()
                return
            if not isinstance(first, Ready):
                return
            self.up.set()
            log.info("media.ready", worker=self.worker, pid=first.pid, backend=first.backend, slots=len(first.free))
        self._reports(self.worker, tuple(reports))

    def send(self, commands: tuple[Command, ...]) -> None:
        """Queue commands; they leave together, the first ones at the end of this loop iteration, those of a busy
        switch after `_GATHER`."""
        if not self.up.is_set():
            self.dropped += len(commands)
            return
        self._pending += commands
        if not self._scheduled:
            self._scheduled = True
            if (pause := self._flushed + _GATHER - self._loop.time()) > 0:
                self._loop.call_later(pause, self._flush)
            else:
                self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        self._flushed = self._loop.time()
        pending, self._pending = self._pending, []
        transport = self._transport
        if transport is None or not pending:
            return
        for start in range(0, len(pending), _BATCH):
            transport.write(encode(pending[start : start + _BATCH]))
        if transport.get_write_buffer_size() > _BUFFER:
            log.error("media.stuck", worker=self.worker, waiting=transport.get_write_buffer_size())
            self.break_off()

    def break_off(self) -> None:
        """Drop the line and connect anew."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Send what waits, then end; nobody is told."""
        self._flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
