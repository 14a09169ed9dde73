"""A carrier named by a domain with several hosts (RFC 3263 §4.3): each has its own health, calls and registrations go
on to the next within the same attempt."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from softswitch.sip.flow import Flow
from softswitch.sip.next_hop import Hop
from softswitch.switch.events import AddressLearned, FlowFailed, HopsLocated, Readdressed, Reload
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Request, Response, Uri, Via, parse
from tests.switch.site import HOST, At, Site

PASSWORD = "correct horse"
ONE, TWO = "198.51.100.1", "198.51.100.2"
HOPS = (Hop("udp", ONE, 5060, 0, 1, "one"), Hop("udp", TWO, 5060, 1, 1, "two"))
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD)},
    trunks={"carrier": Trunk(address="sip:carrier.test", options_seconds=0.0)},
    routes=(
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="trunk:*", number="77", to="phone:1001"),
    ),
)


def located_site(settings: Settings = SETTINGS) -> Site:
    site = Site(settings)
    site.give(HopsLocated("trunk:carrier", HOPS))
    return site


def with_trunk(**changes: object) -> Settings:
    return replace(SETTINGS, trunks={"carrier": replace(SETTINGS.trunks["carrier"], **changes)})


@pytest.mark.parametrize("how", ["silent", 503, "refused"])
def test_a_call_goes_to_the_second_host_when_the_first_is_dead(how: str | int) -> None:
    """No answer, 503, or an ICMP error: the caller hears the second host, and the next call goes there at once."""
    site = located_site()
    alice = site.phone("1001", "192.0.2.10")
    two = site.party("two", TWO)
    one = site.party("one", ONE)
    if how == "refused":
        site.lost = lambda data: data.startswith(b"INVITE sip:0123@carrier.test")
        line = alice.call("0123")
        site.lost = lambda data: False
        site.give(FlowFailed(site.switch.office.trunks.flows("carrier", site.now)[0]))
        site.run(0.1)
    else:
        one.on_invite = how
        if how == "silent":
            del site.parties[one.remote]
        line = alice.call("0123")
        site.run(4.5)
    assert line.state == "up"
    assert two.line.state == "up"
    before = len(one.lines)
    alice.hang_up(line)
    again = alice.call("0124")
    assert again.state == "up"
    assert len(one.lines) == before, "what failed lately is tried last"
    alice.hang_up(again)
    site.run(40.0)
    site.parties[one.remote] = one
    one.on_invite = "answer"
    back = alice.call("0125")
    assert one.line.state == "up"
    alice.hang_up(back)
    site.run(5.0)
    site.nothing_left()


def test_retry_after_is_waited_for() -> None:
    """RFC 3261 §21.5.4, at most five minutes of it."""
    site = located_site()
    hops = site.switch.office.next_hops
    for asked, until in ((100.0, 100.0), (9999.0, 300.0), (0.0, 30.0)):
        hops.failed("trunk:carrier", (ONE, 5060), site.now, asked)
        uri = site.switch.office.trunks._lines["carrier"].uri
        assert hops.order("trunk:carrier", uri, site.now + until - 1)[0].address == TWO
        assert hops.order("trunk:carrier", uri, site.now + until + 1)[0].address == ONE


def test_the_request_uri_stays_the_domain() -> None:
    site = located_site()
    alice = site.phone("1001", "192.0.2.10")
    one = site.party("one", ONE)
    line = alice.call("0123")
    assert one.line.request is not None
    assert str(one.line.request.uri) == "sip:0123@carrier.test"
    alice.hang_up(line)
    site.run(5.0)
    site.nothing_left()


def test_calls_from_every_host_are_the_trunks() -> None:
    site = located_site()
    site.phone("1001", "192.0.2.10")
    for host in (ONE, TWO):
        gateway = site.party("+37061234567", host)
        assert gateway.call("77").state == "up"
        gateway.hang_up(gateway.line)
    moved = (Hop("udp", "198.51.100.9", 5060),)
    site.give(HopsLocated("trunk:carrier", moved))
    assert site.party("+37069999999", TWO).call("77").status == 401, "it was given up by the carrier"
    site.run(5.0)
    site.nothing_left()


def test_each_host_has_its_own_health() -> None:
    """OPTIONS go to each; the trunk is down only when all are, and says which is."""
    site = located_site(with_trunk(options_seconds=30.0))
    one, two = site.party("one", ONE), site.party("two", TWO)
    site.run(60.0)
    office = site.switch.office
    assert [row.health for row in office.trunks.rows(site.now)] == ["up"]
    del site.parties[one.remote]
    site.run(150.0)
    (row,) = office.trunks.rows(site.now)
    assert (row.health, row.detail) == ("up", f"{ONE} down, {TWO} up")
    assert [flow.remote[0] for flow in office.trunks.flows("carrier", site.now)] == [TWO]
    alice = site.phone("1001", "192.0.2.10")
    line = alice.call("0123")
    assert line.state == "up"
    alice.hang_up(line)
    del site.parties[two.remote]
    site.run(150.0)
    assert not office.trunks.usable("carrier")
    assert alice.call("0123").status == 503
    site.parties[one.remote] = one
    site.run(60.0)
    assert office.trunks.usable("carrier")
    site.run(40.0)


def test_a_registration_goes_to_the_next_host() -> None:
    """One REGISTER after the other with rising CSeq; the host that took it is asked again first."""
    site = Site(with_trunk(register=True, username="acct", password="secret secret"))
    two = site.party("two", TWO)
    seen: list[tuple[str, int]] = []

    def watch(data: bytes) -> bool:
        if data.startswith(b"REGISTER"):
            message = parse(data)
            assert isinstance(message, Request)
            seen.append((message.call_id, message.cseq.number))
        return False

    site.lost = watch
    site.give(HopsLocated("trunk:carrier", HOPS))
    site.run(80.0)
    (row,) = site.switch.office.trunks.rows(site.now)
    assert row.registration == "registered"
    assert two.registered_contact
    calls = [number for _, number in seen]
    assert calls == sorted(calls)
    assert len({call for call, _ in seen}) == 1
    site.run(40.0)


REGISTERING = with_trunk(register=True, username="acct", password="secret secret")


class Carrier:
    """Registers us at `ONE`; its answers are as `change` makes them. `contacts` are those of the REGISTERs, by host."""

    def __init__(self, settings: Settings, change: Callable[[Response], None]) -> None:
        self.site = Site(settings)
        self.change = change
        self.contacts: list[str] = []
        self.site.party("carrier", ONE)
        self.site.lost = self._watch
        self.site.give(HopsLocated("trunk:carrier", HOPS[:1]))

    def _watch(self, data: bytes) -> bool:
        message = parse(data)
        if isinstance(message, Request):
            if message.method == "REGISTER":
                self.contacts.append(str(message.contacts[0].uri))
        elif message.cseq.method == "REGISTER" and "X-Changed" not in message.headers:
            self.change(message)
            message.headers.add("X-Changed", "yes")
            self.site.wire.append(((ONE, 5060), (HOST, 5060), message.to_bytes()))
            return True
        return False


def seen_from(response: Response) -> None:
    """As if a NAT stood between."""
    via = response.via
    seen = {**via.params, "received": "203.0.113.7", "rport": "40123"}
    response.headers.set("Via", str(Via(via.transport, via.host, via.port, seen)))


def test_our_address_is_learned_from_a_carriers_answer() -> None:
    """RFC 3581: the shell is told once; with the new address the carrier gets our new contact at once."""
    settings = replace(REGISTERING, sip=Sip(domain="pbx.test", external_address="learn"))
    carrier = Carrier(settings, seen_from)
    site = carrier.site
    site.run(1.0)
    assert site.learned == [AddressLearned(0, "203.0.113.7", 40123)]
    addressing = site.switch.office.addressing
    assert isinstance(addressing, At)
    addressing.address = ("203.0.113.7", 40123)
    site.give(Readdressed())
    site.run(1.0)
    assert [contact.partition("@")[2] for contact in carrier.contacts] == ["192.0.2.1:5060", "203.0.113.7:40123"]
    (row,) = site.switch.office.trunks.rows(site.now)
    assert row.registration == "registered"
    assert len(site.learned) == 1
    site.run(40.0)


def test_nothing_is_learned_unasked() -> None:
    carrier = Carrier(REGISTERING, seen_from)
    carrier.site.run(1.0)
    assert carrier.contacts
    assert not carrier.site.learned


def test_calls_take_the_service_route() -> None:
    """RFC 3608 §6.1: the route that came with the 200 to REGISTER, and away from it when that host has us no more."""

    def routed(response: Response) -> None:
        response.headers.add("Service-Route", f"<sip:{ONE};lr>")

    carrier = Carrier(REGISTERING, routed)
    site = carrier.site
    site.run(1.0)
    alice = site.phone("1001", "192.0.2.10")
    line = alice.call("0123")
    request = site.parties[(ONE, 5060)].line.request
    assert request is not None
    assert request.headers.get("Route") == f"<sip:{ONE};lr>"
    assert str(request.uri) == "sip:0123@carrier.test"
    alice.hang_up(line)
    site.run(5.0)


def test_a_broken_connection_registers_anew() -> None:
    """RFC 5626 §4.4: the carrier cannot reach us by it any more."""
    carrier = Carrier(REGISTERING, lambda response: None)
    site = carrier.site
    hop = (Hop("tcp", ONE, 5060),)
    site.give(HopsLocated("trunk:carrier", hop))
    site.run(400.0)
    before = len(carrier.contacts)
    assert carrier.contacts[-1].endswith(";transport=tcp")
    site.give(FlowFailed(Flow("tcp", (ONE, 5060), 0, 17)))
    site.run(1.0)
    assert len(carrier.contacts) == before + 1
    site.run(40.0)


def test_a_reload_forgets_the_hosts_of_another_address_only() -> None:
    """What stands behind the former name must get no call for the new one."""
    site = located_site()
    hops = site.switch.office.next_hops
    uri = Uri.parse("sip:carrier.test")
    site.give(Reload(replace(SETTINGS, server=replace(SETTINGS.server, name="other"))))
    assert hops.hops("trunk:carrier", uri) == HOPS
    site.give(Reload(with_trunk(address="sip:other.test")))
    assert [hop.address for hop in hops.hops("trunk:carrier", Uri.parse("sip:other.test"))] == ["other.test"]
    assert site.switch.office.directory.trunk_at(ONE) is None
    site.give(HopsLocated("trunk:carrier", HOPS[1:]))
    alice = site.phone("1001", "192.0.2.10")
    two = site.party("two", TWO)
    line = alice.call("0123")
    assert two.line.state == "up"
    alice.hang_up(line)
    site.run(5.0)
    site.nothing_left()
