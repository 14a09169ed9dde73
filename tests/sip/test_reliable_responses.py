"""Reliable provisional responses (RFC 3262), and offers in early dialogs that they make possible (RFC 3311, 6337)."""

import pytest
from sip_peer import ANSWER, OFFER, World, answer, request, within

from softswitch.sip.events import Accepted, Cancelled, Confirmed, Ended, Progressed, Reinvited
from softswitch.sip.session_terms import Terms

SUPPORTED = Terms(reliable="supported")
ABLE = (("Supported", "100rel"), ("Allow", "INVITE, ACK, UPDATE, PRACK"))
REQUIRED = (("Require", "100rel"),)


def rung(headers=ABLE, terms=SUPPORTED, **more):
    """A call of the peer on these terms: (world, session)."""
    world = World(supported=("100rel", "timer"))
    session = world.called(headers=headers, **more)
    assert world.ua.adopt(session, terms) is None
    return world, session


def prack(response, cseq=2, rack=None, **more):
    """The peer's PRACK for our response."""
    rack = rack or f"{response.headers.get('RSeq')} {response.cseq.number} INVITE"
    return within(response, "PRACK", cseq, headers=(("RAck", rack),), contact="", **more)


# ---------------------------------------------------------------------------------------------------------------- UAS


def test_early_media_is_repeated_until_its_prack():
    """§3: Require, RSeq; T1, doubling, with no upper bound but 64*T1."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    assert early.headers.all("Require") == ["100rel"]
    assert 0 < int(early.headers.get("RSeq")) < 2**31
    world.advance(8)
    assert world.times(183) == [0, 0.5, 1.5, 3.5, 7.5]
    (ok,) = world.receive(prack(early))
    assert (ok.status, ok.cseq.method) == (200, "PRACK")
    world.advance(60)
    assert len(world.times(183)) == 5
    (ok,) = world.do("accept", session, ANSWER)
    assert (ok.status, ok.body) == (200, b"")  # RFC 6337 §3.1.1: the answer has arrived
    world.receive(within(ok, "ACK", 1))
    (bye,) = world.do("hang_up", session)
    world.receive(answer(bye, 200))
    world.silent_in_the_end()


def test_ringing_alone_is_not_reliable_unless_required():
    """§3: what says nothing that is needed may be lost."""
    world, session = rung()
    (ringing,) = world.do("ring", session, 180)
    assert "RSeq" not in ringing.headers
    world, session = rung(REQUIRED)
    (ringing,) = world.do("ring", session, 180)
    assert "RSeq" in ringing.headers


@pytest.mark.parametrize("headers", [(), (("Supported", "timer"),)])
def test_who_does_not_know_it_gets_ordinary_responses(headers):
    world, session = rung(headers)
    (early,) = world.do("ring", session, 183, body=ANSWER)
    assert "RSeq" not in early.headers
    assert "Require" not in early.headers
    (ok,) = world.do("accept", session, ANSWER)
    assert ok.body == ANSWER


def test_without_prack_the_invite_is_refused():
    """§3: 64*T1, then a 5xx."""
    world, session = rung()
    world.do("ring", session, 183, body=ANSWER)
    world.advance(32)
    assert world.times(504) == [32.0]
    assert world.named(Ended) == [Ended(session, "no-prack", None)]
    world.silent_in_the_end()


@pytest.mark.parametrize("rack", ["{other} 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 UPDATE"])
def test_a_wrong_rack_gets_481(rack):
    """§3, and the response is repeated as before."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    rseq = int(early.headers.get("RSeq"))
    (no,) = world.receive(prack(early, rack=rack.format(rseq=rseq, other=rseq + 1)))
    assert no.status == 481
    assert len(world.advance(1)) == 1
    (ok,) = world.receive(prack(early, 3))
    assert ok.status == 200
    (no,) = world.receive(prack(early, 4))  # once is enough
    assert no.status == 481


