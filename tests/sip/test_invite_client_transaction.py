"""RFC 3261 §17.1.1 (figure 5) with RFC 6026 §7.2."""

import pytest
from sip_peer import ANSWER, TCP, UDP, World, answer

from softswitch.sip.events import Accepted, Progressed, Rejected, SessionClosed
from softswitch.wire.sip import Request


def test_timer_a_doubles_until_timer_b():
    """§17.1.1.2: retransmissions at T1, 3 T1, 7 T1 …; Timer B after 64*T1 tells the user 408."""
    world = World()
    session, _ = world.call()
    world.advance(31.9)
    assert world.times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert world.events == []
    world.advance(0.2)
    assert world.events == [Rejected(session, 408, None, UDP), SessionClosed(session)]
    world.silent_in_the_end()


def test_no_retransmission_over_a_reliable_transport():
    """§17.1.1.2: Timer A is not started, Timer B is."""
    world = World()
    session, _ = world.call(flow=TCP)
    world.advance(40)
    assert world.times("INVITE") == [0]
    assert world.named(Rejected) == [Rejected(session, 408, None, TCP)]
    world.silent_in_the_end()


def test_a_provisional_response_stops_the_timers():
    """§17.1.1.2: in Proceeding the request is not repeated, and Timer B is off."""
    world = World()
    session, invite = world.call()
    world.receive(answer(invite, 180))
    world.advance(200)
    assert world.times("INVITE") == [0]
    (progress,) = world.named(Progressed)
    assert (progress.session, progress.early) == (session, "theirs")
    world.receive(answer(invite, 486))
    assert world.named(Rejected)[0].status == 486
    world.silent_in_the_end()


def test_100_stops_the_timers_and_is_not_told():
    world = World()
    _, invite = world.call()
    world.receive(answer(invite, 100, tag=None))
    world.advance(60)
    assert (world.times("INVITE"), world.events) == ([0], [])


@pytest.mark.parametrize("first", [None, 180])
def test_a_failure_is_acknowledged_by_the_transaction(first):
    """§17.1.1.3: ACK with the INVITE's Request-URI, Via, From, Call-ID and CSeq number, and the response's To."""
    world = World()
    _, invite = world.call(headers=[("X-Mine", "1")], route=["<sip:192.0.2.1;lr>"])
    if first:
        world.receive(answer(invite, first))
    (ack,) = world.receive(answer(invite, 486))
    assert isinstance(ack, Request)
    assert ack.method == "ACK"
    assert str(ack.uri) == str(invite.uri)
    assert ack.headers.all("Via") == invite.headers.all("Via")
    assert (ack.cseq.number, ack.cseq.method) == (invite.cseq.number, "ACK")
    assert ack.headers.get("From") == invite.headers.get("From")
    assert ack.to.tag == "theirs"
    assert ack.headers.all("Route") == ["<sip:192.0.2.1;lr>"]
    assert "X-Mine" not in ack.headers
    assert world.named(Rejected)[0].status == 486
    world.silent_in_the_end()


def test_timer_d_soaks_up_repeated_failures():
    """§17.1.1.2: in Completed each retransmission is answered by ACK and not told; after 32 s the transaction ends."""
    world = World()
    session, invite = world.call()
    world.receive(answer(invite, 486))
    for _ in range(3):
        world.advance(8)
        (ack,) = world.receive(answer(invite, 486))
        assert ack.method == "ACK"
    assert len(world.events) == 1
    assert world.ua.counts()["transactions"] == 1
    world.advance(8.1)
    assert world.ua.counts()["transactions"] == 0
    assert world.receive(answer(invite, 486)) == []
    assert world.named(SessionClosed) == [SessionClosed(session)]


def test_timer_d_is_zero_over_tcp():
    world = World()
    _, invite = world.call(flow=TCP)
    world.receive(answer(invite, 486), TCP)
    assert world.ua.counts()["transactions"] == 0


@pytest.mark.parametrize("first", [None, 183])
def test_accepted_passes_every_2xx_until_timer_m(first):
    """RFC 6026 §7.2: 2xx lead to Accepted, which lasts 64*T1 and hands each 2xx to the user (who repeats the ACK)."""
    world = World()
    _, invite = world.call()
    if first:
        world.receive(answer(invite, first))
    (ack,) = world.receive(answer(invite, 200, body=ANSWER))
    world.advance(31)
    (again,) = world.receive(answer(invite, 200, body=ANSWER))
    assert again.to_bytes() == ack.to_bytes()
    assert len(world.named(Accepted)) == 1
    world.advance(1.1)
    assert world.receive(answer(invite, 200, body=ANSWER)) == []
    assert world.ua.counts()["transactions"] == 0


@pytest.mark.parametrize("late", [100, 180, 486])
def test_accepted_ignores_other_responses(late):
    """RFC 6026 §7.2: only 2xx come up in Accepted."""
    world = World()
    _, invite, _ = world.talking_as_uac()
    count = len(world.events)
    assert world.receive(answer(invite, late)) == []
    assert len(world.events) == count


def test_a_transport_error_is_told():
    """§17.1.1.2: the user hears of it (503, §8.1.3.1) and the transaction ends."""
    world = World()
    session, _ = world.call(flow=TCP)
    world.do("flow_failed", TCP)
    assert world.events == [Rejected(session, 503, None, TCP), SessionClosed(session)]
    world.silent_in_the_end()


def test_a_udp_transport_error_ends_only_its_own_flow():
    world = World()
    session, _ = world.call()
    other, _ = world.call(flow=TCP)
    world.do("flow_failed", world.sent[0][1])
    assert [one.session for one in world.named(Rejected)] == [session]
    assert world.ua.counts()["sessions"] == 1
    assert other != session


def test_stray_responses_are_dropped():
    """§18.1.2, §17.1.3: a branch or a method that no transaction has."""
    world = World()
    _, invite = world.call()
    stranger = answer(invite, 200)
    stranger.headers.set("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKnobody")
    assert world.receive(stranger) == []
    wrong = answer(invite, 200)
    wrong.headers.set("CSeq", "1 BYE")
    assert world.receive(wrong) == []
    assert world.events == []


def test_a_response_with_two_vias_is_dropped():
    """§8.1.3.3: it was not meant for this user agent."""
    world = World()
    _, invite = world.call()
    response = answer(invite, 200, body=ANSWER)
    response.headers.add("Via", "SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother")
    assert world.receive(response) == []
    assert world.events == []
