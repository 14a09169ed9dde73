"""The control process: puts the core, the sockets, the store and the media links together, and takes them apart."""

import asyncio
import gc
import logging
import os
import random
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import structlog

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.services import configuration
from softswitch.services.alarms import Alarms
from softswitch.services.certificate_watch import CertificateWatch
from softswitch.services.configuration_diff import diff, held
from softswitch.services.keeper import Keeper
from softswitch.services.live_settings import LiveSettings
from softswitch.services.mail import FOLDER, MailRoom
from softswitch.services.message_deletion import MessageDeletion
from softswitch.services.recording_helper import Helper
from softswitch.services.recordings import Recordings
from softswitch.services.reporting import Reporter
from softswitch.services.store import Store
from softswitch.services.voicemail_notice import VoicemailNotice
from softswitch.shell import logs, run_dir
from softswitch.shell.addressing import LocalAddressing, check_addressing, external_names
from softswitch.shell.bus import Bus
from softswitch.shell.channel import Bound, Channel, Plan, Ready
from softswitch.shell.clock import start_clock
from softswitch.shell.descriptors import most_connections, raise_limit
from softswitch.shell.dns_client import DnsClient
from softswitch.shell.driver import Driver
from softswitch.shell.endpoint import Endpoint, bind, parse_endpoint
from softswitch.shell.external_names import ExternalNames
from softswitch.shell.gate import Gate
from softswitch.shell.live_changes import LiveChanges
from softswitch.shell.media_link import MediaLink
from softswitch.shell.next_hops import LocatedPlaces
from softswitch.shell.operator import Counters, Operator, SwitchCore
from softswitch.shell.resolver import Resolver
from softswitch.shell.saving import Saver
from softswitch.shell.security import SecurityLog
from softswitch.shell.signals import watch_signals, watch_supervisor
from softswitch.shell.streams import StreamLimits, StreamTransport
from softswitch.shell.threads import DaemonThreads
from softswitch.shell.tls import Contexts
from softswitch.shell.trace import Trace
from softswitch.shell.udp import UdpListener
from softswitch.sip.flow import Addressing
from softswitch.sip.transports import TRANSPORTS
from softswitch.switch.events import (
    AddressLearned,
    DeleteMessage,
    Drain,
    HangUpCall,
    HopsLocated,
    Readdressed,
    RecordingMoved,
    RecordingRoom,
    Reload,
)
from softswitch.switch.recording import box_of
from softswitch.switch.records import SavedRecording
from softswitch.switch.settings import Settings

_MEDIA_SECONDS = 15.0
_RECOVERY_SECONDS = 2.0
_HANG_UP_SECONDS = 2.0
_SWEEP = 5.0
_FILTER_SECONDS = 0.2  # bans come in crowds
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log = structlog.get_logger()


class Front(Protocol):
    """What stands on top of control: the HTTP API."""

    def bind(self, settings: Settings, run: Path) -> None:
        """Open what can fail. Raises `LocalError`."""

    async def start(self, operator: Operator) -> None:
        """Begin to serve."""

    async def stop(self) -> None:
        """End; open requests are cut after a moment."""


class MakeCore(Protocol):
    """Builds the core with what the last run has left in the store."""

    async def __call__(
        self, settings: Settings, addressing: Addressing, dice: random.Random, now: Instant, store: Store
    ) -> SwitchCore: ...


