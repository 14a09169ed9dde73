"""RFC 3261 §10.3: what a registrar keeps and answers; NAT, Path and instances beside it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.sip.flow import Flow
from softswitch.sip.registrar import (
    Binding,
    Expired,
    Outcome,
    Refreshed,
    Registered,
    Registrar,
    RegistrarSettings,
    Removed,
)
from softswitch.wire.sip import Request, parse

AOR = "1001"
NOW = 1_700_000_000.0
PHONE = Flow("udp", ("192.0.2.10", 5060), listener=1)
BEHIND_NAT = Flow("udp", ("203.0.113.5", 61234), listener=1)
HERE = "<sip:1001@192.0.2.10>"
PRIVATE = "<sip:1001@10.0.0.7:5060>"


def register(*contacts: str, cseq: int = 1, call_id: str = "a@phone", expires: int | str | None = None,
             extra: tuple[str, ...] = (), rport: bool = False) -> Request:  # fmt: skip
    lines = [
        "REGISTER sip:pbx.example.com SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{cseq}{';rport' if rport else ''}",
        "From: <sip:1001@pbx.example.com>;tag=1",
        "To: <sip:1001@pbx.example.com>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        "Max-Forwards: 70",
        *(() if expires is None else (f"Expires: {expires}",)),
        *extra,
        "Content-Length: 0",
        "",
        "",
    ]
    message = parse("\r\n".join(lines).encode())
    assert isinstance(message, Request)
    for contact in contacts:  # past the parser, which refuses the worst of them itself
        message.headers.add("Contact", contact)
    return message


def contacts_of(outcome: Outcome) -> list[str]:
    return [value for name, value in outcome.headers if name == "Contact"]


def destinations(registrar: Registrar, now: float = NOW) -> list[str]:
    return [binding.destination for binding in registrar.bindings(AOR, now)]


# ------------------------------------------------------------------------------------------------------- the basics


def test_a_contact_is_bound_and_echoed() -> None:
    """RFC 3261 §10.3 steps 7 and 8."""
    registrar = Registrar()
    outcome = registrar.register(AOR, register(HERE, expires=300), PHONE, NOW)
    assert outcome.status == 200
    assert contacts_of(outcome) == [f"{HERE};expires=300"]
    [binding] = registrar.bindings(AOR, NOW)
    assert outcome.changes == (Registered(binding),)
    assert (binding.destination, binding.flow, binding.nat) == ("sip:1001@192.0.2.10", PHONE, False)
    assert binding.expires_at == NOW + 300


def test_a_register_without_contact_asks() -> None:
    """RFC 3261 §10.2.3."""
    registrar = Registrar()
    assert contacts_of(registrar.register(AOR, register(), PHONE, NOW)) == []
    registrar.register(AOR, register(HERE, expires=300), PHONE, NOW)
    outcome = registrar.register(AOR, register(cseq=2), PHONE, NOW + 100)
    assert contacts_of(outcome) == [f"{HERE};expires=200"]
    assert outcome.changes == ()


def test_several_contacts_with_expiries_of_their_own() -> None:
    """RFC 3261 §10.2.1.1: the contact's parameter goes before the header."""
    registrar = Registrar()
    outcome = registrar.register(
        AOR, register(f"{HERE};expires=100", "<sip:1001@192.0.2.11>;q=0.5", expires=200), PHONE, NOW
    )
    assert contacts_of(outcome) == [f"{HERE};expires=100", "<sip:1001@192.0.2.11>;q=0.5;expires=200"]


def test_contacts_are_tried_by_q_then_freshness() -> None:
    """RFC 3261 §20.10: a higher q is preferred; no q means 1."""
    registrar = Registrar()
    registrar.register(AOR, register("<sip:low@192.0.2.1>;q=0.3", "<sip:mid@192.0.2.1>;q=0.7"), PHONE, NOW)
    registrar.register(AOR, register("<sip:old@192.0.2.1>", cseq=2), PHONE, NOW + 1)
    registrar.register(AOR, register("<sip:new@192.0.2.1>", cseq=3), PHONE, NOW + 2)
    users = [destination[4:7] for destination in destinations(registrar, NOW + 3)]
    assert users == ["new", "old", "mid", "low"]


