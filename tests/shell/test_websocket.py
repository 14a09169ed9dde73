"""SIP over WebSocket on real loopback sockets (RFC 7118), with the client of the websockets package and with bytes."""

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from softswitch.shell.endpoint import Endpoint, bind
from softswitch.shell.resolver import Resolver
from softswitch.shell.streams import StreamLimits, StreamTransport
from softswitch.sip.flow import Flow
from softswitch.wire.sip.stream import MAX_BODY, MAX_HEAD
from tests.shell.test_streams import MESSAGE, Seen

STANDARD = StreamLimits()
BARE = MESSAGE.replace(b"Content-Length: 5\r\n", b"")  # RFC 7118 §4.2: the message's end is that of the frame
SIP = [Subprotocol("sip")]


class Listener:
    """A transport with one WebSocket listener."""

    def __init__(self, limits: StreamLimits, origins: tuple[str, ...]) -> None:
        self.time = 0.0
        self.seen = Seen()
        loop = asyncio.get_running_loop()
        self.resolver = Resolver(loop)
        self.streams = StreamTransport(loop, self.seen, self.resolver, limits, now=lambda: self.time, origins=origins)
        self.sock = bind(Endpoint("ws", "127.0.0.1", 0))
        self.address: tuple[str, int] = self.sock.getsockname()

    def connect(self, **options: object) -> connect:
        settings: dict[str, object] = {"subprotocols": SIP, "compression": None, "proxy": None} | options
        return connect(f"ws://127.0.0.1:{self.address[1]}/", **settings)  # type: ignore[arg-type]

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection with the handshake done."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(upgrade())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return reader, writer

    async def settled(self, connections: int) -> None:
        async with asyncio.timeout(45):
            while self.streams.connections != connections:
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def listening(limits: StreamLimits = STANDARD, origins: tuple[str, ...] = ()) -> AsyncIterator[Listener]:
    made = Listener(limits, origins)
    await made.streams.listen(0, made.sock, "ws")
    try:
        yield made
    finally:
        made.streams.close()
        made.resolver.close()
        await made.settled(0)


def upgrade(**instead: str | None) -> bytes:
    """The request of RFC 6455 §4.1; None leaves a field out."""
    fields: dict[str, str | None] = {
        "Host": "pbx.test",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "sip",
    }
    fields |= {name.replace("_", "-"): value for name, value in instead.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return ("GET / HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def masked(first: int, data: bytes, length: int | None = None) -> bytes:
    """A frame as clients send it, with a mask of zeros; `length` may lie."""
    size = len(data) if length is None else length
    head = bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0xFF]) + size.to_bytes(8, "big")
    return head + bytes(4) + data


async def end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("message", [MESSAGE, BARE], ids=["Content-Length", "without"])
@pytest.mark.parametrize("text", [True, False], ids=["text", "binary"])
async def test_one_message_a_frame_in_both_ways(message: bytes, text: bool) -> None:
    """RFC 7118 §4.2."""
    async with listening() as made, made.connect() as client:
        assert client.subprotocol == "sip"
        await client.send(message, text=text)
        await made.seen.until(came=1)
        came, flow, _ = made.seen.came[0]
        assert (came.body, flow.transport, flow.remote) == (b"hello", "ws", client.local_address)
        made.streams.send(flow, b"SIP/2.0 200 OK\r\n\r\n")
        assert await client.recv() == "SIP/2.0 200 OK\r\n\r\n"
        made.streams.send(flow, b"SIP/2.0 200 \xff\r\n\r\n")
        assert await client.recv() == b"SIP/2.0 200 \xff\r\n\r\n"
        await client.close()
        await made.seen.until(lost=1)
        assert made.seen.lost == [flow]


async def test_fragments_are_put_together_and_pings_between_them_answered() -> None:
    """RFC 6455 §5.4."""
    async with listening() as made:
        reader, writer = await made.raw()
        writer.write(
            masked(0x01, MESSAGE[:40]) + masked(0x89, b"life?") + masked(0x00, b"") + masked(0x80, MESSAGE[40:])
        )
        assert await reader.readexactly(7) == b"\x8a\x05life?"
        await made.seen.until(came=1)
        await end(writer)


async def test_frames_that_come_with_the_handshake_follow_its_answer() -> None:
    """A client must wait for the answer (RFC 6455 §4.1); one that does not gets what it would have got."""
    async with listening() as made:
        reader, writer = await asyncio.open_connection(*made.address)
        writer.write(upgrade() + masked(0x89, b"life?") + masked(0x81, MESSAGE) + masked(0x88, b""))
        async with asyncio.timeout(45):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert answer.endswith(b"\r\n\r\n\x8a\x05life?\x88\x00")
        await made.seen.until(came=1, lost=1)
        await end(writer)


async def test_a_crlf_keep_alive_is_answered_in_a_message() -> None:
    """RFC 5626 §3.5.1, which some clients do over WebSocket too."""
    async with listening() as made, made.connect() as client:
        await client.send("\r\n\r\n")
        assert await client.recv() == "\r\n"


