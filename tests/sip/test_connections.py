"""Connections that come and go, and IPv6: RFC 3261 §18.1.1, §18.2.2; RFC 5118."""

from sip_peer import ANSWER, NOTHING, OFFER, TCP, World, answer, request, within

from softswitch.sip.dialog import contact_value, next_hop
from softswitch.sip.events import Ended
from softswitch.sip.flow import Flow
from softswitch.sip.via import via_value
from softswitch.wire.sip import Uri, Via

SIX = Flow("udp", ("2001:db8::1", 5060), 1)


def test_requests_in_a_dialog_take_the_connection_that_the_peer_made():
    """§18.1.1; a phone behind NAT can be reached in no other way."""
    world = World()
    session, _ = world.talking_as_uas(TCP, via="SIP/2.0/TCP 192.0.2.1:5060", contact="<sip:bob@192.0.2.1:5060>")
    world.do("hang_up", session)
    assert world.sent[-1][1] == TCP


def test_when_it_is_closed_a_new_one_is_tried():
    """§18.1.1: to the Contact's port; carriers close connections that are idle."""
    world = World()
    session, _ = world.talking_as_uas(TCP, contact="<sip:bob@192.0.2.1:5077;transport=tcp>")
    (bye,) = world.do("hang_up", session)
    (again,) = world.do("flow_failed", TCP)
    assert (again.method, again.via.branch) == ("BYE", bye.via.branch)
    assert world.sent[-1][1] == Flow("tcp", ("192.0.2.1", 5077), 2, 0)
    world.receive(answer(again, 200), Flow("tcp", ("192.0.2.1", 5077), 2, 9))
    world.silent_in_the_end()


def test_when_that_fails_too_the_session_is_over():
    world = World()
    session, _ = world.talking_as_uas(TCP, contact="<sip:bob@192.0.2.1:5077;transport=tcp>")
    world.do("send_in_dialog", session, "INFO")
    world.do("flow_failed", TCP)
    world.do("flow_failed", world.sent[-1][1])
    assert world.named(Ended) == [Ended(session, "transport", None)]
    world.silent_in_the_end()


def test_a_closed_connection_alone_ends_nothing():
    """A dialog is not bound to its connection."""
    world = World()
    world.talking_as_uas(TCP)
    world.do("flow_failed", TCP)
    assert world.named(Ended) == []
    assert world.ua.counts()["dialogs"] == 1


def test_a_connection_that_we_opened_fails_under_its_number():
    """The INVITE went out by connection 0, which became connection 9 before it broke."""
    world = World()
    world.call(flow=Flow("tcp", ("192.0.2.1", 5060), 2, 0))
    world.do("flow_failed", Flow("tcp", ("192.0.2.1", 5060), 2, 9))
    assert world.ua.counts() == NOTHING


def test_the_answer_names_the_connection_for_the_dialog():
    """The ACK takes the connection by which the 200 came."""
    world = World()
    _, invite = world.call(flow=Flow("tcp", ("192.0.2.1", 5060), 2, 0))
    came = Flow("tcp", ("192.0.2.1", 5060), 2, 9)
    world.receive(answer(invite, 200, body=ANSWER), came)
    assert world.sent[-1][1] == came


def test_ipv6_addresses_are_bracketed_on_the_wire_and_bare_in_flows():
    """RFC 3261 §25.1 IPv6reference."""
    assert contact_value(SIX, ("2001:db8::9", 5060), "bob") == "<sip:bob@[2001:db8::9]:5060>"
    via = Via.parse(via_value(SIX, ("2001:db8::9", 5060), "z9hG4bKx"))
    assert (via.host, via.port) == ("2001:db8::9", 5060)
    assert next_hop(Uri.parse("sip:bob@[2001:db8::1]:5090"), SIX) == Flow("udp", ("2001:db8::1", 5090), 1)
    assert next_hop(Uri.parse("sip:bob@[fe80::1]:5090"), SIX) == SIX


def test_a_call_over_ipv6():
    world = World()
    data = request("INVITE", via="SIP/2.0/UDP [2001:db8::1]:5060", contact="<sip:bob@[2001:db8::1]:5066>", body=OFFER)
    world.receive(data, SIX)
    (ok,) = world.do("accept", world.events[0].session, ANSWER)
    assert world.sent[-1][1] == SIX
    world.receive(within(ok, "ACK", 1, via="SIP/2.0/UDP [2001:db8::1]:5060"), SIX)
    (bye,) = world.do("hang_up", world.events[0].session)
    assert bye.method == "BYE"
    assert world.sent[-1][1] == Flow("udp", ("2001:db8::1", 5066), 1)


def test_a_contact_with_another_transport_is_followed():
    """§8.1.2, §18.1.1: transport=tcp in the Contact of a call over UDP."""
    world = World()
    session, _ = world.talking_as_uas(contact="<sip:bob@192.0.2.1:5070;transport=tcp>")
    (bye,) = world.do("hang_up", session)
    assert bye.via.transport == "TCP"
    assert world.sent[-1][1] == Flow("tcp", ("192.0.2.1", 5070), 0, 0)


def test_a_flow_reads_like_an_address() -> None:
    assert Flow("udp", ("192.0.2.1", 5060)).peer == "udp:192.0.2.1:5060"
    assert Flow("tls", ("2001:db8::1", 5061)).peer == "tls:[2001:db8::1]:5061"
