"""SIP over connections: TCP, TLS and WebSocket in one class, by number, opened on demand, with limits that a slow or
greedy peer runs into. A connection is a byte stream, TLS below it or not, and a framing: the SIP stream's own, or
WebSocket's."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import structlog

from softswitch.shell.descriptors import MOST_CONNECTIONS
from softswitch.shell.gate import Gate
from softswitch.shell.logs import Repeated
from softswitch.shell.resolver import Resolver, SocketAddress, socket_address
from softswitch.shell.tls import Contexts, TlsPipe
from softswitch.shell.websocket import Reply, WebSocketFraming
from softswitch.sip.flow import ANY_HOST, Flow
from softswitch.sip.transports import TRANSPORTS
from softswitch.wire.sip import BadMessage, KeepAlive, Request, Response, Stream

_REPLIES = (KeepAlive, Reply)

log = structlog.get_logger()

_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the port is chosen with the connection, so that many can share one
_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 32_000),  # ms; about 64·T1: a peer that vanished ends transactions
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 120),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """`partial`: seconds for a started message, and for the first one on an accepted connection. `handshake`: seconds
    for TLS. `idle`: seconds without a byte in or out. `ping`: seconds of silence on a WebSocket until it is asked for
    a sign of life; 0: never. `rest`: seconds after which a connection of our own gets a CRLF keep-alive (RFC 5626
    §4.4.1), `pong`: seconds for its answer, once the peer has shown that it answers them. `buffer`: bytes waiting to
    be sent on one connection. `per_source`: accepted connections from one IP address."""

    partial: float = 30.0
    handshake: float = 10.0
    ping: float = 30.0
    idle: float = 3900.0
    connect: float = 3.0  # less than a caller waits for a trunk: a large request must still go by UDP
    buffer: int = 1024 * 1024
    per_source: int = 256
    total: int = MOST_CONNECTIONS
    rest: float = 90.0
    pong: float = 10.0


class StreamIntake(Protocol):
    """Who takes what the connections read."""

    def message(self, message: Request | Response, flow: Flow, raw: bytes | None) -> None:
        """A whole message came; `raw` when it came as one piece."""

    def bad_message(self, bad: BadMessage, flow: Flow) -> None:
        """A message came that cannot be parsed."""

    def certified(self, flow: Flow, names: tuple[str, ...]) -> None:
        """The peer on `flow` has shown a good certificate for these hosts."""

    def failed(self, flow: Flow) -> None:
        """What was sent on `flow` did not arrive, or its connection is gone."""

    def batch_done(self) -> None:
        """No more for now."""


class _SipStream(Stream):
    """The framing of TCP and TLS: none but SIP's own (RFC 3261 §18.3)."""

    __slots__ = ()
    transparent = True
    ready = True

    def frame(self, message: bytes) -> bytes:
        return message

    def ping(self) -> bytes:
        return b""  # phones ping by CRLF, and we answer (RFC 5626 §4.4.1)

    def good_bye(self) -> bytes:
        return b""


_Framing: TypeAlias = _SipStream | WebSocketFraming