class Control:
    """One run of the control process."""

    def __init__(self, config: Path, settings: Settings, sockets: Path, make_core: MakeCore, front: Front) -> None:
        self._config = config
        self._settings = self._started = settings
        self._data_dir = Path(settings.server.data_dir)
        self._sockets = sockets
        self._make_core = make_core
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._clock = start_clock()
        self._trace = Trace()
        self._bus = Bus()
        self._dns = DnsClient(settings.sip.dns_servers)
        self._resolver = Resolver(self._loop, self._dns)
        self._udp: list[UdpListener] = []
        self._links: list[MediaLink] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._helper = Helper()
        self._filtered: list[str] = []  # addresses that the kernel drops
        self._filter_later: asyncio.TimerHandle | None = None

    async def run(self, channel: Channel | None) -> None:
        """Until drained. Raises `LocalError` when it cannot start."""
        settings = self._settings
        check_addressing(settings.sip, settings.media)
        store = await Store.open(settings.server.database, self._data_dir, alarm=_alarm)
        try:
            self._live = LiveSettings(settings, await store.live_settings())
            settings = self._settings = self._live.settings
            endpoints, listeners = _open_listeners(settings.sip.listen)
            self._front.bind(settings, self._data_dir / "run")
            dice = random.SystemRandom()  # others can be foretold from a few hundred To tags, and then every dialog
            addressing = self._addressing = LocalAddressing(endpoints, settings.sip, settings.media)
            core = await self._make_core(settings, addressing, dice, self._clock(), store)
            saver = Saver(store, self._bus)
            self._driver = Driver(core, self._loop, self._clock, self._trace, saver, dice)
            self._driver.log_from(settings.log.level)
            self._driver.max_message = settings.sip.max_message
            self._alarms = Alarms(_say)
            self._guard(core)
            watch_signals(self._loop, drain=self._drain, hurry=self._hurry.set, reload=self._begin_reload)
            if channel is not None:
                channel.say(Bound())
                watch_supervisor(self._loop, channel, self._orphaned)
            recordings = Recordings(self._data_dir / settings.recording.directory)
            self._keep(core, store, saver, recordings)
            self._serve(core, store, recordings)
            await self._open(endpoints, listeners)
            try:
                self._tick()
                gc.collect()
                gc.freeze()  # what lives now lives on: the collector need not look at it again
                gc.set_threshold(50_000, 20, 50)  # calls make few cycles; by default the collector took a tenth
                if channel is not None:
                    channel.say(Ready())
                log.info("switch.ready", name=settings.server.name, listen=[str(endpoint) for endpoint in endpoints])
                await self._until_drained()
            finally:
                await self._close()
        finally:
            await store.close()

    def _guard(self, core: SwitchCore) -> None:
        """What stands between the network and the core: the gate, the security log, connections and their TLS."""
        settings, driver = self._settings, self._driver
        security = SecurityLog(settings.defence.log, self._data_dir, self._alarms, self._clock)
        gate = Gate(settings, lambda host: core.desk.knows(host, self._clock()), self._clock, security.write)
        gate.changed = self._banned
        driver.gate, driver.security = self._gate, self._security = gate, security
        self._contexts = Contexts(settings)
        self._certificates = CertificateWatch(self._alarms, _say)
        self._certificates.look(self._contexts.certificate, settings.tls.warn_days, self._clock())
        self._streams = StreamTransport(
            self._loop,
            driver,
            self._resolver,
            _limits(settings),
            contexts=self._contexts,
            origins=settings.websocket.origins,
            gate=gate,
        )
        driver.streams = {name: self._streams for name in TRANSPORTS if name != "udp"}

    def _keep(self, core: SwitchCore, store: Store, saver: Saver, recordings: Recordings) -> None:
        """Who looks after finished recordings: the archive, deletion, mail and notices of messages."""
        driver = self._driver
        self._keeper = Keeper(
            store,
            recordings,
            self._helper,
            self._alarms,
            self._settings,
            clock=self._clock,
            live=lambda: frozenset(call.recording for call in core.desk.calls(self._clock())),
            allow=lambda refusal: driver.give(RecordingRoom(refusal)),
            tell=saver,
            say=_say,
            moved=lambda path, to: driver.give(RecordingMoved(path, to)) if box_of(path) else None,
        )
        self._deletion = MessageDeletion(self._keeper, _say)
        driver.delete_recording = self._deletion.delete
        self._mail = MailRoom(
            lambda: self._settings,
            self._data_dir / FOLDER,
            recordings,
            self._alarms,
            clock=self._clock,
            say=_say,
            sent=lambda box, path: driver.give(DeleteMessage(box, path, "mail")) if self._mailed_only(box) else None,
        )
        self._notice = VoicemailNotice(lambda: self._settings, recordings, _say)
        saver.recorded = self._recorded

    def _serve(self, core: SwitchCore, store: Store, recordings: Recordings) -> None:
        """What operators may ask and order."""
        self._operator = Operator(
            core.desk,
            self._driver,
            store,
            recordings,
            self._bus,
            self._keeper,
            self._alarms,
            reload=self.reload,
            drain=self._drain,
            counters=lambda: self._counters(store),
            settings=lambda: self._settings,
            live=LiveChanges(
                self._live,
                core.desk,
                self._driver.give,
                self._clock,
                load=lambda: absolute(configuration.load(self._config)),
                took=self._took,
                flush=store.writer.flush,
            ),
            gate=self._gate,
            security=self._security,
            certificate=lambda: self._contexts.certificate,
            reporter=Reporter(self._settings.server.database, self._data_dir),
        )

    async def _open(self, endpoints: list[Endpoint], listeners: "list[socket.socket]") -> None:
        driver = self._driver
        for number, (endpoint, sock) in enumerate(zip(endpoints, listeners, strict=True)):
            if endpoint.transport == "udp":
                listener = UdpListener(number, sock, self._loop, driver, self._resolver, self._gate)
                self._udp.append(listener)
                driver.udp[number] = listener
        await self._front.start(self._operator)  # its imports take as long as the media processes need to come up
        driver.start()
        for number in range(worker_count(self._settings)):
            link = MediaLink(number, run_dir.media_socket(self._sockets, number), driver.reported, driver.media_lost)
            self._links.append(link)
            driver.media[number] = link
        await self._media_up()
        # Who speaks within a dialog of the process before us must find it.
        await _first(driver.recovered, self._hurry, timeout=_RECOVERY_SECONDS)
        for number, (endpoint, sock) in enumerate(zip(endpoints, listeners, strict=True)):
            if endpoint.transport != "udp":
                await self._streams.listen(number, sock, endpoint.transport)
        for listener in self._udp:
            listener.start()
        driver.learned = self._learned
        driver.alarmed = self._alarms.obey
        names = external_names(self._settings.sip, self._settings.media)
        self._external = ExternalNames(names, self._dns, self._external_found)
        self._places = LocatedPlaces(self._settings, endpoints, self._dns, self._located, self._unresolved)
        self._hold(self._loop.create_task(self._keeper.run(), name="keeper"))
        self._mail.start()

    async def _media_up(self) -> None:
        try:
            async with asyncio.timeout(_MEDIA_SECONDS):
                for link in self._links:
                    await _first(link.up, self._hurry)
        except TimeoutError:
            late = [link.worker for link in self._links if not link.up.is_set()]
            raise LocalError(f"media processes {late} did not come up in {_MEDIA_SECONDS:.0f} seconds") from None

    def _located(self, event: HopsLocated, asked: tuple[str, int]) -> None:
        self._contexts.stand_for(asked, (hop.remote for hop in event.hops if hop.transport == "tls"))
        self._driver.give(event)

    def _learned(self, effect: AddressLearned) -> None:
        self._addressing.learned(effect.listener, effect.host, effect.port)
        self._loop.call_soon(self._driver.give, Readdressed())

    def _external_found(self, addresses: Mapping[str, str]) -> None:
        self._addressing.found(addresses)
        self._driver.give(Readdressed())

    def _unresolved(self, hosts: tuple[str, ...]) -> None:
        if hosts:
            text = f"no name server answers for {', '.join(hosts)}: their last addresses are used"
            self._alarms.set("names", text, self._clock())
        else:
            self._alarms.clear("names")

    def _recorded(self, row: SavedRecording) -> None:
        self._keeper.recorded(row)
        self._notice.recorded(row)
        self._mail.recorded(row)

    def _mailed_only(self, box: str) -> bool:
        wanted = self._settings.voicemail.get(box)
        return wanted is not None and wanted.mail_delete

    def _tick(self) -> None:
        self._gate.sweep()
        self._security.sweep()
        self._streams.sweep()
        self._certificates.look(self._contexts.certificate, self._settings.tls.warn_days, self._clock())
        self._filter()
        self._sweep = self._loop.call_later(_SWEEP, self._tick)

    def _banned(self) -> None:
        if self._filter_later is None:
            self._filter_later = self._loop.call_later(_FILTER_SECONDS, self._filter)

    def _filter(self) -> None:
        """Tell the kernel whom to drop, now and whenever bans change or end."""
        self._filter_later = None
        banned = self._gate.banned_ipv4()
        if banned != self._filtered:
            self._filtered = banned
            for listener in self._udp:
                listener.keep_out(banned)

    # ------------------------------------------------------------------------------------------------------ commands

    def _begin_reload(self) -> None:
        self._hold(self._loop.create_task(self._reload_and_log()))

    def _hold(self, task: asyncio.Task[None]) -> None:
        """Until it is done, or control ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_and_log(self) -> None:
        try:
            await self.reload()
        except LocalError as error:
            log.error("configuration.refused", faults=str(error).splitlines())

    async def reload(self) -> list[str]:
        """Read the configuration again; what changed, in lines. Raises `LocalError` and changes nothing when it is
        faulty."""
        file = absolute(await asyncio.to_thread(configuration.load, self._config))
        lines = diff(self._live.file, file)
        before = self._contexts.certificate
        self._contexts.load(file)  # first, since it may refuse
        settings = self._live.over(held(file, self._started))
        self._streams.configure(_limits(settings), settings.websocket.origins)
        if (certificate := self._contexts.certificate) is not None and certificate != before:
            lines.append(
                f"a certificate of {certificate.subject}, good until {certificate.ends:%Y-%m-%d}, for new connections"
            )
        for row in self._live.rows():
            if row.unfit:
                log.warning("configuration.live_setting_unfit", path=row.path, reason=row.unfit)
        logs.set_up(settings.log, "control")
        self._settings = settings
        self._driver.log_from(settings.log.level)
        self._driver.max_message = settings.sip.max_message
        self._driver.give(Reload(settings))
        self._dns.configure(settings.sip.dns_servers)
        self._places.reload(settings)
        self._keeper.configure(settings)
        self._gate.configure(settings)
        self._security.configure(settings.defence.log)
        log.info("configuration.loaded", changes=lines)
        return lines

    def _took(self, settings: Settings) -> None:
        """A setting was changed while the switch runs."""
        self._settings = settings
        self._keeper.configure(settings)

    def _drain(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            log.info("switch.draining", limit=self._settings.server.drain_seconds)
            self._driver.give(Drain())

    def _orphaned(self) -> None:
        log.error("switch.orphaned", reason="the supervisor is gone")
        self._hurry.set()

    async def _until_drained(self) -> None:
        await _first(self._stop, self._hurry)
        self._drain()
        drained = self._driver.drained
        await _first(drained, self._hurry, timeout=self._settings.server.drain_seconds)
        if not drained.is_set():
            for call in self._operator.views.calls(self._clock()):
                self._driver.give(HangUpCall(call.id))
            await _first(drained, timeout=_HANG_UP_SECONDS)
        log.info("switch.stopping", clean=drained.is_set())

    async def _close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        if self._filter_later is not None:
            self._filter_later.cancel()
        self._bus.close()
        await self._front.stop()
        await self._driver.hooks.close()
        await self._driver.verifier.close()
        self._driver.stop()
        for listener in self._udp:
            listener.close()
        self._streams.close()
        self._resolver.close()
        await self._places.close()
        await self._external.close()
        await self._dns.close()
        for link in self._links:
            await link.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._notice.close()
        await self._deletion.close()
        await self._mail.close()
        await self._keeper.finish()
        await self._helper.close()
        self._security.close()

    def _counters(self, store: Store) -> Counters:
        driver = self._driver
        return Counters(
            messages_in=driver.messages_in,
            messages_out=driver.messages_out,
            bad_messages=driver.bad_messages,
            junk=driver.junk,
            faults=driver.faults,
            dropped_datagrams=sum(listener.dropped for listener in self._udp),
            tcp_connections=self._streams.connections,
            tcp_refused=self._streams.refused,
            tls_failures=self._streams.tls_failures,
            websockets_refused=self._streams.websockets_refused,
            connections_timed_out=self._streams.timed_out,
            rows_written=store.writer.written,
            rows_waiting=store.writer.waiting,
            rows_dropped=store.writer.dropped,
            trace_bytes=self._trace.size,
            kept_out=asdict(self._gate.counts),
            security=dict(self._security.counts),
            bans=len(self._gate.bans()),
            locked=len(self._operator.views.locked(self._clock())),
        )


async def _first(*events: asyncio.Event, timeout: float | None = None) -> None:
    """Until one of the events is set, or the time is over."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _open_listeners(listen: tuple[str, ...]) -> tuple[list[Endpoint], list[socket.socket]]:
    """All or none."""
    sockets: list[socket.socket] = []
    endpoints = []
    try:
        for text in listen:
            endpoint = parse_endpoint(text)
            sock = bind(endpoint)
            sockets.append(sock)
            endpoints.append(replace(endpoint, port=sock.getsockname()[1]))
    except LocalError:
        for sock in sockets:
            sock.close()
        raise
    return endpoints, sockets


