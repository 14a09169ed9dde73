"""Session timers (RFC 4028)."""

import pytest
from sip_peer import ANSWER, OFFER, World, answer, within

from softswitch.sip.events import Ended, OfferAnswered, RefreshDue, Rejected
from softswitch.sip.session_terms import Terms
from softswitch.wire.sip import Request

TIMED = Terms(session_expires=1800)
ALLOW = ("Allow", "INVITE, ACK, BYE, UPDATE")
ABLE = ("Supported", "timer")


def of_ours(*headers, terms=TIMED):
    """An established call of ours whose 2xx had these fields: (world, session, INVITE)."""
    world = World()
    session, invite = world.call(terms=terms)
    world.receive(answer(invite, 200, body=ANSWER, headers=headers))
    return world, session, invite


def of_theirs(*headers, terms=TIMED):
    """An established call of the peer: (world, session, our 200)."""
    world = World(supported=("timer",))
    session = world.called(headers=headers)
    assert world.ua.adopt(session, terms) is None
    (ok,) = world.do("accept", session, ANSWER)
    world.receive(within(ok, "ACK", 1))
    return world, session, ok


def requests(messages):
    return [one.method for one in messages if isinstance(one, Request)]


# ---------------------------------------------------------------------------------------------------------------- UAC


def test_our_invite_offers_a_timer():
    """§7.1."""
    world = World()
    _, invite = world.call(terms=Terms(session_expires=600, min_se=120))
    headers = invite.headers
    assert "timer" in headers.all("Supported")
    assert (headers.get("Session-Expires"), headers.get("Min-SE")) == ("600", "120")
    _, invite = world.call(terms=Terms())
    assert "Session-Expires" not in invite.headers


def test_we_refresh_by_update_at_half_the_interval():
    """§7.2, §7.4: without SDP, so that media is not disturbed; each 2xx begins it anew."""
    world, session, _ = of_ours(("Session-Expires", "600;refresher=uac"), ALLOW)
    assert world.advance(299) == []
    (update,) = world.advance(1)
    assert (update.method, update.body) == ("UPDATE", b"")
    assert update.headers.get("Session-Expires") == "600;refresher=uac"
    world.receive(answer(update, 200, headers=(("Session-Expires", "400;refresher=uac"),)))
    assert world.advance(199) == []
    (update,) = world.advance(1)
    assert update.headers.get("Session-Expires") == "400;refresher=uac"
    world.receive(answer(update, 200, headers=(("Session-Expires", "400;refresher=uac"),)))
    (bye,) = world.do("hang_up", session)
    world.receive(answer(bye, 200))
    world.silent_in_the_end()


def test_who_takes_no_update_is_refreshed_by_reinvite():
    """§7.4: by the floor above, which knows the description."""
    world, session, _ = of_ours(("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, ACK, BYE"))
    world.advance(300)
    assert world.named(RefreshDue) == [RefreshDue(session)]
    (invite,) = world.do("reinvite", session, OFFER)
    assert invite.headers.get("Session-Expires") == "600;refresher=uac"
    world.receive(answer(invite, 200, body=ANSWER, headers=(("Session-Expires", "600;refresher=uac"),)))
    world.advance(299)
    assert len(world.named(RefreshDue)) == 1
    world.advance(1)
    assert len(world.named(RefreshDue)) == 2
    assert len(world.named(OfferAnswered)) == 1


def test_nobody_refreshed_it():
    """§10: BYE at the interval less a third of it, or less 32 s."""
    for seconds, end in ((600, 568), (90, 60)):
        world, session, _ = of_ours(("Session-Expires", f"{seconds};refresher=uas"))
        assert world.advance(end - 1) == []
        (bye,) = world.advance(1)
        assert bye.method == "BYE"
        assert world.named(Ended) == [Ended(session, "expired", None)]
        world.silent_in_the_end()


def test_without_session_expires_in_the_2xx_there_is_no_timer():
    """§7.2: the peer knows nothing of it."""
    world, session, _ = of_ours(ALLOW)
    assert world.advance(7200) == []
    assert world.ua.counts()["timers"] == 0
    world.do("hang_up", session)


