"""CPU of the real switch for a registration and a call by UDP, TCP, TLS and secure WebSocket.

    python -m bench.transports [--quick] [--json]

Peers of our own (SIPp of Debian knows no TLS and no WebSocket), as many connections as phones, made before the clock
starts; what a handshake costs is a row of its own. Figures are CPU of the control process, from /proc, less its idle
use. A call is caller to phone through the switch, INVITE to BYE, both sides by the same transport, without sound.
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import re
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.calls import Meter
from softswitch.services.certificates import make_self_signed
from softswitch.wire.sip import Request, Response, Stream, parse
from tests.interop.switch_process import SwitchProcess, free_port, media_ports, running_switch

PHONES = 50
PASSWORD = "correct-horse-battery"
TRANSPORTS = ("udp", "tcp", "tls", "wss")
CALLER = "127.0.0.7"
_PAUSE = 0.5  # media binds ports ahead of need, not ahead of a bench
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.7\r\ns=-\r\nc=IN IP4 127.0.0.7\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    """`cpu`: milliseconds of control for one unit of work."""

    work: str
    transport: str
    done: int
    cpu: float


class Link:
    """One peer's way to the switch: messages out, messages in."""

    def __init__(self, transport: str, local: tuple[str, int]) -> None:
        self.transport = transport
        self.local = local
        self.came: asyncio.Queue[Request | Response] = asyncio.Queue()
        self.send: Callable[[bytes], Awaitable[None] | None] = lambda _data: None
        self.close: Callable[[], Awaitable[None] | None] = lambda: None

    async def put(self, text: str) -> None:
        done = self.send(text.encode())
        if done is not None:
            await done

    async def final(self, method: str) -> Response:
        """The next final response to such a request; repeated ones to others are dropped."""
        while True:
            message = await asyncio.wait_for(self.came.get(), 10)
            if isinstance(message, Response) and message.status >= 200 and message.cseq.method == method:
                return message

    def via(self) -> str:
        return f"SIP/2.0/{self.transport.upper()} {self.local[0]}:{self.local[1]}"

    def contact(self) -> str:
        parameter = {"wss": "ws"}.get(self.transport, self.transport)
        return f"<sip:{self.local[0]}:{self.local[1]};transport={parameter}>"


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, link: Link) -> None:
        self.link = link

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.link.came.put_nowait(parse(data))


async def _read_stream(reader: asyncio.StreamReader, link: Link) -> None:
    stream = Stream()
    while data := await reader.read(65536):
        for item in stream.feed(data):
            if isinstance(item, Request | Response):
                link.came.put_nowait(item)


async def _read_frames(client: ClientConnection, link: Link) -> None:
    async for data in client:
        link.came.put_nowait(parse(data.encode() if isinstance(data, str) else data))


