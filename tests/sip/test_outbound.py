"""RFC 5626 at the registrar: several flows a phone, each a binding of its own; RFC 6223."""

import json

import pytest
from test_registrar import AOR, NOW, PHONE, PRIVATE, contacts_of, register

from softswitch.kernel.errors import PeerError
from softswitch.sip.flow import Flow
from softswitch.sip.registrar import Binding, Expired, Refreshed, Registered, Registrar
from softswitch.wire.sip import Response, parse

FIRST, SECOND = Flow("tcp", ("203.0.113.5", 40001), 0, 7), Flow("tcp", ("203.0.113.5", 40002), 0, 8)
INSTANCE = '+sip.instance="<urn:uuid:0>"'
SUPPORTED = ("Supported: path, Outbound",)


def flow_of_phone(number: int | str, **more) -> object:
    return register(f"{PRIVATE};reg-id={number};{INSTANCE}", extra=more.pop("extra", SUPPORTED), **more)


def test_each_flow_is_a_binding_and_the_freshest_comes_first() -> None:
    """§6: keyed by instance and reg-id, not by URI."""
    registrar = Registrar()
    one = registrar.register(AOR, flow_of_phone(1, call_id="1"), FIRST, NOW)
    two = registrar.register(AOR, flow_of_phone(2, call_id="2"), SECOND, NOW + 1)
    for outcome in (one, two):
        assert outcome.status == 200
        assert ("Require", "outbound") in outcome.headers
        assert ("Flow-Timer", "120") in outcome.headers
        assert isinstance(outcome.changes[0], Registered)
    assert len(contacts_of(two)) == 2
    assert [binding.flow for binding in registrar.bindings(AOR, NOW + 2)] == [SECOND, FIRST]
    moved = Flow("tcp", ("203.0.113.5", 40009), 0, 9)
    again = registrar.register(AOR, flow_of_phone("1", call_id="3"), moved, NOW + 3)
    assert isinstance(again.changes[0], Refreshed)
    assert [binding.flow for binding in registrar.bindings(AOR, NOW + 4)] == [moved, SECOND]
    assert registrar.flow_failed(SECOND, NOW + 5)[0].cause == "connection"
    assert [binding.flow for binding in registrar.bindings(AOR, NOW + 5)] == [moved]


def test_a_refresh_says_the_same() -> None:
    """Also by the registrar's short way."""
    registrar = Registrar()
    first = registrar.register(AOR, flow_of_phone(1), FIRST, NOW)
    second = registrar.register(AOR, flow_of_phone(1, cseq=2), FIRST, NOW + 60)
    assert {name for name, _ in first.headers} == {name for name, _ in second.headers}


def test_a_flow_that_the_phone_keeps_open_is_left_to_it() -> None:
    """No OPTIONS over UDP; and it is reached by nothing but that flow, even when its Contact could be."""
    registrar = Registrar()
    registrar.register(AOR, register(f"<sip:1001@192.0.2.10>;reg-id=1;{INSTANCE}", extra=SUPPORTED), PHONE, NOW)
    (binding,) = registrar.bindings(AOR, NOW)
    assert (binding.nat, binding.outbound, binding.flow) == (True, True, PHONE)
    assert registrar.keep_alive_due(NOW + 100) == []
    assert Binding.from_row(json.loads(json.dumps(binding.as_row()))) == binding


@pytest.mark.parametrize("extra", [(), ("Supported: path",)])
def test_without_the_option_tag_nothing_is_promised(extra: tuple[str, ...]) -> None:
    registrar = Registrar()
    outcome = registrar.register(AOR, flow_of_phone(1, extra=extra), FIRST, NOW)
    assert outcome.status == 200
    assert not {"Require", "Flow-Timer"} & {name for name, _ in outcome.headers}


def test_reg_id_without_an_instance_counts_for_nothing() -> None:
    registrar = Registrar()
    outcome = registrar.register(AOR, register(f"{PRIVATE};reg-id=1", extra=SUPPORTED), FIRST, NOW)
    assert "Require" not in {name for name, _ in outcome.headers}
    assert registrar.bindings(AOR, NOW)[0].reg_id == ""


@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648", "99999999999", "1.5", '""'])
def test_a_reg_id_out_of_range_is_refused(number: str) -> None:
    registrar = Registrar()
    with pytest.raises(PeerError) as caught:
        registrar.register(AOR, flow_of_phone(number), FIRST, NOW)
    assert caught.value.status == 400
    assert registrar.bindings(AOR, NOW) == ()


def test_a_proxy_that_keeps_no_flows_gets_439() -> None:
    """§6, §11.6: the first hop's Path must have `ob`."""
    via = "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK9"
    for path, status in (((), 439), (("Path: <sip:edge.test;lr>",), 439), (("Path: <sip:edge.test;lr;ob>",), 200)):
        registrar = Registrar()
        outcome = registrar.register(AOR, flow_of_phone(1, extra=(*SUPPORTED, via, *path)), FIRST, NOW)
        assert outcome.status == status
        assert len(registrar.bindings(AOR, NOW)) == (status == 200)


def test_expiry_takes_one_flow_and_leaves_the_other() -> None:
    registrar = Registrar()
    registrar.register(AOR, flow_of_phone(1, call_id="1", expires=60), FIRST, NOW)
    registrar.register(AOR, flow_of_phone(2, call_id="2", expires=600), SECOND, NOW)
    (gone,) = registrar.wake(NOW + 61)
    assert isinstance(gone, Expired)
    assert [binding.reg_id for binding in registrar.bindings(AOR, NOW + 61)] == ["2"]


@pytest.mark.parametrize(
    ("params", "kept"), [(";rport;keep", "keep=30"), (";rport", None), (";rport;keep=7", "keep=7")]
)
def test_keep_is_answered_with_how_often(params: str, kept: str | None) -> None:
    """RFC 6223 §4.4: a value is ours to give, and only to a `keep` without one."""
    request = register(PRIVATE)
    request.headers.set("Via", f"SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK1{params}")
    request = parse(request.to_bytes())
    request.stamp("203.0.113.5", 40000)
    via = Response.to_request(request, 200).headers.get("Via") or ""
    assert ("keep" in via) == (kept is not None)
    assert kept is None or kept in via.split(";")
