"""SRTP legs with keys from SDP: what comes is opened, what goes is sealed, all else is dropped and counted."""

import numpy as np
import pytest
from secure_peer import SdesPeer, SecureStage, crypt, key_for
from virtual import Peer, key_of, talk

from softswitch.media.arena import SIZE, Batch
from softswitch.media.srtp import SUITES, Cipher, Memory
from softswitch.wire import control, rtcp, rtp

SAID = bytes(range(160))


def rejected(stage, leg):
    stage.command(control.AskStats((leg,)))
    return stage.of(control.LegStats)[-1].rejected


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_both_ways(suite):
    """RFC 3711, RFC 7714: RTP and RTCP come back as they went in."""
    out, into = (Cipher(suite, key_for(suite, 5), outbound=outbound) for outbound in (True, False))
    data = rtp.build(0, False, 7, 160, 99, SAID)
    sealed = crypt(out.protect, data)
    assert sealed[12:172] != SAID
    assert crypt(into.unprotect, sealed) == data
    report = rtcp.build(rtcp.ReceiverReport(99, ()), rtcp.Cname(99, "a@b"))
    assert crypt(into.unprotect_rtcp, crypt(out.protect_rtcp, report)) == report


@pytest.mark.parametrize(("suite", "key"), [("AES_CM_128_HMAC_SHA1_80", b"short"), ("F8_128_HMAC_SHA1_80", bytes(30))])
def test_keys_that_do_not_fit_open_no_leg(suite, key):
    """Better no leg than a plain one; the key is not told."""
    stage = SecureStage()
    stage.command(control.OpenLeg(1, 0, control.LegSpec(codec="PCMU", security=control.Sdes(suite, key, key))))
    failed = stage.of(control.Failed)[0]
    assert suite in failed.reason
    assert repr(key) not in repr(failed)
    assert not stage.engine.legs.by_id
    assert not stage.shield.secured


def test_secrets_are_in_no_text():
    spec = control.LegSpec(security=control.Sdes("AEAD_AES_128_GCM", b"SECRET" * 5, b"SECRET" * 5))
    assert "SECRET" not in repr(spec)
    dtls = control.Dtls("sha-256", "AB", "passive", "u", "SECRET", "r", "SECRET")
    assert "SECRET" not in repr(control.OpenLeg(1, 2, control.LegSpec(security=dtls)))


def test_specs_cross_the_wire():
    for security in (control.Sdes("AEAD_AES_128_GCM", b"a", b"b"), control.Dtls("sha-256", "A", "passive"), None):
        command = control.OpenLeg(1, 2, control.LegSpec(security=security))
        frames = control.Frames().feed(control.encode([command]))
        assert control.decode_commands(next(iter(frames))) == [command]