class Peers:
    """Makes links to the switch's listeners."""

    def __init__(self, ports: dict[str, int], authority: Path) -> None:
        self._ports = ports
        self._context = ssl.create_default_context(cafile=authority)
        self._tasks: set[asyncio.Task[None]] = set()

    async def link(self, transport: str, host: str = "127.0.0.1") -> Link:
        port = self._ports[transport]
        if transport == "udp":
            loop = asyncio.get_running_loop()
            link = Link(transport, (host, 0))
            datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(link), local_addr=(host, 0), remote_addr=("127.0.0.1", port)
            )
            link.local = datagrams.get_extra_info("sockname")
            link.send, link.close = datagrams.sendto, datagrams.close
            return link
        if transport == "wss":
            client = await connect(
                f"wss://pbx.test:{port}/", ssl=self._context, server_hostname="pbx.test", host="127.0.0.1",
                subprotocols=[Subprotocol("sip")], compression=None, proxy=None, ping_interval=None,
                local_addr=(host, 0),
            )  # fmt: skip
            link = Link(transport, client.local_address)
            link.send = lambda data: client.send(data, text=True)
            link.close = client.close
            self._hold(_read_frames(client, link))
            return link
        secure = {"ssl": self._context, "server_hostname": "pbx.test"} if transport == "tls" else {}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0), **secure)
        link = Link(transport, writer.get_extra_info("sockname"))
        link.send, link.close = writer.write, writer.close
        self._hold(_read_stream(reader, link))
        return link

    def _hold(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Phone:
    """A user that registers, and takes calls."""

    def __init__(self, name: str, link: Link) -> None:
        self.name = name
        self.link = link
        self._challenge: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._uses = itertools.count(1)

    async def register(self) -> None:
        """With the credentials of the last challenge; a stale one is answered."""
        for _ in range(2):
            await self.link.put(self._request())
            response = await self.link.final("REGISTER")
            if response.status == 200:
                return
            value = response.headers.get("WWW-Authenticate") or ""
            self._challenge = dict(re.findall(r'(\w+)="([^"]*)"', value))
            self._uses = itertools.count(1)
        raise RuntimeError(f"not registered: {response.status}")

    def _request(self) -> str:
        number = next(self._numbers)
        return (
            f"REGISTER sip:pbx.test SIP/2.0\r\nVia: {self.link.via()};branch=z9hG4bK{self.name}{number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.name}@pbx.test>;tag={self.name}\r\n"
            f"To: <sip:{self.name}@pbx.test>\r\n"
            f"Call-ID: {self.name}\r\nCSeq: {number} REGISTER\r\nContact: {self.link.contact()}\r\nExpires: 3600\r\n"
            f"{self._proof()}Content-Length: 0\r\n\r\n"
        )

    def _proof(self) -> str:
        if not self._challenge:
            return ""
        realm, nonce = self._challenge["realm"], self._challenge["nonce"]
        count = f"{next(self._uses):08x}"
        one, two = _md5(f"{self.name}:{realm}:{PASSWORD}"), _md5("REGISTER:sip:pbx.test")
        response = _md5(f"{one}:{nonce}:{count}:abcd:auth:{two}")
        return (
            f'Authorization: Digest username="{self.name}", realm="{realm}", nonce="{nonce}", uri="sip:pbx.test", '
            f'response="{response}", qop=auth, nc={count}, cnonce="abcd", algorithm=MD5\r\n'
        )

    async def answer_one(self) -> None:
        """A call from INVITE to BYE; a BYE that is repeated from the call before is none."""
        call_id = ""
        while True:
            request = await asyncio.wait_for(self.link.came.get(), 10)
            if not isinstance(request, Request) or request.method == "ACK":
                continue
            response = Response.to_request(request, 200, to_tag="phone")
            if request.method == "INVITE":
                call_id = request.call_id
                response.headers.add("Contact", self.link.contact())
                response.headers.add("Content-Type", "application/sdp")
                response.body = SDP.encode()
            await self.link.put(response.to_bytes().decode())
            if request.method == "BYE" and request.call_id == call_id:
                return


async def call(link: Link, number: str, call_id: int) -> None:
    """The caller's side, from a trunk's address."""
    to, target = f"<sip:{number}@pbx.test>", f"sip:{number}@pbx.test"

    def request(method: str, sequence: int, body: str = "") -> str:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {target} SIP/2.0\r\nVia: {link.via()};branch=z9hG4bK{call_id}{method};rport\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:+1555@pbx.test>;tag={call_id}\r\nTo: {to}\r\nCall-ID: c{call_id}\r\n"
            f"CSeq: {sequence} {method}\r\n"
            f"Contact: {link.contact()}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    await link.put(request("INVITE", 1, SDP))
    response = await link.final("INVITE")
    if response.status != 200:
        raise RuntimeError(f"no call: {response.status} {response.reason}")
    to, target = response.headers.get("To") or "", str(response.contacts[0].uri)
    await link.put(request("ACK", 1))
    await link.put(request("BYE", 2))
    await link.final("BYE")


async def measure(switch: SwitchProcess, peers: Peers, transport: str, units: int) -> list[Row]:
    """A row for the handshake, for a registration and for a call."""
    rows = []
    await asyncio.sleep(5.0)  # what it does at start is no idle use
    meter = Meter(switch, 3.0)

    def row(work: str, done: int) -> None:
        rows.append(Row(work, transport, done, meter.used()["control"] * 1000 / done))

    if transport != "udp":
        meter.begin()
        for _ in range(units // 4):
            link = await peers.link(transport)
            if (closing := link.close()) is not None:
                await closing
        row("connection", units // 4)
    phones = [Phone(f"p{number}", await peers.link(transport)) for number in range(PHONES)]
    await asyncio.gather(*(phone.register() for phone in phones))
    meter.begin()
    for _ in range(units // PHONES):
        await asyncio.gather(*(phone.register() for phone in phones))
    row("registration", units // PHONES * PHONES)
    callers = [await peers.link(transport, CALLER) for _ in range(PHONES)]
    numbers = itertools.count(1)
    meter.begin()
    for _ in range(units // 3 // PHONES):
        sides = [call(link, phone.name, next(numbers)) for link, phone in zip(callers, phones, strict=True)]
        await asyncio.gather(*sides, *(phone.answer_one() for phone in phones))
        await asyncio.sleep(_PAUSE)
    row("call", units // 3 // PHONES * PHONES)
    for link in (*callers, *(phone.link for phone in phones)):
        if (closing := link.close()) is not None:
            await closing
    return rows


def run(units: int) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        public, secret = make_self_signed(("pbx.test",), 30, datetime.now(UTC))
        (directory / "tls.crt").write_bytes(public)
        (directory / "tls.key").write_bytes(secret)
        for transport in TRANSPORTS:
            ports = {name: free_port() for name in TRANSPORTS}

            def base(text: str, ports: dict[str, int] = ports) -> str:
                listen = ", ".join(f'"{name}:127.0.0.1:{port}"' for name, port in ports.items())
                files = f'[tls]\ncertificate = "{directory}/tls.crt"\nkey = "{directory}/tls.key"\n'
                return text.replace("listen = [", f"listen = [{listen}, ", 1) + files

            phones = "".join(f'[phones.p{number}]\npassword = "{PASSWORD}"\n' for number in range(PHONES))
            trunk = f'[trunks.t]\naddress = "sip:{CALLER}:5060"\naccept_from = ["{CALLER}/32"]\noptions_seconds = 0\n'
            routes = "".join(
                f'[[routes]]\nfrom = "trunk:t"\nnumber = "p{number}"\nto = "phone:p{number}"\n'
                for number in range(PHONES)
            )
            with running_switch(
                directory / transport, phones + trunk + routes, base=base, ports=media_ports(3200)
            ) as switch:
                peers = Peers(ports, directory / "tls.crt")
                rows += asyncio.run(measure(switch, peers, transport, units))
    return rows


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the work")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = run(500 if options.quick else 1500)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    table = Table("work", *TRANSPORTS, title="CPU of control, milliseconds")
    for work in ("connection", "registration", "call"):
        found = {row.transport: f"{row.cpu:.3f}" for row in rows if row.work == work}
        table.add_row(work, *(found.get(name, "") for name in TRANSPORTS))
    Console().print(table)


if __name__ == "__main__":
    main()
