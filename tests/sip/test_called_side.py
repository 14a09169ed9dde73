"""The peer's INVITEs: RFC 3261 §13.3, §12.1.1, §15; requests within the dialog (§12.2.2)."""

import pytest
from sip_peer import ANSWER, NOTHING, OFFER, UDP, World, answer, request, within

from softswitch.sip.events import Cancelled, Confirmed, Ended, InDialog, InDialogAnswered, Invited, SessionClosed

ROUTES = [("Record-Route", "<sip:192.0.2.1:5070;lr>, <sip:192.0.2.1:5080;lr>")]


def test_invited_ring_accept_confirm_bye():
    """§13.3.1: the plain call."""
    world = World()
    session = world.called()
    (invited,) = world.named(Invited)
    assert (invited.flow, invited.request.body) == (UDP, OFFER)
    (ringing,) = world.do("ring", session, 180)
    (ok,) = world.do("accept", session, ANSWER)
    assert (ok.status, ok.body, ok.content_type) == (200, ANSWER, "application/sdp")
    assert str(ok.contacts[0].uri) == str(ringing.contacts[0].uri) == "sip:alice@192.0.2.9:5060"
    world.receive(within(ok, "ACK", 1))
    assert world.named(Confirmed) == [Confirmed(session, b"")]
    (bye,) = world.do("hang_up", session)
    assert (bye.method, bye.from_.tag, bye.to.tag) == ("BYE", ok.to.tag, "theirs")
    world.receive(answer(bye, 200))
    world.silent_in_the_end()
    assert world.events[-1] == SessionClosed(session)


def test_the_2xx_is_repeated_until_the_ack():
    """§13.3.1.4: from T1, doubling up to T2."""
    world = World()
    session = world.called()
    (ok,) = world.do("accept", session, ANSWER)
    world.advance(9)
    assert world.times(200) == [0, 0.5, 1.5, 3.5, 7.5]
    world.receive(within(ok, "ACK", 1))
    world.receive(within(ok, "ACK", 1))
    world.advance(60)
    assert len(world.times(200)) == 5
    assert len(world.named(Confirmed)) == 1


def test_without_ack_the_session_ends_with_bye():
    """§13.3.1.4: given up after 64*T1."""
    world = World()
    session = world.called()
    world.do("accept", session, ANSWER)
    world.advance(32.1)
    assert world.named(Ended) == [Ended(session, "no-ack", None)]
    assert world.times("BYE")[0] == 32.0
    world.silent_in_the_end()


def test_an_ack_for_another_invite_does_not_count():
    """§13.3.1.4: the CSeq number names the INVITE."""
    world = World()
    (ok,) = world.do("accept", world.called(cseq=5), ANSWER)
    world.receive(within(ok, "ACK", 4))
    assert world.named(Confirmed) == []
    world.receive(within(ok, "ACK", 5))
    assert len(world.named(Confirmed)) == 1


def test_a_delayed_offer_is_answered_in_the_ack():
    """§13.2.1: INVITE without offer; our 2xx offers, the ACK answers."""
    world = World()
    session = world.called(body=b"")
    (ok,) = world.do("accept", session, OFFER)
    world.receive(within(ok, "ACK", 1, body=ANSWER))
    assert world.named(Confirmed) == [Confirmed(session, ANSWER)]


def test_the_route_set_of_the_called_side():
    """§12.1.1: Record-Route in order, in the responses too; our requests take it to the Contact."""
    world = World()
    session, ok = world.talking_as_uas(headers=ROUTES, contact="<sip:bob@192.0.2.1:7070>")
    assert ok.headers.all("Record-Route") == ["<sip:192.0.2.1:5070;lr>", "<sip:192.0.2.1:5080;lr>"]
    (bye,) = world.do("hang_up", session)
    assert str(bye.uri) == "sip:bob@192.0.2.1:7070"
    assert bye.headers.all("Route") == ["<sip:192.0.2.1:5070;lr>", "<sip:192.0.2.1:5080;lr>"]
    assert world.sent[-1][1].remote == ("192.0.2.1", 5070)


