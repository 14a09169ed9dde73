"""Which messages belong together: RFC 3261 §17.1.3, §17.2.3, §9.2, §8.2.2.2; RFC 3581."""

import pytest
from sip_peer import OFFER, TCP, UDP, World, answer, request, within

from softswitch.sip.events import Cancelled, Invitation, Invited, Rejected, Requested
from softswitch.sip.flow import Flow


@pytest.mark.parametrize(
    "change",
    [
        {"branch": "z9hG4bKtwo"},
        {"via": "SIP/2.0/UDP 192.0.2.1:5062"},
        {"via": "SIP/2.0/UDP 192.0.2.2:5060"},
    ],
)
def test_branch_and_sent_by_tell_transactions_apart(change):
    """§17.2.3: branch, sent-by and method."""
    world = World()
    world.receive(request("OPTIONS"))
    world.receive(request("OPTIONS", **{"cseq": 2, **change}))
    assert len(world.named(Requested)) == 2


def test_a_branch_used_again_with_another_number_is_a_new_request():
    """§8.1.3.5: after 401 the number grows; pyVoIP keeps the branch against §8.1.1.7."""
    world = World()
    world.receive(request("INVITE", body=OFFER))
    world.do("reject", world.events[-1].session, 401)
    world.receive(request("INVITE", body=OFFER, cseq=2))
    assert len(world.named(Invited)) == 2


def test_rfc_2543_peers_are_matched_without_branch():
    """§17.2.3: Request-URI, From tag, Call-ID, CSeq and top Via; the ACK carries the To tag of our response."""
    world = World()
    invite = request("INVITE", branch=None, body=OFFER)
    world.receive(invite)
    world.receive(invite)
    (told,) = world.named(Invited)
    (refusal,) = world.do("reject", told.session, 486)
    ack = request("ACK", branch=None, to_tag=refusal.to.tag)
    world.receive(ack)
    world.advance(2)
    assert world.times(486) == [0]
    world.silent_in_the_end()


def test_a_refused_rfc_2543_invite_leaves_nothing():
    """§17.2.3 after §18.2.1: the Via that we stamp with `received` is still the same transaction's."""
    world = World()
    world.receive(request("INVITE", branch=None, via="SIP/2.0/UDP pbx.example.net", contact=None, body=OFFER))
    assert world.times(400)[0] == 0
    world.silent_in_the_end()


def test_an_rfc_2543_ack_for_a_2xx_reaches_the_session():
    """RFC 6026 §7.1: in Accepted an ACK that matches the transaction goes to the user."""
    world = World()
    world.receive(request("INVITE", branch=None, body=OFFER))
    session = world.events[-1].session
    (ok,) = world.do("accept", session, OFFER)
    world.receive(request("ACK", branch=None, to_tag=ok.to.tag))
    world.advance(60)
    assert world.times(200) == [0]


def test_a_stray_ack_is_never_answered():
    """§17: ACK has no responses."""
    world = World()
    assert world.receive(request("ACK")) == []
    assert world.receive(request("ACK", to_tag="nobody", cseq=9)) == []
    assert world.events == []
    world.silent_in_the_end()


def test_cancel_matches_the_invite_by_branch():
    """§9.2: 200 for the CANCEL, 487 for the INVITE, with the same To tag."""
    world = World()
    session = world.called()
    ok, gone = world.receive(request("CANCEL", contact=None))
    assert (ok.status, ok.cseq.method, gone.status, gone.cseq.method) == (200, "CANCEL", 487, "INVITE")
    assert ok.to.tag == gone.to.tag
    assert [event.session for event in world.named(Cancelled)] == [session]
    world.receive(within(gone, "ACK", 1, branch="z9hG4bKone"))
    world.silent_in_the_end()


def test_a_cancel_that_matches_nothing_gets_481():
    """§9.2."""
    world = World()
    world.called()
    (refusal,) = world.receive(request("CANCEL", branch="z9hG4bKtwo"))
    assert refusal.status == 481
    assert world.named(Cancelled) == []


def test_a_late_cancel_changes_nothing():
    """§9.2: after the final response CANCEL gets 200 and has no effect."""
    world = World()
    session, _ = world.talking_as_uas()
    (ok,) = world.receive(request("CANCEL"))
    assert ok.status == 200
    assert world.named(Cancelled) == []
    world.do("hang_up", session)
    assert world.times("BYE") == [0]


def test_merged_requests_get_482():
    """§8.2.2.2: the same request by two ways (another branch) is refused the second time."""
    world = World()
    world.called()
    (refusal,) = world.receive(request("INVITE", branch="z9hG4bKtwo", body=OFFER))
    assert refusal.status == 482
    assert len(world.named(Invited)) == 1


