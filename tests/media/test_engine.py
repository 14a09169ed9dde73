"""Legs, players, recorders and keys on virtual time."""

from itertools import pairwise

import numpy as np
import pytest
from harness import level_of, tone
from virtual import START, Peer, Stage, talk

from softswitch.media import tones
from softswitch.media.effects import AppendFile, CreateFile, FinishFile, LoadSound
from softswitch.media.player import Clip
from softswitch.wire import control, dtmf, rtcp
from softswitch.wire.control import Connect, Disconnect, Edge

QUIET = np.zeros(160, np.int16)


@pytest.fixture
def stage():
    return Stage()


def bridge(stage, gain=1.0, **second):
    a, b = Peer(stage, 1, 0), Peer(stage, 2, 1, **second)
    stage.command(Connect((Edge(1, 2, 0, gain), Edge(2, 1, 0, gain))))
    stage.run()
    return a, b


def steps(peer):
    packets = [packet for _, packet, _ in peer.sent()]
    sequence = {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(packets)}
    stamps = [(y.timestamp - x.timestamp) & 0xFFFFFFFF for x, y in pairwise(packets)]
    return sequence, stamps


def test_a_plain_bridge_passes_payloads_untouched_and_at_once(stage):
    """Pass-through is bit-exact, waits for no tick, and wears our SSRC."""
    a, b = bridge(stage)
    payload = bytes(range(160))
    stage.receive(0, a.packet(payload), a.address)
    now, packet, heard = b.sent()[0]
    assert heard == payload
    assert now == stage.now
    assert packet.ssrc != a.ssrc
    assert packet.marker


def test_loss_and_order_are_passed_on_in_the_numbers(stage):
    """A relayed stream's gaps and reordering stay visible to the receiver (RFC 3550 §6.4 is end to end here)."""
    a, b = bridge(stage)
    data = [a.packet(bytes([n]) * 160) for n in range(6)]
    for n in (0, 1, 3, 2, 5):
        stage.receive(0, data[n], a.address)
    numbers = [packet.sequence for _, packet, _ in b.sent()]
    assert [(n - numbers[0]) & 0xFFFF for n in numbers] == [0, 1, 3, 2, 5]


def test_from_relay_to_mix_and_back_the_numbers_go_on(stage):
    """One SSRC, sequence by ones, timestamps by packet; a marker where the feed changes."""
    a, b = bridge(stage)
    voice = tone(400, 1.0)
    talk(stage, 10, (a, voice))
    stage.command(Connect((Edge(1, 2, 0, 0.5),)))
    talk(stage, 10, (a, voice))
    stage.command(Connect((Edge(1, 2, 0, 1.0),)))
    talk(stage, 10, (a, voice))
    sequence, stamps = steps(b)
    assert sequence == {1}
    assert len({packet.ssrc for _, packet, _ in b.sent()}) == 1
    assert all(160 <= stamp <= 400 for stamp in stamps)
    elapsed = (b.sent()[-1][0] - b.sent()[0][0]) * 8000
    assert abs(sum(stamps) - elapsed) <= 400
    assert 2 <= sum(packet.marker for _, packet, _ in b.sent()) <= 4


def test_a_new_ssrc_of_the_source_is_no_break_for_the_sink(stage):
    """RFC 3550 §8: the source may change its SSRC at any time."""
    a, b = bridge(stage)
    talk(stage, 5, (a, tone(400, 1.0)))
    a.ssrc, a.sequence, a.timestamp = 4242, 9, 123456789
    talk(stage, 5, (a, tone(400, 1.0)))
    sequence, stamps = steps(b)
    assert sequence == {1}
    assert set(stamps) == {160}
    assert sum(packet.marker for _, packet, _ in b.sent()) == 2


def test_different_codecs_are_transcoded(stage):
    a, b = bridge(stage, law=1)
    talk(stage, 60, (a, tone(500, 1.0)), (b, tone(900, 1.0)))
    assert level_of(stage.heard(1, law=1)[-4000:], 500) == pytest.approx(8000, rel=0.02)
    assert level_of(stage.heard(0)[-4000:], 900) == pytest.approx(8000, rel=0.02)


