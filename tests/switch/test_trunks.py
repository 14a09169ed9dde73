"""Trunks: who is recognised, caller id, fail-over, limits, registration and health."""

from dataclasses import replace

import pytest

from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from tests.switch.site import Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD, name="Alice"), "1002": Phone(password=PASSWORD, caller_id="+37052000002")},
    trunks={
        "carrier": Trunk(
            address="sip:198.51.100.10", accept_from=("203.0.113.0/24",), country="370", backup="second",
            username="acct", password="trunk secret", caller_id="+37052000000", prefix="9", strip=1,
        ),
        "second": Trunk(address="sip:198.51.100.20", options_seconds=0.0, max_calls=1),
    },
    routes=(
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="trunk:*", number="+37052000001", to="phone:1001"),
    ),
)  # fmt: skip


def test_a_trunk_is_known_by_its_network_and_numbers_become_e164() -> None:
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    gateway = site.party("061234567", "203.0.113.7")
    assert gateway.call("052000001").state == "up"
    assert alice.line.request is not None
    assert alice.line.request.from_.uri.user == "+37061234567"
    gateway.hang_up(gateway.line)
    site.run(3.0)
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.source == "trunk:carrier"
    site.nothing_left()


def test_a_stranger_is_challenged_and_gets_nothing() -> None:
    """Toll fraud begins with an INVITE from nowhere."""
    site = Site(SETTINGS)
    site.phone("1001", "192.0.2.10")
    stranger = site.party("+37061234567", "192.0.2.99")
    assert stranger.call("+37052000001").status == 401
    assert not site.records(CallRecord)
    site.nothing_left()


def test_caller_id_outward_and_digest_at_the_carrier() -> None:
    """407 from the carrier is answered; From and P-Asserted-Identity show the trunk's number, or the phone's own."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    carrier = site.party("carrier", "198.51.100.10")
    for phone, number in ((alice, "+37052000000"), (bob, "+37052000002")):
        line = phone.call("061234567")
        assert line.state == "up"
        request = carrier.line.request
        assert request is not None
        assert request.uri.user == "961234567"
        assert request.from_.uri.user == number
        assert f"sip:{number}@" in (request.headers.get("P-Asserted-Identity") or "")
        phone.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("status", [503, 500, 408])
def test_a_trunk_that_is_out_of_order_fails_over(status: int) -> None:
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    carrier, second = site.party("a", "198.51.100.10"), site.party("b", "198.51.100.20")
    carrier.on_invite = status
    line = alice.call("061234567")
    assert line.state == "up"
    assert second.line.state == "up"
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("status", [486, 404, 603])
def test_what_the_callee_says_does_not_fail_over(status: int) -> None:
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    carrier, second = site.party("a", "198.51.100.10"), site.party("b", "198.51.100.20")
    carrier.on_invite = status
    assert alice.call("061234567").status == status
    assert not second.lines
    site.nothing_left()


def test_a_silent_carrier_fails_over_in_seconds() -> None:
    """RFC 3261 timer B is 32 s; a caller does not wait that long for a dead trunk."""
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    second = site.party("b", "198.51.100.20")
    line = alice.call("061234567")
    site.run(5.0)
    assert line.state == "up"
    assert second.line.state == "up"
    alice.hang_up(line)
    site.nothing_left()


def test_channel_limits_count_both_directions() -> None:
    settings = replace(
        SETTINGS,
        routes=(*SETTINGS.routes, Route(source="phone:*", number="7.", to="trunk:second")),
    )
    site = Site(settings)
    alice = site.phone("1001", "192.0.2.10")
    second = site.party("+37060000000", "198.51.100.20")
    line = second.call("+37052000001")
    assert line.state == "up"
    assert alice.call("71234").status == 503
    assert second.call("+37052000001").status == 503
    second.hang_up(line)
    site.nothing_left()


def test_a_full_switch_says_503_with_a_retry_time() -> None:
    site = Site(replace(SETTINGS, server=replace(SETTINGS.server, max_calls=1)))
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    line = bob.call("1001")
    assert alice.call("1002").status == 503
    bob.hang_up(line)
    site.nothing_left()


def test_health_by_options_takes_a_dead_trunk_out_and_back() -> None:
    site = Site(SETTINGS)
    site.run(1.0)
    (first, *_) = site.switch.desk.trunks(site.now)
    assert first.health == "unknown"
    site.run(80.0)
    assert site.switch.desk.trunks(site.now)[0].health == "down"
    alice = site.phone("1001", "192.0.2.10")
    second = site.party("b", "198.51.100.20")
    line = alice.call("061234567")
    assert line.state == "up", "the dead trunk is not even tried"
    assert second.line.state == "up"
    alice.hang_up(line)
    site.party("a", "198.51.100.10")
    site.run(40.0)
    assert site.switch.desk.trunks(site.now)[0].health == "up"


def test_we_register_with_a_carrier_and_its_calls_are_known_by_the_contact() -> None:
    trunk = Trunk(
        address="sip:198.51.100.10", username="acct", password="trunk secret", register=True, options_seconds=0.0
    )
    site = Site(replace(SETTINGS, trunks={"carrier": trunk, "second": SETTINGS.trunks["second"]}))
    carrier = site.party("registrar", "198.51.100.10")
    site.run(40.0)
    assert carrier.registered_contact
    row = site.switch.desk.trunks(site.now)[0]
    assert row.registration == "registered"
    contact = carrier.registered_contact
    elsewhere = site.party("+37061234567", "198.18.0.1")
    site.phone("1001", "192.0.2.10")
    assert elsewhere.call(contact).status == 404, "known as the trunk: a route is missing, not a password"
    assert elsewhere.call("+37052000001").status == 401


def test_a_trunk_that_leaves_the_configuration_is_unregistered() -> None:
    """Hot apply: the carrier's answer comes when the trunk is no more."""
    from softswitch.switch.events import Reload

    trunk = Trunk(address="sip:198.51.100.10", username="acct", password="trunk secret", register=True)
    settings = replace(SETTINGS, trunks={"carrier": trunk}, routes=())
    site = Site(settings)
    carrier = site.party("registrar", "198.51.100.10")
    site.run(1.0)
    assert carrier.registered_contact
    site.give(Reload(replace(settings, trunks={})))
    site.run(40.0)
    assert not site.switch.desk.trunks(site.now)
    assert site.switch.office.trunks.deadline() is None
    site.nothing_left()


