"""Our INVITEs: RFC 3261 §13.2, §9.1, §12.1.2; forking; CANCEL races (RFC 5407)."""

import pytest
from sip_peer import ANSWER, OFFER, TCP, UDP, World, answer, request, within

from softswitch.sip.events import Accepted, Ended, Progressed, Rejected, SessionClosed
from softswitch.wire.sip import Request

ROUTES = [("Record-Route", "<sip:192.0.2.1:5070;lr>, <sip:192.0.2.1:5080;lr>")]


def methods(messages):
    return [one.method for one in messages if isinstance(one, Request)]


def test_what_an_invite_carries():
    """§8.1.1, §13.2.1."""
    world = World()
    more = [("P-Asserted-Identity", "<sip:1@example.com>")]
    _, invite = world.call(headers=more, contact_user="alice", max_forwards=42)
    assert invite.headers.get("P-Asserted-Identity") == "<sip:1@example.com>"
    assert str(invite.uri) == "sip:bob@192.0.2.1"
    assert invite.from_.display == "Alice"
    assert invite.from_.tag
    assert invite.to.tag is None
    assert str(invite.contacts[0].uri) == "sip:alice@192.0.2.9:5060"
    assert invite.max_forwards == 42
    assert invite.body == OFFER
    assert invite.content_type == "application/sdp"
    assert "INVITE" in invite.headers.all("Allow")
    assert "100rel" not in invite.headers.all("Supported")


def test_the_contact_names_the_transport():
    world = World()
    _, invite = world.call(flow=TCP)
    assert invite.headers.get("Contact") == "<sip:192.0.2.9:5060;transport=tcp>"


def test_2xx_is_acknowledged_within_the_dialog():
    """§13.2.2.4: the ACK goes to the remote target by the route set, with a branch of its own and the INVITE's CSeq."""
    world = World()
    session, invite = world.call()
    ok = answer(invite, 200, body=ANSWER, contact="<sip:bob@192.0.2.1:6060>", headers=ROUTES)
    (ack,) = world.receive(ok)
    assert str(ack.uri) == "sip:bob@192.0.2.1:6060"
    assert ack.headers.all("Route") == ["<sip:192.0.2.1:5080;lr>", "<sip:192.0.2.1:5070;lr>"]
    assert world.sent[-1][1].remote == ("192.0.2.1", 5080)
    assert ack.via.branch != invite.via.branch
    assert (ack.cseq.number, ack.to.tag, ack.body) == (1, "theirs", b"")
    assert world.named(Accepted)[0].session == session


def test_a_strict_router_gets_itself_in_the_request_uri():
    """§12.2.1.1: without lr the Request-URI is the first route, and the remote target the last."""
    world = World()
    _, invite = world.call()
    routes = [("Record-Route", "<sip:192.0.2.1:5070;lr>, <sip:192.0.2.1:5080>")]
    (ack,) = world.receive(answer(invite, 200, body=ANSWER, headers=routes))
    assert str(ack.uri) == "sip:192.0.2.1:5080"
    assert ack.headers.all("Route") == ["<sip:192.0.2.1:5070;lr>", "<sip:bob@192.0.2.1:5060>"]


def test_a_2xx_with_the_offer_waits_for_confirm():
    """§13.2.1: INVITE without offer, offer in the 2xx, answer in the ACK."""
    world = World()
    session, invite = world.call(b"")
    assert "Content-Type" not in invite.headers
    assert world.receive(answer(invite, 200, body=OFFER)) == []
    assert world.named(Accepted)[0].response.body == OFFER
    assert world.receive(answer(invite, 200, body=OFFER)) == []
    (ack,) = world.do("confirm", session, ANSWER)
    assert (ack.body, ack.content_type) == (ANSWER, "application/sdp")
    (again,) = world.receive(answer(invite, 200, body=OFFER))
    assert again.to_bytes() == ack.to_bytes()
    assert world.do("confirm", session, ANSWER) == []


def test_each_fork_is_an_early_dialog():
    """§12.1.2: 18x with different To tags; a 2xx of any of them makes the session."""
    world = World()
    session, invite = world.call()
    for tag in ("one", "two", "one"):
        world.receive(answer(invite, 180, tag=tag))
    assert [event.early for event in world.named(Progressed)] == ["one", "two", "one"]
    assert world.ua.counts()["dialogs"] == 2
    (ack,) = world.receive(answer(invite, 200, tag="two", body=ANSWER))
    assert ack.to.tag == "two"
    assert world.ua.counts()["dialogs"] == 1
    (bye,) = world.do("hang_up", session)
    assert bye.to.tag == "two"