def _alarm(sentence: str) -> None:
    log.error("store.alarm", reason=sentence)


def _say(level: str, event: str, fields: dict[str, object]) -> None:
    log.log(_LEVELS[level], event, **fields)


def _limits(settings: Settings) -> StreamLimits:
    return StreamLimits(
        idle=max(1800.0, settings.sip.max_expires + 300.0),
        ping=settings.websocket.ping_seconds,
        per_source=settings.sip.connections_per_source,
        total=most_connections(),
    )


def worker_count(settings: Settings) -> int:
    """`auto`: one core is left to control, at least one media process runs."""
    workers = settings.media.workers
    if workers == "auto":
        return max(1, len(os.sched_getaffinity(0)) - 1)
    return workers


def absolute(settings: Settings) -> Settings:
    """The same settings with paths that no other process can read differently."""
    data_dir = Path(settings.server.data_dir).absolute()
    directory = data_dir / settings.recording.directory
    return replace(
        settings,
        server=replace(settings.server, data_dir=str(data_dir)),
        recording=replace(settings.recording, directory=str(directory)),
    )


def run(config: Path, channel: Channel | None, front: Front, make_core: MakeCore) -> int:
    """The whole life of the control process; the exit code. Faults at start are told on standard error."""
    try:
        return _run(config, channel, front, make_core)
    except KeyboardInterrupt:  # stopped before it was up, by a user or by the end of the supervisor
        return 1


def _run(config: Path, channel: Channel | None, front: Front, make_core: MakeCore) -> int:
    lock = None
    raise_limit()
    try:
        settings = absolute(configuration.load(config))
        logs.set_up(settings.log, "control")
        data_dir = Path(settings.server.data_dir)
        run_directory = run_dir.prepare(data_dir)
        if channel is not None:
            media = settings.media
            channel.say(Plan(settings.server.data_dir, worker_count(settings), media.bound, media.ports, media.backend))
            sockets = Path(channel.wait_go().sockets)
        else:
            lock = run_dir.lock(run_directory)
            sockets, _ = run_dir.socket_dir(run_directory)

        async def life() -> None:
            await Control(config, settings, sockets, make_core, front).run(channel)

        with new_runner() as runner:
            runner.run(life())
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if lock is not None:
            lock.close()
    return 0


def new_runner() -> asyncio.Runner:
    """A loop that ends although the system's resolver, or whatever else blocks a thread, has not come back."""
    runner = asyncio.Runner(loop_factory=_loop_factory())
    runner.get_loop().set_default_executor(DaemonThreads())
    return runner


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