def test_a_caller_who_wants_privacy_is_hidden_from_the_callee_and_known_to_the_carrier() -> None:
    """RFC 3323 §4.1, RFC 3325 §7: From says nothing, P-Asserted-Identity tells the carrier, Privacy that it is not
    to be told on; another phone of ours learns nothing, the record everything."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    carrier = site.party("carrier", "198.51.100.10")
    hide = (("Privacy", "user; id"),)
    alice.call("061234567", headers=hide)
    request = carrier.line.request
    assert request is not None
    assert request.from_.uri.user == "anonymous"
    assert str(request.from_).startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert request.headers.get("Privacy") == "id"
    assert "+37052000000" in (request.headers.get("P-Asserted-Identity") or "")
    alice.call("1002", headers=hide)
    assert bob.line.request is not None
    assert bob.line.request.from_.uri.user == "anonymous"
    assert bob.line.request.from_.display == "Anonymous"
    for line in list(alice.lines.values()):
        alice.hang_up(line)
    site.run(3.0)
    assert {record.caller for record in site.saved if isinstance(record, CallRecord)} == {"1001"}
    site.nothing_left()


def test_a_trunk_that_asserts_an_identity_is_believed_and_its_first_value_counts() -> None:
    """RFC 3325 §9.1: a sip and a tel URI may stand side by side."""
    site = Site(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    gateway = site.party("061234567", "203.0.113.7")
    asserted = (("P-Asserted-Identity", '"Jonas" <sip:+37069999999@carrier.test>, <tel:+37069999999>'),)
    line = gateway.call("052000001", headers=asserted)
    assert alice.line.request is not None
    assert alice.line.request.from_.uri.user == "+37069999999"
    assert alice.line.request.from_.display == "Jonas"
    gateway.hang_up(line)
    site.nothing_left()