def test_a_2xx_of_another_fork_gets_ack_and_bye():
    """§13.2.2.4: one session only; the other fork is acknowledged and hung up, and its repeats acknowledged again."""
    world = World()
    session, invite = world.call()
    world.receive(answer(invite, 200, tag="one", body=ANSWER))
    ack, bye = world.receive(answer(invite, 200, tag="two", body=ANSWER))
    assert (ack.method, ack.to.tag, bye.method, bye.to.tag) == ("ACK", "two", "BYE", "two")
    assert methods(world.receive(answer(invite, 200, tag="two", body=ANSWER))) == ["ACK"]
    world.receive(answer(bye, 200, tag="two"))
    assert len(world.events) == 1
    world.receive(within(invite, "BYE", 9, from_tag="one"))
    assert world.named(Ended)[0].session == session
    world.silent_in_the_end()


def test_bye_ends_the_session_and_is_answered():
    """§15.1.2."""
    world = World()
    session, invite, _ = world.talking_as_uac()
    (ok,) = world.receive(within(invite, "BYE", 5, from_tag="theirs"))
    assert ok.status == 200
    (ended,) = world.named(Ended)
    assert (ended.cause, ended.request.method) == ("bye", "BYE")
    world.silent_in_the_end()
    assert world.named(SessionClosed) == [SessionClosed(session)]


def test_hang_up_sends_bye_and_nothing_comes_up_but_closed():
    """§15.1.1."""
    world = World()
    session, _, _ = world.talking_as_uac()
    count = len(world.events)
    (bye,) = world.do("hang_up", session, headers=[("Reason", "Q.850;cause=16")])
    assert (bye.method, bye.cseq.number, bye.headers.get("Reason")) == ("BYE", 2, "Q.850;cause=16")
    assert bye.max_forwards == 70
    assert world.do("hang_up", session) == []
    world.receive(answer(bye, 200))
    world.silent_in_the_end()
    assert world.events[count:] == [SessionClosed(session)]


def test_hang_up_holds_the_cancel_until_a_provisional_response():
    """§9.1: CANCEL must not go before one, for it could overtake the INVITE."""
    world = World()
    session, invite = world.call()
    assert world.do("hang_up", session, headers=[("Reason", "SIP;cause=200")]) == []
    world.advance(0.6)
    (cancel,) = world.receive(answer(invite, 100, tag=None))
    assert cancel.method == "CANCEL"
    assert cancel.headers.all("Via") == invite.headers.all("Via")
    assert (cancel.cseq.number, cancel.to.tag, str(cancel.uri)) == (1, None, str(invite.uri))
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    world.receive(answer(cancel, 200))
    assert methods(world.receive(answer(invite, 487))) == ["ACK"]
    world.silent_in_the_end()
    assert world.events == [SessionClosed(session)]


def test_hang_up_while_ringing_cancels_at_once():
    world = World()
    session, invite = world.call()
    world.receive(answer(invite, 180))
    assert methods(world.do("hang_up", session)) == ["CANCEL"]
    world.receive(answer(invite, 487))
    world.silent_in_the_end()
    assert world.events[1:] == [SessionClosed(session)]


@pytest.mark.parametrize("first", [None, 180])
def test_a_2xx_that_crosses_the_cancel_gets_ack_and_bye(first):
    """§9.1; RFC 5407 §3.1.2."""
    world = World()
    session, invite = world.call()
    if first:
        world.receive(answer(invite, first))
    world.do("hang_up", session)
    ack, bye = world.receive(answer(invite, 200, body=ANSWER))
    assert (ack.method, bye.method, bye.cseq.number) == ("ACK", "BYE", 2)
    assert methods(world.receive(answer(invite, 200, body=ANSWER))) == ["ACK"]
    world.receive(answer(bye, 200))
    assert world.named(Accepted) == []
    world.silent_in_the_end()
    assert world.events[-1] == SessionClosed(session)


@pytest.mark.parametrize("how", ["timer B", "transport", "486", "2xx with offer", "2xx with offer while cancelling"])
def test_every_end_of_an_invite_that_was_hung_up_on(how):
    """§9.1: whatever comes after `hang_up`, nothing comes up but the closing."""
    world = World()
    session, invite = world.call(b"", flow=TCP)
    if how == "2xx with offer while cancelling":
        world.receive(answer(invite, 180), TCP)
    count = len(world.events)
    world.do("hang_up", session)
    match how:
        case "timer B":
            world.advance(33)
        case "transport":
            world.do("flow_failed", TCP)
        case "486":
            world.receive(answer(invite, 486), TCP)
        case _:
            assert methods(world.receive(answer(invite, 200, body=OFFER), TCP)) == ["ACK", "BYE"]
            assert methods(world.receive(answer(invite, 200, body=OFFER), TCP)) == ["ACK"]
    world.silent_in_the_end()
    assert world.events[count:] == [SessionClosed(session)]


