"""SIP over UDP: one socket a listener, read in batches.

Measured in and out, 900 bytes over loopback, µs CPU a datagram (two runs each, shared machine):

| datagrams waiting                 | 1         | 4       | 32      |
|-----------------------------------|-----------|---------|---------|
| uvloop, DatagramProtocol          | 14.7–16.0 | 6.3–7.3 | 6.9–7.7 |
| uvloop, reader, always 64         | 16.9–18.3 | 7.4–7.6 | 6.5–6.9 |
| uvloop, reader, adaptive batch    | 14.8–16.7 | 6.8–7.1 | 4.5–5.9 |
| asyncio, DatagramProtocol, max_size 2048 | 21.6–22.2 | –  | 11.4–12.9 |
| asyncio, reader, adaptive batch   | 17.4–21.3 | 6.7–7.8 | 5.5–8.4 |

So we read the socket ourselves: a lone datagram costs one `recvfrom` (no second one that only says "empty"), and
the batch doubles while the socket stays full.

The loop watches an epoll of our own that holds the socket, not the socket: libuv stops watching a descriptor for good
when the kernel reports an error on it, and every ICMP error is one. This costs 0–0.6 µs a lone datagram.
"""

import asyncio
import errno
import select
import socket
import struct
from collections import deque
from typing import Protocol

import structlog

from softswitch.shell.gate import Gate
from softswitch.shell.logs import Repeated
from softswitch.shell.packet_filter import keep_out
from softswitch.shell.resolver import Resolver, SocketAddress, socket_address
from softswitch.sip.flow import Flow

_too_large = Repeated(structlog.get_logger().warning)
_BATCH = 64
_BACKLOG = 4096
_CACHE = 8192
_MSG_ERRQUEUE = 0x2000
_ORIGIN_ICMP = (2, 3)  # linux/errqueue.h: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
_EXTENDED_ERROR = struct.Struct("=IBBBBII")


class Intake(Protocol):
    """Who takes what the transports read."""

    def datagram(self, data: bytes, flow: Flow) -> None:
        """One datagram came."""

    def failed(self, flow: Flow) -> None:
        """What was sent on `flow` did not arrive."""

    def batch_done(self) -> None:
        """No more for now."""


