"""WebRTC legs: ICE-lite (RFC 8445), DTLS-SRTP (RFC 5763, 5764), RFC 7983 demultiplexing."""

import os
import time

import pytest
from secure_peer import OUR_PWD, Browser, SecureStage, crypt
from virtual import Peer

from softswitch.media.dtls import MTU, Association, Identity, Phase
from softswitch.media.effects import Aim
from softswitch.media.ice_lite import CONSENT
from softswitch.media.shield import PATIENCE
from softswitch.wire import control, rtp, stun

ELSEWHERE = ("198.51.100.7", 9)
SAID = bytes(range(160))


@pytest.fixture
def stage():
    return SecureStage()


def rejected(stage, leg):
    stage.command(control.AskStats((leg,)))
    return stage.of(control.LegStats)[-1].rejected


def connected(stage, leg=1, row=0, **options):
    browser = Browser(stage, leg, row, **options)
    browser.check()
    browser.shake()
    return browser


# --------------------------------------------------------------------------------------------------------------- ICE


def test_a_check_is_answered_with_the_mapped_address(stage):
    """RFC 8445 §7.3.1.2, RFC 8489 §10.1.3: signed with our own password."""
    browser = Browser(stage, 1, 0)
    transaction = browser.check(nominate=False)
    (reply,) = browser.replies()
    answer = stun.parse(reply.data)
    assert reply.address == browser.address
    assert (answer.kind, answer.transaction) == (stun.BINDING_SUCCESS, transaction)
    assert answer.attributes[stun.XOR_MAPPED_ADDRESS] == stun.xor_address(browser.address, transaction)
    assert stun.authentic(reply.data, answer, OUR_PWD.encode())


def test_nomination_says_where_to_send(stage):
    """RFC 8445 §8.1.1: USE-CANDIDATE, not the packets of media, moves the lock."""
    browser = Browser(stage, 1, 0)
    browser.check(nominate=False)
    assert not [e for e in stage.effects if isinstance(e, Aim)]
    browser.check()
    assert [e for e in stage.effects if isinstance(e, Aim)] == [Aim(0, browser.address)]
    assert stage.of(control.LegLatched) == [control.LegLatched(1, browser.address)]
    browser.check(source=ELSEWHERE)
    assert [e for e in stage.effects if isinstance(e, Aim)][-1] == Aim(0, ELSEWHERE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "guessed"},
        {"username": "nobody:them"},
        {"username": "ours:other"},
        {"username": "ours"},
    ],
)
def test_a_wrong_check_is_dropped_in_silence(stage, wrong):
    browser = Browser(stage, 1, 0)
    browser.check(**wrong)
    assert not browser.replies()
    assert rejected(stage, 1) == 1


def test_a_check_without_fingerprint_or_integrity_is_dropped(stage):
    """RFC 8445 §7.2.2 asks for both."""
    browser = Browser(stage, 1, 0)
    data = stun.build(stun.BINDING_REQUEST, os.urandom(12), [(stun.USERNAME, b"ours:them")], OUR_PWD.encode())
    for cut in (8, 32):
        short = bytearray(data[:-cut])
        short[2:4] = (len(short) - 20).to_bytes(2, "big")
        stage.receive(0, bytes(short), browser.address)
    assert not browser.replies()
    assert rejected(stage, 1) == 2


def test_unknown_attributes_are_refused_with_420(stage):
    """RFC 8489 §6.3.1."""
    browser = Browser(stage, 1, 0)
    browser.check(extra=[(0x7777, b"?")])
    (reply,) = browser.replies()
    answer = stun.parse(reply.data)
    assert answer.kind == stun.BINDING_ERROR
    assert answer.attributes[stun.ERROR_CODE][2:4] == b"\x04\x14"
    assert answer.attributes[stun.UNKNOWN_ATTRIBUTES] == b"\x77\x77"
    assert not stage.of(control.LegLatched)


def test_keep_alives_need_no_answer(stage):
    """RFC 8445 §11: binding indications."""
    browser = Browser(stage, 1, 0)
    stage.receive(0, stun.build(stun.BINDING_INDICATION, os.urandom(12), [], b"any"), browser.address)
    assert not browser.replies()
    assert rejected(stage, 1) == 0