async def test_nobody_is_called_by_websocket() -> None:
    """RFC 7118 §5: a browser takes no connection; the flow fails at once."""
    async with listening() as made:
        for transport in ("ws", "wss"):
            flow = Flow(transport, ("127.0.0.1", made.address[1]), 0)
            made.streams.send(flow, MESSAGE)
        await made.seen.until(lost=2)
        assert made.streams.connections == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: pbx.test\r\n\r\n", 426),
        (upgrade(Upgrade="h2c"), 426),
        (upgrade(Sec_WebSocket_Protocol=None), 400),
        (upgrade(Sec_WebSocket_Protocol="chat"), 400),
        (upgrade(Sec_WebSocket_Key="short"), 400),
        (upgrade(Sec_WebSocket_Version="8"), 400),
        (b"POST / HTTP/1.1\r\nHost: pbx.test\r\n\r\n", 405),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (MESSAGE, 0),
        (bytes(3000) + b"\r\n\r\n", 0),
        (b"x" * 100_000, 414),
    ],
)
async def test_what_is_no_websocket_handshake_is_refused(request_: bytes, status: int) -> None:
    """RFC 6455 §4.2.2; 0: cut off without a word."""
    async with listening() as made:
        reader, writer = await asyncio.open_connection(*made.address)
        writer.write(request_)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 45)
        assert answer[9:12] == (str(status).encode() if status else b"")
        await made.settled(0)
        assert (made.streams.websockets_refused, made.seen.came) == (1, [])
        await end(writer)


async def test_only_pages_of_the_listed_origins_get_in() -> None:
    """RFC 6455 §10.2."""
    async with listening(origins=("https://desk.example",)) as made:
        async with made.connect(origin=Origin("https://desk.example")):
            pass
        for origin in (Origin("https://evil.example"), None):
            with pytest.raises(InvalidStatus) as refusal:
                async with made.connect(origin=origin):
                    pass
            assert refusal.value.response.status_code == 403


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x05hello", 1002),  # §5.1: a client masks
        (masked(0xC1, b"hello"), 1002),  # §5.2: nobody agreed on RSV1
        (masked(0x83, b"hello"), 1002),  # an opcode that is none
        (masked(0x80, b"hello"), 1002),  # continues nothing
        (masked(0x01, b"a") + masked(0x81, b"b"), 1002),  # a new message in the middle of another
        (masked(0x09, b"ping"), 1002),  # §5.5: control frames come whole
        (masked(0x89, bytes(226)), 1002),  # and small
        (masked(0x82, b"", MAX_HEAD + MAX_BODY + 1), 1009),
        (masked(0x82, b"", 1 << 63), 1009),
    ],
)
async def test_bad_frames_close_the_connection(frame: bytes, code: int) -> None:
    """RFC 6455 §7.4.1: the peer is told why."""
    async with listening() as made:
        reader, writer = await made.raw()
        writer.write(frame)
        answer = await asyncio.wait_for(reader.read(), 45)
        assert answer[0] == 0x88
        assert int.from_bytes(answer[2:4], "big") == code
        await made.settled(0)
        assert made.seen.came == []
        await end(writer)


async def test_fragments_do_not_grow_beyond_the_limit() -> None:
    async with listening() as made:
        reader, writer = await made.raw()
        piece = masked(0x00, bytes(100_000))
        writer.write(masked(0x02, b"x") + piece * 11 + masked(0x00, b"", 100_000))
        answer = await asyncio.wait_for(reader.read(), 45)
        assert int.from_bytes(answer[2:4], "big") == 1009
        await made.settled(0)
        writer.transport.abort()


@pytest.mark.parametrize("junk", [b"hello", b"\xff\x00", b"INVITE sip:a SIP/2.0\r\n\r\n", b""])
async def test_what_is_no_sip_is_told_and_the_connection_stays(junk: bytes) -> None:
    async with listening() as made, made.connect() as client:
        await client.send(junk)
        await client.send(MESSAGE)
        await made.seen.until(came=1, bad=1 if junk else 0)
        assert made.streams.connections == 1


async def test_a_handshake_that_drags_on_is_cut_off() -> None:
    async with listening(StreamLimits(partial=30.0)) as made:
        reader, writer = await asyncio.open_connection(*made.address)
        for at in range(0, 40, 10):
            made.time = float(at)
            writer.write(b"GET / HTTP/1.1\r\n"[at // 4 : at // 4 + 2])
            await asyncio.sleep(0.01)
            made.streams.sweep()
        await asyncio.sleep(0)
        made.time = 31.0
        made.streams.sweep()
        assert await asyncio.wait_for(reader.read(), 45) == b""
        await made.settled(0)
        assert made.streams.timed_out == 1
        await end(writer)


async def test_a_frame_that_never_ends_is_cut_off() -> None:
    async with listening(StreamLimits(partial=30.0, ping=0.0)) as made:
        reader, writer = await made.raw()
        writer.write(masked(0x81, b"INVITE", 1000))
        await asyncio.sleep(0.05)
        made.time = 31.0
        made.streams.sweep()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 45)
        await made.settled(0)
        await end(writer)


async def test_who_gives_no_sign_of_life_is_cut_off() -> None:
    """RFC 6455 §5.5.2: a ping after 30 s of silence; a browser answers by itself, a dead peer does not."""
    async with listening(StreamLimits(ping=30.0)) as made, made.connect() as alive:
        reader, writer = await made.raw()
        made.time = 31.0
        made.streams.sweep()
        assert (await reader.readexactly(2))[0] == 0x89
        await _pong(made, alive)
        made.time = 61.0
        made.streams.sweep()
        await made.settled(1)
        assert made.streams.timed_out == 1
        await alive.send(MESSAGE)
        await made.seen.until(came=1)
        await end(writer)


async def _pong(made: Listener, client: ClientConnection) -> None:
    """The client's answer has come when a message after it has."""
    await client.send("\r\n\r\n")
    await client.recv()


async def test_clients_are_told_that_the_switch_goes() -> None:
    """RFC 6455 §7.4.1: 1001."""
    async with listening() as made, made.connect() as client:
        made.streams.close()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001
