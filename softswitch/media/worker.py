"""The media process: one thread, one loop, around the engine. Two helpers (loader, writer) keep the disk off the clock.

Audio does not depend on control: when its connection ends, legs, players and recorders go on; reports wait for the
next connection.
"""

import gc
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections import deque
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Final

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.media.arena import TICK, Packets
from softswitch.media.backend import Backend
from softswitch.media.codecs import CODECS
from softswitch.media.effects import (
    Aim,
    AppendFile,
    CloseRow,
    CreateFile,
    Effect,
    FinishFile,
    LoadSound,
    OpenRow,
    Reply,
    SendOne,
    SendReport,
    Settle,
)
from softswitch.media.engine import Engine
from softswitch.media.loader import Loader
from softswitch.media.writer import Writer
from softswitch.wire import control
from softswitch.wire.control import AskStats, Failed, Grow, Grown, Hello, Ready, Report, Shutdown, Slot, WorkerStats

LATE: Final[Duration] = 0.005
"""A tick that begins later than this after its time counts as late."""
_CATCH_UP = 5  # ticks made up for after a stall; older ones are left out
_UNREAD = 16 * 1024 * 1024  # octets that control may leave unread
_KEPT_REPORTS = 20_000
_NICE = -10
_FAULTS = 20
_FAULTS_WITHIN: Duration = 10.0
_GATHER: Duration = 0.0025  # longest wait for more packets
_GATHER_FROM = 100.0  # packets a second from which waiting pays
_GATHER_FULL = 800.0
_AT_ONCE = 32  # packets that take long enough to send (3 µs each) to be missed in the wait that would do it
_SWITCH: Duration = 0.0005  # for so long a helper thread may keep the interpreter from the clock


class _Link:
    """A connection to the control socket."""

    __slots__ = ("frames", "socket", "unsent")

    def __init__(self, link: socket.socket) -> None:
        self.socket = link
        self.frames = control.Frames()
        self.unsent = bytearray()


