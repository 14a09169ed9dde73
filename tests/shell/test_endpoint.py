"""Listeners: how they are written, what is said when they cannot be opened."""

import socket

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.shell.endpoint import Endpoint, bind, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("udp:0.0.0.0:5060", Endpoint("udp", "0.0.0.0", 5060)),
        ("tcp:[::]:5060", Endpoint("tcp", "::", 5060)),
        ("udp:localhost:0", Endpoint("udp", "127.0.0.1", 0)),
    ],
)
def test_listener_notation(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["0.0.0.0:5060", "sctp:0.0.0.0:1", "udp:example.com:5060", "udp:1.2.3.4", "udp:::x"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(LocalError):
        parse_endpoint(text)


def test_address_is_written_back_with_brackets() -> None:
    assert str(Endpoint("tcp", "::1", 5061)) == "tcp:[::1]:5061"


def test_a_port_in_use_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"udp:127.0.0.1:{port}: another program"):
            bind(Endpoint("udp", "127.0.0.1", port))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(LocalError, match="no such address"):
        bind(Endpoint("udp", "192.0.2.1", 0))


def test_ipv6_leaves_ipv4_to_another_listener() -> None:
    with bind(Endpoint("tcp", "::", 0)) as six, bind(Endpoint("tcp", "0.0.0.0", six.getsockname()[1])) as four:
        assert four.getsockname()[1] == six.getsockname()[1]