@pytest.mark.parametrize(
    ("contact", "remote"),
    [
        ("<sip:bob@192.0.2.1:7070>", ("192.0.2.1", 7070)),
        ("<sip:bob@8.8.4.4>", ("8.8.4.4", 5060)),
        ("<sip:bob@10.0.0.9:5070>", ("192.0.2.1", 5060)),
        ("<sip:bob@phone.example.com>", ("192.0.2.1", 5060)),
    ],
)
def test_where_requests_to_the_contact_go(contact, remote):
    """An address is followed; a name that we do not resolve and an address behind NAT leave the flow as it is."""
    world = World()
    session, _ = world.talking_as_uas(contact=contact)
    world.do("hang_up", session)
    assert world.sent[-1][1].remote == remote


def test_hang_up_before_the_answer_is_a_final_response():
    world = World()
    session = world.called()
    (refusal,) = world.do("hang_up", session, status=487)
    assert refusal.status == 487
    assert world.do("accept", session, ANSWER) == []
    world.silent_in_the_end()
    assert world.events[1:] == [SessionClosed(session)]


def test_hang_up_between_2xx_and_ack_waits_for_the_ack():
    """§15: the callee must not send BYE before the ACK or the end of its transaction."""
    world = World()
    session = world.called()
    (ok,) = world.do("accept", session, ANSWER)
    assert world.do("hang_up", session) == []
    world.advance(1)
    assert world.times("BYE") == []
    (bye,) = world.receive(within(ok, "ACK", 1))
    assert bye.method == "BYE"
    assert world.named(Confirmed) == []
    world.silent_in_the_end()


def test_hang_up_without_any_ack_sends_bye_after_64_t1():
    """§15."""
    world = World()
    session = world.called()
    world.do("accept", session, ANSWER)
    world.do("hang_up", session)
    world.advance(33)
    assert world.times("BYE")[0] == 32.0
    assert world.named(Ended) == []
    world.silent_in_the_end()


def test_bye_before_the_answer():
    """§15.1.2: BYE gets 200, the open INVITE 487."""
    world = World()
    session = world.called()
    (ringing,) = world.do("ring", session, 180)
    ok, gone = world.receive(within(ringing, "BYE", 2))
    assert (ok.status, ok.cseq.method, gone.status, gone.cseq.method) == (200, "BYE", 487, "INVITE")
    assert [event.cause for event in world.named(Ended)] == ["bye"]
    world.silent_in_the_end()


def test_bye_between_2xx_and_ack():
    """RFC 5407 §3.1.3: the BYE overtook the ACK."""
    world = World()
    session = world.called()
    (ok,) = world.do("accept", session, ANSWER)
    (reply,) = world.receive(within(ok, "BYE", 2))
    assert reply.status == 200
    world.receive(within(ok, "ACK", 1))
    world.advance(10)
    assert world.times(200) == [0, 0]
    assert world.named(Confirmed) == []
    world.silent_in_the_end()


def test_crossing_byes_are_both_answered():
    """RFC 5407 §3.2.3."""
    world = World()
    session, ok = world.talking_as_uas()
    world.do("hang_up", session)
    (reply,) = world.receive(within(ok, "BYE", 2))
    assert reply.status == 200
    assert world.named(Ended) == []
    world.silent_in_the_end()


def test_a_repeated_bye_after_the_end_is_481_when_all_is_forgotten():
    world = World()
    _, ok = world.talking_as_uas()
    world.receive(within(ok, "BYE", 2))
    world.advance(100)
    assert world.ua.counts() == NOTHING
    (refusal,) = world.receive(within(ok, "BYE", 3))
    assert refusal.status == 481


def test_cancel_and_accept_cross():
    """§9.2: CANCEL won, so our 200 never goes."""
    world = World()
    session = world.called()
    world.receive(request("CANCEL"))
    assert world.do("accept", session, ANSWER) == []
    assert len(world.named(Cancelled)) == 1
    world.silent_in_the_end()


def test_a_lower_cseq_gets_500():
    """§12.2.2: out of order."""
    world = World()
    _, ok = world.talking_as_uas(cseq=10)
    (refusal,) = world.receive(within(ok, "BYE", 9))
    assert refusal.status == 500
    assert world.named(Ended) == []
    (reply,) = world.receive(within(ok, "BYE", 900))
    assert reply.status == 200