@pytest.mark.parametrize(
    ("wish", "granted"), [(None, 600), ("90", 90), ("7200", 3600), ("9999999999", 3600), ("soon", 600), ("-1", 600)]
)
def test_expiry_bounds(wish: str | None, granted: int) -> None:
    """RFC 3261 §10.2.8 and §20.19: longer wishes are cut, unreadable ones are as if absent."""
    outcome = Registrar().register(AOR, register(HERE, expires=wish), PHONE, NOW)
    assert contacts_of(outcome) == [f"{HERE};expires={granted}"]


def test_too_short_is_423_with_min_expires() -> None:
    """RFC 3261 §10.3 step 7."""
    registrar = Registrar()
    outcome = registrar.register(AOR, register(HERE, f"{HERE};expires=59", expires=300), PHONE, NOW)
    assert (outcome.status, outcome.headers) == (423, (("Min-Expires", "60"),))
    assert len(registrar) == 0
    registrar.register(AOR, register(HERE, expires=300), PHONE, NOW)
    assert registrar.register(AOR, register(HERE, cseq=2, expires=59), PHONE, NOW).status == 423


def test_zero_removes() -> None:
    """RFC 3261 §10.2.2."""
    registrar = Registrar()
    registrar.register(AOR, register(HERE, "<sip:1001@192.0.2.11>"), PHONE, NOW)
    outcome = registrar.register(AOR, register(f"{HERE};expires=0", cseq=2), PHONE, NOW)
    [removed] = outcome.changes
    assert isinstance(removed, Removed)
    assert removed.cause == "unregistered"
    assert destinations(registrar) == ["sip:1001@192.0.2.11"]
    assert registrar.register(AOR, register(f"{HERE};expires=0", cseq=3), PHONE, NOW).changes == ()


def test_the_star_removes_all() -> None:
    """RFC 3261 §10.3 step 6."""
    registrar = Registrar()
    registrar.register(AOR, register(HERE, "<sip:1001@192.0.2.11>"), PHONE, NOW)
    outcome = registrar.register(AOR, register("*", cseq=2, expires=0), PHONE, NOW)
    assert outcome.status == 200
    assert len(outcome.changes) == 2
    assert (len(registrar), registrar.deadline()) == (0, None)


@pytest.mark.parametrize(
    "request_",
    [register("*", cseq=2), register("*", cseq=2, expires=60), register("*", HERE, cseq=2, expires=0)],
)
def test_a_star_in_bad_company_is_400(request_: Request) -> None:
    """RFC 3261 §10.3 step 6."""
    registrar = Registrar()
    registrar.register(AOR, register(HERE), PHONE, NOW)
    assert registrar.register(AOR, request_, PHONE, NOW).status == 400
    assert len(registrar) == 1


@pytest.mark.parametrize("contact", ["<tel:+37061234567>", "<mailto:a@example.com>"])
def test_contacts_that_no_call_can_go_to_are_400(contact: str) -> None:
    assert Registrar().register(AOR, register(contact), PHONE, NOW).status == 400


def test_a_mail_address_beside_a_contact_is_passed_over() -> None:
    """RFC 3261 §20.10 has both in its example."""
    outcome = Registrar().register(AOR, register(HERE, "<mailto:a@example.com>;q=0.1"), PHONE, NOW)
    assert outcome.status == 200
    assert len(contacts_of(outcome)) == 1


@pytest.mark.parametrize("contact", ["<sip:>", "<sip:1001@192.0.2.11>;q=2", "nonsense"])
def test_contacts_that_cannot_be_read_are_400_and_change_nothing(contact: str) -> None:
    registrar = Registrar()
    with pytest.raises(PeerError) as caught:
        registrar.register(AOR, register(HERE, contact), PHONE, NOW)
    assert caught.value.status == 400
    assert len(registrar) == 0


# ---------------------------------------------------------------------------------------------- order, replacement


