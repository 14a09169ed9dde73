"""A new certificate under a hundred calls over TLS: none of them notices, who connects afterwards sees it."""

import asyncio
import contextlib
import re
import signal
import ssl
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from softswitch.services.certificates import make_self_signed
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, running_switch, wait_until

pytestmark = pytest.mark.interop

CALLS = 100
HOST = "127.0.0.6"
TABLES = f"""
[trunks.peers]
address = "sip:{HOST}:5060"
accept_from = ["{HOST}/32"]
options_seconds = 0
country = "1"
[[routes]]
from = "trunk:peers"
number = "600"
to = "echo:"
[recording]
calls = "none"
"""


class Media(asyncio.DatagramProtocol):
    """One RTP port: numbered packets out, the numbers of those that come back in `echoed`."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.remote: tuple[str, int] | None = None
        self.sent = 0
        self.came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came += 1

    def send(self) -> None:
        head = struct.pack("!BBHII", 0x80, 8, self.sent & 0xFFFF, self.sent * 160, 77)
        self.transport.sendto(head + b"\xd5" * 160, self.remote)
        self.sent += 1


class Call:
    """One phone with a connection of its own."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, media: Media) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.media = media
        self.to = "<sip:600@pbx.test>"
        self.contact = "sip:600@pbx.test"
        self._sequence = 0

    async def begin(self) -> None:
        """INVITE until 200, ACK."""
        port = self.media.transport.get_extra_info("sockname")[1]
        sdp = f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
        answer = await self._ask("INVITE", sdp)
        found = re.search(r"m=audio (\d+) ", answer)
        contact = re.search(r"(?im)^contact:\s*<([^>]*)>", answer)
        to = re.search(r"(?im)^to:\s*([^\r]*)", answer)
        assert found is not None, answer
        assert contact is not None, answer
        assert to is not None, answer
        assert contact[1].endswith(";transport=tls")
        self.media.remote, self.contact, self.to = ("127.0.0.1", int(found[1])), contact[1], to[1]
        self.writer.write(self._request("ACK", ""))

    async def end(self) -> None:
        """BYE by the connection that the call began on."""
        await self._ask("BYE", "")

    async def _ask(self, method: str, body: str) -> str:
        self._sequence += 1
        self.writer.write(self._request(method, body))
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?im)^content-length:\s*(\d+)", head)
            text = head + (await self.reader.readexactly(int(length[1]) if length else 0)).decode()
            status = int(text.split(" ", 2)[1])
            if status >= 200:
                assert status == 200, text
                return text

    def _request(self, method: str, body: str) -> bytes:
        host, port = self.writer.get_extra_info("sockname")
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {self.contact} SIP/2.0\r\nVia: SIP/2.0/TLS {host}:{port};branch=z9hG4bK{self.number}{method}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:+15550001@{host}>;tag={self.number}\r\nTo: {self.to}\r\n"
            f"Call-ID: swap-{self.number}\r\nCSeq: {self._sequence} {method}\r\n"
            f"Contact: <sip:{host}:{port};transport=tls>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def make_files(directory: Path) -> None:
    public, secret = make_self_signed(("pbx.test",), 30, datetime.now(UTC))
    (directory / "tls.crt").write_bytes(public)
    (directory / "tls.key").write_bytes(secret)


async def connect(port: int, directory: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    """Streams, and the serial number of the certificate."""
    context = ssl.create_default_context(cafile=directory / "tls.crt")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="pbx.test", local_addr=(HOST, 0)
    )
    return reader, writer, str(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"])


@contextlib.asynccontextmanager
async def calls_up(port: int, directory: Path) -> AsyncIterator[list[Call]]:
    """All of them, each talking."""
    loop = asyncio.get_running_loop()
    calls = []
    for number in range(CALLS):
        reader, writer, _ = await connect(port, directory)
        _, media = await loop.create_datagram_endpoint(Media, local_addr=(HOST, 0))
        calls.append(Call(number, reader, writer, media))
    await asyncio.gather(*(call.begin() for call in calls))
    speaking = loop.create_task(speak(calls))
    try:
        yield calls
    finally:
        speaking.cancel()
        for call in calls:
            call.writer.close()
            call.media.transport.close()
        await asyncio.gather(*(call.writer.wait_closed() for call in calls), return_exceptions=True)


async def speak(calls: list[Call]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        for call in calls:
            call.media.send()
        due += 0.02
        await asyncio.sleep(max(0.0, due - loop.time()))


async def heard(calls: list[Call], more: int) -> None:
    """Until every call has got so many packets more."""
    wanted = [call.media.came + more for call in calls]
    async with asyncio.timeout(PATIENCE):
        while any(call.media.came < count for call, count in zip(calls, wanted, strict=True)):
            await asyncio.sleep(0.05)


async def swap(switch: SwitchProcess, port: int, directory: Path) -> None:
    async with calls_up(port, directory) as calls:
        await heard(calls, 50)
        assert (await asyncio.to_thread(switch.status))["calls"] == CALLS
        (*_, probe, before) = await connect(port, directory)
        probe.close()

        make_files(directory)
        switch.process.send_signal(signal.SIGHUP)
        after = before
        async with asyncio.timeout(PATIENCE):
            while after == before:
                with contextlib.suppress(ssl.SSLCertVerificationError):  # still the old one
                    *_, probe, after = await connect(port, directory)
                    probe.close()
                await asyncio.sleep(0.05)

        await heard(calls, 50)
        status = await asyncio.to_thread(switch.status)
        assert (status["calls"], status["calls_failed"]) == (CALLS, 0)
        lost = lambda: [call.media.sent - call.media.came for call in calls]  # noqa: E731
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while max(lost()) >= 25:  # half a second is still on its way
                    await asyncio.sleep(0.05)
        assert max(lost()) < 25, f"echoes that did not come, by call: {lost()}"
        await asyncio.gather(*(call.end() for call in calls))


def test_a_hundred_calls_outlive_their_certificate(tmp_path: Path) -> None:
    port = free_port()
    make_files(tmp_path)
    files = f'[tls]\ncertificate = "{tmp_path}/tls.crt"\nkey = "{tmp_path}/tls.key"\n'

    def base(text: str) -> str:
        return text.replace("listen = [", f'listen = ["tls:127.0.0.1:{port}", ', 1) + files

    with running_switch(tmp_path / "switch", TABLES, base=base) as switch:
        asyncio.run(swap(switch, port, tmp_path))
        switch.calls_over()
        assert [row["outcome"] for row in switch.records(CALLS)] == ["answered"] * CALLS
        wait_until("end of the connections", lambda: switch.status()["counters"]["tcp_connections"] == 0)
        switch.no_faults()
