"""TLS and WebSocket in the core: which way requests go, what Contact and Via say, and sips (RFC 5630, RFC 7118)."""

import pytest
from sip_peer import World, request

from softswitch.sip.dialog import contact_value, next_hop
from softswitch.sip.flow import Flow
from softswitch.sip.registrar import Registered, Registrar
from softswitch.sip.transports import port_of, transport_of
from softswitch.sip.via import via_value
from softswitch.wire.sip import Uri, parse

ADDRESS = ("192.0.2.9", 5061)
TLS = Flow("tls", ("192.0.2.1", 40000), 3, 7)
WSS = Flow("wss", ("192.0.2.1", 40000), 4, 8)
UDP = Flow("udp", ("192.0.2.1", 5060), 1)


@pytest.mark.parametrize(
    ("uri", "transport", "port"),
    [
        ("sip:a.example", "udp", 5060),
        ("sip:a.example;transport=TLS", "tls", 5061),
        ("sips:a.example", "tls", 5061),
        ("sips:a.example;transport=tcp", "tls", 5061),
        ("sips:a.example;transport=ws", "wss", 443),
        ("sip:a.example:5099;transport=tls", "tls", 5099),
    ],
)
def test_what_a_uri_asks_for(uri, transport, port):
    """RFC 3261 §19.1.2 and §26.2.2; RFC 7118 §4."""
    parsed = Uri.parse(uri)
    assert transport_of(parsed) == transport
    assert port_of(parsed, transport) == port


def test_our_own_addresses_by_transport():
    """RFC 7118 §4: the token of Via is WSS, the URI parameter is ws for both; sips only where it was asked for."""
    assert via_value(WSS, ADDRESS, "z9hG4bKx").startswith("SIP/2.0/WSS 192.0.2.9:5061;")
    assert contact_value(WSS, ADDRESS, "a") == "<sip:a@192.0.2.9:5061;transport=ws>"
    assert contact_value(TLS, ADDRESS) == "<sip:192.0.2.9:5061;transport=tls>"
    assert contact_value(TLS, ADDRESS, "a", "sips") == "<sips:a@192.0.2.9:5061;transport=tls>"


@pytest.mark.parametrize("flow", [TLS, WSS])
@pytest.mark.parametrize(
    "target",
    [
        "sip:xyz@abc123.invalid;transport=ws",
        "sip:bob@192.0.2.1:5061;transport=tls",
        "sip:bob@198.51.100.7;transport=udp",
        "sip:bob@198.51.100.7:5061;transport=tls",
    ],
)
def test_who_speaks_by_tls_is_answered_by_that_connection(flow, target):
    """RFC 7118 §5, RFC 5923; and never in the clear, whatever its Contact says."""
    assert next_hop(Uri.parse(target), flow) == flow


@pytest.mark.parametrize(
    "target",
    [
        "sip:bob@192.0.2.1:5061;transport=TLS",
        "sip:bob@198.51.100.7;transport=tls",
        "sip:bob@192.0.2.1:0",
        "sip:bob@198.51.100.7:0",
        "sip:bob@198.51.100.7:0;transport=tcp",
    ],
)
def test_who_speaks_in_the_clear_is_answered_so(target):
    """No certificate names an address, and no port is 0: such a Contact does not tell where to go."""
    assert next_hop(Uri.parse(target), UDP) == UDP


def test_a_browser_is_not_called_when_its_connection_is_gone():
    """RFC 7118 §5: there is no other way to it; the session ends at once."""
    world = World()
    session, _ = world.talking_as_uas(WSS, contact="<sip:xyz@abc123.invalid;transport=ws>")
    (bye,) = world.do("hang_up", session)
    assert world.sent[-1][1] == WSS
    assert bye.via.transport == "WSS"
    world.do("flow_failed", WSS)
    assert world.sent[-1][1] == WSS
    world.silent_in_the_end()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER"])
def test_sips_by_an_insecure_transport_is_refused(method):
    """RFC 5630: the hop before us should have been TLS."""
    world = World()
    (refusal,) = world.receive(request(method, uri="sips:alice@pbx.test"), UDP)
    assert refusal.status == 480
    assert refusal.headers.get("Warning").startswith("380 ")


def test_sips_by_tls_gets_a_sips_contact():
    """RFC 3261 §12.1.1."""
    world = World()
    session = world.called(TLS, uri="sips:alice@pbx.test", via="SIP/2.0/TLS 192.0.2.1:5061")
    (ok,) = [one for one in world.do("accept", session, b"") if one.status == 200]
    assert str(ok.contacts[0].uri).startswith("sips:")


def register(contact, flow):
    registrar = Registrar()
    outcome = registrar.register("alice", parse(request("REGISTER", uri="sip:pbx.test", contact=contact)), flow, 0.0)
    return registrar, outcome


@pytest.mark.parametrize("flow", [TLS, WSS, Flow("ws", ("192.0.2.1", 40000), 4, 8)])
@pytest.mark.parametrize("contact", ["<sip:a@x.invalid;transport=ws>", "<sip:a@192.0.2.1:5061;transport=tls>"])
def test_a_contact_lives_as_long_as_its_connection(flow, contact):
    """RFC 7118 §5, RFC 5626: it is reached by that connection, goes with it, and is not restored after a restart."""
    registrar, outcome = register(contact, flow)
    (change,) = outcome.changes
    assert isinstance(change, Registered)
    assert change.binding.flow == flow
    again = Registrar()
    again.restore(registrar.snapshot(), 1.0)
    assert again.bindings("alice", 1.0) == ()
    (gone,) = registrar.flow_failed(flow, 1.0)
    assert gone.cause == "connection"
    assert registrar.bindings("alice", 1.0) == ()


def test_a_sips_contact_registers_over_tls_only():
    """RFC 5630 §5: never carried in the clear."""
    assert register("<sips:a@192.0.2.1>", UDP)[1].status == 400
    assert register("<sips:a@192.0.2.1>", TLS)[1].status == 200