@pytest.mark.parametrize(
    "late",
    [
        register(HERE, cseq=5, expires=300),
        register(HERE, cseq=4, expires=300),
        register(f"{HERE};expires=0", cseq=4),
        register("<sip:1001@192.0.2.99>", HERE, cseq=4),
        register("*", cseq=5, expires=0),
    ],
)
def test_an_older_request_of_the_same_call_id_is_refused_whole(late: Request) -> None:
    """RFC 3261 §10.3 steps 6 and 7: the update must be aborted."""
    registrar = Registrar()
    registrar.register(AOR, register(HERE, cseq=5), PHONE, NOW)
    before = registrar.snapshot()
    assert registrar.register(AOR, late, PHONE, NOW + 1).status == 500
    assert registrar.snapshot() == before


def test_another_call_id_starts_afresh() -> None:
    """RFC 3261 §10.3 step 7: a phone that restarted has a new Call-ID and a low CSeq."""
    registrar = Registrar()
    registrar.register(AOR, register(HERE, cseq=5), PHONE, NOW)
    outcome = registrar.register(AOR, register(HERE, cseq=1, call_id="b@phone"), PHONE, NOW + 1)
    assert isinstance(outcome.changes[0], Refreshed)
    assert len(registrar) == 1


def test_equivalent_uris_are_one_contact() -> None:
    """RFC 3261 §19.1.4."""
    registrar = Registrar()
    registrar.register(AOR, register("<sip:1001@Phone.example.com;transport=udp>"), PHONE, NOW)
    registrar.register(AOR, register("<sip:1001@phone.EXAMPLE.com;transport=UDP>", cseq=2), PHONE, NOW)
    assert len(registrar) == 1
    registrar.register(AOR, register("<sip:1002@phone.example.com;transport=udp>", cseq=3), PHONE, NOW)
    assert len(registrar) == 2


def test_one_contact_named_twice_counts_once() -> None:
    registrar = Registrar()
    registrar.register(AOR, register(HERE, HERE), PHONE, NOW)
    registrar.register(AOR, register(HERE, HERE, cseq=2), PHONE, NOW)
    assert len(registrar) == 1


def test_an_instance_replaces_itself_wherever_it_is() -> None:
    """RFC 5626 §6: a phone that rebooted with a new port does not leave a dead contact behind."""
    registrar = Registrar()
    instance = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    registrar.register(AOR, register(f"<sip:1001@192.0.2.10:5062>{instance}"), PHONE, NOW)
    outcome = registrar.register(AOR, register(f"<sip:1001@192.0.2.10:5064>{instance}", call_id="b"), PHONE, NOW)
    assert destinations(registrar) == ["sip:1001@192.0.2.10:5064"]
    assert instance in contacts_of(outcome)[0]
    registrar.register(AOR, register(f"<sip:1001@192.0.2.10:5066>{instance};reg-id=2", call_id="b", cseq=2), PHONE, NOW)
    assert len(registrar) == 2


def test_the_longest_silent_contact_makes_room() -> None:
    """Policy: max_contacts; a phone that changes its address often must not lock itself out."""
    registrar = Registrar(RegistrarSettings(max_contacts=2))
    for number in (1, 2):
        registrar.register(AOR, register(f"<sip:1001@192.0.2.{number}>", cseq=number), PHONE, NOW + number)
    registrar.register(AOR, register("<sip:1001@192.0.2.1>", cseq=3), PHONE, NOW + 3)
    outcome = registrar.register(AOR, register("<sip:1001@192.0.2.3>", cseq=4), PHONE, NOW + 4)
    assert [type(change) for change in outcome.changes] == [Registered, Removed]
    assert destinations(registrar) == ["sip:1001@192.0.2.3", "sip:1001@192.0.2.1"]
    assert len(contacts_of(outcome)) == 2


def test_a_request_that_names_contacts_without_end_is_403() -> None:
    """Each is compared with each: 3,000 to be removed, which fit in one request, took 1.6 s."""
    registrar = Registrar()
    named = [f"<sip:{number}@192.0.2.10>" for number in range(300)]
    outcome = registrar.register(AOR, register(", ".join(named), expires=0), PHONE, NOW)
    assert outcome.status == 403
    assert registrar.register(AOR, register(", ".join(named[:10]), expires=0), PHONE, NOW).status == 200


