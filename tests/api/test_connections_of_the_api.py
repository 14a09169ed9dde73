"""Clients that open connections and say nothing take no file descriptors from the calls."""

import asyncio
import socket

import pytest

from softswitch.api import http_server
from softswitch.api.http_server import make_server
from tests.api.rig import TOKEN, Rig

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /health HTTP/1.1\r\nHost: x\r\nX: "


async def test_who_says_nothing_and_who_is_too_many(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MOST", 4)
    monkeypatch.setattr(http_server, "PATIENCE", 0.5)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        server = make_server(rig.operator, TOKEN)
        task = asyncio.create_task(server.serve([sock]))
        while not server.started:
            await asyncio.sleep(0.005)
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
        server.should_exit = True
        await task
