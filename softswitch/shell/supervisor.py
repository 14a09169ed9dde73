"""The parent process: starts control and media, restarts one that dies, passes signals on, leaves nothing behind.

It is small on purpose: no event loop, no threads, no configuration of its own. Control checks everything first and
says what media processes there should be (`shell.channel`), so a bad configuration never starts half a switch.
"""

import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from softswitch.kernel.errors import LocalError
from softswitch.shell import run_dir
from softswitch.shell.channel import Bound, Channel, Go, Plan, Ready

CONTROL = ("-m", "softswitch.api.main")  # one floor up: control with the HTTP API on it
MEDIA = ("-m", "softswitch.media")

_FIRST_PAUSE = 0.2
_LAST_PAUSE = 10.0
_STEADY = 60.0  # seconds a child must live to be forgiven its earlier deaths
_MEDIA_STOP = 5.0
_START_LIMIT = 60.0
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class _Child:
    """A process that should run. `death_signal` is what the kernel sends it when we die."""

    name: str
    arguments: tuple[str, ...]
    death_signal: int
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    restart_at: float | None = None
    pause: float = _FIRST_PAUSE
    keep: tuple[int, ...] = field(default=())


class Supervisor:
    """`run` blocks until the switch has stopped and returns the exit code."""

    def __init__(self, config: Path, control: Sequence[str] = CONTROL, media: Sequence[str] = MEDIA) -> None:
        self._config = config
        self._control_arguments = tuple(control)
        self._media_arguments = tuple(media)
        self._control = _Child("control", (), signal.SIGINT)
        self._media: list[_Child] = []
        self._channel: Channel | None = None
        self._plan: Plan | None = None
        self._lock: IO[str] | None = None
        self._run = self._sockets = Path()
        self._temporary = False
        self._ready = False
        self._stopping = 0
        self._exit = 0
        self._begun = 0.0
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []

    def run(self) -> int:
        """0 after a clean stop; 1 when the switch could not start (the reason is on standard error)."""
        wake_up, writer = socket.socketpair()
        for end in (wake_up, writer):
            end.setblocking(False)
        handled = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, self._note) for number in handled}
        old_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(wake_up, selectors.EVENT_READ)
        self._begun = time.monotonic()
        try:
            self._start_control()
            while not self._over():
                for key, _ in self._selector.select(self._pause()):
                    if key.fileobj is wake_up:
                        wake_up.recv(4096)
                    elif self._channel is not None:
                        self._hear(self._channel)
                self._handle_signals()
                self._reap()
                self._restart_due()
        except LocalError as error:
            _say(str(error))
            self._exit = 1
        finally:
            self._end()
            signal.set_wakeup_fd(old_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            wake_up.close()
            writer.close()
        return self._exit

    # -------------------------------------------------------------------------------------------------------- start

    def _start_control(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._drop_channel()
        self._channel = Channel(ours)
        self._selector.register(ours, selectors.EVENT_READ)
        child = self._control
        child.arguments = (
            *self._control_arguments,
            "--config",
            str(self._config),
            "--supervisor-fd",
            str(theirs.fileno()),
        )
        child.keep = (theirs.fileno(),)
        self._start(child)
        theirs.close()

    def _start(self, child: _Child) -> None:
        child.started = time.monotonic()
        child.restart_at = None
        child.process = subprocess.Popen(
            [sys.executable, *child.arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=child.keep,
            process_group=0,  # Ctrl-C at the terminal reaches us alone; we decide
            preexec_fn=_die_with_parent(child.death_signal),
        )

    def _hear(self, channel: Channel) -> None:
        words = channel.read()
        if channel.closed:
            self._drop_channel()
        for word in words:
            if isinstance(word, Plan):
                self._prepare(word, channel)
            elif isinstance(word, Bound):
                for child in self._media:
                    if child.process is None and child.restart_at is None:
                        self._start(child)
            elif isinstance(word, Ready):
                self._ready = True

    def _prepare(self, plan: Plan, channel: Channel) -> None:
        if self._plan is None:
            self._run = run_dir.prepare(Path(plan.data_dir))
            self._lock = run_dir.lock(self._run)
            self._sockets, self._temporary = run_dir.socket_dir(self._run)
            self._plan = plan
            self._media = [self._media_child(plan, number) for number in range(plan.workers)]
        elif plan != self._plan:
            _say("[media] or data_dir changed: media keeps the old settings until the switch is restarted")
        channel.say(Go(str(self._sockets)))

    def _media_child(self, plan: Plan, number: int) -> _Child:
        path = run_dir.media_socket(self._sockets, number)
        path.unlink(missing_ok=True)
        low, high = port_share(plan.ports, plan.workers, number)
        arguments = (
            *self._media_arguments,
            *("--socket", str(path), "--address", plan.address, "--ports", f"{low}-{high}"),
            *("--backend", plan.backend),
        )
        return _Child(f"media-{number}", arguments, signal.SIGTERM)

    # ----------------------------------------------------------------------------------------------------- the loop

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._signals.append(number)

    def _handle_signals(self) -> None:
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGHUP:
                self._tell_control(signal.SIGHUP)
                continue
            self._stopping += 1
            self._control.restart_at = None
            if self._stopping > 2 and self._control.process is not None:
                self._control.process.kill()
            else:
                self._tell_control(signal.SIGTERM if self._stopping == 1 else signal.SIGINT)

    def _tell_control(self, number: int) -> None:
        process = self._control.process
        if process is not None and process.poll() is None:
            process.send_signal(number)

    def _over(self) -> bool:
        if self._exit:
            return True
        return bool(self._stopping) and self._control.process is None

    def _reap(self) -> None:
        for child in (self._control, *self._media):
            process = child.process
            if process is None or process.poll() is None:
                continue
            child.process = None
            self._died(child, process.returncode)

    def _died(self, child: _Child, code: int) -> None:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if self._stopping:
            if code:
                _say(f"{child.name} ended with {how}")
            return
        if child is self._control and code == 0 and self._ready:
            self._stopping = 1  # drained by order of the API
            return
        if not self._ready:
            _say(f"not started: {child.name} ended with {how}")
            self._exit = 1
            return
        now = time.monotonic()
        if now - child.started > _STEADY:
            child.pause = _FIRST_PAUSE
        child.restart_at = now + child.pause
        _say(f"{child.name} died with {how}; started again in {child.pause:.1f} s")
        child.pause = min(child.pause * 2, _LAST_PAUSE)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in (self._control, *self._media):
            if child.restart_at is not None and child.restart_at <= now and not self._stopping:
                if child is self._control:
                    self._start_control()
                else:
                    self._start(child)
        if not self._ready and not self._stopping and now - self._begun > _START_LIMIT:
            raise LocalError(f"not started: not ready after {_START_LIMIT:.0f} seconds")

    def _pause(self) -> float | None:
        due = [child.restart_at for child in (self._control, *self._media) if child.restart_at is not None]
        if not self._ready:
            due.append(self._begun + _START_LIMIT + 0.1)
        return max(0.0, min(due) - time.monotonic()) if due else None

    # ---------------------------------------------------------------------------------------------------------- end

    def _drop_channel(self) -> None:
        if self._channel is not None:
            self._selector.unregister(self._channel.sock)
            self._channel.sock.close()
            self._channel = None

    def _end(self) -> None:
        """Control first, so that calls end and rows are written; then media, so that recordings are closed."""
        self._drop_channel()
        self._finish([self._control], signal.SIGINT)
        self._finish(self._media, signal.SIGTERM)
        if self._lock is not None:
            run_dir.clean(self._run, self._sockets, self._temporary)
            self._lock.close()

    def _finish(self, children: Sequence[_Child], number: int) -> None:
        alive = [child.process for child in children if child.process is not None]
        for process in alive:
            if process.poll() is None:
                process.send_signal(number)
        deadline = time.monotonic() + _MEDIA_STOP
        for process in alive:
            try:
                process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def port_share(ports: tuple[int, int], workers: int, number: int) -> tuple[int, int]:
    """The part of the inclusive range `ports` that media process `number` gets; each begins with an even port."""
    low, high = ports
    pairs = (high - low + 1) // 2
    first = low + 2 * (pairs * number // workers)
    return first, low + 2 * (pairs * (number + 1) // workers) - 1


def _say(sentence: str) -> None:
    """To standard error: the supervisor does not know the configured log, and must speak before anyone else does."""
    print(f"softswitch: {sentence}", file=sys.stderr, flush=True)


def _die_with_parent(number: int) -> Callable[[], None]:
    """Runs in the child between fork and exec: the kernel signals it when we die, however we die."""
    parent = os.getpid()

    def arrange() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # died in between
            os._exit(1)

    return arrange


def run(config: Path) -> int:
    """`softswitch run`: blocks; returns the exit code."""
    return Supervisor(config).run()
