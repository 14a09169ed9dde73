"""re-INVITE both ways (RFC 3261 §14), UPDATE from the peer (RFC 3311), whose turn it is (RFC 6337)."""

import pytest
from sip_peer import ANSWER, OFFER, World, answer, request, within

from softswitch.sip.events import (
    Confirmed,
    Ended,
    OfferAnswered,
    OfferRejected,
    OfferWithdrawn,
    Reinvited,
    SessionClosed,
)

HOLD = OFFER + b"a=sendonly\r\n"
HOLD_AGAIN = HOLD.replace(b"o=- 1 1 ", b"o=- 1 2 ")  # after an answer of ours under version 1


def both_sides(world, uac):
    """(session, what makes requests of the peer in the dialog)."""
    if uac:
        session, invite, _ = world.talking_as_uac()
        return session, invite
    return world.talking_as_uas()


@pytest.mark.parametrize("uac", [True, False])
def test_our_reinvite(uac):
    """§14.1: within the dialog, next CSeq, our Contact; its 2xx is acknowledged."""
    world = World()
    session, _ = both_sides(world, uac)
    (invite,) = world.do("reinvite", session, HOLD)
    assert (invite.method, invite.body, invite.cseq.number) == ("INVITE", HOLD, 2 if uac else 1)
    assert invite.contacts
    world.receive(answer(invite, 100, tag=None))
    (ack,) = world.receive(answer(invite, 200, body=ANSWER))
    assert (ack.method, ack.cseq.number, ack.body) == ("ACK", invite.cseq.number, b"")
    (told,) = world.named(OfferAnswered)
    assert (told.session, told.response.body) == (session, ANSWER)
    (again,) = world.receive(answer(invite, 200, body=ANSWER))
    assert again.to_bytes() == ack.to_bytes()
    assert len(world.named(OfferAnswered)) == 1
    world.do("hang_up", session)
    world.silent_in_the_end()


def test_a_2xx_moves_the_remote_target():
    """§12.2.1.2: re-INVITE is a target refresh."""
    world = World()
    session, _ = both_sides(world, True)
    (invite,) = world.do("reinvite", session, HOLD)
    (ack,) = world.receive(answer(invite, 200, body=ANSWER, contact="<sip:bob@192.0.2.1:9999>"))
    assert str(ack.uri) == "sip:bob@192.0.2.1:9999"


def test_our_reinvite_without_offer_waits_for_confirm():
    """§14.1: the 2xx offers, the ACK answers."""
    world = World()
    session, _ = both_sides(world, True)
    (invite,) = world.do("reinvite", session, b"")
    assert world.receive(answer(invite, 200, body=OFFER)) == []
    assert world.receive(answer(invite, 200, body=OFFER)) == []
    assert len(world.named(OfferAnswered)) == 1
    (ack,) = world.do("confirm", session, ANSWER)
    assert (ack.method, ack.body) == ("ACK", ANSWER)


def test_a_refused_reinvite_leaves_the_session():
    """§14.1: as if no re-INVITE had been sent."""
    world = World()
    session, _ = both_sides(world, True)
    (invite,) = world.do("reinvite", session, HOLD)
    (ack,) = world.receive(answer(invite, 488))
    assert ack.method == "ACK"
    assert world.named(OfferRejected) == [OfferRejected(session, 488)]
    (bye,) = world.do("hang_up", session)
    assert bye.cseq.number == 3
    world.silent_in_the_end()