class Worker:
    """`run` returns after SIGTERM or `Shutdown`."""

    def __init__(self, backend: Backend, listener: socket.socket, slots: int) -> None:
        self._offset = time.time() - time.monotonic()
        self._backend = backend
        self._listener = listener
        self._engine = Engine(backend.capacity, SystemRandom(), backend.arena, backend.key, self._now())
        self._loader = Loader()
        self._writer = Writer()
        self._links: dict[int, _Link] = {}
        self._control: _Link | None = None
        self._kept: deque[Report] = deque(maxlen=_KEPT_REPORTS)
        self._signal = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._running = True
        self._ticks = self._late = self._wakes = 0
        self._looked: Instant = 0.0  # at legs, by a tick
        self._faults: deque[Instant] = deque(maxlen=_FAULTS)
        self._next_tick = 0
        self._next_wake: Instant = self._now() + 1.0
        self._rate = 0.0  # packets a second
        self._rate_from = (self._now(), 0)
        self._gathered: Instant = 0.0
        bound = backend.bind(slots)
        if not bound:
            raise LocalError("no port of the range could be bound: all are busy")
        self._engine.add_slots(bound)
        for fd in (listener.fileno(), self._loader.fd, self._writer.fd, self._signal):
            backend.watch(fd)

    def _now(self) -> Instant:
        return time.monotonic() + self._offset

    def stop(self, *_: object) -> None:
        """End soon; safe in a signal handler."""
        self._running = False
        os.eventfd_write(self._signal, 1)

    def run(self) -> None:
        """Until stopped."""
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(_SWITCH)
        gc.disable()  # a full collection is audible; `_wake` collects the young by hand
        try:
            while self._running:
                try:
                    self._turn()
                except Exception:
                    self._fault()
        finally:
            self._finish()

    def _fault(self) -> None:
        """A bug of ours hit one packet or command: say so, and let the other calls go on unless it keeps coming."""
        traceback.print_exc()
        now = self._now()
        self._faults.append(now)
        if len(self._faults) == _FAULTS and now - self._faults[0] < _FAULTS_WITHIN:
            raise LocalError(f"{_FAULTS} internal errors within {_FAULTS_WITHIN:.0f} s")

    def _turn(self) -> None:
        engine, backend = self._engine, self._backend
        timeout = self._timeout(self._now())
        ready = backend.wait(timeout, self._gather(timeout))
        self._gathered = now = self._now()
        self._measure(now)
        if not engine.busy:
            engine.skip(int(now / TICK) + 1)  # what begins now begins with the next frame
        for batch in backend.batches():
            if (packets := engine.receive(batch, now)) is not None:
                self._send(packets)
            if backend.full:
                engine.account()
                backend.recycle()
        for row, data, source in backend.reports():
            engine.receive_report(row, data, source, now)
        due = now >= self._next_wake or now >= self._next_tick * TICK
        if due or ready or engine.effects:
            backend.flush()  # else the next wait does it in the same breath
        if engine.effects:
            self._perform()
        if due:
            self._clock()
        for fd in ready:
            self._readable(fd)
        if engine.effects:
            self._perform()
        if engine.reports or (self._control is not None and self._control.unsent):
            self._tell()

    def _timeout(self, now: Instant) -> Duration | None:
        if self._engine.busy:
            if self._next_tick * TICK < now - 1.0:
                self._next_tick = int(now / TICK) + 1  # nothing was to be done for a while
                self._engine.skip(self._next_tick)
            return max(min(self._next_tick * TICK, self._next_wake) - now, 0.0)
        self._next_tick = 0
        if not self._engine.resting and not self._engine.legs.by_id:
            return None
        return max(self._next_wake - now, 0.0)

    def _measure(self, now: Instant) -> None:
        """Packets a second, over the last tenth of a second or more."""
        then, count = self._rate_from
        if now - then >= 0.1:
            received = self._engine.receiver.received
            self._rate = (received - count) / (now - then)
            self._rate_from = (now, received)

    def _gather(self, timeout: Duration | None) -> Duration:
        """How long packets may gather: nothing when few come, up to `_GATHER` when many do; a batch costs the same
        whatever its size."""
        if self._rate < _GATHER_FROM:
            return 0.0
        share = min((self._rate - _GATHER_FROM) / (_GATHER_FULL - _GATHER_FROM), 1.0)
        wait = self._gathered + _GATHER * share - self._now()
        return min(wait, timeout if timeout is not None else wait)

    def _clock(self) -> None:
        """Ticks and wakes that are due."""
        now = self._now()
        engine = self._engine
        if engine.busy and self._next_tick:
            behind = int(now / TICK) - self._next_tick
            if behind > _CATCH_UP:
                self._late += behind - _CATCH_UP
                self._next_tick += behind - _CATCH_UP
                engine.skip(self._next_tick)
            for _ in range(_CATCH_UP + 1):  # then packets and control have their turn, whatever a tick costs
                if self._next_tick * TICK > now:
                    break
                self._ticks += 1
                self._late += now - self._next_tick * TICK > LATE
                packets = engine.tick(self._next_tick)
                self._backend.recycle()
                if packets is not None:
                    self._send(packets)
                engine.look(self._next_tick, now)
                self._looked = now
                if engine.effects:
                    self._perform()
                self._next_tick += 1
                now = self._now()
        if now >= self._next_wake:
            self._wake(now)

    def _wake(self, now: Instant) -> None:
        self._next_wake = now + 1.0
        if now - self._looked < 1.0:
            self._engine.sweep(now)
        else:
            self._engine.wake(now)  # there are no ticks
        self._wakes += 1
        if self._engine.busy:
            gc.collect(0 if self._wakes % 60 else 1)
        elif self._wakes % 60 == 0:
            gc.collect()
        if self._engine.effects:
            self._perform()

    # ------------------------------------------------------------------------------------------------------- effects

    def _send(self, packets: Packets) -> None:
        for part in self._engine.shield.seal(packets) if self._engine.shield.secured else (packets,):
            self._backend.send(part)
        if len(packets.rows) > _AT_ONCE:
            self._backend.flush()

    def _perform(self) -> None:
        effects = self._engine.effects.copy()
        self._engine.effects.clear()
        for effect in effects:
            self._do(effect)
        self._writer.hand_over()

    def _do(self, effect: Effect) -> None:
        backend, shield = self._backend, self._engine.shield
        match effect:
            case SendOne(row, data):
                if (sealed := shield.seal_one(row, data)) is not None:
                    backend.send_one(row, sealed)
            case AppendFile() | CreateFile() | FinishFile():
                self._writer.put(effect)
            case SendReport(row, data, address, mux):
                if (sealed := shield.seal_report(row, data)) is not None:
                    backend.send_report(row, sealed, address, mux)
            case Reply(row, data, address):
                backend.send_report(row, data, address, True)
            case OpenRow(row):
                backend.open(row)
            case CloseRow(row):
                backend.close(row)
                shield.close(row)
            case Aim(row, to):
                backend.aim(row, to)
            case Settle(row, source):
                backend.settle(row, source)
            case LoadSound(path):
                if (loaded := self._loader.ask(path)) is not None:
                    self._engine.loaded(*loaded)

    def _readable(self, fd: int) -> None:
        if (link := self._links.get(fd)) is not None:
            self._read_link(link)
        elif fd == self._listener.fileno():
            self._accept()
        elif fd == self._loader.fd:
            for loaded in self._loader.results():
                self._engine.loaded(*loaded)
        elif fd == self._writer.fd:
            for recorder, reason, frames in self._writer.outcomes():
                if reason:
                    self._engine.tapes.failed(recorder, reason, frames)
                else:
                    self._engine.tapes.finished(recorder)

    # ------------------------------------------------------------------------------------------------------- control

    def _accept(self) -> None:
        """A newcomer: it is control once it has greeted."""
        link, _ = self._listener.accept()
        link.setblocking(False)
        self._links[link.fileno()] = _Link(link)
        self._backend.watch(link.fileno())

    def _hang_up(self, link: _Link | None) -> None:
        """A connection is over; what control was not told waits for the next one."""
        if link is None:
            return
        self._backend.unwatch(link.socket.fileno())
        del self._links[link.socket.fileno()]
        link.socket.close()
        if link is self._control:
            self._control = None

    def _read_link(self, link: _Link) -> None:
        try:
            data = link.socket.recv(1 << 18)
            for body in link.frames.feed(data):
                for command in control.decode_commands(body):
                    if link.socket.fileno() < 0:
                        return  # hung up on over an earlier command
                    self._command(link, command)
        except BlockingIOError:
            return
        except (OSError, PeerError):
            data = b""
        if not data and link.socket.fileno() >= 0:
            self._hang_up(link)

    def _command(self, link: _Link, command: control.Command) -> None:
        now = self._now()
        match command:
            case Hello(version):
                self._greet(link, version)
            case _ if link is not self._control:
                self._hang_up(link)
            case Grow(slots):
                grown = self._backend.bind(slots)
                self._engine.add_slots(grown)
                self._engine.reports.append(Grown(tuple(grown)))
            case AskStats():
                self._engine.command(command, now)
                self._engine.reports.append(self._statistics())
            case Shutdown():
                self._running = False
            case _:
                self._engine.command(command, now)

    def _greet(self, link: _Link, version: int) -> None:
        """The newcomer takes over from whoever was control before, which is dead or about to be."""
        if version != control.VERSION:
            reason = f"control speaks version {version}, media {control.VERSION}"
            self._write(link, control.encode([Failed(0, "Hello", reason)]))
            self._hang_up(link)
            return
        if link is not self._control:
            self._hang_up(self._control)
        self._control = link
        free = tuple(Slot(slot, port) for slot, port in self._engine.free.items())
        backend, fingerprint = self._backend, self._engine.shield.identity.fingerprint
        ready = Ready(
            control.VERSION, os.getpid(), backend.name, tuple(CODECS), free, backend.capacity, backend.why, fingerprint
        )
        kept = [report for report in self._kept if not isinstance(report, Grown)]  # `free` says it already
        self._kept.clear()
        self._write(link, control.encode([ready, *kept]))

    def _statistics(self) -> WorkerStats:
        engine, backend = self._engine, self._backend
        return WorkerStats(
            legs=len(engine.legs.by_id),
            players=len(engine.sounds.players),
            recorders=len(engine.tapes.recorders.by_id),
            ticks=self._ticks,
            late_ticks=self._late,
            received=engine.receiver.received,
            sent=backend.sent,
            dropped=backend.dropped,
            cpu=time.process_time(),
        )

    def _tell(self) -> None:
        reports = self._engine.reports.copy()
        self._engine.reports.clear()
        if self._control is None:
            self._kept.extend(reports)
        elif reports or self._control.unsent:
            self._write(self._control, control.encode(reports) if reports else b"")

    def _write(self, link: _Link, data: bytes) -> None:
        link.unsent += data
        try:
            while link.unsent:
                del link.unsent[: link.socket.send(link.unsent)]
        except BlockingIOError:
            if len(link.unsent) > _UNREAD:
                self._hang_up(link)
        except OSError:
            self._hang_up(link)

    def _finish(self) -> None:
        """Close the recordings, tell control, and go."""
        self._engine.stop_all_recordings()
        self._perform()
        self._backend.flush()
        self._writer.close()
        for recorder, reason, frames in self._writer.outcomes():
            if reason:
                self._engine.tapes.failed(recorder, reason, frames)
            else:
                self._engine.tapes.finished(recorder)
        self._tell()
        self._loader.close()
        for link in list(self._links.values()):
            self._hang_up(link)
        self._listener.close()


def listen(path: str) -> socket.socket:
    """The control socket. A socket file that nobody listens on any more is replaced; raises `LocalError` when a
    living process holds it or the folder cannot be written."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            listener.bind(path)
        except OSError:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                if probe.connect_ex(path) == 0:
                    raise LocalError(f"{path}: another media process listens here") from None
            Path(path).unlink(missing_ok=True)
            listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(8)
    except OSError as error:
        listener.close()
        raise LocalError(f"{path}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def raise_descriptor_limit() -> None:
    """Each leg needs three descriptors: take all that we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def take_precedence() -> None:
    """Sound waits for nobody: ask the scheduler to prefer us where we may (root or CAP_SYS_NICE), else go without."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)


def serve(backend: Backend, path: str, slots: int) -> None:
    """Run a worker on the control socket `path` until SIGTERM or `Shutdown`. Raises `LocalError`."""
    listener = listen(path)
    try:
        worker = Worker(backend, listener, slots)
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's interrupt is the parent's to handle
        worker.run()
    finally:
        Path(path).unlink(missing_ok=True)