def test_the_cancel_goes_with_the_first_18x_too():
    world = World()
    session, invite = world.call()
    world.do("hang_up", session)
    assert methods(world.receive(answer(invite, 180))) == ["CANCEL"]
    assert world.events == []


def test_an_offer_in_the_2xx_after_ringing():
    """§13.2.1."""
    world = World()
    session, invite = world.call(b"")
    world.receive(answer(invite, 180))
    world.receive(answer(invite, 200, body=OFFER))
    (ack,) = world.do("confirm", session, ANSWER)
    assert ack.body == ANSWER


def test_a_cancelled_invite_without_final_response_ends_after_64_t1():
    """§9.1: for peers of RFC 2543 that never send 487."""
    world = World()
    session, invite = world.call()
    world.receive(answer(invite, 180))
    (cancel,) = world.do("hang_up", session)
    world.receive(answer(cancel, 200))
    world.advance(32.1)
    assert world.events[1:] == [SessionClosed(session)]
    world.silent_in_the_end()


def test_hang_up_after_an_offer_in_the_2xx_acknowledges_first():
    """§13.2.2.4: every 2xx needs its ACK, also when no answer can be given any more."""
    world = World()
    session, invite = world.call(b"")
    world.receive(answer(invite, 200, body=OFFER))
    assert methods(world.do("hang_up", session)) == ["ACK", "BYE"]


def test_bye_before_confirm_is_answered_and_the_2xx_acknowledged():
    world = World()
    session, invite = world.call(b"")
    world.receive(answer(invite, 200, body=OFFER))
    ok, ack = world.receive(within(invite, "BYE", 5, from_tag="theirs"))
    assert (ok.status, ack.method) == (200, "ACK")
    assert world.do("confirm", session, ANSWER) == []
    world.silent_in_the_end()


def test_bye_in_an_early_dialog_cancels_the_invite():
    """§15: a callee may only do so when its 2xx was lost for 64*T1; the call is over either way."""
    world = World()
    _, invite = world.call()
    world.receive(answer(invite, 180))
    ok, cancel = world.receive(within(invite, "BYE", 5, from_tag="theirs"))
    assert (ok.status, cancel.method) == (200, "CANCEL")
    assert [event.cause for event in world.named(Ended)] == ["bye"]
    world.silent_in_the_end()
    assert world.named(Rejected) == []


def test_no_answer_in_time_is_408():
    """§8.1.3.1: Timer B counts as 408."""
    world = World()
    session, _ = world.call()
    world.advance(33)
    assert world.named(Rejected) == [Rejected(session, 408, None, UDP)]


def test_the_peers_requests_with_an_unknown_dialog_get_481():
    """§12.2.2."""
    world = World()
    _, invite, _ = world.talking_as_uac()
    for changes in ({"from_tag": "stranger"}, {"to_tag": "stranger"}, {"call_id": "other"}):
        arguments = {"call_id": invite.call_id, "to_tag": invite.from_.tag, "from_tag": "theirs", **changes}
        (refusal,) = world.receive(request("BYE", branch=f"z9hG4bK{len(str(changes))}", cseq=5, **arguments))
        assert refusal.status == 481
    assert world.named(Ended) == []


def test_a_bye_without_answer_leaves_nothing_behind():
    """§15.1.1: the session ends whether or not the peer answers."""
    world = World()
    session, _, _ = world.talking_as_uac()
    world.do("hang_up", session)
    world.silent_in_the_end()
    assert len(world.times("BYE")) == 11


def test_answer_to_an_unknown_session_is_nothing():
    world = World()
    for verb, arguments in (
        ("hang_up", (9,)),
        ("accept", (9, ANSWER)),
        ("ring", (9, 180)),
        ("reject", (9, 486)),
        ("reinvite", (9, OFFER)),
        ("accept_offer", (9, ANSWER)),
        ("reject_offer", (9, 488)),
        ("confirm", (9, ANSWER)),
        ("send_in_dialog", (9, "INFO")),
        ("respond", (9, 200)),
    ):
        assert world.do(verb, *arguments) == []