@pytest.mark.parametrize(("uac", "low", "high"), [(True, 2.1, 4.0), (False, 0.0, 2.0)])
def test_glare_is_tried_again(uac, low, high):
    """§14.1: 491; the owner of the Call-ID waits 2.1 to 4 s, the other 0 to 2 s."""
    world = World()
    session, _ = both_sides(world, uac)
    (invite,) = world.do("reinvite", session, HOLD)
    world.receive(answer(invite, 491))
    began = world.now
    world.advance(4.1)
    again = world.sent[-1][2]
    assert low <= next(at for at, _, one in world.sent if one is again or one.cseq == again.cseq) - began <= high
    assert (again.body, again.cseq.number) == (HOLD, invite.cseq.number + 1)
    assert world.named(OfferRejected) == []
    world.receive(answer(again, 200, body=ANSWER))
    assert len(world.named(OfferAnswered)) == 1
    world.do("hang_up", session)
    world.silent_in_the_end()


def test_their_offer_may_come_while_we_wait_after_glare():
    """§14.1: that is what the waiting is for."""
    world = World()
    session, peer = both_sides(world, True)
    (invite,) = world.do("reinvite", session, HOLD)
    world.receive(answer(invite, 491))
    world.receive(within(peer, "INVITE", 7, body=OFFER))
    assert len(world.named(Reinvited)) == 1
    world.advance(5)
    assert len(world.times("INVITE")) == 2
    (ok,) = world.do("accept_offer", session, ANSWER)
    (again,) = world.receive(within(peer, "ACK", 7))
    assert (ok.status, again.body) == (200, HOLD_AGAIN)


@pytest.mark.parametrize("glare", [True, False])
def test_an_offer_that_had_to_wait_counts_above_the_answer_that_came_before_it(glare):
    """RFC 3264 §8: each new description has a version one higher; a peer may pass over one that has not."""
    world = World()
    session, peer = both_sides(world, True)
    ours, said = (b"v=0\r\no=- 1 %d IN IP4 192.0.2.1\r\ns=%s\r\n" % (5, name) for name in (b"offer", b"answer"))
    if glare:
        (invite,) = world.do("reinvite", session, ours)
        world.receive(answer(invite, 491))
    world.receive(within(peer, "INVITE", 7, body=OFFER))
    if not glare:
        world.do("reinvite", session, ours)
    world.do("accept_offer", session, said)
    world.advance(5)
    again = world.receive(within(peer, "ACK", 7))
    assert [request.body for request in again] == [ours.replace(b" 5 ", b" 6 ")]


@pytest.mark.parametrize("status", [481, 408])
def test_481_and_408_end_the_session(status):
    """§14.1."""
    world = World()
    session, _ = both_sides(world, True)
    (invite,) = world.do("reinvite", session, HOLD)
    world.receive(answer(invite, status))
    assert [event.cause for event in world.named(Ended)] == ["dialog-gone" if status == 481 else "timeout"]
    world.silent_in_the_end()


def test_a_reinvite_without_answer_ends_the_session():
    """§14.1: no response at all counts as 408; BYE is sent."""
    world = World()
    session, _ = both_sides(world, False)
    world.do("reinvite", session, HOLD)
    world.advance(32.1)
    assert world.named(Ended) == [Ended(session, "timeout", None)]
    assert len(world.times("BYE")) == 1
    world.silent_in_the_end()


@pytest.mark.parametrize("uac", [True, False])
def test_their_reinvite(uac):
    """§14.2: 200 with the answer, repeated until its ACK."""
    world = World()
    session, peer = both_sides(world, uac)
    before = len(world.named(Confirmed))
    world.receive(within(peer, "INVITE", 7, body=HOLD))
    (told,) = world.named(Reinvited)
    assert (told.session, told.request.body) == (session, HOLD)
    began = len(world.sent)
    (ok,) = world.do("accept_offer", session, ANSWER)
    assert (ok.status, ok.body, ok.cseq.number) == (200, ANSWER, 7)
    world.advance(1.6)
    assert len(world.sent) - began == 3
    world.receive(within(peer, "ACK", 7))
    world.advance(60)
    assert len(world.sent) - began == 3
    assert len(world.named(Confirmed)) == before + 1
    world.do("hang_up", session)
    world.silent_in_the_end()