class UdpListener:
    """Reads and writes one bound socket. Counters are for `/metrics`."""

    __slots__ = (
        "_addresses",
        "_backlog",
        "_batch",
        "_closed",
        "_epoll",
        "_family",
        "_flows",
        "_gate",
        "_intake",
        "_loop",
        "_number",
        "_resolver",
        "_sock",
        "dropped",
        "received",
        "sent",
    )

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        intake: Intake,
        resolver: Resolver,
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate
        self._number = number
        self._sock = sock
        self._family = sock.family
        self._loop = loop
        self._intake = intake
        self._resolver = resolver
        self._flows: dict[SocketAddress, Flow] = {}
        self._addresses: dict[tuple[str, int], SocketAddress] = {}
        self._backlog: deque[tuple[Flow, bytes, SocketAddress]] = deque()
        self._batch = 1
        self._closed = False
        self._epoll = select.epoll()
        self.received = 0
        self.sent = 0
        self.dropped = 0

    def start(self) -> None:
        """Begin to read."""
        self._epoll.register(self._sock.fileno(), select.EPOLLIN)
        self._loop.add_reader(self._epoll.fileno(), self._read)

    def _read(self) -> None:
        if self._backlog:
            self._write()
        recvfrom = self._sock.recvfrom
        datagram = self._intake.datagram
        flows = self._flows
        count = 0
        limit = self._batch
        takes = None if self._gate is None else self._gate.takes
        now = 0.0 if self._gate is None else self._gate.clock()
        try:
            while count < limit and not self._closed:
                data, address = recvfrom(65535)
                count += 1
                if takes is not None and not takes(address[0], data, now):
                    continue
                flow = flows.get(address)
                if flow is None:
                    flow = self._flow(address)
                datagram(data, flow)
            if limit < _BATCH:
                self._batch = limit * 2
        except BlockingIOError:
            self._batch = count or 1
            if not count:
                self._read_errors()
        except OSError:
            self._read_errors()
        self.received += count
        self._intake.batch_done()

    def _flow(self, address: SocketAddress) -> Flow:
        host = address[0]
        if len(address) == 4 and address[3]:
            host = f"{host.partition('%')[0]}%{address[3]}"
        flow = Flow("udp", (host, address[1]), self._number)
        if len(self._flows) >= _CACHE:
            self._flows.clear()
        self._flows[address] = flow
        return flow

    def send(self, flow: Flow, data: bytes) -> None:
        """Send now, or when the socket or the resolver is ready; a failure comes as `Intake.failed`."""
        address = self._addresses.get(flow.remote)
        if address is None:
            address = socket_address(*flow.remote)
            if address is None:
                host, port = flow.remote
                self._resolver.find(host, port, self._family, lambda found: self._found(flow, data, found))
                return
            if len(self._addresses) >= _CACHE:
                self._addresses.clear()
            self._addresses[flow.remote] = address
        if self._backlog:
            self._queue(flow, data, address)
        else:
            self._put(flow, data, address)

    def _put(self, flow: Flow, data: bytes, address: SocketAddress) -> None:
        for _ in range(3):  # a pending ICMP error of an earlier datagram is told here; it is not about this one
            try:
                self._sock.sendto(data, address)
            except BlockingIOError:
                self._queue(flow, data, address)
                return
            except ConnectionRefusedError:
                self._read_errors()
            except (OSError, OverflowError) as error:
                if isinstance(error, OSError) and error.errno == errno.EMSGSIZE:
                    self.dropped += 1  # the flow is in order, others use it
                    _too_large("sip.too_large", remote=f"{flow.remote[0]} port {flow.remote[1]}", bytes=len(data))
                    return
                if not self._read_errors():
                    self._fail(flow)
                    return
            else:
                self.sent += 1
                return
        self._fail(flow)

    def _found(self, flow: Flow, data: bytes, address: SocketAddress | None) -> None:
        if self._closed:
            return
        if address is None:
            self._fail(flow)
        else:
            self._put(flow, data, address)

    def _fail(self, flow: Flow) -> None:
        self.dropped += 1
        self._loop.call_soon(self._intake.failed, flow)  # never inside the core's own step

    def _queue(self, flow: Flow, data: bytes, address: SocketAddress) -> None:
        if len(self._backlog) >= _BACKLOG:
            self._fail(flow)
            return
        if not self._backlog:
            self._epoll.modify(self._sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        self._backlog.append((flow, data, address))

    def _write(self) -> None:
        waiting, self._backlog = self._backlog, deque()
        self._epoll.modify(self._sock.fileno(), select.EPOLLIN)
        while waiting:
            self._put(*waiting.popleft())
            if self._backlog:
                self._backlog.extend(waiting)
                return

    def _read_errors(self) -> int:
        """Drain the socket's error queue (IP_RECVERR): each entry names the address that an ICMP error is about."""
        count = 0
        while not self._closed:
            try:
                _, control, _, address = self._sock.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                break
            count += 1
            for _level, _kind, body in control:
                if len(body) >= _EXTENDED_ERROR.size and _EXTENDED_ERROR.unpack_from(body)[1] in _ORIGIN_ICMP:
                    self._loop.call_soon(self._intake.failed, self._flow(address))
        return count

    def keep_out(self, addresses: list[str]) -> None:
        """Have the kernel drop what comes from these IPv4 addresses; where it cannot, the gate does."""
        if not self._closed and self._family == socket.AF_INET:
            keep_out(self._sock, addresses)

    @property
    def port(self) -> int:
        """The port bound."""
        return int(self._sock.getsockname()[1])

    def close(self) -> None:
        """Stop reading, close the socket; what waits to be sent is dropped."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._sock.close()