def test_more_contacts_than_allowed_in_one_request_is_403() -> None:
    registrar = Registrar(RegistrarSettings(max_contacts=2))
    many = register(*(f"<sip:1001@192.0.2.{number}>" for number in range(3)))
    assert registrar.register(AOR, many, PHONE, NOW).status == 403
    assert len(registrar) == 0


# ------------------------------------------------------------------------------------------------ refresh and time


def test_a_refresh_extends_the_same_binding() -> None:
    registrar = Registrar()
    registrar.register(AOR, register(HERE, expires=100), PHONE, NOW)
    outcome = registrar.register(AOR, register(HERE, cseq=2, expires=100), PHONE, NOW + 80)
    [refreshed] = outcome.changes
    assert isinstance(refreshed, Refreshed)
    assert (refreshed.binding.registered_at, refreshed.binding.expires_at) == (NOW, NOW + 180)
    assert contacts_of(outcome) == [f"{HERE};expires=100"]
    assert registrar.wake(NOW + 100) == []
    assert destinations(registrar, NOW + 179) == ["sip:1001@192.0.2.10"]
    assert registrar.deadline() == NOW + 180
    assert registrar.wake(NOW + 180) == [Expired(refreshed.binding)]
    assert (len(registrar), registrar.deadline()) == (0, None)


def test_a_refresh_of_a_contact_without_brackets_keeps_its_own_time() -> None:
    """RFC 3261 §20.10: without angle brackets the parameters belong to the Contact, not to its URI."""
    registrar = Registrar()
    for cseq in (1, 2):
        registrar.register(AOR, register("sip:1001@192.0.2.10;expires=120", cseq=cseq, expires=300), PHONE, NOW + cseq)
        assert registrar.bindings(AOR, NOW + cseq)[0].expires_at == NOW + cseq + 120


def test_a_refresh_may_shorten() -> None:
    registrar = Registrar()
    registrar.register(AOR, register(HERE, expires=600), PHONE, NOW)
    registrar.register(AOR, register(HERE, cseq=2, expires=60), PHONE, NOW + 1)
    assert registrar.deadline() == NOW + 61
    assert len(registrar.wake(NOW + 61)) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [HERE, f"{HERE};expires=90", "sip:1001@192.0.2.10;expires=120", "<sip:b@192.0.2.10>;q=0.1"]
            ),
            st.sampled_from([None, 0, 60, 600]),
            st.integers(1, 4),
            st.sampled_from([PHONE, BEHIND_NAT]),
            st.integers(0, 90),
        ),
        max_size=12,
    )
)
def test_the_short_way_grants_what_the_long_way_does(
    steps: list[tuple[str, int | None, int, Flow, int]],
) -> None:
    """Two registrars, one whose short way for unchanged refreshes is closed, never differ."""

    class Long(Registrar):
        def _refresh(self, *_: object) -> None:  # type: ignore[override]
            return None

    short, long, now = Registrar(), Long(), NOW
    for contact, expires, cseq, flow, pause in steps:
        now += pause
        assert short.wake(now) == long.wake(now)
        message = register(contact, cseq=cseq, expires=expires)
        assert short.register(AOR, message, flow, now) == long.register(AOR, message, flow, now)
        assert short.snapshot() == long.snapshot()


def test_an_expired_contact_is_no_contact_even_before_the_wake() -> None:
    registrar = Registrar()
    registrar.register(AOR, register(HERE, expires=60), PHONE, NOW)
    assert registrar.bindings(AOR, NOW + 60) == ()
    assert contacts_of(registrar.register(AOR, register(cseq=2), PHONE, NOW + 60)) == []
    outcome = registrar.register(AOR, register(HERE, cseq=1, expires=60), PHONE, NOW + 61)
    assert isinstance(outcome.changes[0], Registered)
    assert registrar.bindings(AOR, NOW + 62)[0].registered_at == NOW + 61