@pytest.mark.parametrize("value", ["", "x", "600;refresher=me", "99999999999", "6 00"])
def test_a_garbled_session_expires_in_a_2xx_is_none(value):
    world, session, _ = of_ours(("Session-Expires", value))
    assert world.advance(7200) == []
    world.do("hang_up", session)


def test_422_is_answered_with_the_larger_value():
    """§7.3: the same Call-ID and From tag, the next CSeq; and only if larger."""
    world = World()
    session, invite = world.call(terms=TIMED)
    _, again = world.receive(answer(invite, 422, headers=(("Min-SE", "3600"),)))
    assert (again.headers.get("Session-Expires"), again.headers.get("Min-SE")) == ("3600", "3600")
    assert (again.call_id, again.from_.tag, again.cseq.number) == (invite.call_id, invite.from_.tag, 2)
    assert again.body == OFFER
    world.receive(answer(again, 422, headers=(("Min-SE", "3600"),)))
    assert [event.status for event in world.named(Rejected)] == [422]
    world.silent_in_the_end()
    assert session


@pytest.mark.parametrize("value", [None, "x", "60"])
def test_422_that_names_nothing_larger_is_a_failure(value):
    world = World()
    _, invite = world.call(terms=TIMED)
    world.receive(answer(invite, 422, headers=() if value is None else (("Min-SE", value),)))
    assert [event.status for event in world.named(Rejected)] == [422]


def test_a_refresh_that_gets_422_is_repeated():
    """§7.4."""
    world, session, _ = of_ours(("Session-Expires", "600;refresher=uac"), ALLOW)
    (update,) = world.advance(300)
    (again,) = world.receive(answer(update, 422, headers=(("Min-SE", "1000"),)))
    assert again.headers.get("Session-Expires") == "1000;refresher=uac"
    world.receive(answer(again, 200, headers=(("Session-Expires", "1000;refresher=uac"),)))
    (invite,) = world.do("reinvite", session, OFFER)
    _, again = world.receive(answer(invite, 422, headers=(("Min-SE", "2000"),)))
    assert (again.method, again.body) == ("INVITE", OFFER)
    assert again.headers.get("Session-Expires") == "2000;refresher=uac"


@pytest.mark.parametrize("status", [491, 500])
def test_a_refresh_in_glare_is_tried_again(status):
    world, _, _ = of_ours(("Session-Expires", "600;refresher=uac"), ALLOW)
    (update,) = world.advance(300)
    world.receive(answer(update, status))
    fresh = world.advance(5)
    assert {one.cseq.number for one in fresh} == {update.cseq.number + 1}
    assert set(requests(fresh)) == {"UPDATE"}


def test_a_refresh_by_update_that_is_not_understood():
    """Whatever its Allow said: a re-INVITE then."""
    world, session, _ = of_ours(("Session-Expires", "600;refresher=uac"), ALLOW)
    (update,) = world.advance(300)
    world.receive(answer(update, 501))
    assert world.named(RefreshDue) == [RefreshDue(session)]


@pytest.mark.parametrize(("status", "cause"), [(481, "dialog-gone"), (None, "timeout")])
def test_a_refresh_finds_the_peer_dead(status, cause):
    """§10, RFC 3261 §12.2.1.2."""
    world, session, _ = of_ours(("Session-Expires", "600;refresher=uac"), ALLOW)
    (update,) = world.advance(300)
    if status is None:
        world.advance(32)
    else:
        world.receive(answer(update, status))
    assert world.named(Ended) == [Ended(session, cause, None)]
    world.silent_in_the_end()


# ---------------------------------------------------------------------------------------------------------------- UAS


