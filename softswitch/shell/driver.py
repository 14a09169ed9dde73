"""Turns the core's crank: events in, effects out, one timer.

Everything here is on the path of every message, so it is plain: no tasks, no awaits, a dictionary for dispatch.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, Protocol

import structlog

from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.shell.gate import Gate
from softswitch.shell.hooks import HookClient
from softswitch.shell.keep_alives import answer, is_keep_alive
from softswitch.shell.logs import Repeated, redacted
from softswitch.shell.security import SecurityLog
from softswitch.shell.stir import CallerVerifier
from softswitch.shell.trace import Trace
from softswitch.sip.flow import Flow, Send
from softswitch.switch.events import (
    AddressLearned,
    Alarmed,
    Arrived,
    AskHook,
    Ban,
    Certified,
    DeleteRecording,
    Drained,
    Effect,
    FlowFailed,
    Log,
    MediaLost,
    Recovered,
    RemoveFile,
    Reported,
    Save,
    Security,
    SwitchEvent,
    ToMedia,
    VerifyCaller,
)
from softswitch.wire.control import Command, Report
from softswitch.wire.sip import BadMessage, Request, Response, parse

_NEVER = float("inf")
_GRAIN = 0.001  # loop timers have milliseconds; waking a little late beats waking twice
_LEVELS = ("debug", "info", "warning", "error")

log = structlog.get_logger()


class Core(Protocol):
    """What turns: the switch, or a smaller core in a test."""

    def start(self, now: Instant) -> list[Effect]:
        """The first step."""

    def receive(self, event: SwitchEvent, now: Instant) -> list[Effect]:
        """Something happened."""

    def wake(self, now: Instant) -> list[Effect]:
        """A deadline passed."""

    def deadline(self) -> Instant | None:
        """When to wake it."""


class Sender(Protocol):
    """A transport: never raises; failures come back as `Driver.failed`."""

    def send(self, flow: Flow, data: bytes) -> None:
        """Put `data` on `flow`."""


class MediaSender(Protocol):
    """The line to one media process."""

    def send(self, commands: tuple[Command, ...]) -> None:
        """In order."""


def _nobody(order: DeleteRecording) -> None:
    """Nobody keeps recordings."""


class Driver:
    """Owns the core while the process lives. A fault of the core is logged and counted, and the loop goes on."""

    def __init__(
        self,
        core: Core,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], Instant],
        trace: Trace,
        save: Callable[[Any], None],
        dice: Random,
    ) -> None:
        self.core = core
        self.clock = clock
        self.trace = trace
        self.udp: dict[int, Sender] = {}
        self.streams: dict[str, Sender] = {}
        self.media: dict[int, MediaSender] = {}
        self.drained = asyncio.Event()
        self.recovered = asyncio.Event()
        self.learned: Callable[[AddressLearned], None] = lambda effect: None
        self.alarmed: Callable[[Alarmed], None] = lambda effect: None
        self.hooks = HookClient(self.give)
        self.max_message = 65535
        self.gate: Gate | None = None
        self.security: SecurityLog | None = None
        self.verifier = CallerVerifier(self.give, clock, lambda effect: self.alarmed(effect))
        self.log_from("info")
        self.delete_recording: Callable[[DeleteRecording], None] = _nobody
        self.messages_in = 0
        self.messages_out = 0
        self.bad_messages = 0
        self.junk = 0
        self.faults = 0
        self._loop = loop
        self._save = save
        self._dice = dice
        self._armed = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._bad = Repeated(log.warning)
        self._lost = Repeated(log.info)
        self._do: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            ToMedia: self._to_media,
            Save: self._save_record,
            Log: self._log,
            Drained: self._drained,
            Recovered: lambda effect: self.recovered.set(),
            AskHook: self.hooks.ask,
            DeleteRecording: self._delete_recording,
            RemoveFile: self._remove_file,
            Security: self._security,
            Ban: self._ban,
            AddressLearned: lambda effect: self.learned(effect),
            Alarmed: lambda effect: self.alarmed(effect),
            VerifyCaller: self.verifier.ask,
        }

    # ------------------------------------------------------------------------------------------------ what comes in

    def start(self) -> None:
        """The core's first step."""
        self._perform(self.core.start(self.clock()))
        self.batch_done()

    def datagram(self, data: bytes, flow: Flow) -> None:
        """One UDP datagram; `batch_done` follows."""
        now = self.clock()
        self.trace.add(now, False, flow, data)
        try:
            message = parse(data)
        except PeerError as error:
            if not is_keep_alive(data):
                self._refuse(error, flow)
            elif reply := answer(data, flow.remote):
                self.udp[flow.listener].send(flow, reply)
            return
        self.messages_in += 1
        if len(data) > self.max_message:
            self._too_large(message, flow)
            return
        self._turn(Arrived(message, flow), now)

    def message(self, message: Request | Response, flow: Flow, raw: bytes | None) -> None:
        """A message from a stream; `batch_done` follows."""
        now = self.clock()
        data = message.to_bytes() if raw is None else raw
        self.trace.add(now, False, flow, data)
        self.messages_in += 1
        if len(data) > self.max_message:
            self._too_large(message, flow)
            return
        self._turn(Arrived(message, flow), now)

    def _too_large(self, message: Request | Response, flow: Flow) -> None:
        """RFC 3261 §21.5.7."""
        partial = message if isinstance(message, Request) else None
        self._refuse(BadMessage("message too large", status=513 if partial else 0, partial=partial), flow)

    def bad_message(self, bad: BadMessage, flow: Flow) -> None:
        """A broken message from a stream."""
        self._refuse(bad, flow)

    def certified(self, flow: Flow, names: tuple[str, ...]) -> None:
        """A peer proved who it is."""
        self.give(Certified(flow, names))

    def failed(self, flow: Flow) -> None:
        """A transport gave up on `flow`."""
        self._lost("sip.flow_failed", transport=flow.transport, remote=f"{flow.remote[0]} port {flow.remote[1]}")
        self.give(FlowFailed(flow))

    def reported(self, worker: int, reports: tuple[Report, ...]) -> None:
        """A media process said something."""
        self.give(Reported(worker, reports))

    def media_lost(self, worker: int) -> None:
        """The line to a media process broke."""
        self.give(MediaLost(worker))

    def give(self, event: SwitchEvent) -> None:
        """One event by itself: step, then arm the timer."""
        self._turn(event, self.clock())
        self.batch_done()

    def _turn(self, event: SwitchEvent, now: Instant) -> None:
        try:
            effects = self.core.receive(event, now)
        except Exception:
            self._fault(event)
        else:
            self._perform(effects)

    def _refuse(self, error: PeerError, flow: Flow) -> None:
        """Answer what cannot be understood when it is a request that says who asks (RFC 3261 §8.2, §16.3)."""
        request = error.partial if isinstance(error, BadMessage) else None
        if error.status == 0 or request is None or request.method == "ACK":
            self.junk += 1
            return
        self.bad_messages += 1
        self._bad("sip.bad_message", remote=flow.remote[0], status=error.status, reason=str(error))
        try:
            answer = Response.to_request(request, error.status, to_tag=token(self._dice)).to_bytes()
        except PeerError:
            self.junk += 1
            return
        self._send(Send(flow, answer))

    # ----------------------------------------------------------------------------------------------------- the timer

    def batch_done(self) -> None:
        """Arm the timer when the core's deadline moved nearer; one that moved away costs one idle wake-up later."""
        deadline = self.core.deadline()
        if deadline is not None and deadline < self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = deadline
            delay = deadline - self.clock()
            self._timer = self._loop.call_later(delay + _GRAIN if delay > 0.0 else _GRAIN, self._wake)

    def _wake(self) -> None:
        self._armed = _NEVER
        self._timer = None
        now = self.clock()
        deadline = self.core.deadline()
        if deadline is not None and deadline <= now:
            try:
                effects = self.core.wake(now)
            except Exception:
                self._fault(None)
            else:
                self._perform(effects)
        self.batch_done()

    def stop(self) -> None:
        """No more wake-ups."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = -_NEVER

    # ------------------------------------------------------------------------------------------------- what goes out

    def _perform(self, effects: Iterable[Effect]) -> None:
        do = self._do
        for effect in effects:
            try:
                do[type(effect)](effect)
            except Exception:
                self.faults += 1
                log.exception("shell.fault", effect=_told(effect))

    def _send(self, effect: Send) -> None:
        flow = effect.flow
        data = effect.data
        self.trace.add(self.clock(), True, flow, data)
        self.messages_out += 1
        if flow.transport == "udp":
            self.udp[flow.listener].send(flow, data)
        else:
            sender = self.streams.get(flow.transport)
            if sender is None:
                self._loop.call_soon(self.failed, flow)
            else:
                sender.send(flow, data)

    def _to_media(self, effect: ToMedia) -> None:
        self.media[effect.worker].send(effect.commands)

    def _save_record(self, effect: Save) -> None:
        self._save(effect.record)

    def log_from(self, level: str) -> None:
        """Write `Log` effects of `level` and above; call it again when the logs were set up anew."""
        bound = structlog.get_logger().bind()  # bound once: 5 µs a line less
        self._lines = {name: getattr(bound, name) for name in _LEVELS[_LEVELS.index(level) :]}

    def _log(self, effect: Log) -> None:
        write = self._lines.get(effect.level)
        if write is not None:
            write(effect.event, **effect.fields)

    def _delete_recording(self, effect: DeleteRecording) -> None:
        self.delete_recording(effect)

    def _remove_file(self, effect: RemoveFile) -> None:
        try:
            Path(effect.path).unlink(missing_ok=True)
        except OSError as error:
            log.warning("file stays", path=effect.path, reason=str(error))

    def _security(self, effect: Security) -> None:
        if self.security is not None:
            self.security.write(effect)

    def _ban(self, effect: Ban) -> None:
        if self.gate is not None:
            self.gate.ban(effect.host, effect.seconds, effect.reason)

    def _drained(self, _effect: Drained) -> None:
        self.drained.set()

    def _fault(self, event: SwitchEvent | None) -> None:
        self.faults += 1
        match event:
            case Arrived(message, flow):
                log.exception("core.fault", remote=flow.remote, message=redacted(message.to_bytes()))
            case None:
                log.exception("core.fault", at="wake")
            case _:
                log.exception("core.fault", at=_told(event))


def _told(what: object) -> str:
    """An event or effect for the log, without what it holds: tokens, keys and typed digits are among that."""
    return redacted(what.data) if isinstance(what, Send) else type(what).__name__