@pytest.mark.parametrize(
    "rack", ["", "1", "a 1 INVITE", "1 1", "99999999999 1 INVITE", "-1 1 INVITE", "\u0661 1 INVITE"]
)
def test_a_garbled_rack_gets_400(rack):
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    (no,) = world.receive(within(early, "PRACK", 2, headers=(("RAck", rack),) if rack else ()))
    assert no.status == 400
    world.do("hang_up", session)
    world.silent_in_the_end()


def test_a_second_one_waits_for_the_first_ones_prack():
    """§3, numbered by one more."""
    world, session = rung(REQUIRED)
    (first,) = world.do("ring", session, 180)
    assert world.do("ring", session, 183, body=ANSWER) == []
    ok, second = world.receive(prack(first))
    assert (ok.status, second.status, second.body) == (200, 183, ANSWER)
    assert int(second.headers.get("RSeq")) == int(first.headers.get("RSeq")) + 1
    assert world.receive(prack(second, 3))[0].status == 200


def test_the_2xx_waits_for_the_prack_of_an_answer():
    """§3: a 2xx must not overtake SDP that is not acknowledged."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    assert world.do("accept", session, ANSWER) == []
    acknowledged, ok = world.receive(prack(early))
    assert (acknowledged.cseq.method, ok.cseq.method, ok.status) == ("PRACK", "INVITE", 200)
    world.receive(within(ok, "ACK", 1))
    assert world.named(Confirmed) == [Confirmed(session, b"")]


def test_the_2xx_need_not_wait_for_mere_ringing():
    """§3; the PRACK on its way is still taken."""
    world, session = rung(REQUIRED)
    (ringing,) = world.do("ring", session, 180)
    (ok,) = world.do("accept", session, ANSWER)
    assert (ok.status, ok.body) == (200, ANSWER)
    (taken,) = world.receive(prack(ringing))
    assert taken.status == 200
    world.receive(within(ok, "ACK", 1))
    world.advance(30)
    assert world.times(180) == [0]


@pytest.mark.parametrize("how", ["CANCEL", "BYE", "hang_up", "no PRACK"])
def test_a_held_answer_may_never_go(how):
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    world.do("accept", session, ANSWER)
    match how:
        case "CANCEL":
            world.receive(request("CANCEL"))
            assert [event.session for event in world.named(Cancelled)] == [session]
        case "BYE":
            world.receive(within(early, "BYE", 2))
        case "hang_up":
            assert world.do("hang_up", session, status=480)[0].status == 480
        case "no PRACK":
            world.advance(32)
            assert world.times(504) == [32.0]
    assert world.times(200) in ([], [0.0])  # for BYE or CANCEL
    world.silent_in_the_end()


def test_an_invite_without_offer_gets_ours_in_the_first_reliable_response():
    """RFC 3261 §13.2.1, RFC 3262 §5: the PRACK has the answer."""
    world, session = rung(REQUIRED, body=b"")
    assert world.ua.must_offer(session)
    (ringing,) = world.do("ring", session, 180, body=OFFER)
    assert ringing.body == OFFER
    (no,) = world.receive(prack(ringing))
    assert no.status == 400
    (ok,) = world.receive(prack(ringing, 3, body=ANSWER))
    assert (ok.status, ok.body) == (200, b"")
    assert world.named(Confirmed) == [Confirmed(session, ANSWER)]
    (ok,) = world.do("accept", session, OFFER)
    assert ok.body == b""


def test_a_prack_may_offer_anew():
    """RFC 3262 §5: its 200 answers; a 2xx waits for that."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    assert world.receive(prack(early, body=OFFER)) == []
    assert [event.request.body for event in world.named(Reinvited)] == [OFFER]
    assert world.do("accept", session, ANSWER) == []
    answered, ok = world.do("accept_offer", session, ANSWER)
    assert (answered.cseq.method, answered.body, ok.cseq.method) == ("PRACK", ANSWER, "INVITE")
    world.receive(within(ok, "ACK", 1))


def test_a_prack_whose_body_is_no_sdp_gets_415():
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    (no,) = world.receive(prack(early, body=b"hello", content_type="text/plain"))
    assert no.status == 415