@pytest.mark.parametrize("suite", SUITES)
def test_secured_and_plain_legs_bridge(suite):
    """Relay both ways: opened, relayed at once, sealed; the payload is untouched."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0, suite), Peer(stage, 2, 1)
    assert stage.of(control.Secured) == [control.Secured(1, suite)]
    stage.command(control.Connect((control.Edge(1, 2), control.Edge(2, 1))))
    stage.run()
    stage.receive(0, secure.packet(SAID), secure.address)
    assert [payload for _, _, payload in plain.sent()] == [SAID]
    stage.receive(1, plain.packet(SAID), plain.address)
    (clear,) = secure.opened()
    assert clear[12:] == SAID


def test_two_secured_legs_with_their_own_keys():
    stage = SecureStage()
    one = SdesPeer(stage, 1, 0, "AEAD_AES_256_GCM", 1, 2)
    two = SdesPeer(stage, 2, 1, "AES_CM_128_HMAC_SHA1_32", 3, 4)
    stage.command(control.Connect((control.Edge(1, 2), control.Edge(2, 1))))
    stage.run()
    for n in range(3):
        stage.receive(0, one.packet(bytes([n]) * 160), one.address)
        stage.receive(1, two.packet(bytes([n + 9]) * 160), two.address)
        stage.run()
    assert [data[12:] for data in two.opened()] == [bytes([n]) * 160 for n in range(3)]
    assert [data[12:] for data in one.opened()] == [bytes([n + 9]) * 160 for n in range(3)]


def test_mixed_sound_and_the_recording_are_clear():
    """The recorder reads the arena after the relay has sealed what goes out: sealing is done elsewhere."""
    stage = SecureStage()
    one, two = SdesPeer(stage, 1, 0), SdesPeer(stage, 2, 1, ours=3, theirs=4)
    stage.command(
        control.Record(9, "x.wav"),
        control.Connect((control.Edge(1, 2), control.Edge(2, 1), control.Edge(1, 9, 0), control.Edge(2, 9, 1))),
    )
    tone = np.full(160, 4000, np.int16)
    talk(stage, 100, (one, tone), (two, -tone))
    assert np.isclose(np.median(stage.recorded(9)[4000:], axis=0), [4000, -4000], atol=150).all()
    assert None not in one.opened()


def test_plain_rtp_at_a_secured_leg():
    """Dropped and counted; it does not even latch."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2),)))
    stage.run()
    stage.receive(0, rtp.build(0, False, 1, 2, 3, SAID), ("203.0.113.5", 4000))
    stage.receive(0, rtp.build(0, False, 1, 2, 3, SAID), secure.address)
    assert not plain.sent()
    assert not stage.of(control.LegHeard)
    assert rejected(stage, 1) == 2


def test_wrong_tag_replay_and_late_packets():
    """RFC 3711 §3.3: authentication and the replay list; the good ones beside them come through."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2),)))
    stage.run()
    for _ in range(2):
        stage.receive(0, secure.packet(SAID), secure.address)
    forged = bytearray(secure.packet(SAID))
    forged[-1] ^= 1
    stage.receive(0, bytes(forged), secure.address)
    stage.receive(0, secure.said[0], secure.address)  # again
    stage.receive(0, secure.said[1][:20], secure.address)  # cut off
    for _ in range(200):
        held_back = secure.packet(SAID)
        if len(secure.said) > 4:
            stage.receive(0, held_back, secure.address)
            if stage.slot > 400:
                stage.run()
    stage.receive(0, secure.said[3], secure.address)  # far outside the window
    assert rejected(stage, 1) == 4
    assert len(plain.sent()) == 2 + 199


def test_the_roll_over_counter_is_part_of_the_key():
    """RFC 3711 §3.3.1: a packet of another turn of the sequence numbers does not open."""
    stage = SecureStage()
    secure = SdesPeer(stage, 1, 0)
    for sequence in (65534, 65535, 0, 1):
        secure.sequence = sequence
        stage.receive(0, secure.packet(SAID), secure.address)
    assert rejected(stage, 1) == 0
    fresh = Cipher(secure.suite, key_for(secure.suite, 2), outbound=True)  # begins at turn 0
    stage.receive(0, crypt(fresh.protect, rtp.build(0, False, 2, 3, secure.ssrc, SAID)), secure.address)
    assert rejected(stage, 1) == 1


def test_one_key_may_change_without_the_other():
    """RFC 4568 §7.1.4: the peer offers a new key; ours and its counter go on."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2), control.Edge(2, 1))))
    stage.run()
    stage.receive(1, plain.packet(SAID), plain.address)
    assert len(secure.opened()) == 1
    old = secure.packet(SAID)
    changed = control.Sdes(secure.suite, key_for(secure.suite, 1), key_for(secure.suite, 7))
    values = {name: getattr(secure.spec, name) for name in secure.spec.__struct_fields__}
    stage.command(control.UpdateLeg(1, control.LegSpec(**{**values, "security": changed})))
    stage.receive(0, old, secure.address)
    assert rejected(stage, 1) == 1
    secure.out = Cipher(secure.suite, key_for(secure.suite, 7), outbound=True)
    stage.receive(0, secure.packet(SAID), secure.address)
    assert len(plain.sent()) == 1
    stage.receive(1, plain.packet(SAID), plain.address)
    assert secure.opened()[0][12:] == SAID