@pytest.mark.parametrize(
    ("headers", "granted", "requires"),
    [
        ((), None, []),  # knows nothing of timers
        ((ABLE,), "1800;refresher=uac", ["timer"]),
        ((ABLE, ("Min-SE", "2000")), "2000;refresher=uac", ["timer"]),
        ((ABLE, ("Session-Expires", "300")), "300;refresher=uac", ["timer"]),
        ((ABLE, ("x", "300;refresher=uac")), "300;refresher=uac", ["timer"]),
        ((ABLE, ("Session-Expires", "300;refresher=uas")), "300;refresher=uas", ["timer"]),
        ((("Session-Expires", "300"),), "300;refresher=uas", []),  # a proxy wants one
        ((("Session-Expires", "20"),), None, []),  # too short, and the sender knows no 422
    ],
)
def test_what_we_grant(headers, granted, requires):
    """§9, table 2."""
    _, _, ok = of_theirs(*headers)
    assert ok.headers.get("Session-Expires") == granted
    assert ok.headers.all("Require") == requires


def test_too_short_is_422():
    """§9, with our Min-SE."""
    world = World(supported=("timer",))
    session = world.called(headers=(ABLE, ("Session-Expires", "60")))
    refusal = world.ua.adopt(session, TIMED)
    assert (refusal.status, refusal.headers) == (422, (("Min-SE", "90"),))
    world, _, ok = of_theirs(ABLE, ("Session-Expires", "300"))
    for method in ("UPDATE", "INVITE"):
        cseq = 2 + (method == "INVITE")
        (no,) = world.receive(within(ok, method, cseq, headers=(ABLE, ("Session-Expires", "60")), body=OFFER))
        assert (no.status, no.headers.get("Min-SE")) == (422, "90")


@pytest.mark.parametrize(
    "header", [("Session-Expires", "soon"), ("Session-Expires", "300;refresher=you"), ("Min-SE", "-1")]
)
def test_garbage_is_400(header):
    world, _, ok = of_theirs(ABLE, ("Session-Expires", "300"))
    headers = (ABLE, header)
    (no,) = world.receive(within(ok, "UPDATE", 2, headers=headers))
    assert no.status == 400


def test_switched_off():
    """Require gets 420; what is merely supported is not used."""
    world = World(supported=("timer",))
    session = world.called(headers=(("Require", "timer"), ("Session-Expires", "300")))
    assert world.ua.adopt(session, Terms()).status == 420
    _, _, ok = of_theirs(ABLE, ("Session-Expires", "300"), terms=Terms())
    assert "Session-Expires" not in ok.headers


def test_the_peers_refreshes_keep_it_alive():
    """§9: by UPDATE or re-INVITE; then it ends when they stop."""
    world, session, ok = of_theirs(ABLE, ("Session-Expires", "300;refresher=uac"))
    for cseq in range(2, 6):
        world.advance(150)
        (taken,) = world.receive(within(ok, "UPDATE", cseq, headers=(ABLE, ("Session-Expires", "300;refresher=uac"))))
        assert taken.headers.get("Session-Expires") == "300;refresher=uac"
    world.advance(150)
    world.receive(within(ok, "INVITE", 6, headers=(ABLE, ("Session-Expires", "300;refresher=uac")), body=OFFER))
    (taken,) = world.do("accept_offer", session, ANSWER)
    assert taken.headers.get("Session-Expires") == "300;refresher=uac"
    world.receive(within(ok, "ACK", 6))
    assert world.advance(267) == []
    assert requests(world.advance(1)) == ["BYE"]
    world.silent_in_the_end()


def test_a_hold_that_says_nothing_of_timers_keeps_the_refresher():
    world, session, ok = of_theirs(("Session-Expires", "300"), ALLOW)
    world.receive(within(ok, "INVITE", 2, body=OFFER))
    (taken,) = world.do("accept_offer", session, ANSWER)
    assert taken.headers.get("Session-Expires") == "300;refresher=uas"
    world.receive(within(ok, "ACK", 2))
    assert requests(world.advance(150)) == ["UPDATE"]


def test_our_refresh_as_uas_is_a_uac_of_its_own_transaction():
    """§7.4: the refresher parameter is told from the side that sends the refresh."""
    world, _, _ = of_theirs(ABLE, ("Session-Expires", "300;refresher=uas"), ALLOW)
    (update,) = world.advance(150)
    assert update.headers.get("Session-Expires") == "300;refresher=uac"