def test_required_but_switched_off_is_420():
    """RFC 3261 §8.2.2.3."""
    world = World(supported=("100rel",))
    session = world.called(headers=REQUIRED)
    refusal = world.ua.adopt(session, Terms())
    assert (refusal.status, refusal.headers) == (420, (("Unsupported", "100rel"),))


def test_who_cannot_though_we_require_it_gets_421():
    """RFC 3261 §21.4.15."""
    world = World()
    refusal = world.ua.adopt(world.called(), Terms(reliable="required"))
    assert (refusal.status, refusal.headers) == (421, (("Require", "100rel"),))


# ---------------------------------------------------------------------------------------------------------------- UAC


def reliably(invite, status, rseq, tag="theirs", body=b"", **more):
    """The peer's reliable response."""
    headers = (("Require", "100rel"), ("RSeq", str(rseq)), *more.pop("headers", ()))
    return answer(invite, status, tag, body, headers)


def test_we_acknowledge_what_comes_reliably():
    """§4: PRACK in the early dialog; the ACK's CSeq is the INVITE's."""
    world = World()
    session, invite = world.call(terms=SUPPORTED)
    assert "100rel" in invite.headers.all("Supported")
    assert "100rel" not in invite.headers.all("Require")
    (ack,) = world.receive(reliably(invite, 183, 17, body=ANSWER))
    assert (ack.method, ack.headers.get("RAck"), ack.cseq.number) == ("PRACK", "17 1 INVITE", 2)
    assert ack.to.tag == "theirs"
    world.receive(answer(ack, 200))
    assert [event.early for event in world.named(Progressed)] == ["theirs"]
    (ack,) = world.receive(answer(invite, 200))
    assert (ack.method, ack.cseq.number) == ("ACK", 1)
    (bye,) = world.do("hang_up", session)
    assert bye.cseq.number == 3
    world.receive(answer(bye, 200))
    world.silent_in_the_end()


def test_repeated_and_out_of_order_ones_are_dropped():
    """§4: a gap in RSeq is neither acknowledged nor looked at."""
    world = World()
    _, invite = world.call(terms=SUPPORTED)
    assert len(world.receive(reliably(invite, 180, 5))) == 1
    for rseq in (5, 7, 4):
        assert world.receive(reliably(invite, 183, rseq, body=ANSWER)) == []
    assert [event.response.status for event in world.named(Progressed)] == [180]
    assert len(world.receive(reliably(invite, 183, 6, body=ANSWER))) == 1
    assert [event.response.status for event in world.named(Progressed)] == [180, 183]


@pytest.mark.parametrize("rseq", ["", "x", "-1", "99999999999"])
def test_a_garbled_rseq_is_dropped(rseq):
    world = World()
    _, invite = world.call(terms=SUPPORTED)
    assert world.receive(reliably(invite, 183, rseq, body=ANSWER)) == []
    assert world.named(Progressed) == []


def test_what_we_did_not_ask_for_is_ordinary():
    world = World()
    _, invite = world.call()
    assert world.receive(reliably(invite, 183, 1, body=ANSWER)) == []
    assert len(world.named(Progressed)) == 1


def test_each_fork_counts_for_itself():
    """§4, RFC 3261 §12.1: early dialogs of one INVITE; the one that loses is acknowledged and hung up."""
    world = World()
    _, invite = world.call(terms=SUPPORTED)
    (one,) = world.receive(reliably(invite, 183, 100, "one", ANSWER))
    (two,) = world.receive(reliably(invite, 183, 3, "two", ANSWER))
    assert [(ack.to.tag, ack.headers.get("RAck")) for ack in (one, two)] == [
        ("one", "100 1 INVITE"),
        ("two", "3 1 INVITE"),
    ]
    world.receive(answer(one, 200, "one"))
    world.receive(answer(two, 200, "two"))
    world.receive(answer(invite, 200, "two"))
    ack, bye = world.receive(answer(invite, 200, "one", ANSWER))
    assert [(sent.method, sent.to.tag) for sent in (ack, bye)] == [("ACK", "one"), ("BYE", "one")]
    assert len(world.named(Accepted)) == 1


