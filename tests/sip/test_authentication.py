"""Requests of ours that are challenged: RFC 3261 §22.2, §22.3; RFC 7616 §3.3 (stale)."""

import pytest
from sip_peer import ANSWER, UDP, World, answer

from softswitch.sip.digest import Credentials
from softswitch.sip.events import Accepted, Rejected, Responded
from softswitch.wire.sip import Headers, Request, Uri

SECRET = Credentials("alice", "secret")
CHALLENGE = 'Digest realm="example.com", nonce="{}", qop="auth", algorithm=MD5'
ASK = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
ANSWER_IN = {401: "Authorization", 407: "Proxy-Authorization"}


def challenge(sent, status=401, nonce="one", stale=False):
    return answer(sent, status, headers=[(ASK[status], CHALLENGE.format(nonce) + (", stale=true" if stale else ""))])


@pytest.mark.parametrize("status", [401, 407])
def test_an_invite_is_repeated_with_credentials(status):
    """§22.2: same Call-ID, To and From, next CSeq, new branch; the ACK of the 2xx carries them too (§22.1)."""
    world = World()
    session, invite = world.call(credentials=SECRET)
    ack, again = world.receive(challenge(invite, status))
    assert ack.method == "ACK"
    assert (again.method, again.cseq.number, again.call_id) == ("INVITE", 2, invite.call_id)
    assert again.headers.get("From") == invite.headers.get("From")
    assert again.via.branch != invite.via.branch
    assert len(again.vias) == 1
    assert again.body == invite.body
    assert again.headers.get(ANSWER_IN[status]).startswith('Digest username="alice"')
    (confirm,) = world.receive(answer(again, 200, body=ANSWER))
    assert confirm.headers.get(ANSWER_IN[status]) == again.headers.get(ANSWER_IN[status])
    assert confirm.cseq.number == 2
    assert [type(event) for event in world.events] == [Accepted]
    (bye,) = world.do("hang_up", session)
    assert bye.cseq.number == 3
    world.silent_in_the_end()


def test_a_wrong_password_is_not_tried_again():
    """§22.2: a second 401 is final."""
    world = World()
    session, invite = world.call(credentials=SECRET)
    _, again = world.receive(challenge(invite))
    (ack,) = world.receive(challenge(again, nonce="two"))
    assert ack.method == "ACK"
    assert [(event.session, event.status) for event in world.named(Rejected)] == [(session, 401)]
    world.silent_in_the_end()


def test_a_stale_nonce_is_tried_once_more():
    """RFC 7616 §3.3: the password was right."""
    world = World()
    _, invite = world.call(credentials=SECRET)
    _, second = world.receive(challenge(invite))
    _, third = world.receive(challenge(second, nonce="two", stale=True))
    assert 'nonce="two"' in third.headers.get("Authorization")
    assert len(world.receive(challenge(third, nonce="three", stale=True))) == 1
    assert len(world.named(Rejected)) == 1


def test_a_proxy_and_the_server_may_both_ask():
    """§22.3: each gets its own header field."""
    world = World()
    _, invite = world.call(credentials=SECRET)
    _, second = world.receive(challenge(invite, 407))
    _, third = world.receive(challenge(second, 401, nonce="two"))
    assert "Proxy-Authorization" in third.headers
    assert "Authorization" in third.headers


@pytest.mark.parametrize("credentials", [None, Credentials("alice", "secret", "elsewhere.example")])
def test_without_usable_credentials_the_challenge_is_final(credentials):
    """§22.2; the password is for one realm only."""
    world = World()
    _, invite = world.call(credentials=credentials)
    world.receive(challenge(invite))
    assert [event.status for event in world.named(Rejected)] == [401]


def test_a_challenge_after_ringing():
    """§22.3: a fork may ask late."""
    world = World()
    _, invite = world.call(credentials=SECRET)
    world.receive(answer(invite, 180))
    _, again = world.receive(challenge(invite, 407))
    assert again.cseq.number == 2
    world.advance(0.6)
    assert world.times("INVITE") == [0, 0, 0.5]


def test_hang_up_during_the_challenge_ends_it():
    world = World()
    session, invite = world.call(credentials=SECRET)
    world.do("hang_up", session)
    (ack,) = world.receive(challenge(invite))
    assert ack.method == "ACK"
    world.silent_in_the_end()
    assert world.times("INVITE") == [0]


def test_a_request_outside_dialogs_is_repeated_under_its_number():
    """§22.2; `Responded` names the tx of the first try and has the CSeq of the last."""
    world = World()
    headers = Headers([("From", "<sip:a@example.com>"), ("To", "<sip:a@example.com>"), ("CSeq", "5 REGISTER")])
    tx, outputs = world.ua.request(Request("REGISTER", Uri.parse("sip:example.com"), headers), UDP, world.now, SECRET)
    (first,) = world.take(outputs)
    (second,) = world.receive(challenge(first))
    assert (second.cseq.number, second.call_id) == (6, first.call_id)
    world.receive(answer(second, 200))
    (done,) = world.named(Responded)
    assert (done.tx, done.response.status, done.response.cseq.number) == (tx, 200, 6)
    world.silent_in_the_end()


def test_requests_within_the_dialog_are_repeated_too():
    """§22.3: BYE, INFO and re-INVITE may be challenged."""
    world = World()
    session, _, _ = world.talking_as_uac(credentials=SECRET)
    (invite,) = world.do("reinvite", session, ANSWER)
    _, again = world.receive(challenge(invite))
    assert again.cseq.number == 3
    (ack,) = world.receive(answer(again, 200, body=ANSWER))
    assert "Authorization" in ack.headers
    (info,) = world.do("send_in_dialog", session, "INFO")
    assert info.cseq.number == 4
    (info,) = world.receive(challenge(info))
    assert info.cseq.number == 5
    (bye,) = world.do("hang_up", session)
    (again,) = world.receive(challenge(bye))
    assert (again.method, again.cseq.number) == ("BYE", 7)
    world.silent_in_the_end()
