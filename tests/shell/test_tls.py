"""TLS on real loopback sockets: certificates old and new, names that are checked, peers that speak something else."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.certificates import make_self_signed
from softswitch.shell.endpoint import Endpoint, bind
from softswitch.shell.gate import Gate
from softswitch.shell.resolver import Resolver
from softswitch.shell.streams import StreamLimits, StreamTransport
from softswitch.shell.tls import Contexts, names_of
from softswitch.sip.flow import Flow
from softswitch.switch.settings import Settings, Tls, Trunk
from tests.shell.test_streams import MESSAGE, Seen, end

STANDARD = StreamLimits()


def certificate(directory: Path, name: str, *hosts: str) -> tuple[str, str]:
    """Files of a new self-signed certificate."""
    directory.mkdir(parents=True, exist_ok=True)
    public, secret = make_self_signed(hosts, 30, datetime.now(UTC))
    (directory / f"{name}.crt").write_bytes(public)
    (directory / f"{name}.key").write_bytes(secret)
    return str(directory / f"{name}.crt"), str(directory / f"{name}.key")


class Listener:
    """A transport with one TLS listener, and the clients that believe its certificate."""

    def __init__(self, settings: Settings, limits: StreamLimits = STANDARD) -> None:
        self.time = 0.0
        self.seen = Seen()
        self.settings = settings
        loop = asyncio.get_running_loop()
        self.resolver = Resolver(loop)
        self.contexts = Contexts(settings)
        self.streams = StreamTransport(
            loop, self.seen, self.resolver, limits, now=lambda: self.time, contexts=self.contexts
        )
        self.sock = bind(Endpoint("tls", "127.0.0.1", 0))
        self.address: tuple[str, int] = self.sock.getsockname()

    async def connect(self, own: tuple[str, str] | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cafile=self.settings.tls.certificate)
        if own is not None:
            context.load_cert_chain(*own)
        return await asyncio.open_connection(*self.address, ssl=context, server_hostname="pbx.test")

    async def settled(self, connections: int) -> None:
        async with asyncio.timeout(45):
            while self.streams.connections != connections:
                await asyncio.sleep(0.001)


def serial(writer: asyncio.StreamWriter) -> str:
    shown = writer.get_extra_info("ssl_object").getpeercert()
    return str(shown["serialNumber"])


@contextlib.asynccontextmanager
async def listening(settings: Settings, limits: StreamLimits = STANDARD) -> AsyncIterator[Listener]:
    made = Listener(settings, limits)
    await made.streams.listen(0, made.sock, "tls")
    try:
        yield made
    finally:
        made.streams.close()
        made.resolver.close()
        await made.settled(0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    crt, key = certificate(tmp_path, "own", "pbx.test", "localhost")
    return Settings(tls=Tls(certificate=crt, key=key, trusted=crt))


async def test_messages_go_both_ways(settings: Settings) -> None:
    """RFC 3261 §26.3.1."""
    async with listening(settings) as made:
        reader, writer = await made.connect()
        writer.write(MESSAGE[:50])
        await writer.drain()
        writer.write(MESSAGE[50:] + MESSAGE)
        await made.seen.until(came=2)
        flow = made.seen.came[0][1]
        assert flow == Flow("tls", writer.get_extra_info("sockname"), 0, flow.connection)
        made.streams.send(flow, b"x" * 300_000)
        assert await reader.readexactly(300_000) == b"x" * 300_000
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        await end(writer)
        await made.seen.until(lost=1)
        assert made.seen.lost == [flow]


async def test_a_connection_of_ours_carries_many_messages(settings: Settings) -> None:
    """What is sent while the handshake goes on goes out after it, in order."""
    async with listening(settings) as made, listening(settings) as other:
        flow = Flow("tls", ("localhost", made.address[1]), 0)
        for _ in range(3):
            other.streams.send(flow, MESSAGE)
        await made.seen.until(came=3)
        assert (made.streams.connections, other.streams.connections) == (1, 1)
        made.streams.send(made.seen.came[0][1], MESSAGE)
        await other.seen.until(came=1)
        assert other.seen.came[0][1].remote == flow.remote


@pytest.mark.parametrize(
    ("host", "verify", "well"), [("localhost", True, True), ("127.0.0.1", True, False), ("127.0.0.1", False, True)]
)
async def test_a_server_must_be_who_it_was_asked_for(settings: Settings, host: str, verify: bool, well: bool) -> None:
    """RFC 5922 §7.2; `verify = false` of the trunk believes anybody."""
    async with listening(settings) as made:
        address = f"sip:{host}:{made.address[1]};transport=tls"
        own = replace(settings, trunks={"carrier": Trunk(address=address, verify=verify)})
        async with listening(own) as other:
            flow = Flow("tls", (host, made.address[1]), 0)
            other.streams.send(flow, MESSAGE)
            if well:
                await made.seen.until(came=1)
            else:
                await other.seen.until(lost=1)
                assert other.seen.lost[0] == flow
                assert (other.streams.tls_failures, made.seen.came) == (1, [])


@pytest.mark.parametrize(("asked", "well"), [("pbx.test", True), ("other.test", False)])
async def test_a_looked_up_address_must_show_the_name_that_was_asked_for(
    settings: Settings, asked: str, well: bool
) -> None:
    """RFC 5922 §4: the domain of the URI, whatever SRV and A records make of it; a later answer of DNS replaces it."""
    async with listening(settings) as made, listening(settings) as other:
        remote = ("127.0.0.1", made.address[1])
        other.contexts.stand_for(("wrong.test", 5061), [remote])
        other.contexts.stand_for(("wrong.test", 5061), [])
        other.contexts.stand_for((asked, 5061), [remote])
        other.streams.send(Flow("tls", remote, 0), MESSAGE)
        if well:
            await made.seen.until(came=1)
        else:
            await other.seen.until(lost=1)
            assert (other.streams.tls_failures, made.seen.came) == (1, [])


async def test_a_new_certificate_is_for_new_connections(settings: Settings, tmp_path: Path) -> None:
    async with listening(settings) as made:
        old_reader, old = await made.connect()
        before = serial(old)
        certificate(tmp_path, "own", "pbx.test")
        made.contexts.load(settings)
        _, new = await made.connect()
        assert serial(new) != before
        old.write(MESSAGE)
        await made.seen.until(came=1)
        made.streams.send(made.seen.came[0][1], b"still here")
        assert await old_reader.readexactly(10) == b"still here"
        await end(old)
        await end(new)


async def test_a_bad_certificate_leaves_the_old_one(settings: Settings, tmp_path: Path) -> None:
    async with listening(settings) as made:
        _, first = await made.connect()
        other, _ = certificate(tmp_path, "other", "pbx.test")
        with pytest.raises(LocalError, match="is not that of"):
            made.contexts.load(replace(settings, tls=replace(settings.tls, certificate=other)))
        _, second = await made.connect()
        assert serial(second) == serial(first)
        await end(first)
        await end(second)


async def test_a_certificate_tells_who_comes(settings: Settings, tmp_path: Path) -> None:
    """RFC 5922 §7.1: the peer's domains are told once, before its first message."""
    theirs = certificate(tmp_path, "theirs", "carrier.example")
    tls = replace(settings.tls, client_ca=theirs[0])
    async with listening(replace(settings, tls=tls)) as made:
        _, with_one = await made.connect(theirs)
        with_one.write(MESSAGE)
        _, without = await made.connect()
        without.write(MESSAGE)
        await made.seen.until(came=2)
        [(flow, names)] = made.seen.proven
        assert (flow.remote, names) == (with_one.get_extra_info("sockname"), ("carrier.example",))
        await end(with_one)
        await end(without)


