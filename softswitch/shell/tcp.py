"""SIP over TCP: connections by number, opened on demand, with limits that a slow or greedy peer runs into."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from softswitch.shell.gate import Gate
from softswitch.shell.resolver import Resolver, SocketAddress, socket_address
from softswitch.sip.flow import Flow
from softswitch.wire.sip import BadMessage, KeepAlive, Request, Response, Stream

_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 32_000),  # ms; about 64·T1: a peer that vanished ends transactions
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 120),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """`partial`: seconds for a started message, and for the first one on an accepted connection. `idle`: seconds
    without a byte in or out. `buffer`: bytes waiting to be sent on one connection. `per_source`: accepted connections
    from one IP address."""

    partial: float = 30.0
    idle: float = 3900.0
    connect: float = 5.0
    buffer: int = 1024 * 1024
    per_source: int = 256
    total: int = 20_000


class StreamIntake(Protocol):
    """Who takes what the connections read."""

    def message(self, message: Request | Response, flow: Flow, raw: bytes | None) -> None:
        """A whole message came; `raw` when it came as one piece."""

    def bad_message(self, bad: BadMessage, flow: Flow) -> None:
        """A message came that cannot be parsed."""

    def failed(self, flow: Flow) -> None:
        """What was sent on `flow` did not arrive, or its connection is gone."""

    def batch_done(self) -> None:
        """No more for now."""


class _Connection(asyncio.Protocol):
    """One TCP connection, ours (`asked` names the flow that opened it) or accepted."""

    def __init__(self, owner: "TcpTransport", number: int, listener: int, asked: Flow | None) -> None:
        self.owner = owner
        self.number = number
        self.asked = asked
        self.flow = asked if asked is not None else Flow("tcp", ("", 0), listener, number)
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.stream = Stream()
        self.used = self.partial_since = owner.now()
        self.partial = asked is None
        self.counted = False
        self.fresh = True  # nothing has come yet

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
        if self.asked is None:
            self.flow = Flow("tcp", (address[0], address[1]), self.flow.listener, self.number)
            if not self.owner.admit(self):
                transport.abort()
                return
            self.counted = True
        else:
            self.flow = Flow("tcp", self.asked.remote, self.asked.listener, self.number)
            while self.waiting:
                transport.write(self.waiting.popleft())

    def data_received(self, data: bytes) -> None:
        owner = self.owner
        self.used = now = owner.now()
        stream = self.stream
        gate = owner.gate
        if gate is not None and self.asked is None:
            first, self.fresh = self.fresh, False
            if not gate.takes(self.flow.remote[0], data, gate.clock(), first):
                self.abort()
                return
        whole = not self.partial
        came = stream.feed(data)
        raw = data if whole and len(came) == 1 else None
        for item in came:
            if isinstance(item, KeepAlive):
                if item.answer and self.transport is not None:
                    self.transport.write(item.answer)  # RFC 5626 §3.5.1: ping answered by pong
            elif isinstance(item, BadMessage):
                owner.intake.bad_message(item, self.flow)
            else:
                owner.received += 1
                owner.intake.message(item, self.flow, raw)
        if stream.dead is not None:
            self.partial = True  # the answer has that long to leave
            self.partial_since = now
            self.close()
        elif came:
            self.partial = False
        elif not self.partial:
            self.partial = True
            self.partial_since = now
        owner.intake.batch_done()

    def write(self, data: bytes) -> bool:
        """False when the peer reads too slowly for the limit."""
        self.used = self.owner.now()
        if self.transport is None:
            self.waiting.append(data)
            self.waiting_bytes += len(data)
            return self.waiting_bytes <= self.owner.limits.buffer
        self.transport.write(data)
        return self.transport.get_write_buffer_size() <= self.owner.limits.buffer

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.gone(self)

    def close(self) -> None:
        """What is in the buffer is still sent, for a while."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        else:
            self.owner.gone(self)


class TcpTransport:
    """All TCP listeners and connections of the switch."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        intake: StreamIntake,
        resolver: Resolver,
        limits: TcpLimits = TcpLimits(),
        now: Callable[[], float] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.gate = gate
        self.intake = intake
        self.limits = limits
        self.now = now if now is not None else loop.time
        self._loop = loop
        self._resolver = resolver
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, _Connection] = {}
        self._by_remote: dict[tuple[int, tuple[str, int]], _Connection] = {}
        self._sources: dict[str, int] = {}
        self._families: dict[int, int] = {}
        self._next = 1
        self._dials: set[asyncio.Task[None]] = set()
        self._closed = False
        self.received = 0
        self.sent = 0
        self.refused = 0

    @property
    def connections(self) -> int:
        """How many there are, those being opened included."""
        return len(self._connections)

    async def listen(self, number: int, sock: socket.socket) -> None:
        """Accept on a bound, listening socket."""
        self._families[number] = sock.family
        server = await self._loop.create_server(lambda: self._new(number, None), sock=sock, backlog=1024)
        self._servers.append(server)

    def _new(self, listener: int, asked: Flow | None) -> _Connection:
        connection = _Connection(self, self._next, listener, asked)
        self._next += 1
        self._connections[connection.number] = connection
        return connection

    def admit(self, connection: _Connection) -> bool:
        """Whether an accepted connection may stay."""
        host = connection.flow.remote[0]
        count = self._sources.get(host, 0)
        shut = self.gate is not None and not self.gate.admits(host)
        if shut or self._closed or count >= self.limits.per_source or len(self._connections) > self.limits.total:
            self.refused += 1
            return False
        self._sources[host] = count + 1
        self._by_remote[connection.flow.listener, connection.flow.remote] = connection
        return True

    def send(self, flow: Flow, data: bytes) -> None:
        """Send on the flow's connection, or on one to its remote, opened when there is none."""
        if flow.connection:
            connection = self._connections.get(flow.connection)
        else:
            connection = self._by_remote.get((flow.listener, flow.remote))
            if connection is None:
                connection = self._dial(flow)
        if connection is None:
            self._loop.call_soon(self.intake.failed, flow)
            return
        self.sent += 1
        if not connection.write(data):
            connection.abort()

    def _dial(self, flow: Flow) -> _Connection | None:
        if self._closed or len(self._connections) >= self.limits.total:
            return None
        connection = self._new(flow.listener, flow)
        self._by_remote[flow.listener, flow.remote] = connection
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
            async with asyncio.timeout(self.limits.connect):
                await self._loop.sock_connect(sock, address)
                await self._loop.create_connection(lambda: connection, sock=sock)
        except (OSError, TimeoutError):
            sock.close()
            self.gone(connection)
        except BaseException:
            sock.close()
            raise

    def gone(self, connection: _Connection) -> None:
        """Forget the connection and tell who may wait for it."""
        if self._connections.pop(connection.number, None) is None:
            return
        flow = connection.flow
        key = (flow.listener, flow.remote)
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
        """Close what is idle or does not finish a message; call it every few seconds."""
        now = self.now()
        limits = self.limits
        for connection in list(self._connections.values()):
            if connection.transport is None:
                continue
            stale = connection.partial and now - connection.partial_since > limits.partial
            if stale or now - connection.used > limits.idle:
                connection.abort()

    def close(self) -> None:
        """Stop listening, close every connection; nobody is told."""
        self._closed = True
        for server in self._servers:
            server.close()
        for task in self._dials:
            task.cancel()
        for connection in list(self._connections.values()):
            connection.close()