def test_the_same_call_with_another_cseq_is_not_merged():
    """§22.2: a request repeated with credentials has the next CSeq."""
    world = World()
    world.do("reject", world.called(), 407)
    world.receive(request("INVITE", branch="z9hG4bKtwo", cseq=2, body=OFFER))
    assert len(world.named(Invited)) == 2


def test_received_and_rport_are_filled_in_and_the_response_goes_to_the_source():
    """RFC 3581 §4: a phone behind NAT."""
    world = World()
    source = Flow("udp", ("203.0.113.5", 61000), 1)
    world.receive(request("OPTIONS", via="SIP/2.0/UDP 10.0.0.5:5060"), source)
    (reply,) = world.do("respond", world.events[0].tx, 200)
    assert (reply.via.received, reply.via.rport) == ("203.0.113.5", 61000)
    assert world.sent[0][1] == source


def test_without_rport_the_response_goes_to_the_port_of_the_via():
    """§18.2.2: the source's host, the sent-by port (5060 when there is none)."""
    for via, port in (("SIP/2.0/UDP 192.0.2.1:5099", 5099), ("SIP/2.0/UDP 192.0.2.1", 5060)):
        world = World()
        data = request("OPTIONS", via=via).replace(b";rport", b"")
        world.receive(data, Flow("udp", ("192.0.2.1", 61000), 1))
        world.do("respond", world.events[0].tx, 200)
        assert world.sent[0][1] == Flow("udp", ("192.0.2.1", port), 1)


def test_over_tcp_the_response_takes_the_connection():
    """§18.2.2."""
    world = World()
    world.receive(request("OPTIONS", via="SIP/2.0/TCP 192.0.2.1:5060"), TCP)
    world.do("respond", world.events[0].tx, 200)
    assert world.sent[0][1] == TCP


BIG = OFFER + b"a=x-filler:" + b"x" * 1300 + b"\r\n"


def test_a_large_request_takes_tcp():
    """§18.1.1: over 1300 bytes a congestion-controlled transport is used, and the Via says so."""
    world = World(tcp=True)
    _, invite = world.call(BIG)
    assert world.sent[0][1] == Flow("tcp", ("192.0.2.1", 5060), 2, 0)
    assert invite.via.transport == "TCP"
    assert len(invite.vias) == 1
    world.advance(10)
    assert world.times("INVITE") == [0]


def test_a_large_request_falls_back_to_udp():
    """§18.1.1: when the connection cannot be made, UDP after all."""
    world = World(tcp=True)
    _, first = world.call(BIG)
    (again,) = world.do("flow_failed", world.sent[0][1])
    assert world.sent[-1][1] == UDP
    assert again.via.transport == "UDP"
    assert again.via.branch == first.via.branch
    world.advance(1)
    assert world.times("INVITE") == [0, 0, 0.5]


def test_a_large_request_stays_with_udp_where_tcp_is_not_possible():
    world = World(tcp=False)
    world.call(BIG)
    assert world.sent[0][1] == UDP


def test_a_peer_that_takes_no_connection_is_asked_by_udp_at_once_for_a_while():
    """§18.1.1 with a memory: not every caller waits for the same refusal."""
    world = World(tcp=True)
    for wait, transports in ((0, ["TCP", "UDP"]), (10, ["UDP"]), (301, ["TCP", "UDP"])):
        world.advance(wait)
        before = len(world.sent)
        _, invite = world.call(BIG)
        if invite.via.transport == "TCP":
            world.do("flow_failed", Flow("tcp", UDP.remote, 2))
        invites = [message for _, _, message in world.sent[before:] if message.method == "INVITE"]
        assert [message.via.transport for message in invites] == transports
        world.receive(answer(invites[-1], 486))


@pytest.mark.parametrize("tcp", [False, True])
def test_what_fits_in_no_datagram_fails_at_once(tcp):
    """And nothing of it goes out by UDP."""
    world = World(tcp=tcp)
    huge = OFFER + b"a=x-filler:" + b"x" * 66_000 + b"\r\n"
    invitation = Invitation("sip:bob@192.0.2.1", "<sip:alice@example.com>", "<sip:bob@example.com>", huge)
    _, outputs = world.ua.invite(invitation, UDP, world.now)
    sent = world.take(outputs)
    assert [message.via.transport for message in sent] == ["TCP"] * tcp
    if tcp:
        world.do("flow_failed", Flow("tcp", UDP.remote, 2))
    world.advance(0.1)
    assert [event.status for event in world.named(Rejected)] == [408]
    assert all(flow.transport == "tcp" for _, flow, _ in world.sent)
    world.silent_in_the_end()
