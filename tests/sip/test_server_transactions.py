"""RFC 3261 §17.2 (figures 7 and 8) with RFC 6026 §7.1."""

import pytest
from sip_peer import ANSWER, NOTHING, OFFER, TCP, World, request, within

from softswitch.sip.events import Invited, Requested


def test_100_goes_out_after_200_ms_unless_something_else_did():
    """§17.2.1: 100 only when the user is slow; it has no To tag (§8.2.6.2)."""
    world = World()
    world.called()
    assert world.sent == []
    world.advance(0.3)
    assert world.times(100) == [0.2]
    assert world.sent[0][2].to.tag is None
    quick = World()
    quick.do("ring", quick.called(), 180)
    quick.advance(5)
    assert quick.times(100) == []


def test_a_repeated_invite_gets_the_last_provisional_response():
    """§17.2.1, Proceeding; the user sees one INVITE only."""
    world = World()
    session = world.called()
    (ringing,) = world.do("ring", session, 180)
    (again,) = world.receive(request("INVITE", body=OFFER))
    assert again.to_bytes() == ringing.to_bytes()
    assert len(world.named(Invited)) == 1


def test_a_failure_is_repeated_by_timer_g_until_timer_h():
    """§17.2.1: T1 doubling up to T2, given up after 64*T1."""
    world = World()
    world.do("reject", world.called(), 486)
    world.advance(31.9)
    assert world.times(486) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    world.advance(0.2)
    assert world.ua.counts() == NOTHING


def test_a_failure_over_tcp_is_not_repeated_but_waits_for_ack():
    """§17.2.1: no Timer G over reliable transports; Timer I is zero there."""
    world = World()
    world.do("reject", world.called(TCP), 486)
    world.advance(20)
    assert world.times(486) == [0]
    assert world.ua.counts()["transactions"] == 1
    world.receive(within(world.sent[0][2], "ACK", 1, branch="z9hG4bKone"), TCP)
    assert world.ua.counts() == NOTHING


def test_ack_leads_to_confirmed_which_lasts_t4():
    """§17.2.1: repeated ACKs are soaked up until Timer I."""
    world = World()
    world.do("reject", world.called(), 486)
    world.advance(1)
    ack = within(world.sent[0][2], "ACK", 1, branch="z9hG4bKone")
    assert world.receive(ack) == []
    world.advance(4.9)
    assert world.receive(ack) == []
    assert world.times(486) == [0, 0.5]
    assert world.ua.counts()["transactions"] == 1
    world.advance(0.2)
    assert world.ua.counts() == NOTHING


def test_completed_answers_a_repeated_invite_again():
    world = World()
    world.do("reject", world.called(), 486)
    (again,) = world.receive(request("INVITE", body=OFFER))
    assert again.status == 486


def test_accepted_soaks_up_repeated_invites_for_64_t1():
    """RFC 6026 §7.1: the 2xx is the user's to repeat; the transaction stays until Timer L."""
    world = World()
    _, _ = world.talking_as_uas()
    assert world.receive(request("INVITE", body=OFFER)) == []
    world.advance(31)
    assert world.receive(request("INVITE", body=OFFER)) == []
    assert len(world.named(Invited)) == 1
    world.advance(1.1)
    assert world.ua.counts()["transactions"] == 0
    assert world.ua.counts()["sessions"] == 1


def test_non_invite_requests_are_told_once_and_answered_again_from_memory():
    """§17.2.2: Trying ignores repeats, Completed answers them until Timer J (64*T1)."""
    world = World()
    options = request("OPTIONS")
    assert world.receive(options) == []
    assert world.receive(options) == []
    (told,) = world.named(Requested)
    (first,) = world.do("respond", told.tx, 200)
    world.advance(31)
    (again,) = world.receive(options)
    assert again.to_bytes() == first.to_bytes()
    world.advance(1.1)
    assert world.ua.counts() == NOTHING
    assert world.times(100) == []


def test_non_invite_proceeding_repeats_its_provisional_response():
    """§17.2.2."""
    world = World()
    world.receive(request("OPTIONS"))
    tx = world.events[0].tx
    world.do("respond", tx, 183)
    (again,) = world.receive(request("OPTIONS"))
    assert again.status == 183
    world.do("respond", tx, 200)
    assert world.do("respond", tx, 404) == []
    world.silent_in_the_end()


def test_timer_j_is_zero_over_tcp():
    world = World()
    world.receive(request("OPTIONS"), TCP)
    world.do("respond", world.events[0].tx, 200)
    assert world.ua.counts() == NOTHING


def test_a_request_that_nobody_answers_is_forgotten_when_the_peer_has_given_up():
    """RFC 4320 §4.2: no response helps after Timer F."""
    world = World()
    world.receive(request("OPTIONS"))
    world.advance(32.1)
    assert world.ua.counts() == NOTHING
    assert world.do("respond", world.events[0].tx, 200) == []


def test_challenges_are_stateless():
    """§26.3.2.4: a 401 leaves nothing behind, the repeated request is simply asked again."""
    world = World()
    world.receive(request("REGISTER"))
    world.do("respond", world.events[0].tx, 401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="n"')])
    assert world.ua.counts() == NOTHING
    world.receive(request("REGISTER"))
    assert len(world.named(Requested)) == 2


def test_a_lost_connection_sends_the_response_to_the_sent_by_address():
    """§18.2.2: over a new connection to the source's host and the Via's port."""
    world = World()
    session = world.called(TCP, via="SIP/2.0/TCP 192.0.2.1:5077")
    world.do("reject", session, 486)
    (again,) = world.do("flow_failed", TCP)
    assert again.status == 486
    _, flow, _ = world.sent[-1]
    assert (flow.transport, flow.remote, flow.connection) == ("tcp", ("192.0.2.1", 5077), 0)
    assert world.do("flow_failed", flow) == []
    world.silent_in_the_end()


@pytest.mark.parametrize("status", [180, 200, 486])
def test_all_responses_but_100_carry_the_same_tag(status):
    """§8.2.6.2, §12.1.1."""
    world = World()
    session = world.called()
    (first,) = world.do("ring", session, 183)
    if status == 180:
        (second,) = world.do("ring", session, 180)
    elif status == 200:
        (second,) = world.do("accept", session, ANSWER)
    else:
        (second,) = world.do("reject", session, status)
    assert first.to.tag
    assert second.to.tag == first.to.tag


def test_too_many_transactions_get_503_with_retry_after_and_hold_nothing(monkeypatch):
    """§21.5.4; answered without a transaction (§8.2.7). What belongs to a dialog still passes, and so does CANCEL."""
    monkeypatch.setattr("softswitch.sip.transaction_layer.MOST_SERVERS", 3)
    world = World()
    for number in range(3):
        world.receive(request("OPTIONS", branch=f"z9hG4bKo{number}", cseq=number + 1))
    for number in range(5):
        (refusal,) = world.receive(request("OPTIONS", branch=f"z9hG4bKp{number}", cseq=number + 10))
        assert (refusal.status, refusal.headers.get("Retry-After")) == (503, "30")
    assert len(world.named(Requested)) == 3
    (answer,) = world.receive(request("CANCEL", branch="z9hG4bKnone"))
    assert answer.status == 481