def test_199_ends_an_early_dialog_and_nothing_else():
    """RFC 6228 §4."""
    world = World()
    session, invite = world.call(terms=SUPPORTED)
    assert "199" in invite.headers.all("Supported")
    world.receive(answer(invite, 183, "one", ANSWER))
    world.receive(answer(invite, 180, "two"))
    assert world.ua.counts()["dialogs"] == 2
    world.receive(answer(invite, 199, "one"))
    assert world.ua.counts()["dialogs"] == 1
    assert [event.response.status for event in world.named(Progressed)] == [183, 180]
    (no,) = world.receive(within(invite, "UPDATE", 1, from_tag="one", body=OFFER))
    assert no.status == 481
    world.do("hang_up", session)


def test_required_by_us():
    world = World()
    _, invite = world.call(terms=Terms(reliable="required"))
    assert invite.headers.all("Require") == ["100rel"]


# ------------------------------------------------------------------------------------------- UPDATE in early dialogs


def test_their_update_in_an_early_dialog():
    """RFC 3311 §5.1: once the first offer was answered reliably."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    (no,) = world.receive(within(early, "UPDATE", 2, body=OFFER))
    assert (no.status, "Retry-After" in no.headers) == (500, True)  # §5.2: it has our answer unconfirmed
    world.receive(prack(early, 3))
    assert world.receive(within(early, "UPDATE", 4, body=OFFER)) == []
    (ok,) = world.do("accept_offer", session, ANSWER)
    assert (ok.status, ok.cseq.method, ok.body) == (200, "UPDATE", ANSWER)
    (ok,) = world.do("accept", session, ANSWER)
    assert ok.status == 200


def test_their_update_in_an_early_dialog_of_our_call():
    world = World()
    session, invite = world.call(terms=SUPPORTED)
    world.receive(answer(invite, 183, "theirs", ANSWER))
    (no,) = world.receive(within(invite, "UPDATE", 1, body=OFFER))
    assert no.status == 491  # our offer is open: the answer came, but not for certain
    world.receive(reliably(invite, 183, 1, body=ANSWER))
    world.receive(within(invite, "UPDATE", 2, body=OFFER))
    (ok,) = world.do("accept_offer", session, ANSWER)
    assert (ok.status, ok.cseq.method) == (200, "UPDATE")


def test_our_update_in_an_early_dialog():
    """RFC 3311 §5.1: only with its first offer settled, and if its Allow says so; a 2xx waits for the answer."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    assert world.do("reinvite", session, OFFER) == []
    _, update = world.receive(prack(early))
    assert (update.method, update.body) == ("UPDATE", OFFER)
    (no,) = world.receive(within(early, "UPDATE", 3, body=OFFER))
    assert no.status == 491  # glare
    assert world.do("accept", session, ANSWER) == []
    (ok,) = world.receive(answer(update, 200, body=ANSWER))
    assert (ok.status, ok.cseq.method) == (200, "INVITE")


@pytest.mark.parametrize("how", [491, 500, 481, None])
def test_our_early_update_may_fail(how):
    """The call goes on: 491 is tried again, others leave everything as it was."""
    world, session = rung()
    (early,) = world.do("ring", session, 183, body=ANSWER)
    world.receive(prack(early))
    (update,) = world.do("reinvite", session, OFFER)
    assert world.do("accept", session, ANSWER) == []
    fresh = world.advance(40) if how is None else world.receive(answer(update, how))
    if how == 491:
        again, *_ = world.advance(2)
        assert (again.method, again.body) == ("UPDATE", OFFER)
        fresh = world.receive(answer(again, 200, body=ANSWER))
    assert next(one.status for one in fresh if not hasattr(one, "method")) == 200


def test_no_update_without_its_allow():
    world, session = rung((("Supported", "100rel"),))
    (early,) = world.do("ring", session, 183, body=ANSWER)
    world.receive(prack(early))
    assert world.do("reinvite", session, OFFER) == []
    (ok,) = world.do("accept", session, ANSWER)
    (invite,) = world.receive(within(ok, "ACK", 1))
    assert (invite.method, invite.body) == ("INVITE", OFFER)
