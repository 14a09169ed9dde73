"""SIP over TCP on real loopback sockets: framing, reuse, and what slow or greedy peers run into."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from softswitch.shell.endpoint import Endpoint, bind
from softswitch.shell.resolver import Resolver
from softswitch.shell.streams import StreamLimits, StreamTransport
from softswitch.sip.flow import Flow
from softswitch.wire.sip import BadMessage, Request, Response

MESSAGE = (
    b"MESSAGE sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\n"
    b"To: <sip:a@127.0.0.1>\r\nCall-ID: one\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 5\r\n\r\nhello"
)
STANDARD = StreamLimits()


class Seen:
    def __init__(self) -> None:
        self.came: list[tuple[Request | Response, Flow, bytes | None]] = []
        self.bad: list[BadMessage] = []
        self.lost: list[Flow] = []
        self.proven: list[tuple[Flow, tuple[str, ...]]] = []
        self.changed = asyncio.Event()

    def message(self, message: Request | Response, flow: Flow, raw: bytes | None) -> None:
        self.came.append((message, flow, raw))
        self.changed.set()

    def bad_message(self, bad: BadMessage, flow: Flow) -> None:
        self.bad.append(bad)
        self.changed.set()

    def certified(self, flow: Flow, names: tuple[str, ...]) -> None:
        self.proven.append((flow, names))

    def failed(self, flow: Flow) -> None:
        self.lost.append(flow)
        self.changed.set()

    def batch_done(self) -> None:
        self.changed.set()

    async def until(self, came: int = 0, bad: int = 0, lost: int = 0) -> None:
        async with asyncio.timeout(45):
            while len(self.came) < came or len(self.bad) < bad or len(self.lost) < lost:
                self.changed.clear()
                await self.changed.wait()


class Rig:
    """A transport with one listener and a clock that the test sets."""

    def __init__(self, limits: StreamLimits) -> None:
        self.time = 0.0
        self.seen = Seen()
        loop = asyncio.get_running_loop()
        self.resolver = Resolver(loop)
        self.tcp = StreamTransport(loop, self.seen, self.resolver, limits, now=lambda: self.time)
        self.sock = bind(Endpoint("tcp", "127.0.0.1", 0))
        self.address = self.sock.getsockname()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        return reader, writer

    async def settled(self, connections: int) -> None:
        async with asyncio.timeout(45):
            while self.tcp.connections != connections:
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def rig(limits: StreamLimits = STANDARD) -> AsyncIterator[Rig]:
    made = Rig(limits)
    await made.tcp.listen(0, made.sock)
    try:
        yield made
    finally:
        made.tcp.close()
        made.resolver.close()
        await made.settled(0)


async def end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_messages_cut_anywhere_arrive_whole() -> None:
    """RFC 3261 §18.3."""
    async with rig() as made:
        _, writer = await made.connect()
        for start in range(0, 2 * len(MESSAGE), 97):
            writer.write((MESSAGE + MESSAGE)[start : start + 97])
            await writer.drain()
            await asyncio.sleep(0)
        await made.seen.until(came=2)
        assert [message.body for message, _, _ in made.seen.came] == [b"hello", b"hello"]
        flow = made.seen.came[0][1]
        assert (flow.transport, flow.remote, flow.listener) == ("tcp", writer.get_extra_info("sockname"), 0)
        assert flow.connection > 0
        await end(writer)
        await made.seen.until(lost=1)
        assert made.seen.lost == [flow]


async def test_a_message_in_one_piece_is_handed_on_raw() -> None:
    async with rig() as made:
        _, writer = await made.connect()
        for count in (1, 2):
            writer.write(MESSAGE)
            await made.seen.until(came=count)
        assert made.seen.came[1][2] == MESSAGE
        await end(writer)


async def test_an_answer_takes_the_connection_of_the_request() -> None:
    """RFC 3261 §18.2.2."""
    async with rig() as made:
        reader, writer = await made.connect()
        writer.write(MESSAGE)
        await made.seen.until(came=1)
        flow = made.seen.came[0][1]
        made.tcp.send(flow, b"by number")
        assert await reader.readexactly(9) == b"by number"
        made.tcp.send(Flow("tcp", flow.remote, 0), b"by remote")
        assert await reader.readexactly(9) == b"by remote"
        assert made.tcp.connections == 1
        await end(writer)


async def test_a_ping_is_answered_by_a_pong() -> None:
    """RFC 5626 §3.5.1."""
    async with rig() as made:
        reader, writer = await made.connect()
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 45) == b"\r\n"
        await end(writer)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_connection_is_opened_on_demand_and_used_again(host: str) -> None:
    accepted: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    arrived = asyncio.Event()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append((reader, writer))
        arrived.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    remote = (host, server.sockets[0].getsockname()[1])
    async with rig() as made:
        for word in (b"one", b"two", b"three"):
            made.tcp.send(Flow("tcp", remote), word)
        await asyncio.wait_for(arrived.wait(), 45)
        reader, writer = accepted[0]
        assert await reader.readexactly(11) == b"onetwothree"
        writer.write(MESSAGE)
        await made.seen.until(came=1)
        flow = made.seen.came[0][1]
        assert flow.remote == remote
        made.tcp.send(flow, b"four")
        assert await reader.readexactly(4) == b"four"
        assert len(accepted) == 1
        await end(writer)
        await made.seen.until(lost=2)
        assert made.seen.lost == [Flow("tcp", remote), flow]  # as it was asked for, and as it was named
    server.close()
    await server.wait_closed()


async def test_a_connection_leaves_by_the_address_of_its_listener() -> None:
    """Peers know us by it: RFC 3261 §18.1.1 has them answer to where the request came from."""
    came: asyncio.Queue[str] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda _, writer: came.put_nowait(writer.get_extra_info("peername")[0]) or writer.close(), "127.0.0.1", 0
    )
    async with rig() as made:
        await made.tcp.listen(1, bind(Endpoint("tcp", "127.0.0.9", 0)))
        made.tcp.send(Flow("tcp", server.sockets[0].getsockname(), 1), MESSAGE)
        assert await asyncio.wait_for(came.get(), 45) == "127.0.0.9"
        await made.settled(0)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
async def test_nobody_there_fails_the_flow(host: str) -> None:
    async with rig() as made:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            flow = Flow("tcp", (host, free.getsockname()[1]))
            made.tcp.send(flow, MESSAGE)
            await made.seen.until(lost=1)
        assert made.seen.lost == [flow]
        assert made.tcp.connections == 0


async def test_a_connection_that_is_gone_fails_the_flow() -> None:
    async with rig() as made:
        flow = Flow("tcp", ("127.0.0.1", 5060), 0, 99)
        made.tcp.send(flow, MESSAGE)
        assert made.seen.lost == []  # never inside the caller's own step
        await made.seen.until(lost=1)


async def test_a_half_open_stream_is_closed() -> None:
    """A peer that begins a message, or nothing at all, and never ends it, holds a connection for 30 s at most."""
    async with rig() as made:
        silent, silent_writer = await made.connect()
        slow, slow_writer = await made.connect()
        _, good_writer = await made.connect()
        slow_writer.write(MESSAGE)
        good_writer.write(MESSAGE)
        await made.seen.until(came=2)
        for start in range(30):
            made.time = float(start)
            slow_writer.write(MESSAGE[start : start + 1])
            await slow_writer.drain()
            await asyncio.sleep(0.002)
            made.tcp.sweep()
        assert made.tcp.connections == 3
        made.time = 31.0
        made.tcp.sweep()
        await made.settled(1)
        for reader in (silent, slow):
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 45) == b""
        good_writer.write(MESSAGE)
        await made.seen.until(came=3)
        for writer in (silent_writer, slow_writer, good_writer):
            await end(writer)


async def test_an_idle_connection_is_closed() -> None:
    async with rig(StreamLimits(idle=100.0)) as made:
        _, writer = await made.connect()
        writer.write(MESSAGE)
        await made.seen.until(came=1)
        made.time = 99.0
        made.tcp.sweep()
        assert made.tcp.connections == 1
        made.time = 101.0
        made.tcp.sweep()
        await made.settled(0)
        await end(writer)


async def test_one_source_gets_only_so_many_connections() -> None:
    async with rig(StreamLimits(per_source=3)) as made:
        writers = [(await made.connect())[1] for _ in range(6)]
        async with asyncio.timeout(45):
            while made.tcp.refused < 3:
                await asyncio.sleep(0.001)
        await made.settled(3)
        for writer in writers:
            await end(writer)
        await made.settled(0)
        reader, writer = await made.connect()
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 45) == b"\r\n"
        await end(writer)


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async with rig(StreamLimits(buffer=100_000)) as made:
        _, writer = await made.connect()
        writer.write(MESSAGE)
        await made.seen.until(came=1)
        flow = made.seen.came[0][1]
        for _ in range(400):
            made.tcp.send(flow, bytes(50_000))
        await made.seen.until(lost=1)
        assert made.tcp.connections == 0
        await end(writer)


async def test_what_cannot_be_framed_is_answered_and_closed() -> None:
    """RFC 3261 §18.3: without Content-Length a stream has no next message."""
    async with rig() as made:
        reader, writer = await made.connect()
        writer.write(MESSAGE.replace(b"Content-Length: 5\r\n", b""))
        await made.seen.until(bad=1)
        assert made.seen.bad[0].status == 400
        assert await asyncio.wait_for(reader.read(), 45) == b""
        await end(writer)


async def test_a_connection_of_ours_is_pinged_and_its_silence_noticed() -> None:
    """RFC 5626 §4.4.1: CRLFCRLF after a rest; a peer that answered once and answers no more is gone."""
    async with rig(StreamLimits(rest=90.0, pong=10.0)) as made:
        peers: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        server = await asyncio.start_server(lambda reader, writer: peers.append((reader, writer)), "127.0.0.1", 0)
        flow = Flow("tcp", server.sockets[0].getsockname(), 0)
        made.tcp.send(flow, MESSAGE)
        async with asyncio.timeout(45):
            while not peers:
                await asyncio.sleep(0.001)
        reader, writer = peers[0]
        await reader.readexactly(len(MESSAGE))
        for answered in (True, False):
            made.time += 91.0
            made.tcp.sweep()
            assert await reader.readexactly(4) == b"\r\n\r\n"
            if answered:
                writer.write(b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
            made.time += 11.0
            made.tcp.sweep()
        await made.seen.until(lost=2)
        assert made.seen.lost[0] == flow
        assert await reader.read() == b""
        await end(writer)
        server.close()
        await made.settled(0)


async def test_who_never_answers_pings_is_left_alone() -> None:
    """RFC 5626 is optional; accepted connections are the phones' to keep."""
    async with rig(StreamLimits(rest=90.0, pong=10.0)) as made:
        accepted, mine = await made.connect()
        mine.write(MESSAGE)
        await made.seen.until(came=1)
        for _ in range(3):
            made.time += 100.0
            made.tcp.sweep()
        mine.write(MESSAGE)
        await made.seen.until(came=2)
        assert made.seen.lost == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await accepted.readexactly(1)
        await end(mine)
        await made.settled(0)
