"""Clients that open connections and say nothing take no file descriptors from the calls."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from softswitch.api import http_server
from softswitch.api.http_server import make_server
from tests.api.rig import TOKEN, Rig

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /health HTTP/1.1\r\nHost: x\r\nX: "


@contextlib.asynccontextmanager
async def served(rig: Rig) -> AsyncIterator[int]:
    """The port of the API."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        server = make_server(rig.operator, TOKEN)
        task = asyncio.create_task(server.serve([sock]))
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def test_who_says_nothing_and_who_is_too_many(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MOST", 4)
    monkeypatch.setattr(http_server, "PATIENCE", 0.5)
    async with served(rig) as port:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _, writer in opened[1:2]:
            writer.write(HALF)
        opened[0][1].write(HEALTH)
        async with asyncio.timeout(45):
            assert (await opened[0][0].read(12)).startswith(b"HTTP/1.1 ")
            for reader, _ in opened[1:]:
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await reader.readexactly(1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEALTH)
        async with asyncio.timeout(45):
            assert (await reader.read(12)).startswith(b"HTTP/1.1 "), "there is room again"
        writer.close()
        for _, opener in opened:
            opener.close()


SLOW = {
    "the head of another request": (HEALTH, b"GET /hea"),
    "a body": (b"", b"POST /api/v1/callbacks HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{"),
    "a body without length": (b"", b"POST /api/v1/callbacks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a body that nobody reads": (b"", b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"),
}


@pytest.mark.parametrize("what", SLOW)
async def test_who_does_not_come_to_an_end_is_closed(rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """An octet now and then keeps no connection."""
    monkeypatch.setattr(http_server, "PATIENCE", 0.6)
    monkeypatch.setattr(http_server, "BODY_PATIENCE", 0.6)
    whole, half = SLOW[what]
    async with served(rig) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if whole:
            writer.write(whole)
            assert (await reader.read(12)).startswith(b"HTTP/1.1 ")
        writer.write(half)

        async def trickle() -> None:
            while True:
                writer.write(b"x" if "length" not in what else b"1\r\nx\r\n")
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(20):
            try:
                while await reader.read(4096):
                    pass
            except ConnectionError:
                pass
        trickling.cancel()
        writer.close()


async def test_a_request_in_pieces_is_answered_and_so_is_the_next(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "PATIENCE", 5.0)
    async with served(rig) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            for piece in (HEALTH[:9], HEALTH[9:20], HEALTH[20:] + HEALTH):  # the last one with the next behind it
                writer.write(piece)
                await asyncio.sleep(0.02)
            for _ in range(2):
                async with asyncio.timeout(10):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                    assert await reader.readexactly(int(length.split()[1]))
        writer.close()
