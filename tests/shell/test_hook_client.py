"""Hooks over real HTTP on loopback: answers come back, and whatever a server does wrong is one event, in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from softswitch.shell.hooks import HookClient
from softswitch.switch.events import AskHook, HookAnswered
from softswitch.switch.hooks import MOST_ANSWER

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    yield f"http://{host}:{port}/route"
    listener.close()


async def asked(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Head and body of a request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return head, await reader.readexactly(length)


def reply(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


async def ask(url: str, timeout: float = 5.0, token: str = "") -> HookAnswered:
    answers: asyncio.Queue[HookAnswered] = asyncio.Queue()
    client = HookClient(answers.put_nowait)
    client.ask(AskHook(3, url, timeout, b'{"call":"c1"}', token))
    answer = await asyncio.wait_for(answers.get(), 45)
    await client.close()
    assert answers.empty()
    assert client.running == 0
    return answer


async def test_the_question_is_posted_and_the_answer_comes_back() -> None:
    heard: list[tuple[str, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await asked(reader))
        writer.write(reply(200, b'{"head_start":60}'))

    async with server(serve) as url:
        assert await ask(url, token="s3cret") == HookAnswered(3, 200, b'{"head_start":60}')
    head, body = heard[0]
    assert head.startswith("post /route http/1.1")
    assert "authorization: bearer s3cret" in head
    assert body == b'{"call":"c1"}'


async def test_a_status_is_the_core_s_to_judge() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(reply(503, b"later"))

    async with server(serve) as url:
        assert await ask(url) == HookAnswered(3, 503, b"later")


@pytest.mark.parametrize("trickles", [False, True])
async def test_a_server_that_hangs_ends_with_the_time_out(trickles: bool) -> None:
    """Also one that says a little now and then: the time is that of the whole exchange."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        if trickles:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
        while trickles and not gone.is_set():
            writer.write(b" ")
            await asyncio.sleep(0.05)
        await gone.wait()

    async with server(serve) as url:
        assert await ask(url, timeout=0.3) == HookAnswered(3, 0, b"", "time-out")
        gone.set()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        reply(200, b"x" * (MOST_ANSWER + 1)),
    ],
)
async def test_what_is_no_answer_is_one_error(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(said)

    async with server(serve) as url:
        answer = await ask(url)
    assert (answer.number, answer.status, answer.body) == (3, 0, b"")
    assert answer.error not in ("", "time-out")


async def test_nobody_there() -> None:
    async with server(lambda reader, writer: asyncio.sleep(0)) as url:
        pass
    assert (await ask(url)).error.startswith("ConnectError")


async def test_the_loop_goes_on_while_servers_hang_and_an_end_drops_what_runs() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(serve) as url:
        answers: list[HookAnswered] = []
        client = HookClient(answers.append)
        for number in range(20):
            client.ask(AskHook(number, url, 60.0, b"{}"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert client.running == 20
        await client.close()
        assert (client.running, answers) == (0, [])