def test_their_reinvite_without_offer_asks_for_ours():
    """§14.2: our 2xx offers, their ACK answers."""
    world = World()
    session, peer = both_sides(world, True)
    world.receive(within(peer, "INVITE", 7))
    assert world.named(Reinvited)[0].request.body == b""
    world.do("accept_offer", session, OFFER)
    world.receive(within(peer, "ACK", 7, body=ANSWER))
    assert world.named(Confirmed) == [Confirmed(session, ANSWER)]


def test_their_reinvite_is_refused_and_the_session_stays():
    """§14.2: 488."""
    world = World()
    session, peer = both_sides(world, False)
    world.receive(within(peer, "INVITE", 7, body=HOLD))
    (refusal,) = world.do("reject_offer", session, 488)
    assert refusal.status == 488
    assert world.do("accept_offer", session, ANSWER) == []
    (bye,) = world.do("hang_up", session)
    assert bye.method == "BYE"


def test_their_reinvite_while_ours_is_out_gets_491():
    """§14.2."""
    world = World()
    session, peer = both_sides(world, True)
    world.do("reinvite", session, HOLD)
    (refusal,) = world.receive(within(peer, "INVITE", 7, body=OFFER))
    assert refusal.status == 491
    assert world.named(Reinvited) == []


def test_a_second_reinvite_before_our_answer_gets_500():
    """§14.2: with Retry-After from 0 to 10 s."""
    world = World()
    _, peer = both_sides(world, True)
    world.receive(within(peer, "INVITE", 7, body=OFFER))
    (refusal,) = world.receive(within(peer, "INVITE", 8, body=OFFER))
    assert refusal.status == 500
    assert 0 <= int(refusal.headers.get("Retry-After")) <= 10


def test_their_reinvite_without_ack_ends_the_session():
    """§13.3.1.4 holds for re-INVITE too."""
    world = World()
    session, peer = both_sides(world, True)
    world.receive(within(peer, "INVITE", 7, body=OFFER))
    world.do("accept_offer", session, ANSWER)
    world.advance(32.1)
    assert world.named(Ended) == [Ended(session, "no-ack", None)]
    world.silent_in_the_end()


def test_their_reinvite_is_cancelled():
    """§9.2: the session stays as it was."""
    world = World()
    session, peer = both_sides(world, False)
    world.receive(within(peer, "INVITE", 7, branch="z9hG4bKre", body=OFFER))
    ok, gone = world.receive(within(peer, "CANCEL", 7, branch="z9hG4bKre"))
    assert (ok.status, gone.status) == (200, 487)
    assert world.named(OfferWithdrawn) == [OfferWithdrawn(session)]
    assert world.do("accept_offer", session, ANSWER) == []
    assert world.do("hang_up", session)[0].method == "BYE"


def test_bye_answers_their_open_reinvite_with_487():
    """§15.1.2."""
    world = World()
    _, peer = both_sides(world, True)
    world.receive(within(peer, "INVITE", 7, body=OFFER))
    ok, gone = world.receive(within(peer, "BYE", 8))
    assert (ok.status, gone.status, gone.cseq.method) == (200, 487, "INVITE")
    world.silent_in_the_end()


def test_our_reinvite_waits_while_theirs_is_open():
    """RFC 3264 §4: one offer at a time; the later of two that wait is sent."""
    world = World()
    session, peer = both_sides(world, False)
    world.receive(within(peer, "INVITE", 7, body=OFFER))
    assert world.do("reinvite", session, OFFER) == []
    assert world.do("reinvite", session, HOLD) == []
    world.do("accept_offer", session, ANSWER)
    assert world.times("INVITE") == []
    (invite,) = world.receive(within(peer, "ACK", 7))
    assert invite.body == HOLD_AGAIN


def test_our_reinvite_waits_for_the_first_ack():
    world = World()
    session = world.called()
    (ok,) = world.do("accept", session, ANSWER)
    assert world.do("reinvite", session, HOLD) == []
    (invite,) = world.receive(within(ok, "ACK", 1))
    assert (invite.method, invite.body) == ("INVITE", HOLD)