# ------------------------------------------------------------------------------------------------------ NAT, flows


def test_a_private_contact_is_reached_where_it_came_from() -> None:
    """RFC 3581's case: requests go to the packet's source, the Request-URI stays the contact's."""
    registrar = Registrar()
    registrar.register(AOR, register(PRIVATE), BEHIND_NAT, NOW)
    [binding] = registrar.bindings(AOR, NOW)
    assert (binding.destination, binding.flow, binding.nat) == ("sip:1001@10.0.0.7:5060", BEHIND_NAT, True)


@pytest.mark.parametrize(("rport", "port", "nat"), [(True, 61234, True), (False, 5070, False)])
def test_another_port_on_the_same_host(rport: bool, port: int, nat: bool) -> None:
    """RFC 3581: who asks for rport wants its source port used; else the contact's port holds (RFC 3261 §19.1.5)."""
    registrar = Registrar()
    source = Flow("udp", ("192.0.2.10", 61234), listener=1)
    registrar.register(AOR, register("<sip:1001@192.0.2.10:5070>", rport=rport), source, NOW)
    [binding] = registrar.bindings(AOR, NOW)
    assert (binding.flow, binding.nat) == (Flow("udp", ("192.0.2.10", port), 1), nat)


def test_a_contact_may_ask_for_another_transport() -> None:
    """RFC 3261 §19.1.1: the transport parameter says how to reach it; with sips, tcp means TLS (§26.2.2)."""
    registrar = Registrar()
    registrar.register(AOR, register("<sip:1001@192.0.2.10:5070;transport=tcp>"), PHONE, NOW)
    assert registrar.bindings(AOR, NOW)[0].flow == Flow("tcp", ("192.0.2.10", 5070), 1)
    tls = Flow("tls", ("192.0.2.10", 40000), 2, 9)
    registrar.register("1002", register("<sips:1002@192.0.2.10;transport=tcp>"), tls, NOW)
    assert registrar.bindings("1002", NOW)[0].flow == tls


def test_ipv6_contact_at_its_source_is_no_nat() -> None:
    registrar = Registrar()
    flow = Flow("udp", ("2001:db8::10", 5060))
    registrar.register(AOR, register("<sip:1001@[2001:db8::10]>"), flow, NOW)
    assert not registrar.bindings(AOR, NOW)[0].nat


def test_a_nat_that_moved_the_port_is_followed() -> None:
    registrar = Registrar()
    registrar.register(AOR, register(PRIVATE), BEHIND_NAT, NOW)
    moved = Flow("udp", ("203.0.113.5", 61999), 1)
    registrar.register(AOR, register(PRIVATE, cseq=2), moved, NOW + 1)
    [binding] = registrar.bindings(AOR, NOW + 1)
    assert binding.flow == moved


def test_keep_alives_for_udp_behind_nat_only() -> None:
    registrar = Registrar(RegistrarSettings(keep_alive=30))
    registrar.register("nat", register(PRIVATE, expires=70), BEHIND_NAT, NOW)
    registrar.register("plain", register(HERE), PHONE, NOW)
    registrar.register("tcp", register(PRIVATE), Flow("tcp", ("203.0.113.5", 4000), 1, 7), NOW)
    assert registrar.deadline() == NOW + 30
    assert registrar.keep_alive_due(NOW + 29) == []
    assert [binding.aor for binding in registrar.keep_alive_due(NOW + 30)] == ["nat"]
    assert registrar.keep_alive_due(NOW + 30) == []
    registrar.register("nat", register(PRIVATE, cseq=2, expires=70), BEHIND_NAT, NOW + 35)  # does not put it off
    assert [binding.aor for binding in registrar.keep_alive_due(NOW + 60)] == ["nat"]
    registrar.wake(NOW + 105)
    assert registrar.keep_alive_due(NOW + 200) == []


