"""RFC 3261 §17.1.2 (figure 6)."""

import pytest
from sip_peer import TCP, UDP, World, answer

from softswitch.sip.events import Responded, TimedOut
from softswitch.wire.sip import Headers, Request, Uri


def options():
    headers = Headers([("From", "<sip:a@example.com>"), ("To", "<sip:b@example.com>")])
    return Request("OPTIONS", Uri.parse("sip:b@192.0.2.1"), headers)


def send(world, flow=UDP):
    tx, outputs = world.ua.request(options(), flow, world.now)
    (sent,) = world.take(outputs)
    return tx, sent


def test_timer_e_doubles_up_to_t2_and_timer_f_ends_it():
    """§17.1.2.2."""
    world = World()
    tx, _ = send(world)
    world.advance(31.9)
    assert world.times("OPTIONS") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert world.events == []
    world.advance(0.2)
    assert world.events == [TimedOut(tx)]
    world.silent_in_the_end()


def test_after_a_provisional_response_timer_e_is_t2():
    """§17.1.2.2: in Proceeding the request is repeated every T2, and Timer F still runs."""
    world = World()
    tx, sent = send(world)
    world.advance(0.6)
    world.receive(answer(sent, 100))
    world.advance(31.3)
    assert world.times("OPTIONS") == [0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    world.advance(0.2)
    assert world.events == [TimedOut(tx)]


@pytest.mark.parametrize("first", [None, 100])
@pytest.mark.parametrize("status", [200, 404])
def test_the_final_response_is_told_once(first, status):
    """§17.1.2.2: Completed soaks up repeated responses for T4 (Timer K)."""
    world = World()
    tx, sent = send(world)
    if first:
        world.receive(answer(sent, first))
    world.receive(answer(sent, status))
    world.receive(answer(sent, status))
    (told,) = world.events
    assert isinstance(told, Responded)
    assert (told.tx, told.response.status) == (tx, status)
    world.advance(4.9)
    assert world.ua.counts()["transactions"] == 1
    world.advance(0.2)
    assert world.ua.counts() == {"transactions": 0, "dialogs": 0, "sessions": 0, "requests": 0, "timers": 0}
    assert world.times("OPTIONS") == [0]


def test_over_tcp_nothing_is_repeated_and_timer_k_is_zero():
    world = World()
    _, sent = send(world, TCP)
    world.advance(20)
    assert world.times("OPTIONS") == [0]
    world.receive(answer(sent, 200), TCP)
    assert world.ua.counts()["transactions"] == 0


@pytest.mark.parametrize("first", [None, 100])
def test_a_transport_error_is_told(first):
    world = World()
    tx, sent = send(world, TCP)
    if first:
        world.receive(answer(sent, first), TCP)
    world.do("flow_failed", TCP)
    assert world.events == [TimedOut(tx)]
    world.silent_in_the_end()


def test_what_is_missing_is_filled_in():
    """§8.1.1: To, From with tag, CSeq, Call-ID, Max-Forwards, Via with the magic cookie and rport (RFC 3581)."""
    world = World()
    _, sent = send(world)
    assert sent.from_.tag
    assert sent.to.tag is None
    assert sent.max_forwards == 70
    assert sent.cseq.method == "OPTIONS"
    assert sent.call_id
    assert sent.via.branch.startswith("z9hG4bK")
    assert "rport" in sent.via.params
    assert (sent.via.host, sent.via.port, sent.via.transport) == ("192.0.2.9", 5060, "UDP")


def test_what_is_there_stays():
    """A registration keeps its Call-ID and counts its CSeq itself (§10.2)."""
    world = World()
    request = options()
    for name, value in (("Call-ID", "mine"), ("CSeq", "7 OPTIONS"), ("Max-Forwards", "0")):
        request.headers.add(name, value)
    request.headers.set("From", "<sip:a@example.com>;tag=fixed")
    (sent,) = world.take(world.ua.request(request, UDP, world.now)[1])
    assert (sent.call_id, sent.cseq.number, sent.max_forwards, sent.from_.tag) == ("mine", 7, 0, "fixed")
    assert "Via" not in request.headers