def test_consent_expires_and_comes_back(stage):
    """RFC 7675 §5.1: without checks for 30 s nothing is sent any more."""
    browser = connected(stage)
    browser.say()
    ticks = int((CONSENT + 2) * 50)
    for _ in range(ticks // 50):
        browser.check()
        stage.run(50)
    assert not stage.of(control.LegSilent)
    stage.run(ticks)
    assert [report.leg for report in stage.of(control.LegSilent)] == [1]
    assert [e for e in stage.effects if isinstance(e, Aim)][-1] == Aim(0, None)
    browser.check()
    assert [e for e in stage.effects if isinstance(e, Aim)][-1] == Aim(0, browser.address)
    browser.say()
    assert len(stage.of(control.LegHeard)) == 2


# -------------------------------------------------------------------------------------------------------------- DTLS


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("ice", [True, False])
def test_a_handshake_gives_keys_that_fit(stage, active, ice):
    """RFC 5764 §4.2, as client and as server, and without ICE as SIP phones do it."""
    browser = Browser(stage, 1, 0, active=active, ice=ice, remote=None if ice else ("192.0.2.9", 7000))
    if ice:
        browser.check()
    browser.shake()
    assert browser.association.phase is Phase.DONE
    assert [report.suite for report in stage.of(control.Secured)] == [browser.association.suite]
    plain = Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2), control.Edge(2, 1))))
    stage.run()
    browser.say(SAID)
    stage.receive(1, plain.packet(SAID), plain.address)
    assert plain.sent()[0][2] == SAID
    assert crypt(browser.into.unprotect, stage.wire[0][-1])[12:] == SAID


def test_nothing_leaves_and_nothing_is_believed_before_the_keys(stage):
    browser = Browser(stage, 1, 0)
    plain = Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2), control.Edge(2, 1))), control.SendDigits(1, "5"))
    browser.check()
    for _ in range(20):
        stage.receive(1, plain.packet(SAID), plain.address)
        stage.receive(0, rtp.build(0, False, 1, 2, 3, SAID), browser.address)
        stage.run()
    assert 0 not in stage.wire
    assert not plain.sent()
    assert rejected(stage, 1) == 20


def test_a_wrong_fingerprint_is_no_peer(stage):
    """RFC 8122 §6.2: the handshake ends, but the leg gets no keys; calls beside it do not notice."""
    other = Identity(stage.now).fingerprint
    one, two = Peer(stage, 3, 2), Peer(stage, 4, 3)
    stage.command(control.Connect((control.Edge(3, 4),)))
    stage.run()
    browser = Browser(stage, 1, 0, fingerprint=other)
    browser.check()
    browser.shake()
    (failed,) = stage.of(control.SecurityFailed)
    assert "certificate" in failed.reason
    assert not stage.of(control.Secured)
    browser.say()
    assert not stage.of(control.LegHeard)
    stage.receive(2, one.packet(SAID), one.address)
    assert two.sent()


def test_a_lost_flight_is_sent_again(stage):
    """RFC 6347 §4.2.4, by OpenSSL's own clock of one second."""
    browser = Browser(stage, 1, 0)
    browser.check()
    browser.replies()
    browser.shake(lose=(1, 2, 3))
    assert browser.association.phase is Phase.SHAKING
    deadline = 400
    while browser.association.phase is Phase.SHAKING and deadline:
        stage.run()
        browser.shake(rounds=3)
        deadline -= 1
        for datagram in browser.association.wake():
            stage.receive(0, datagram, browser.address)
        if browser.association.phase is Phase.SHAKING:
            time.sleep(0.01)  # OpenSSL looks at the real clock
    assert stage.of(control.Secured)


def test_nobody_shakes(stage):
    """A leg without keys is told of after a while, and its timers end."""
    Browser(stage, 1, 0)
    connected(stage, 2, 1)
    stage.run(int((PATIENCE + 1) * 50))
    (failed,) = stage.of(control.SecurityFailed)
    assert (failed.leg, "ICE" in failed.reason) == (1, True)
    assert not stage.shield.shaking


def test_dtls_from_an_address_without_check_is_not_answered(stage):
    browser = Browser(stage, 1, 0)
    browser.shake()
    assert not browser.replies()
    assert rejected(stage, 1) == 1


def test_garbage_does_not_spoil_a_handshake(stage):
    """RFC 6347 §4.1.2.7: invalid records are dropped in silence."""
    browser = Browser(stage, 1, 0)
    browser.check()
    hello = browser.association.start()
    record = b"\xfe\xfd" + bytes(8)
    for data in (
        b"\x16" + os.urandom(60),
        b"\x16\xfe\xfd" + os.urandom(60),
        b"\x16" + record + b"\x00\x40" + os.urandom(10),
        b"\x16" + record + b"\x00\x14" + os.urandom(20),
        b"\x15",
        hello[0][:40],
        bytes([22]) * 13,
        b"\x17" + record + b"\x00\x04abcd",
        *(bytes([first]) + os.urandom(30) for first in range(20, 64)),
    ):
        stage.receive(0, data, browser.address)
    for data in hello:
        stage.receive(0, data, browser.address)
    browser.shake()
    assert stage.of(control.Secured)