def test_a_number_is_never_sent_twice():
    """RFC 3711 §9.1: a source that repeats itself must not make us use a key stream twice."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(2, 1),)))
    stage.run()
    data = plain.packet(SAID)
    stage.receive(1, data, plain.address)
    stage.receive(1, data[:12] + bytes(160), plain.address)
    assert [clear[12:] for clear in secure.opened()] == [SAID]


def test_reports_are_secured_both_ways():
    """SRTCP, and the BYE at the end of the leg still goes out sealed."""
    stage = SecureStage()
    secure = SdesPeer(stage, 1, 0)
    for _ in range(500):
        stage.receive(0, secure.packet(SAID), secure.address)
        stage.run()
    report = rtcp.build(rtcp.SenderReport(secure.ssrc, 1 << 32, 5, 6, 7, ()), rtcp.Cname(secure.ssrc, "x@y"))
    before = rejected(stage, 1)
    stage.engine.receive_report(0, report, (secure.address[0], 4001), stage.now)
    assert rejected(stage, 1) == before + 1
    sealed = crypt(secure.out.protect_rtcp, report)
    stage.engine.receive_report(0, sealed, (secure.address[0], 4001), stage.now)
    assert rejected(stage, 1) == before + 1
    stage.command(control.CloseLeg(1))
    reports = [crypt(secure.into.unprotect_rtcp, effect.data) for effect in stage.rtcp()]
    assert len(reports) >= 2
    assert any(isinstance(part, rtcp.Bye) for part in rtcp.parse(reports[-1]))
    assert not stage.shield.secured


def test_junk_at_a_secured_leg():
    """Every first octet, every short length: counted, and the leg beside it does not notice."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(2, 1), control.Edge(1, 2))))
    stage.run()
    sent = 0
    for first in range(256):
        for size in (0, 1, 12, 13, 40):
            stage.receive(0, (bytes([first]) + b"\x2a" * size)[:size], secure.address)
            sent += 1
        stage.run()
    stage.receive(0, secure.packet(SAID), secure.address)
    assert len(plain.sent()) == 1
    assert rejected(stage, 1) == sent


@pytest.mark.parametrize("view", [memoryview(bytearray(100)), np.zeros(100, np.uint8).data])
def test_libsrtp_borrows_from_the_owner_of_the_memory(view):
    """gh-77894: a view that lends would end the process when it is collected in a cycle (Python 3.11). A view that has
    lent cannot be released."""
    memory = Memory(view)
    memory.base[99] = b"x"
    assert memory.view[99] == ord("x")
    memory.view.release()


def test_a_flood_does_not_shut_the_peer_out():
    """From so many refused packets in a batch on only the peer's own address is looked at; it still gets through."""
    stage = SecureStage()
    secure, plain = SdesPeer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(control.Connect((control.Edge(1, 2),)))
    stage.run()
    stage.receive(0, secure.packet(SAID), secure.address)
    junk = rtp.build(0, False, 1, 2, 3, SAID)
    datagrams = [(junk, ("203.0.113.5", 9)) for _ in range(300)] + [(secure.packet(SAID), secure.address)]
    for slot, (data, _) in enumerate(datagrams):
        stage.arena.memory[slot * SIZE : slot * SIZE + len(data)] = data
    sources = [source for _, source in datagrams]
    slots, rows = list(range(len(datagrams))), [0] * len(datagrams)
    batch = Batch(slots, rows, [len(data) for data, _ in datagrams], [key_of(source) for source in sources], sources)
    stage._send(stage.engine.receive(batch, stage.now))
    assert len(plain.sent()) == 2
    assert rejected(stage, 1) == 300