@pytest.mark.parametrize("packet_ms", [10, 30, 40, 60])
def test_packet_times_are_converted(stage, packet_ms):
    """Each leg gets packets of the time that its peer asked for (RFC 4566 §6, ptime)."""
    a, b = bridge(stage, law=1, packet_ms=packet_ms)
    talk(stage, 60, (a, tone(500, 1.0)))
    assert {len(payload) for *_, payload in b.sent()} == {8 * packet_ms}
    assert steps(b)[0] == {1}
    assert level_of(stage.heard(1, law=1)[-4000:], 500) == pytest.approx(8000, rel=0.02)


def test_codecs_that_we_cannot_decode_are_relayed(stage):
    a, b = bridge(stage)
    g729 = control.LegSpec("G729", 18, -1, a.address), control.LegSpec("G729", 96, -1, b.address)
    stage.command(control.UpdateLeg(1, g729[0]), control.UpdateLeg(2, g729[1]))
    stage.run()
    stage.receive(0, a.packet(b"\1\2\3" * 7, kind=18), a.address)
    _, packet, payload = b.sent()[-1]
    assert (packet.payload_type, payload) == (96, b"\1\2\3" * 7)


def test_hold_clears_send_and_receive(stage):
    """RFC 3264 §8.4: neither do we send to a held leg nor hear it."""
    a, b = bridge(stage)
    stage.command(control.UpdateLeg(2, control.LegSpec("PCMU", 0, 101, b.address, send=False, receive=False)))
    talk(stage, 5, (a, tone(400, 1)), (b, tone(400, 1)))
    assert a.sent() == b.sent() == []


def test_a_conference_hears_the_others_and_not_itself(stage):
    peers = [Peer(stage, n + 1, n) for n in range(4)]
    stage.command(Connect(tuple(Edge(a, b) for a in range(1, 5) for b in range(1, 5) if a != b)))
    talk(stage, 60, *((peer, tone(300 + 200 * n, 1.0, 4000)) for n, peer in enumerate(peers)))
    for n in range(4):
        levels = [level_of(stage.heard(n)[-8000:], 300 + 200 * m) for m in range(4)]
        assert levels[n] < 100
        assert all(level == pytest.approx(4000, rel=0.03) for m, level in enumerate(levels) if m != n)


def test_a_tone_is_played_once_to_many_and_ends(stage):
    peers = [Peer(stage, n + 1, n) for n in range(3)]
    stage.command(control.Play(9, (control.ToneItem((425.0,), 400, 100, 2),)))
    stage.command(Connect(tuple(Edge(9, n + 1) for n in range(3))))
    stage.run(60)
    assert stage.of(control.PlayDone) == [control.PlayDone(9, "end", 1000)]
    for peer in peers:
        heard = stage.heard(peer.row)
        assert level_of(heard[400:3000], 425) == pytest.approx(tones.amplitude(-13.0), rel=0.03)
        assert np.abs(heard[3300:3900]).max() < 10
        assert level_of(heard[4400:7000], 425) == pytest.approx(tones.amplitude(-13.0), rel=0.03)
    assert len(peers[0].sent()) == pytest.approx(50, abs=2)


def test_tone_levels_are_telephone_levels():
    """ITU-T G.711 §4: a full-scale sine is +3.17 dBm0 in µ-law; −13 dBm0 is 16.17 dB below."""
    assert tones.amplitude(3.17) == pytest.approx(32636)
    assert 20 * np.log10(tones.amplitude(-13.0) / 32636) == pytest.approx(-16.17)


def test_a_file_plays_when_it_is_loaded_and_keeps_its_place_unheard(stage):
    """A player without sinks costs nothing and goes on."""
    Peer(stage, 1, 0)
    stage.command(control.Play(9, (control.FileItem("/music"),), 0))
    assert [effect for effect in stage.effects if isinstance(effect, LoadSound)] == [LoadSound("/music")]
    stage.run(5)
    stage.engine.loaded("/music", Clip(np.arange(8000, dtype=np.int16)))
    stage.run(10)
    stage.command(Connect((Edge(9, 1),)))
    stage.run(3)
    heard = stage.heard(0)[-160:]
    assert abs(int(heard[0]) - 12 * 160) < 100
    stage.command(control.StopPlay(9))
    assert stage.reports[-1] == control.PlayDone(9, "stopped", 13 * 20)


