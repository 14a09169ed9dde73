"""The UDP listener on real loopback sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from softswitch.shell.endpoint import Endpoint, bind
from softswitch.shell.resolver import Resolver
from softswitch.shell.udp import UdpListener
from softswitch.sip.flow import Flow


class Seen:
    """Keeps what the listener says; `changed` lets tests wait for it."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, Flow]] = []
        self.lost: list[Flow] = []
        self.batches = 0
        self.changed = asyncio.Event()

    def datagram(self, data: bytes, flow: Flow) -> None:
        self.came.append((data, flow))
        self.changed.set()

    def failed(self, flow: Flow) -> None:
        self.lost.append(flow)
        self.changed.set()

    def batch_done(self) -> None:
        self.batches += 1

    async def until(self, count: int, lost: int = 0) -> None:
        async with asyncio.timeout(45):
            while len(self.came) < count or len(self.lost) < lost:
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def listener(host: str = "127.0.0.1", number: int = 0) -> AsyncIterator[tuple[UdpListener, Seen]]:
    loop = asyncio.get_running_loop()
    seen = Seen()
    resolver = Resolver(loop)
    udp = UdpListener(number, bind(Endpoint("udp", host, 0)), loop, seen, resolver)
    udp.start()
    try:
        yield udp, seen
    finally:
        udp.close()
        resolver.close()


@contextlib.contextmanager
def peer(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(45)
        yield sock


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_go_both_ways(host: str) -> None:
    async with listener(host, 3) as (udp, seen):
        with peer(host) as phone:
            phone.sendto(b"hello", (host, udp.port))
            await seen.until(1)
            data, flow = seen.came[0]
            assert (data, flow) == (b"hello", Flow("udp", (host, phone.getsockname()[1]), 3))
            udp.send(flow, b"answer")
            assert phone.recv(100) == b"answer"


async def test_a_burst_is_read_in_batches() -> None:
    async with listener() as (udp, seen):
        with peer() as phone:
            for number in range(300):
                phone.sendto(b"%d" % number, ("127.0.0.1", udp.port))
            await seen.until(300)
            assert [data for data, _ in seen.came] == [b"%d" % number for number in range(300)]
            assert seen.batches < 50
            assert len({id(flow) for _, flow in seen.came}) == 1


async def test_a_closed_port_fails_the_right_flow() -> None:
    """RFC 3261 §18.4: an ICMP error tells of the datagram's destination; the others go on."""
    async with listener() as (udp, seen):
        with peer() as phone, peer() as gone:
            good = Flow("udp", ("127.0.0.1", phone.getsockname()[1]))
            dead = Flow("udp", ("127.0.0.1", gone.getsockname()[1]))
            gone.close()
            udp.send(dead, b"to nobody")
            udp.send(good, b"to somebody")
            await seen.until(0, lost=1)
            assert seen.lost == [dead]
            assert phone.recv(100) == b"to somebody"
            phone.sendto(b"still here", ("127.0.0.1", udp.port))
            await seen.until(1)


async def test_reading_goes_on_after_errors() -> None:
    """libuv stops watching a descriptor on which the kernel reports an error; ours must not be that one."""
    async with listener() as (udp, seen):
        with peer() as phone, peer() as gone:
            dead = Flow("udp", ("127.0.0.1", gone.getsockname()[1]))
            gone.close()
            for count in range(1, 4):
                phone.sendto(b"before", ("127.0.0.1", udp.port))
                udp.send(dead, b"to nobody")  # now both wait: a datagram and an error
                await seen.until(2 * count - 1, lost=count)
                phone.sendto(b"after", ("127.0.0.1", udp.port))
                await seen.until(2 * count)


async def test_a_name_is_resolved() -> None:
    async with listener() as (udp, seen):
        with peer() as phone:
            udp.send(Flow("udp", ("localhost", phone.getsockname()[1])), b"by name")
            assert await asyncio.to_thread(phone.recv, 100) == b"by name"
            assert not seen.lost


async def test_a_name_that_does_not_exist_fails_the_flow() -> None:
    async with listener() as (udp, seen):
        flow = Flow("udp", ("no-such-host.invalid", 5060))
        udp.send(flow, b"x")
        await seen.until(0, lost=1)
        assert seen.lost == [flow]


@pytest.mark.parametrize("remote", [("2001:db8::1", 5060), ("127.0.0.1", 70000), ("127.0.0.1", 0)])
async def test_what_cannot_be_sent_fails_the_flow(remote: tuple[str, int]) -> None:
    async with listener() as (udp, seen):
        udp.send(Flow("udp", remote), b"x")
        assert not seen.lost  # never inside the caller's own step
        await seen.until(0, lost=1)


async def test_a_datagram_that_is_too_long_is_dropped_and_harms_no_other() -> None:
    """The flow is in order: what else goes by it must not fail with this one."""
    async with listener() as (udp, seen), listener() as (other, heard):
        flow = Flow("udp", ("127.0.0.1", other.port))
        udp.send(flow, bytes(70_000))
        udp.send(flow, b"short")
        await heard.until(1)
        assert [data for data, _ in heard.came] == [b"short"]
        assert (udp.dropped, udp.sent, seen.lost) == (1, 1, [])


async def test_a_full_socket_queues_within_bounds() -> None:
    """The peer reads nothing and the sender's buffer is tiny: what does not fit waits, in order."""
    sock = bind(Endpoint("udp", "127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    seen = Seen()
    udp = UdpListener(0, sock, loop, seen, Resolver(loop))
    udp.start()
    full = [True]

    class Reluctant:
        """Refuses while `full`, as a socket whose buffer is full does."""

        family = socket.AF_INET

        def sendto(self, data: bytes, address: tuple[str, int]) -> int:
            if full[0]:
                raise BlockingIOError
            return sock.sendto(data, address)

        def __getattr__(self, name: str) -> object:
            return getattr(sock, name)

    udp._sock = Reluctant()  # type: ignore[assignment]
    with peer() as phone:
        flow = Flow("udp", ("127.0.0.1", phone.getsockname()[1]))
        for number in range(5000):
            udp.send(flow, b"%d" % number)
        await asyncio.sleep(0)
        assert len(seen.lost) == 5000 - 4096
        full[0] = False
        first = await asyncio.to_thread(phone.recv, 100)
        assert first == b"0"
        assert phone.recv(100) == b"1"
    udp.close()