def test_a_refused_handshake_is_told_of_at_once(stage):
    """A fatal alert of the peer ends it."""
    browser = Browser(stage, 1, 0)
    browser.check()
    stage.receive(0, b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28", browser.address)
    (failed,) = stage.of(control.SecurityFailed)
    assert "handshake failure" in failed.reason


def test_renegotiation_and_alerts_after_the_handshake_change_nothing(stage):
    browser = connected(stage)
    ours = stage.shield.identity.fingerprint.split(" ")
    again = Association(browser.identity, active=True, fingerprint_hash=ours[0], fingerprint=ours[1])
    for data in again.start():
        stage.receive(0, data, browser.address)
    stage.receive(0, b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28", browser.address)
    browser.say()
    assert len(stage.of(control.Secured)) == 1
    assert stage.of(control.LegHeard)


def test_an_ice_restart_keeps_the_keys(stage):
    """RFC 8842 §4: new credentials, the same fingerprint, the same association."""
    browser = connected(stage)
    browser.say()
    old = browser.security
    fresh = control.Dtls(
        old.fingerprint_hash, old.fingerprint, old.role, "ours2", "another-password-of-22c", "them2", "x"
    )
    values = {name: getattr(browser.spec, name) for name in browser.spec.__struct_fields__}
    stage.command(control.UpdateLeg(1, control.LegSpec(**{**values, "security": fresh})))
    browser.replies()
    browser.check()
    assert not browser.replies()
    browser.check(username="ours2:them2", password="another-password-of-22c")
    assert browser.replies()
    browser.say()
    assert rejected(stage, 1) == 1
    assert len(stage.of(control.Secured)) == 1


def test_a_new_fingerprint_is_a_new_handshake(stage):
    browser = connected(stage)
    browser.identity = Identity(stage.now)
    ours = stage.shield.identity.fingerprint.split(" ")
    browser.association = Association(browser.identity, active=True, fingerprint_hash=ours[0], fingerprint=ours[1])
    old, (kind, value) = browser.security, browser.identity.fingerprint.split(" ")
    fresh = control.Dtls(kind, value, old.role, old.ice_ufrag, old.ice_pwd, old.remote_ufrag, old.remote_pwd)
    values = {name: getattr(browser.spec, name) for name in browser.spec.__struct_fields__}
    stage.command(control.UpdateLeg(1, control.LegSpec(**{**values, "security": fresh})))
    browser.replies()
    browser.shake()
    assert len(stage.of(control.Secured)) == 2
    browser.say()
    assert stage.of(control.LegHeard)


def test_forgeries_and_replays_at_a_browser_leg(stage):
    browser = connected(stage)
    plain = Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2),)))
    stage.run()
    browser.say(SAID)
    sealed = crypt(browser.out.protect, rtp.build(0, False, 1, 2, browser.ssrc, SAID))
    stage.receive(0, sealed, ELSEWHERE)  # genuine, but from an address without check
    stage.receive(0, sealed[:-1] + bytes([sealed[-1] ^ 1]), browser.address)
    assert rejected(stage, 1) == 2
    assert len(plain.sent()) == 1


def test_sound_from_any_checked_address_is_heard(stage):
    """RFC 8445 §12.1: media may come before the nomination, and from the pair before it."""
    browser = connected(stage)
    plain = Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2),)))
    stage.run()
    browser.check(nominate=False, source=ELSEWHERE)
    for source in (None, ELSEWHERE, None):
        browser.say(SAID, source=source)
    assert len(plain.sent()) == 3
    assert stage.engine.legs.by_id[1].target == browser.address


def test_datagrams_stay_below_the_mtu():
    """Records of a flight are put into datagrams one by one."""
    server, client = Identity(50.0), Identity(50.0)
    ours, theirs = (side.fingerprint.split(" ") for side in (server, client))
    one = Association(client, active=True, fingerprint_hash=ours[0], fingerprint=ours[1])
    two = Association(server, active=False, fingerprint_hash=theirs[0], fingerprint=theirs[1])
    flights = [one.start()]
    while flights[-1]:
        to = (two, one)[len(flights) % 2 - 1]
        flights.append([reply for data in flights[-1] for reply in to.receive(data)])
    assert one.phase is two.phase is Phase.DONE
    assert one.local_key == two.remote_key != one.remote_key == two.local_key
    assert max(len(data) for flight in flights for data in flight) <= MTU
    assert not two.wake()


def test_handshakes_in_fragments(stage):
    """RFC 6347 §4.2.3: messages longer than the path allows come in pieces, and in any order of datagrams."""
    browser = Browser(stage, 1, 0)
    browser.association._connection.set_ciphertext_mtu(256)
    browser.check()
    browser.replies()
    outgoing = browser.association.start()
    for _ in range(6):
        for data in reversed(outgoing):
            stage.receive(0, data, browser.address)
        outgoing = [part for reply in browser.replies() for part in browser.association.receive(reply.data)]
    assert browser.association.phase is Phase.DONE
    assert stage.of(control.Secured)


def test_a_closed_leg_leaves_nothing(stage):
    browser = connected(stage)
    Browser(stage, 2, 1)
    stage.command(control.CloseLeg(1), control.CloseLeg(2))
    assert not stage.shield.secured
    assert not stage.shield.shaking
    browser.check()
    assert not browser.replies()