def test_a_second_reinvite_of_ours_follows_the_first():
    world = World()
    session, _ = both_sides(world, True)
    (first,) = world.do("reinvite", session, HOLD)
    assert world.do("reinvite", session, OFFER) == []
    ack, second = world.receive(answer(first, 200, body=ANSWER))
    assert (ack.method, second.method, second.body) == ("ACK", "INVITE", OFFER)


def test_hang_up_does_not_wait_for_a_reinvite():
    """§15: BYE goes at once; a 2xx that comes after it is acknowledged all the same."""
    world = World()
    session, _ = both_sides(world, True)
    (invite,) = world.do("reinvite", session, HOLD)
    world.receive(answer(invite, 100, tag=None))
    (bye,) = world.do("hang_up", session)
    world.receive(answer(bye, 200))
    (ack,) = world.receive(answer(invite, 200, body=ANSWER))
    assert ack.method == "ACK"
    assert world.named(OfferAnswered) == []
    world.silent_in_the_end()


@pytest.mark.parametrize("late", [False, True])
def test_a_reinvite_that_never_ends_does_not_keep_the_session(late):
    """§14.1 gives no limit after a provisional response; BYE does."""
    world = World()
    session, _ = both_sides(world, True)
    (invite,) = world.do("reinvite", session, HOLD)
    if not late:
        world.receive(answer(invite, 100, tag=None))
    (bye,) = world.do("hang_up", session)
    if late:
        world.receive(answer(invite, 100, tag=None))
    world.receive(answer(bye, 200))
    world.silent_in_the_end()
    assert world.events[-1] == SessionClosed(session)


def test_update_with_an_offer():
    """RFC 3311 §5.2: answered with 200, no ACK."""
    world = World()
    session, peer = both_sides(world, True)
    world.receive(within(peer, "UPDATE", 7, body=HOLD))
    assert world.named(Reinvited)[0].request.method == "UPDATE"
    (ok,) = world.do("accept_offer", session, ANSWER)
    assert (ok.status, ok.body) == (200, ANSWER)
    world.advance(5)
    assert world.times(200) == [0]
    (invite,) = world.do("reinvite", session, OFFER)
    assert invite.method == "INVITE"


def test_update_without_an_offer_refreshes_the_target():
    """RFC 3311 §5.2: answered by itself."""
    world = World()
    session, peer = both_sides(world, True)
    (ok,) = world.receive(within(peer, "UPDATE", 7, contact="<sip:bob@192.0.2.1:7777>"))
    assert ok.status == 200
    assert world.named(Reinvited) == []
    (bye,) = world.do("hang_up", session)
    assert str(bye.uri) == "sip:bob@192.0.2.1:7777"


def test_update_with_an_offer_before_the_answer():
    """RFC 3311 §5.2: the caller's first offer is still unanswered: 500 at the called side, 491 at the calling one."""
    world = World()
    session = world.called()
    (ringing,) = world.do("ring", session, 183, body=ANSWER)
    (refusal,) = world.receive(within(ringing, "UPDATE", 2, body=OFFER))
    assert refusal.status == 500
    assert "Retry-After" in refusal.headers
    calling = World()
    _, invite = calling.call()
    calling.receive(answer(invite, 183, body=ANSWER))
    (refusal,) = calling.receive(
        request("UPDATE", call_id=invite.call_id, to_tag=invite.from_.tag, cseq=3, body=OFFER, branch="z9hG4bKu")
    )
    assert refusal.status == 491
    calling.receive(answer(invite, 200, body=ANSWER))
    (late,) = calling.receive(within(invite, "BYE", 2, from_tag="theirs"))
    assert late.status == 500  # the early dialog's sequence numbers go on (§13.2.2.4)