async def test_who_must_show_a_certificate_and_has_none_is_refused(settings: Settings) -> None:
    tls = replace(settings.tls, client_ca=settings.tls.certificate, require_client=True)
    async with listening(replace(settings, tls=tls)) as made:
        reader, writer = await made.connect()  # TLS 1.3 lets the client believe that all is well, until it reads
        writer.write(MESSAGE)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await reader.readexactly(1)
        writer.transport.abort()
        await made.settled(0)
        assert (made.streams.tls_failures, made.seen.came) == (1, [])


@pytest.mark.parametrize(
    "junk",
    [
        MESSAGE,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
        b"\x80\x2e\x01\x00\x02" + bytes(43),
        bytes(1000),
    ],
    ids=["plain SIP", "HTTP", "long record", "SSL 2", "zeros"],
)
async def test_what_is_no_tls_is_cut_off(settings: Settings, junk: bytes) -> None:
    async with listening(settings) as made:
        reader, writer = await asyncio.open_connection(*made.address)
        writer.write(junk)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 45)
        await made.settled(0)
        assert (made.streams.tls_failures, made.seen.came, made.seen.bad) == (1, [], [])
        await end(writer)


async def test_garbage_after_the_handshake_is_cut_off(settings: Settings) -> None:
    async with listening(settings) as made:
        raw = socket.create_connection(made.address)
        context = ssl.create_default_context(cafile=settings.tls.certificate)
        wrapped = await asyncio.to_thread(context.wrap_socket, raw, server_hostname="pbx.test")
        descriptor = socket.socket(fileno=wrapped.detach())
        await asyncio.to_thread(descriptor.sendall, b"\x17\x03\x03\x00\x20" + bytes(32))
        await made.settled(0)
        assert made.streams.tls_failures == 1
        descriptor.close()