def test_a_list_loops_across_item_boundaries(stage):
    """Items need not be whole frames."""
    Peer(stage, 1, 0)
    stage.command(control.Play(9, (control.FileItem("/a"), control.SilenceItem(10)), 3))
    stage.command(Connect((Edge(9, 1),)))
    stage.engine.loaded("/a", Clip(np.full(100, 8031 * 2, np.int16)))
    stage.run(6)
    heard = stage.heard(0)[: 3 * 180]
    expected = np.array(([1] * 100 + [0] * 80) * 3)
    assert ((heard[160:] > 8000) == (expected[160:] == 1)).all()  # the first frame ramps in
    assert stage.of(control.PlayDone) == [control.PlayDone(9, "end", 67)]


def test_a_bad_file_fails_its_player_only(stage):
    stage.command(control.Play(9, (control.FileItem("/bad"), control.FileItem("/good"))))
    stage.engine.loaded("/good", Clip(np.ones(100, np.int16)))
    stage.engine.loaded("/bad", None, "/bad: no such file")
    stage.run()
    assert stage.of(control.Failed) == [control.Failed(9, "Play", "/bad: no such file")]
    assert stage.of(control.PlayDone) == [control.PlayDone(9, "failed", 0)]
    assert not stage.engine.busy


def test_a_recording_has_each_side_in_its_channel_in_time(stage):
    """Time runs from `Record` to `StopRecord`; the sides are aligned; the bridge stays a pass-through."""
    a, b = bridge(stage)
    stage.command(control.Record(9, "/rec.wav"), Connect((Edge(1, 9, 0), Edge(2, 9, 1))))
    stage.run(50)
    talk(stage, 100, (a, tone(500, 2.0)), (b, tone(900, 2.0)))
    payload = bytes(range(160))
    stage.receive(0, a.packet(payload), a.address)
    assert b.sent()[-1][2] == payload
    stage.command(control.StopRecord(9))
    sound = stage.recorded(9)
    assert len(sound) == 150 * 160
    assert not sound[: 49 * 160].any()
    talking = sound[60 * 160 :]
    assert level_of(talking[:, 0], 500) == pytest.approx(8000, rel=0.03)
    assert level_of(talking[:, 1], 900) == pytest.approx(8000, rel=0.03)
    assert level_of(talking[:, 0], 900) < 100
    assert level_of(talking[:, 1], 500) < 100
    kinds = [type(e) for e in stage.effects if isinstance(e, CreateFile | AppendFile | FinishFile)]
    assert kinds[0] is CreateFile
    assert kinds[-1] is FinishFile
    stage.engine.tapes.finished(9)
    stage.run()
    assert stage.of(control.RecordDone) == [control.RecordDone(9, "/rec.wav", "stopped", 150 * 160)]


def test_a_paused_recording_keeps_time_in_silence(stage):
    a, _ = bridge(stage)
    stage.command(control.Record(9, "/rec.wav"), Connect((Edge(1, 9, 0), Edge(2, 9, 1))))
    voice = tone(500, 1.0)
    talk(stage, 50, (a, voice))
    stage.command(control.PauseRecord(9))
    talk(stage, 50, (a, voice))
    stage.command(control.ResumeRecord(9))
    talk(stage, 50, (a, voice))
    stage.command(control.StopRecord(9))
    sound = stage.recorded(9)[:, 0]
    assert len(sound) == 150 * 160
    assert level_of(sound[800:8000], 500) > 7500
    assert not sound[8160:16000].any()  # after one frame of fading
    assert level_of(sound[17000:], 500) > 7500


def test_a_recording_of_one_channel_mixes_both_sides(stage):
    a, b = bridge(stage)
    stage.command(control.Record(9, "/rec.wav", 1), Connect((Edge(1, 9, 0), Edge(2, 9, 0))))
    talk(stage, 100, (a, tone(500, 2.0)), (b, tone(900, 2.0)))
    stage.command(control.StopRecord(9))
    created = next(effect for effect in stage.effects if isinstance(effect, CreateFile))
    assert created.channels == 1
    sound = np.frombuffer(b"".join(e.data for e in stage.effects if isinstance(e, AppendFile)), "<i2")
    assert len(sound) == 100 * 160
    assert level_of(sound[1600:], 500) == pytest.approx(8000, rel=0.03)
    assert level_of(sound[1600:], 900) == pytest.approx(8000, rel=0.03)