def test_info_comes_up_and_is_answered():
    """§12.2.2."""
    world = World()
    session, ok = world.talking_as_uas()
    assert world.receive(within(ok, "INFO", 2, body=b"Signal=5", content_type="application/dtmf-relay")) == []
    (info,) = world.named(InDialog)
    assert (info.session, info.request.body) == (session, b"Signal=5")
    (reply,) = world.do("respond", info.tx, 200)
    assert (reply.status, reply.to.tag) == (200, ok.to.tag)
    assert world.ua.counts()["requests"] == 0


def test_open_requests_get_487_when_the_session_ends():
    """§15.1.2."""
    world = World()
    _, ok = world.talking_as_uas()
    world.receive(within(ok, "INFO", 2))
    first, second = world.receive(within(ok, "BYE", 3))
    assert (first.status, second.status, second.cseq.method) == (200, 487, "INFO")
    assert world.do("respond", world.named(InDialog)[0].tx, 200) == []
    world.silent_in_the_end()


def test_send_in_dialog_and_its_answer():
    world = World()
    session, _ = world.talking_as_uas()
    (info,) = world.do("send_in_dialog", session, "INFO", body=b"Signal=1", content_type="application/dtmf-relay")
    assert (info.method, info.body, info.content_type) == ("INFO", b"Signal=1", "application/dtmf-relay")
    world.receive(answer(info, 200))
    (told,) = world.named(InDialogAnswered)
    assert (told.session, told.method, told.status) == (session, "INFO", 200)


@pytest.mark.parametrize(("status", "cause"), [(481, "dialog-gone"), (408, "timeout")])
def test_481_and_408_within_the_dialog_end_it(status, cause):
    """§12.2.1.2."""
    world = World()
    session, _ = world.talking_as_uas()
    (info,) = world.do("send_in_dialog", session, "INFO")
    world.receive(answer(info, status))
    assert world.named(Ended) == [Ended(session, cause, None)]
    world.silent_in_the_end()


@pytest.mark.parametrize("how", ["481", "silence"])
def test_the_dialog_may_die_before_the_first_ack(how):
    """§12.2.1.2 between 2xx and ACK."""
    world = World()
    session = world.called()
    world.do("accept", session, ANSWER)
    world.do("send_in_dialog", session, "INFO")
    info = next(one for _, _, one in world.sent if getattr(one, "method", "") == "INFO")
    if how == "481":
        world.receive(answer(info, 481))
    else:
        world.advance(33)
    assert [event.session for event in world.named(Ended)] == [session]
    world.silent_in_the_end()


def test_bye_of_the_peer_while_ours_waits_for_the_ack():
    """§15."""
    world = World()
    session = world.called()
    (ok,) = world.do("accept", session, ANSWER)
    world.do("hang_up", session)
    (reply,) = world.receive(within(ok, "BYE", 2))
    assert reply.status == 200
    world.silent_in_the_end()
    assert world.times("BYE") == []
    assert world.events[1:] == [SessionClosed(session)]


def test_silence_within_the_dialog_ends_it():
    """§12.2.1.2: no response counts as 408."""
    world = World()
    session, _ = world.talking_as_uas()
    world.do("send_in_dialog", session, "INFO")
    world.advance(33)
    assert world.named(InDialogAnswered) == [InDialogAnswered(session, "INFO", 408, None)]
    assert world.named(Ended) == [Ended(session, "timeout", None)]
    assert world.times("BYE")[0] == 32.0
    world.silent_in_the_end()


def test_the_target_follows_the_flow_of_a_phone_behind_nat():
    """A NAT binding that moved is seen in the next request of the phone."""
    world = World()
    session, ok = world.talking_as_uas(contact="<sip:bob@10.0.0.5:5060>")
    moved = type(UDP)("udp", ("192.0.2.1", 62000), 1)
    world.receive(within(ok, "INFO", 2), moved)
    world.do("hang_up", session)
    assert [flow for _, flow, message in world.sent if getattr(message, "method", "") == "BYE"] == [moved]