async def test_half_a_handshake_is_cut_off_in_time(settings: Settings) -> None:
    async with listening(settings, StreamLimits(handshake=10.0)) as made:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="pbx.test")
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        hello = outgoing.read()
        silent = await asyncio.open_connection(*made.address)
        half = await asyncio.open_connection(*made.address)
        half[1].write(hello[:100])
        begun = await asyncio.open_connection(*made.address)
        begun[1].write(hello)
        assert await begun[0].read(5)
        await made.settled(3)
        made.time = 9.0
        half[1].write(hello[100:101])  # a byte now and then gains nothing
        made.streams.sweep()
        await asyncio.sleep(0)
        assert made.streams.connections == 3
        made.time = 11.0
        made.streams.sweep()
        await made.settled(0)
        assert made.streams.timed_out == 3
        for _, writer in (silent, half, begun):
            await end(writer)


async def test_a_server_that_never_shakes_hands_fails_the_flow(settings: Settings) -> None:
    async with listening(settings) as made:
        server = socket.create_server(("127.0.0.1", 0))  # nobody accepts
        flow = Flow("tls", server.getsockname(), 0)
        made.streams.send(flow, MESSAGE)
        async with asyncio.timeout(45):
            while next(iter(made.streams._connections.values())).transport is None:
                await asyncio.sleep(0.001)
        made.time = 11.0
        made.streams.sweep()
        await made.seen.until(lost=1)
        assert made.seen.lost[0] == flow
        server.close()


async def test_many_connections_of_one_source_are_bounded(settings: Settings) -> None:
    async with listening(settings, StreamLimits(per_source=5)) as made:
        opened = [await asyncio.open_connection(*made.address) for _ in range(20)]
        async with asyncio.timeout(45):
            while made.streams.refused < 15:
                await asyncio.sleep(0.001)
        assert made.streams.connections == 5
        for _, writer in opened:
            await end(writer)


def shown(**fields: object) -> dict[str, object]:
    return dict(fields)


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (
            shown(subjectAltName=(("DNS", "A.example"), ("URI", "sip:b.example"), ("URI", "sip:u@c"))),
            ("a.example", "b.example"),
        ),
        (shown(subject=((("commonName", "old.example"),),)), ("old.example",)),
        (
            shown(subject=((("commonName", "old.example"),),), subjectAltName=(("DNS", "new.example"),)),
            ("new.example",),
        ),
    ],
)
def test_the_domains_of_a_certificate(certificate: dict[str, object], names: tuple[str, ...]) -> None:
    """RFC 5922 §7.1: URI and DNS names; the common name only where there are none; no user part."""
    assert names_of(certificate) == names


def test_settings_without_tls_need_no_files() -> None:
    contexts = Contexts(Settings())
    assert (contexts.accept(), contexts.certificate) == (None, None)


async def test_a_banned_source_gets_no_handshake_and_a_flood_of_them_is_weighed(settings: Settings) -> None:
    """The gate sees the opened bytes of TLS, and each step of a handshake before they are."""
    told: list[object] = []
    rules = replace(settings, defence=replace(settings.defence, loopback=False, local=False, rate=0.0, burst=4.0))
    gate = Gate(rules, lambda _host: False, lambda: 0.0, told.append)
    async with listening(rules) as made:
        made.streams.gate = gate
        _, writer = await made.connect()
        writer.write(MESSAGE)
        await made.seen.until(came=1)
        await end(writer)
        for _ in range(2):
            await asyncio.to_thread(shake, made.address)
        await made.settled(0)
        assert gate.counts.limited > 0
        gate.ban("127.0.0.1", 600.0, "test")
        await asyncio.to_thread(shake, made.address)
        assert made.streams.refused == 1


def shake(address: tuple[str, int]) -> None:
    """Begin a handshake that will not succeed."""
    with socket.create_connection(address) as raw, pytest.raises((ConnectionError, ssl.SSLError)):
        ssl.create_default_context().wrap_socket(raw, server_hostname="pbx.test")