def test_keys_that_sound_are_not_in_a_paused_recording(stage):
    """A card number typed in band (770 + 1,336 Hz is a 5): the other side hears it, the recording holds silence."""
    a, b = bridge(stage)
    stage.command(control.Record(9, "/rec.wav"), Connect((Edge(1, 9, 0), Edge(2, 9, 1))), control.PauseRecord(9))
    key = (tone(770, 1.0, 4000.0) + tone(1336, 1.0, 4000.0)).astype(np.int16)
    talk(stage, 50, (a, key))
    stage.command(control.StopRecord(9))
    heard = stage.heard(b.row, b.law)
    assert min(level_of(heard[1600:], 770), level_of(heard[1600:], 1336)) > 3500
    sound = stage.recorded(9)
    assert len(sound) == 50 * 160
    assert not sound.any()


def test_a_recording_that_fails_leaves_the_call_alone(stage):
    """Disk full: told once, the bridge goes on."""
    a, b = bridge(stage)
    stage.command(control.Record(9, "/rec.wav"), Connect((Edge(1, 9, 0),)))
    stage.run(3)
    stage.engine.tapes.failed(9, "No space left on device", 160)
    stage.run(3)
    assert stage.of(control.RecordDone) == [control.RecordDone(9, "/rec.wav", "failed", 160, "No space left on device")]
    a.say(QUIET)
    assert len(b.sent()) == 1
    stage.command(control.AskInventory())
    assert stage.of(control.Inventory)[-1] == control.Inventory((1, 2), (), ())


def press(stage, peer, digit, ticks=5):
    code = dtmf.DIGITS.index(digit)
    for n in range(ticks + 3):
        duration = min(n + 1, ticks) * 160
        payload = dtmf.build(dtmf.Event(code, n >= ticks, 10, duration))
        stage.receive(peer.row, peer.packet(payload, kind=peer.spec.event_type, marker=n == 0), peer.address)
        stage.run()
    peer.timestamp += (ticks + 3) * 160


def test_keys_are_reported_once_and_relayed_with_their_type_mapped(stage):
    """RFC 4733 §2.3; the payload type is each side's own (RFC 3264 §5.1)."""
    a, b = bridge(stage)
    stage.command(control.UpdateLeg(2, control.LegSpec("PCMU", 0, 96, b.address)))
    talk(stage, 3, (a, QUIET))
    press(stage, a, "5")
    talk(stage, 3, (a, QUIET))
    assert stage.of(control.Digit) == [control.Digit(1, "5", 100)]
    events = [(packet, payload) for _, packet, payload in b.sent() if packet.payload_type == 96]
    assert len(events) == 8
    assert len({packet.timestamp for packet, _ in events}) == 1
    assert steps(b)[0] == {1}


def test_keys_that_may_be_commands_are_not_relayed(stage):
    """Control sends on those that are none; what is left out is no loss to the peer."""
    a, b = bridge(stage)
    stage.command(control.UpdateLeg(2, control.LegSpec("PCMU", 0, 101, b.address, keys=False)))
    talk(stage, 3, (a, QUIET))
    for digit in "*0":
        press(stage, a, digit)
        talk(stage, 3, (a, QUIET))
    assert [report.digit for report in stage.of(control.Digit)] == ["*", "0"]
    assert {packet.payload_type for _, packet, _ in b.sent()} == {0}
    assert steps(b)[0] == {1}
    stage.command(control.SendDigits(2, "5", 100))
    talk(stage, 20, (a, QUIET))
    keys = dtmf.EventReceiver()
    events = [(now, packet, payload) for now, packet, payload in b.sent() if packet.payload_type == 101]
    pressed = [
        key for now, packet, payload in events for key in keys.receive(dtmf.parse(payload), packet.timestamp, now)
    ]
    assert [key.digit for key in pressed] == ["5"]
    assert steps(b)[0] == {1}


def test_a_lost_end_is_noticed(stage):
    a, _ = bridge(stage)
    for n in range(4):
        payload = dtmf.build(dtmf.Event(1, False, 10, (n + 1) * 160))
        stage.receive(0, a.packet(payload, kind=101), a.address)
        stage.run()
    assert not stage.of(control.Digit)
    stage.run(10)
    assert stage.of(control.Digit) == [control.Digit(1, "1", 80)]