def test_path_leads_through_the_edge_proxy() -> None:
    """RFC 3327 §5.3: kept with the binding, used as Route, told in the 200."""
    registrar = Registrar()
    path = ("Path: <sip:edge1.example.com;lr>", "Path: <sip:edge2.example.com;lr>")
    outcome = registrar.register(AOR, register(PRIVATE, extra=path), BEHIND_NAT, NOW)
    [binding] = registrar.bindings(AOR, NOW)
    assert binding.route == ("<sip:edge1.example.com;lr>", "<sip:edge2.example.com;lr>")
    assert (binding.flow, binding.nat) == (BEHIND_NAT, False)
    assert [value for name, value in outcome.headers if name == "Path"] == list(binding.route)
    registrar.register(AOR, register(PRIVATE, cseq=2), BEHIND_NAT, NOW + 1)
    assert registrar.bindings(AOR, NOW + 1)[0].route == ()


def test_a_broken_connection_takes_along_what_only_it_reached() -> None:
    """RFC 5626 §4.2 in spirit: a flow that failed is no way to anybody."""
    registrar = Registrar()
    connection = Flow("tcp", ("203.0.113.5", 40000), 2, 7)
    registrar.register("nat", register(PRIVATE), connection, NOW)
    registrar.register("other", register(PRIVATE), Flow("tcp", ("203.0.113.5", 40001), 2, 8), NOW)
    near = Flow("tcp", ("192.0.2.10", 40000), 2, 7)
    registrar.register("near", register("<sip:1001@192.0.2.10:5070;transport=tcp>"), near, NOW)
    gone = registrar.flow_failed(connection, NOW + 1)
    assert [(event.binding.aor, event.cause) for event in gone] == [("nat", "connection")]
    assert registrar.bindings("nat", NOW + 1) == ()
    assert len(registrar.bindings("other", NOW + 1)) == 1
    assert registrar.bindings("near", NOW + 1)[0].flow == Flow("tcp", ("192.0.2.10", 5070), 2)
    assert registrar.flow_failed(connection, NOW + 1) == []
    assert registrar.flow_failed(PHONE, NOW + 1) == []


# --------------------------------------------------------------------------------------------------------- restart


def test_bindings_survive_a_restart_through_json() -> None:
    before = Registrar()
    path = ("Path: <sip:edge.example.com;lr>",)
    before.register("a", register(PRIVATE, expires=100), BEHIND_NAT, NOW)
    before.register("b", register(f"{HERE};q=0.4", extra=path), PHONE, NOW)
    before.register("late", register(HERE, expires=60), PHONE, NOW)
    rows = json.loads(json.dumps([binding.as_row() for binding in before.snapshot()]))
    after = Registrar()
    after.restore(tuple(Binding.from_row(row) for row in rows), NOW + 60)
    assert after.snapshot() == before.snapshot()[:2]
    assert [binding.aor for binding in after.keep_alive_due(NOW + 90)] == ["a"]
    assert [event.binding.aor for event in after.wake(NOW + 100)] == ["a"]
    outcome = after.register("b", register(f"{HERE};q=0.4", cseq=2, extra=path), PHONE, NOW + 100)
    assert isinstance(outcome.changes[0], Refreshed)


def test_connections_do_not_survive_a_restart() -> None:
    before = Registrar()
    before.register("nat", register(PRIVATE), Flow("tcp", ("203.0.113.5", 40000), 2, 7), NOW)
    before.register("near", register("<sip:1001@192.0.2.10;transport=tcp>"), Flow("tcp", ("192.0.2.10", 40000), 2, 7),
                    NOW)  # fmt: skip
    after = Registrar()
    after.restore(before.snapshot(), NOW)
    assert [(binding.aor, binding.flow) for binding in after.snapshot()] == [
        ("near", Flow("tcp", ("192.0.2.10", 5060), 2))
    ]


def test_nothing_is_left_of_what_is_gone() -> None:
    registrar = Registrar()
    for user in range(200):
        flow = Flow("tcp", ("203.0.113.5", 40000 + user), 2, user + 1)
        registrar.register(str(user), register(PRIVATE, expires=60 + user % 7), flow, NOW)
    assert len(registrar.wake(NOW + 70)) == 200
    assert (len(registrar), registrar.snapshot(), registrar._connections, registrar._users) == (0, (), {}, {})
