"""What address a peer is told: RFC 3261 §8.1.1.8 wants a Contact that reaches us."""

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.shell.addressing import LocalAddressing, check_addressing, external_names
from softswitch.shell.endpoint import Endpoint
from softswitch.sip.flow import Flow
from softswitch.switch.settings import LEARN, Media, Sip

UDP, TCP, FIXED = Endpoint("udp", "0.0.0.0", 5060), Endpoint("tcp", "0.0.0.0", 5062), Endpoint("udp", "10.9.8.7", 5070)


def flow(host: str, listener: int = 0) -> Flow:
    return Flow("udp", (host, 5060), listener)


def test_a_wildcard_listener_answers_with_the_interface_towards_the_peer() -> None:
    addressing = LocalAddressing([UDP], Sip(), Media())
    assert addressing.signalling(flow("127.0.0.5")) == ("127.0.0.1", 5060)
    assert addressing.media("127.0.0.5") == "127.0.0.1"


def test_a_bound_listener_answers_with_its_own_address() -> None:
    addressing = LocalAddressing([UDP, FIXED], Sip(), Media(address="10.9.8.6"))
    assert addressing.signalling(flow("127.0.0.1", 1)) == ("10.9.8.7", 5070)
    assert addressing.media("127.0.0.1") == "10.9.8.6"


def test_peers_outside_see_the_external_address() -> None:
    addressing = LocalAddressing([UDP], Sip(external_address="203.0.113.7"), Media())
    assert addressing.signalling(flow("198.51.100.9")) == ("203.0.113.7", 5060)
    assert addressing.media("198.51.100.9") == "203.0.113.7"
    assert addressing.signalling(flow("127.0.0.1")) == ("127.0.0.1", 5060)


def test_media_may_have_an_external_address_of_its_own() -> None:
    addressing = LocalAddressing([UDP], Sip(external_address="203.0.113.7"), Media(external_address="203.0.113.8"))
    assert addressing.media("198.51.100.9") == "203.0.113.8"


def test_a_peer_known_by_name_is_outside() -> None:
    addressing = LocalAddressing([UDP], Sip(external_address="203.0.113.7"), Media())
    assert addressing.media("sip.carrier.example") == "203.0.113.7"


def test_an_ipv6_peer_does_not_get_the_ipv4_external_address() -> None:
    addressing = LocalAddressing([Endpoint("udp", "::", 5060)], Sip(external_address="203.0.113.7"), Media())
    assert addressing.signalling(flow("::1")) == ("::1", 5060)


def test_large_requests_may_go_over_tcp() -> None:
    """RFC 3261 §18.1.1."""
    addressing = LocalAddressing([UDP, TCP], Sip(), Media())
    assert addressing.reliable(flow("127.0.0.1")) == Flow("tcp", ("127.0.0.1", 5060), 1)
    assert LocalAddressing([UDP], Sip(), Media()).reliable(flow("127.0.0.1")) is None


def test_nonsense_is_found_at_start() -> None:
    with pytest.raises(LocalError, match="local_networks"):
        check_addressing(Sip(local_networks=("300.0.0.0/8",)), Media())
    with pytest.raises(LocalError, match="external_address"):
        check_addressing(Sip(external_address="nonsense"), Media())


def test_each_listener_may_have_an_external_address() -> None:
    """Two uplinks."""
    sip = Sip(
        listen=("udp:0.0.0.0:5060", "udp:10.9.8.7:5070"),
        external_address="203.0.113.7",
        external_addresses={"udp:10.9.8.7:5070": "203.0.113.9"},
    )
    addressing = LocalAddressing([UDP, FIXED], sip, Media())
    assert addressing.signalling(flow("198.51.100.9")) == ("203.0.113.7", 5060)
    assert addressing.signalling(flow("198.51.100.9", 1)) == ("203.0.113.9", 5070)


def test_what_a_carrier_saw_is_told_outside() -> None:
    """RFC 3581: before anything is known our own address, then the learned one with its port; inside never."""
    addressing = LocalAddressing([UDP, TCP], Sip(external_address=LEARN, local_networks=("127.0.0.0/8",)), Media())
    before = addressing.signalling(flow("198.51.100.9"))
    assert before[1] == 5060
    addressing.learned(0, "203.0.113.7", 40123)
    addressing.learned(1, "203.0.113.7", 0)
    assert addressing.signalling(flow("198.51.100.9")) == ("203.0.113.7", 40123)
    assert addressing.signalling(flow("198.51.100.9", 1)) == ("203.0.113.7", 5062)
    assert addressing.media("198.51.100.9") == "203.0.113.7"
    assert addressing.signalling(flow("127.0.0.5")) == ("127.0.0.1", 5060)
    assert addressing.media("127.0.0.5") == "127.0.0.1"


def test_an_external_host_name_is_told_as_what_it_stands_for() -> None:
    sip = Sip(external_address="home.example.net")
    addressing = LocalAddressing([UDP], sip, Media())
    assert external_names(sip, Media()) == {"home.example.net"}
    for address in ("203.0.113.7", "203.0.113.8"):
        addressing.found({"home.example.net": address})
        assert addressing.signalling(flow("198.51.100.9")) == (address, 5060)
        assert addressing.media("198.51.100.9") == address


def test_media_of_both_families_tells_each_peer_its_own() -> None:
    addressing = LocalAddressing([UDP], Sip(), Media(address=("192.0.2.5", "2001:db8::5")))
    assert addressing.media("198.51.100.9") == "192.0.2.5"
    assert addressing.media("2001:db8::77") == "2001:db8::5"
    assert addressing.media("sip.carrier.example") == "192.0.2.5"