def test_keys_become_tones_for_a_peer_without_events(stage):
    """Conversion of RFC 4733 to in-band tones (ITU-T Q.23)."""
    a, b = bridge(stage, event_type=-1)
    talk(stage, 3, (a, QUIET))
    press(stage, a, "5", ticks=10)
    stage.run(30)
    heard = stage.heard(1)
    assert level_of(heard, 770) > 500
    assert level_of(heard, 1336) > 500
    assert level_of(heard, 697) < 100
    assert {packet.payload_type for _, packet, _ in b.sent()} == {0}


def test_keys_cross_a_mixed_bridge(stage):
    a, b = bridge(stage, gain=0.9)
    press(stage, a, "7")
    stage.run(30)
    keys = dtmf.EventReceiver()
    pressed = []
    for now, packet, payload in b.sent():
        if packet.payload_type == 101:
            pressed += keys.receive(dtmf.parse(payload), packet.timestamp, now)
    assert [key.digit for key in pressed] == ["7"]


def test_digits_are_sent_as_events_between_the_sound(stage):
    """RFC 4733 §2.5.1: one timestamp an event, the end three times; the numbers go on around them."""
    a, b = bridge(stage)
    talk(stage, 5, (a, QUIET))
    stage.command(control.SendDigits(2, "42", 100))
    talk(stage, 40, (a, QUIET))
    keys = dtmf.EventReceiver()
    pressed = []
    for now, packet, payload in b.sent():
        if packet.payload_type == 101:
            pressed += keys.receive(dtmf.parse(payload), packet.timestamp, now)
    assert [(key.digit, key.duration_ms) for key in pressed] == [("4", 100), ("2", 100)]
    assert steps(b)[0] == {1}
    assert b.sent()[-1][1].payload_type == 0


def test_digits_go_in_band_without_events(stage):
    a = Peer(stage, 1, 0, event_type=-1)
    stage.command(control.SendDigits(1, "1", 200))
    stage.run(20)
    assert level_of(stage.heard(0)[320:1500], 697) == pytest.approx(tones.amplitude(tones.DTMF_LEVEL), rel=0.05)
    assert level_of(stage.heard(0)[320:1500], 1209) == pytest.approx(tones.amplitude(tones.DTMF_LEVEL), rel=0.05)
    assert len(a.sent()) < 16
    assert not stage.engine.busy


def test_a_silent_leg_is_told_once_and_heard_again(stage):
    a = Peer(stage, 1, 0, silence=2.0)
    a.say(QUIET)
    stage.run(260)
    assert [report.leg for report in stage.of(control.LegSilent)] == [1]
    assert stage.of(control.LegSilent)[0].seconds == pytest.approx(2.0, abs=1.1)
    a.say(QUIET)
    assert stage.of(control.LegHeard) == [control.LegHeard(1), control.LegHeard(1)]


def test_statistics_count_loss_duplicates_and_jitter(stage):
    """RFC 3550 §6.4.1 and A.3."""
    a, _ = bridge(stage)
    for n in range(100):
        if n in (20, 21, 50):
            a.lose()
        else:
            a.say(QUIET)
            if n == 60:
                a.sequence, a.timestamp = a.sequence - 1, a.timestamp - 160
                a.say(QUIET)
        stage.run()
    stage.command(control.AskStats((1,)))
    stats = stage.of(control.LegStats)[-1]
    assert (stats.received, stats.lost, stats.duplicate, stats.rejected) == (97, 3, 1, 0)
    assert stats.received_bytes == 98 * 160
    assert stats.jitter_ms < 3
    assert 3.9 < stats.mos < 4.4


