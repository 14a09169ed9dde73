"""Banned addresses are dropped by the kernel, on real sockets."""

import socket
from collections.abc import Iterator

import pytest

from softswitch.shell.packet_filter import MOST, keep_out


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def arrives(server: socket.socket, host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((host, 0))
        sender.sendto(b"x" * 40, server.getsockname())
        try:
            return server.recv(100) == b"x" * 40  # loopback delivers before sendto returns
        except BlockingIOError:
            return False


@pytest.mark.parametrize("count", [1, 249, 250, 251, 999, MOST, MOST + 500])
def test_the_listed_are_dropped_and_all_others_come_through(server: socket.socket, count: int) -> None:
    listed = [f"127.7.{number >> 8}.{number & 255}" for number in range(count)]
    assert keep_out(server, listed)
    first = max(0, count - MOST)  # the oldest give way
    for number in {first, first + 1, count // 2, count - 2, count - 1} & set(range(first, count)):
        assert not arrives(server, listed[number]), number
    for host in ("127.0.0.1", "127.6.255.255", "127.8.0.0", f"127.7.{count >> 8}.{count & 255}"):
        assert arrives(server, host), host


def test_a_shorter_list_and_none(server: socket.socket) -> None:
    keep_out(server, ["127.7.0.1", "127.7.0.2"])
    assert keep_out(server, ["127.7.0.2"])
    assert arrives(server, "127.7.0.1")
    assert keep_out(server, [])
    assert arrives(server, "127.7.0.2")
    assert keep_out(server, []) is False, "there is none to take off, and nothing breaks"