class _Connection(asyncio.Protocol):
    """One connection, ours (`asked` names the flow that opened it) or accepted. `waiting` is what cannot go yet,
    because the connection or TLS is not up."""

    def __init__(self, owner: "StreamTransport", number: int, flow: Flow, asked: Flow | None) -> None:
        self.owner = owner
        self.number = number
        self.asked = asked
        self.flow = flow
        self.transport: asyncio.Transport | None = None
        self.tls: TlsPipe | None = None
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.framing: _Framing = owner.framing(flow.transport)
        self.used = self.heard = self.partial_since = owner.now()
        self.partial = asked is None
        self.pinged = False
        self.counted = False
        self.fresh = True  # nothing has come yet
        self.crlf_at = 0.0  # our last CRLF keep-alive
        self.crlf_open = False  # its answer is awaited
        self.answers_crlf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self.transport = transport
        sock = transport.get_extra_info("socket")
        for level, option, value in _SOCKET_OPTIONS:
            sock.setsockopt(level, option, value)
        address = transport.get_extra_info("peername")
        if address is None:  # gone between accept and here
            transport.abort()
            return
        flow = self.flow
        if self.asked is not None:
            self.flow = Flow(flow.transport, flow.remote, flow.listener, self.number)
        else:
            self.flow = Flow(flow.transport, (address[0], address[1]), flow.listener, self.number)
            if not self.owner.admit(self):
                transport.abort()
                return
            self.counted = True
        if TRANSPORTS[flow.transport].secure:
            self.partial_since = self.owner.now()
            self._secure(self.owner.contexts)
        else:
            self._send_waiting()

    def _secure(self, contexts: Contexts | None) -> None:
        """Put TLS below; a client says the first word."""
        assert self.transport is not None
        try:
            pipe = None if contexts is None else contexts.accept() if self.asked is None else self._dialled(contexts)
        except (ValueError, ssl.SSLError) as error:  # a name that cannot be one
            self.owner.tls_failed(self.flow, str(error))
            pipe = None
        if pipe is None:
            self.transport.abort()
            return
        self.tls = pipe
        if self.asked is not None:
            self._open(b"")

    def _dialled(self, contexts: Contexts) -> TlsPipe:
        assert self.asked is not None
        return contexts.dial(self.asked.remote)

    def _open(self, data: bytes) -> bytes:
        """What came, out of TLS; empty while the handshake goes on, and when it failed."""
        tls, transport = self.tls, self.transport
        assert tls is not None
        assert transport is not None
        was_up = tls.up
        try:
            opened = tls.feed(data)
        except ssl.SSLError as error:
            self.owner.tls_failed(self.flow, _reason(error))
            transport.write(tls.pending())
            transport.close()
            return b""
        if pending := tls.pending():
            transport.write(pending)
        if tls.up and not was_up:
            if names := tls.peer_names():
                self.owner.intake.certified(self.flow, names)
            self._send_waiting()
        if tls.over:
            transport.close()
        return opened

    def data_received(self, data: bytes) -> None:
        owner = self.owner
        used = self.used
        self.used = self.heard = now = owner.now()
        framing = self.framing
        gate = None if self.asked is not None else owner.gate
        if self.tls is not None:
            if gate is not None and not self.tls.up and not gate.takes(self.flow.remote[0], data, gate.clock(), False):
                self.abort()  # a handshake costs us more than the peer
                return
            data = self._open(data)
            if not data:
                return
        if gate is not None:
            first, self.fresh = self.fresh and framing.transparent, False
            if not gate.takes(self.flow.remote[0], data, gate.clock(), first):
                self.abort()
                return
        whole = not self.partial
        came = framing.feed(data)
        raw = data if whole and len(came) == 1 and framing.transparent else None
        for item in came:
            if isinstance(item, _REPLIES):
                if item.answer:
                    self._put(item.answer)  # RFC 5626 §3.5.1: ping answered by pong
                elif self.asked is not None:  # a pong is no use of the connection
                    self.answers_crlf, self.crlf_open, self.used = True, False, used
            elif isinstance(item, BadMessage):
                owner.intake.bad_message(item, self.flow)
            else:
                owner.received += 1
                owner.intake.message(item, self.flow, raw)
        if framing.dead is not None:
            self.partial = True  # the answer has that long to leave
            self.partial_since = now
            owner.framing_died(framing)
            self.close()
        elif came:
            self.partial = False
            self.pinged = False
        elif not self.partial:
            self.partial = True
            self.partial_since = now
        owner.intake.batch_done()

    def write(self, message: bytes) -> bool:
        """False when the peer reads too slowly for the limit."""
        self.used = self.owner.now()
        transport = self.transport
        if transport is None or (self.tls is not None and not self.tls.up):
            self.waiting.append(message)
            self.waiting_bytes += len(message)
            return self.waiting_bytes <= self.owner.limits.buffer
        if self.framing.ready:  # a WebSocket that is being closed takes no more
            self._put(self.framing.frame(message))
        return transport.get_write_buffer_size() <= self.owner.limits.buffer

    def _put(self, data: bytes) -> None:
        """Bytes of the framing."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data if self.tls is None else self.tls.seal(data))

    def _send_waiting(self) -> None:
        while self.waiting:
            self._put(self.framing.frame(self.waiting.popleft()))

    def ping(self) -> None:
        """Ask a silent WebSocket for a sign of life."""
        if self.framing.ready and (data := self.framing.ping()):
            self.pinged = True
            self._put(data)

    def keep_open(self, now: float) -> None:
        """A connection of our own has rested: keep it open, and find out whether it still is (RFC 5626 §4.4.1)."""
        framing = self.framing
        if isinstance(framing, _SipStream) and (self.tls is None or self.tls.up):
            self.crlf_at, self.crlf_open = now, True
            framing.ping_sent()
            self._put(b"\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.gone(self)

    def close(self) -> None:
        """What is in the buffer is still sent, for a while."""
        if self.transport is not None and not self.transport.is_closing():
            if self.tls is not None and self.tls.up:
                self.transport.write(self.tls.say_good_bye())
            self.transport.close()

    def leave(self) -> None:
        """Close, and say so in the words of the framing."""
        if (self.tls is None or self.tls.up) and (data := self.framing.good_bye()):
            self._put(data)
        self.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        else:
            self.owner.gone(self)


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()


class StreamTransport:
    """All stream listeners and connections of the switch. Without `contexts` there is no TLS."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        intake: StreamIntake,
        resolver: Resolver,
        limits: StreamLimits = StreamLimits(),
        now: Callable[[], float] | None = None,
        contexts: Contexts | None = None,
        origins: Sequence[str] = (),
        gate: Gate | None = None,
    ) -> None:
        self.gate = gate
        self.contexts = contexts
        self.origins = tuple(origins)
        self.intake = intake
        self.limits = limits
        self.now = now if now is not None else loop.time
        self._loop = loop
        self._resolver = resolver
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, _Connection] = {}
        self._by_remote: dict[tuple[str, int, tuple[str, int]], _Connection] = {}
        self._sources: dict[str, int] = {}
        self._families: dict[int, int] = {}
        self._hosts: dict[int, str] = {}  # of listeners with an address of their own
        self._next = 1
        self._dials: set[asyncio.Task[None]] = set()
        self._closed = False
        self.received = 0
        self.sent = 0
        self.refused = 0
        self.tls_failures = 0
        self.websockets_refused = 0
        self.timed_out = 0
        self._warn = Repeated(log.warning)

    @property
    def connections(self) -> int:
        """How many there are, those being opened included."""
        return len(self._connections)

    def configure(self, limits: StreamLimits, origins: Sequence[str]) -> None:
        """For what comes; limits of time hold for all."""
        self.limits = limits
        self.origins = tuple(origins)

    async def listen(self, number: int, sock: socket.socket, transport: str = "tcp") -> None:
        """Accept on a bound, listening socket."""
        self._families[number] = sock.family
        host = sock.getsockname()[0]
        if host not in ANY_HOST:
            self._hosts[number] = host
        nobody = Flow(transport, ("", 0), number)
        server = await self._loop.create_server(lambda: self._new(nobody, None), sock=sock, backlog=1024)
        self._servers.append(server)

    def _new(self, flow: Flow, asked: Flow | None) -> _Connection:
        number = self._next
        connection = _Connection(self, number, flow, asked)
        self._next += 1
        self._connections[number] = connection
        return connection

    def framing(self, transport: str) -> _Framing:
        """What cuts the bytes of a new connection into messages."""
        return _SipStream() if transport in ("tcp", "tls") else WebSocketFraming(self.origins)

    def framing_died(self, framing: _Framing) -> None:
        """For the count of those whom no WebSocket was given."""
        if isinstance(framing, WebSocketFraming) and framing.refused:
            self.websockets_refused += 1

    def tls_failed(self, flow: Flow, reason: str) -> None:
        """A handshake came to nothing, or what came after it was no TLS."""
        self.tls_failures += 1
        self._warn(
            "tls.failed", transport=flow.transport, remote=f"{flow.remote[0]} port {flow.remote[1]}", reason=reason
        )

    def admit(self, connection: _Connection) -> bool:
        """Whether an accepted connection may stay."""
        host = connection.flow.remote[0]
        count = self._sources.get(host, 0)
        shut = self.gate is not None and not self.gate.admits(host)
        if shut or self._closed or count >= self.limits.per_source or len(self._connections) > self.limits.total:
            self.refused += 1
            return False
        self._sources[host] = count + 1
        flow = connection.flow
        if not TRANSPORTS[flow.transport].secure:  # whom we connect to by TLS proves who it is: this one has not
            self._by_remote[flow.transport, flow.listener, flow.remote] = connection
        return True

    def send(self, flow: Flow, data: bytes) -> None:
        """Send on the flow's connection, or on one to its remote, opened when there is none."""
        if flow.connection:
            connection = self._connections.get(flow.connection)
        else:
            connection = self._by_remote.get((flow.transport, flow.listener, flow.remote))
            if connection is None:
                connection = self._dial(flow)
        if connection is None:
            self._loop.call_soon(self.intake.failed, flow)
            return
        self.sent += 1
        if not connection.write(data):
            connection.abort()

    def _dial(self, flow: Flow) -> _Connection | None:
        row = TRANSPORTS.get(flow.transport)
        if self._closed or row is None or not row.dialled or len(self._connections) >= self.limits.total:
            return None
        connection = self._new(flow, flow)
        self._by_remote[flow.transport, flow.listener, flow.remote] = connection
        address = socket_address(*flow.remote)
        if address is not None:
            self._found(connection, address)
        else:
            family = self._families.get(flow.listener, socket.AF_INET)
            host, port = flow.remote
            self._resolver.find(host, port, family, lambda found: self._found(connection, found))
        return connection

    def _found(self, connection: _Connection, address: SocketAddress | None) -> None:
        if address is None:
            self._loop.call_soon(self.gone, connection)
            return
        task = self._loop.create_task(self._connect(connection, address))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _connect(self, connection: _Connection, address: SocketAddress) -> None:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            self._bind_like(connection.flow.listener, sock)
            async with asyncio.timeout(self.limits.connect):
                await self._loop.sock_connect(sock, address)
                await self._loop.create_connection(lambda: connection, sock=sock)
        except (OSError, TimeoutError):
            sock.close()
            self.gone(connection)
        except BaseException:
            sock.close()
            raise

    def _bind_like(self, listener: int, sock: socket.socket) -> None:
        """Leave by the listener's own address: peers know us by it. Raises `OSError`."""
        host = self._hosts.get(listener)
        if host is not None and (":" in host) == (sock.family == socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((host, 0))

    def gone(self, connection: _Connection) -> None:
        """Forget the connection and tell who may wait for it."""
        if self._connections.pop(connection.number, None) is None:
            return
        flow = connection.flow
        key = (flow.transport, flow.listener, flow.remote)
        if self._by_remote.get(key) is connection:
            del self._by_remote[key]
        if connection.counted:
            host = flow.remote[0]
            self._sources[host] -= 1
            if not self._sources[host]:
                del self._sources[host]
        if self._closed:
            return
        if connection.asked is not None:
            self.intake.failed(connection.asked)
        if flow is not connection.asked and (connection.counted or connection.asked is not None):
            self.intake.failed(flow)

    def sweep(self) -> None:
        """Close what is idle, does not finish a message or a handshake, or is dead; call it every few seconds."""
        now = self.now()
        limits = self.limits
        for connection in list(self._connections.values()):
            if connection.transport is None:
                continue
            tls = connection.tls
            shaking = tls is not None and not tls.up and now - connection.partial_since > limits.handshake
            stale = connection.partial and now - connection.partial_since > limits.partial
            silence = now - connection.heard
            dead = connection.pinged and silence > 2 * limits.ping
            if connection.asked is not None:
                if connection.answers_crlf and connection.crlf_open and now - connection.crlf_at > limits.pong:
                    dead = True
                elif now - max(connection.used, connection.crlf_at) > limits.rest:
                    connection.keep_open(now)
            if shaking or stale or dead or now - connection.used > limits.idle:
                self.timed_out += 1
                connection.abort()
            elif 0 < limits.ping < silence and not connection.pinged:
                connection.ping()

    def close(self) -> None:
        """Stop listening, close every connection; nobody is told."""
        self._closed = True
        for server in self._servers:
            server.close()
        for task in self._dials:
            task.cancel()
        for connection in list(self._connections.values()):
            connection.leave()