def test_reports_are_sent_and_read(stage):
    """RFC 3550 §6.4: SR with a block about the peer, SDES CNAME; round trip by §6.4.1; BYE at the end (§6.6)."""
    a, b = bridge(stage)
    talk(stage, 400, (a, QUIET), (b, QUIET))
    sent = [effect for effect in stage.rtcp() if effect.row == 0]
    assert 1 <= len(sent) <= 4
    assert sent[0].address == (a.address[0], a.address[1] + 1)
    report, cname = rtcp.parse(sent[-1].data)
    assert isinstance(report, rtcp.SenderReport)
    assert isinstance(cname, rtcp.Cname)
    assert report.blocks[0].ssrc == a.ssrc
    assert report.blocks[0].lost == 0
    ours = report.ssrc
    answer = rtcp.Block(ours, 0, 5, 100, 80, rtcp.middle(report.ntp), 0)
    later = stage.now
    since = later - ((report.ntp >> 16) / 65536 - 2208988800)
    stage.engine.receive_report(0, rtcp.build(rtcp.ReceiverReport(a.ssrc, (answer,))), (a.address[0], 4001), later)
    stage.engine.receive_report(0, b"junk", a.address, later)
    stage.command(control.AskStats((1,)))
    stats = stage.of(control.LegStats)[-1]
    assert stats.remote_lost == 5
    assert stats.remote_jitter_ms == pytest.approx(10)
    assert stats.round_trip_ms == pytest.approx(since * 1000, abs=2)
    assert stats.rejected == 1
    stage.command(control.CloseLeg(1))
    assert any(isinstance(part, rtcp.Bye) for part in rtcp.parse(stage.rtcp()[-1].data))


def test_a_closed_slot_rests_and_comes_back(stage):
    """Two seconds of quarantine, then `Grown` names it."""
    Peer(stage, 1, 0)
    stage.command(control.CloseLeg(1))
    assert stage.of(control.LegClosed)[0].leg == 1
    stage.command(control.OpenLeg(2, 0, control.LegSpec()))
    assert "not free" in stage.of(control.Failed)[-1].reason
    stage.run(160)
    assert stage.of(control.Grown) == [control.Grown((control.Slot(0, 20000),))]
    stage.command(control.OpenLeg(3, 0, control.LegSpec()))
    stage.command(control.AskInventory())
    assert stage.of(control.Inventory)[-1].legs == (3,)


def test_commands_that_cannot_be_done_say_why(stage):
    Peer(stage, 1, 0)
    stage.command(
        control.OpenLeg(1, 1, control.LegSpec()),
        control.CloseLeg(5),
        Connect((Edge(1, 77), Edge(88, 1))),
        control.StopPlay(6),
        control.StopRecord(7),
        control.Record(8, "/x", 3),
        control.SendDigits(1, "x"),
        control.Play(9, (), -1),
        Disconnect((Edge(1, 77),)),
    )
    failed = [(report.what, report.subject) for report in stage.of(control.Failed)]
    assert failed == [
        ("OpenLeg", 1),
        ("CloseLeg", 5),
        ("Connect", 0),
        ("StopPlay", 6),
        ("StopRecord", 7),
        ("Record", 8),
        ("SendDigits", 1),
        ("Play", 9),
    ]
    assert "77" in stage.of(control.Failed)[2].reason
    assert "88" in stage.of(control.Failed)[2].reason


def test_nothing_is_left_behind(stage):
    """Legs, edges, players and recorders that came and went leave the engine idle and empty."""
    for round_ in range(20):
        base = 10 * round_ + 1
        a, b = Peer(stage, base, 0), Peer(stage, base + 1, 1, event_type=-1)
        stage.command(Connect((Edge(base, base + 1), Edge(base + 1, base))))
        stage.command(control.Play(base + 2, (control.ToneItem((425.0,), 1000),)), Connect((Edge(base + 2, base),)))
        stage.command(control.Record(base + 3, "/x.wav"), Connect((Edge(base, base + 3),)))
        talk(stage, 3, (a, QUIET), (b, QUIET))
        press(stage, a, "1")
        stage.command(control.SendDigits(base, "12"), control.SendDigits(base + 1, "12"))
        stage.run(2)
        stage.command(control.StopRecord(base + 3), control.StopPlay(base + 2))
        stage.command(control.CloseLeg(base), control.CloseLeg(base + 1))
        stage.engine.tapes.finished(base + 3)
        stage.run(160)
    engine = stage.engine
    stage.command(control.AskInventory())
    assert stage.of(control.Inventory)[-1] == control.Inventory((), (), ())
    assert not engine.busy
    assert engine.edges.count == 0
    assert engine.plan.idle
    assert engine.relay.routes == {}
    assert len(engine.free) == 16
    assert len(stage.of(control.LegClosed)) == 40
    assert stage.tick > START
