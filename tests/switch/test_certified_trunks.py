"""Carriers that are known by their certificate (RFC 5922), and calls to carriers by TLS."""

from dataclasses import replace

import pytest

from softswitch.sip.flow import Flow, Send
from softswitch.switch.events import Arrived, Certified, Effect, FlowFailed
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Parking, Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import parse
from tests.switch.site import Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test", listen=("udp:0.0.0.0:5060", "tls:0.0.0.0:5061")),
    phones={"1001": Phone(password="correct horse")},
    trunks={
        "carrier": Trunk(
            address="sip:sip.carrier.test;transport=tls", accept_from=("203.0.113.0/24",),
            tls_subject="SIP.carrier.test", options_seconds=0.0, country="1",
        ),
        "plain": Trunk(address="sip:198.51.100.9", options_seconds=0.0, country="1"),
        "other": Trunk(address="sips:sip.other.test", options_seconds=0.0, country="1"),
    },
    routes=(
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="phone:*", number="9.", to="trunk:other"),
        Route(source="trunk:*", number="200", to="answer:"),
        Route(source="trunk:*", number="1001", to="phone:1001"),
        Route(source="trunk:*", number="555", to="trunk:plain"),
    ),
)  # fmt: skip


class Wired(Site):
    """Keeps what goes out, with its flow."""

    def __init__(self, settings: Settings) -> None:
        self.sends: list[Send] = []
        super().__init__(settings)

    def effects(self, effects: list[Effect]) -> None:
        self.sends += [effect for effect in effects if isinstance(effect, Send)]
        super().effects(effects)


def invite(flow: Flow, scheme: str = "sip", number: str = "200") -> Arrived:
    return Arrived(
        parse(
            f"INVITE {scheme}:{number}@pbx.test SIP/2.0\r\n"
            f"Via: SIP/2.0/{flow.transport.upper()} 203.0.113.5;branch=z9hG4bK1\r\n"
            f"From: <sip:+1555@203.0.113.5>;tag=1\r\nTo: <sip:200@pbx.test>\r\nCall-ID: {flow.connection}\r\n"
            "CSeq: 1 INVITE\r\nContact: <sip:203.0.113.5;transport=tls>\r\nMax-Forwards: 70\r\n\r\n".encode()
        ),
        flow,
    )


def admitted(site: Site, flow: Flow) -> object:
    """Who it is, as the switch sees it."""
    office = site.switch.office
    message = invite(flow).message
    return office.admission.caller(message, flow, site.now)  # type: ignore[arg-type]


def test_a_carrier_is_known_by_its_certificate_wherever_it_comes_from() -> None:
    site = Site(SETTINGS)
    flow = Flow("tls", ("192.0.2.77", 40000), 1, 5)
    site.give(Certified(flow, ("sip.carrier.test", "carrier.test")))
    assert str(admitted(site, flow)) == "trunk:carrier"
    site.give(FlowFailed(flow))
    assert str(admitted(site, flow)) != "trunk:carrier"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_its_address_alone_is_not_enough(transport: str) -> None:
    site = Site(SETTINGS)
    flow = Flow(transport, ("203.0.113.5", 5060), 0, 0 if transport == "udp" else 6)
    assert getattr(admitted(site, flow), "status", 0) == 403
    other = Flow("tls", ("203.0.113.5", 40001), 1, 7)
    site.give(Certified(other, ("sip.evil.test",)))
    assert getattr(admitted(site, other), "status", 0) == 403


def test_another_transport_proves_nothing_by_a_number_of_a_connection() -> None:
    site = Site(SETTINGS)
    site.give(Certified(Flow("tls", ("192.0.2.77", 40000), 1, 5), ("sip.carrier.test",)))
    assert getattr(admitted(site, Flow("udp", ("203.0.113.5", 5060), 0, 5)), "status", 0) == 403


@pytest.mark.parametrize(
    ("number", "scheme", "host"), [("0555", "sip", "sip.carrier.test"), ("9555", "sips", "sip.other.test")]
)
def test_a_call_out_goes_by_tls_to_the_name(number: str, scheme: str, host: str) -> None:
    """The shell opens the connection and checks the name; `sips` stays `sips`, in Contact too (RFC 3261 §8.1.1.8)."""
    site = Wired(SETTINGS)
    alice = site.phone("1001", "192.0.2.10")
    alice.call(number)
    sent = next(one for one in site.sends if one.flow.transport == "tls")
    assert sent.flow == Flow("tls", (host, 5061), 1, 0)
    request = parse(sent.data)
    assert request.uri.scheme == scheme  # type: ignore[union-attr]
    assert request.contacts[0].uri.scheme == scheme
    assert request.via.transport == "TLS"
    site.give(FlowFailed(sent.flow))
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.outcome == "failed"
    site.nothing_left()


@pytest.mark.parametrize(("number", "status"), [("200", 200), ("1001", 480), ("555", 480)])
def test_a_sips_call_goes_on_by_tls_or_not_at_all(number: str, status: int) -> None:
    """RFC 5630 §5.3: the phone registered over UDP, the other carrier is called by UDP."""
    site = Wired(SETTINGS)
    site.phone("1001", "192.0.2.10")
    flow = Flow("tls", ("192.0.2.77", 40000), 1, 5)
    site.give(Certified(flow, ("sip.carrier.test",)))
    site.sends.clear()
    site.give(invite(flow, "sips", number))
    answers = [parse(one.data) for one in site.sends if one.flow == flow]
    assert [answer.status for answer in answers if answer.status >= 180][-1] == status  # type: ignore[union-attr]
    assert not [one for one in site.sends if one.flow != flow]


@pytest.mark.parametrize(("scheme", "status"), [("sips", 480), ("sip", 200)])
def test_a_sips_call_that_is_parked_is_not_taken_in_the_clear(scheme: str, status: int) -> None:
    """RFC 5630 §5.1.1.3: by a phone over UDP."""
    routes = (Route(source="trunk:*", number="200", to="park:main/701"),)
    site = Wired(replace(SETTINGS, parking={"main": Parking(slots="701-702")}, routes=routes))
    phone = site.phone("1001", "192.0.2.10")
    flow = Flow("tls", ("192.0.2.77", 40000), 1, 5)
    site.give(Certified(flow, ("sip.carrier.test",)))
    site.give(invite(flow, scheme))
    assert site.switch.office.parked.calls
    line = phone.call("701")
    assert line.status == status
    assert bool(site.switch.office.parked.calls) is (status != 200), "it waits on"


@pytest.mark.parametrize("address", ["sip:198.51.100.3;transport=tls", "sips:198.51.100.3"])
def test_a_registration_by_tls_tells_how_to_reach_us(address: str) -> None:
    """RFC 3261 §8.1.1.8: a sips contact for a sips registrar, and only for it."""
    trunk = Trunk(address=address, options_seconds=0.0, country="1", register=True, username="acct", password="secret")
    site = Wired(Settings(sip=SETTINGS.sip, trunks={"carrier": trunk}))
    (sent,) = [one for one in site.sends if one.flow.transport == "tls"]
    request = parse(sent.data)
    scheme = address.partition(":")[0]
    assert request.uri.scheme == scheme  # type: ignore[union-attr]
    assert (request.contacts[0].uri.scheme, request.contacts[0].uri.params["transport"]) == (scheme, "tls")
