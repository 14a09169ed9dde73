"""Pass-through on virtual time: codecs that nobody decodes, formats that change, packet times, whole streams."""

import random
from itertools import pairwise

import pytest
from virtual import Peer, Stage, talk

from softswitch.media.arena import SIZE
from softswitch.media.figures import statistics
from softswitch.wire import control, rtcp, rtp
from softswitch.wire.control import Connect, Edge, Other


@pytest.fixture
def stage():
    return Stage()


def bridge(stage, first=None, second=None, **both):
    a = Peer(stage, 1, 0, **both, **(first or {}))
    b = Peer(stage, 2, 1, **both, **(second or {}))
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    stage.run()
    return a, b


@pytest.mark.parametrize(
    ("codec", "clock", "size"), [("G729", 0, 20), ("G729", 0, 2), ("AMR-WB", 16000, 33), ("X-own", 44100, 1400)]
)
def test_what_nobody_decodes_arrives_bit_exact(stage, codec, clock, size):
    """Numbered random payloads both ways, each leg with its own payload type."""
    a, b = bridge(stage, {"payload_type": 96}, {"payload_type": 107}, codec=codec, clock=clock)
    dice = random.Random(4)
    told = {a: [], b: []}
    for _ in range(50):
        for peer in (a, b):
            payload = dice.randbytes(size)
            told[peer].append(payload)
            stage.receive(peer.row, peer.packet(payload), peer.address)
            peer.timestamp += (clock or 8000) // 50
        stage.run()
    for peer, other in ((a, b), (b, a)):
        assert [payload for *_, payload in peer.sent()] == told[other]
        assert {packet.payload_type for _, packet, _ in peer.sent()} == {peer.spec.payload_type}
        stamps = [packet.timestamp for _, packet, _ in peer.sent()]
        assert {later - earlier for earlier, later in pairwise(stamps)} == {(clock or 8000) // 50}


def test_one_name_at_two_clocks_is_two_codecs(stage):
    a, b = bridge(stage, {"clock": 16000}, {"clock": 8000}, codec="speex", payload_type=97)
    stage.receive(0, a.packet(b"speech"), a.address)
    assert not b.sent()


def test_opus_is_relayed_whatever_the_parameters(stage):
    """RFC 7587 §6.1: they are wishes of the receiver."""
    a, b = bridge(stage, {"fmtp": "useinbandfec=1"}, {"fmtp": "maxplaybackrate=16000"}, codec="opus", payload_type=111)
    stage.receive(0, a.packet(b"opus frame"), a.address)
    assert [payload for *_, payload in b.sent()] == [b"opus frame"]


def test_packets_of_other_lengths_than_wished_pass(stage):
    """RFC 8866 §6.4: ptime is a wish; who says no maxptime takes any."""
    a, b = bridge(stage, {"packet_ms": 20}, {"packet_ms": 40})
    a.say([100] * 160)
    assert [len(payload) for *_, payload in b.sent()] == [160]


def test_packets_longer_than_maxptime_are_cut(stage):
    """RFC 8866 §6.5."""
    a, b = bridge(stage, {"packet_ms": 40}, {"packet_ms": 20, "max_packet_ms": 20})
    for _ in range(20):
        a.say([1000] * 320)
        stage.run(2)
    assert {len(payload) for *_, payload in b.sent()} == {160}


def test_a_recording_of_it_is_silent_and_in_step(stage):
    """The relay goes on beside it, bit-exact."""
    a, b = bridge(stage, codec="G729", payload_type=18)
    stage.command(control.Record(9, "x.wav"), Connect((Edge(1, 9, 0), Edge(2, 9, 1))))
    payloads = [bytes([n]) * 20 for n in range(50)]
    for payload in payloads:
        stage.receive(0, a.packet(payload), a.address)
        stage.run()
    stage.command(control.StopRecord(9))
    assert [payload for *_, payload in b.sent()] == payloads
    recorded = stage.recorded(9)
    assert abs(len(recorded) - 50 * 160) <= 320
    assert not recorded.any()


def test_music_for_it_is_silence(stage):
    """A player on its edge: nothing is sent, nothing breaks, and the bridge comes back."""
    a, b = bridge(stage, codec="G729", payload_type=18)
    stage.command(control.Disconnect((Edge(1, 2),)))
    stage.command(control.Play(7, (control.ToneItem((425.0,), 1000),)), Connect((Edge(7, 2),)))
    stage.run(20)
    assert not b.sent()
    stage.command(control.StopPlay(7), Connect((Edge(1, 2),)))
    stage.run(2)  # the edge of the player fades first
    stage.receive(0, a.packet(b"again"), a.address)
    assert [payload for *_, payload in b.sent()] == [b"again"]


# ------------------------------------------------------------------------------------- several formats, other numbers


def test_a_peer_that_sends_its_second_format_is_heard_and_sent_the_same(stage):
    """RFC 3264 §6.1: who answers with two formats may send either."""
    both = {"payload_type": 8, "codec": "PCMA", "also": (Other("PCMU", 0),)}
    a = Peer(stage, 1, 0, **both)
    b = Peer(stage, 2, 1)
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    stage.run()
    for n in range(30):
        payload = bytes([n + 1]) * 160
        stage.receive(0, a.packet(payload, kind=0), a.address)
        a.timestamp += 160
        b.say([2000] * 160)
        stage.run()
    assert [payload[0] for *_, payload in b.sent()][-29:] == list(range(2, 31))  # relayed from the second on
    assert {packet.payload_type for _, packet, _ in a.sent()[-5:]} == {0}
    stage.receive(0, a.packet(b"\xd5" * 160, kind=8), a.address)  # and back again
    stage.run(5)
    stage.receive(0, a.packet(b"\xd5" * 160, kind=8), a.address)
    assert stage.engine.legs.by_id[1].spec.codec == "PCMA"
    assert stage.engine.legs.by_id[1].rejected == 0


def test_what_was_not_agreed_on_is_still_refused(stage):
    a, b = bridge(stage, {"also": (Other("PCMA", 8),)})
    stage.receive(0, a.packet(b"x" * 160, kind=3), a.address)
    assert stage.engine.legs.by_id[1].rejected == 1
    assert not b.sent()


def test_a_stranger_switches_no_format(stage):
    a, _ = bridge(stage, {"also": (Other("PCMA", 8),)})
    talk(stage, 3, (a, [500] * 160))
    stage.receive(0, a.packet(b"x" * 160, kind=8), ("198.51.100.66", 9))
    stage.run()
    assert stage.engine.legs.by_id[1].spec.codec == "PCMU"


def test_each_way_has_its_own_payload_type(stage):
    """RFC 3264 §5.1: we offered opus as 111 and events as 101, the peer answered 96 and 97: 96 is sent, 111 comes."""
    asymmetric = {
        "payload_type": 96,
        "event_type": 97,
        "also": (Other("opus", 96, 111), Other("telephone-event", 97, 101)),
    }
    a, b = bridge(stage, asymmetric, {"payload_type": 112, "event_type": 110}, codec="opus")
    stage.receive(0, a.packet(b"from a", kind=111), a.address)
    stage.receive(1, b.packet(b"from b", kind=112), b.address)
    assert [(packet.payload_type, payload) for _, packet, payload in b.sent()] == [(112, b"from a")]
    assert [(packet.payload_type, payload) for _, packet, payload in a.sent()] == [(96, b"from b")]
    event = bytes((5, 0x8A, 0, 160))
    for _ in range(3):
        stage.receive(0, a.packet(event, kind=101), a.address)
    assert [report.digit for report in stage.of(control.Digit)] == ["5"]
    assert b.sent()[-1][1].payload_type == 110
    assert stage.engine.legs.by_id[1].rejected == 0


def test_a_key_for_who_takes_neither_events_nor_tones_is_told_to_control_alone(stage):
    a, b = bridge(stage, {"event_type": 101}, {"event_type": -1}, codec="G729", payload_type=18)
    for _ in range(3):
        stage.receive(0, a.packet(bytes((5, 0x8A, 0, 160)), kind=101), a.address)
    stage.run()
    assert [report.digit for report in stage.of(control.Digit)] == ["5"]
    assert not b.sent()


# ------------------------------------------------------------------------------------------------ transparent streams


VIDEO = {"codec": "video", "transparent": True, "event_type": -1}


def frame(dice, kind=96, size=1200, ssrc=0xABCD, sequence=7, extension=b""):
    """A packet as cameras send them: marker, CSRC and a header extension (RFC 8285) when asked for."""
    head = rtp.build(kind, dice.random() < 0.1, sequence, dice.getrandbits(32), ssrc, b"")
    if extension:
        head = bytes((head[0] | 0x10,)) + head[1:] + b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
    return head + dice.randbytes(size)


def test_video_passes_with_its_headers(stage):
    """SSRC, sequence, timestamp, payload types and extensions: RFC 4585 feedback of the far end names them."""
    a, _ = bridge(stage, **VIDEO)
    dice = random.Random(5)
    packets = [
        frame(dice, kind, size, ssrc, 100 + n, extension)
        for n, (kind, size, ssrc, extension) in enumerate(
            [(96, 1460, 1, b""), (97, 30, 2, b"\x10\xff\0\0"), (96, 1, 1, b""), (127, 1472, 1, b"\x51" * 8)] * 10
        )
    ]
    for data in packets:
        stage.receive(0, data, a.address)
    assert stage.raw[1] == packets
    stage.run()
    assert statistics(stage.engine.legs, stage.engine.legs.by_id[2]).sent == len(packets)


def test_a_burst_of_video_passes_whole(stage):
    """A key frame is many packets at once, here of two SSRCs and three looks, both ways, in one batch."""
    a, b = bridge(stage, **VIDEO)
    dice = random.Random(6)
    packets = [
        (n % 2, frame(dice, 96 + n % 3, 900 + n, 1 + n % 4, n, b"" if n % 5 else b"\x10\xff\0\0")) for n in range(300)
    ]
    stage.receive_many([(row, data, (a, b)[row].address) for row, data in packets])
    for row in (0, 1):
        assert stage.raw[1 - row] == [data for at, data in packets if at == row]
    stage.receive_many([(0, frame(dice, sequence=n), a.address) for n in range(200)])
    assert len(stage.raw[1]) == 350


def test_feedback_of_video_reaches_the_other_end(stage):
    """RFC 4585 §6.1, RFC 5104 §4.3.1: PLI, NACK and FIR go through unread, on the RTCP port or multiplexed."""
    a, b = bridge(stage, {"rtcp_mux": True}, {"remote_rtcp": ("192.0.2.1", 4003)}, **VIDEO)
    stage.receive(0, frame(random.Random(1)), a.address)
    stage.receive(1, frame(random.Random(2)), b.address)
    pli = bytes((0x81, 206, 0, 2)) + bytes(8)
    report = rtcp.build(rtcp.ReceiverReport(1)) + pli
    stage.engine.receive_report(1, report, (b.address[0], 4003), stage.now)
    stage.receive(0, pli, a.address)  # reduced size (RFC 5506), on the RTP port
    stage.run()
    assert [(effect.row, effect.data, effect.address, effect.mux) for effect in stage.rtcp()] == [
        (0, report, a.address, True),
        (1, pli, ("192.0.2.1", 4003), False),
    ]


def test_no_reports_of_ours_among_those_of_video(stage):
    a, _ = bridge(stage, **VIDEO)
    for n in range(600):
        stage.receive(0, frame(random.Random(3), sequence=n), a.address)
        stage.run()
    stage.command(control.CloseLeg(1))
    assert not stage.rtcp()
    assert stage.of(control.LegClosed)[0].stats.received == 600


def test_junk_on_a_video_port_goes_nowhere(stage):
    a, b = bridge(stage, **VIDEO)
    stage.receive(0, frame(random.Random(1)), a.address)
    for data in (b"", b"\x80", b"\x40" + bytes(30), b"\x80" + bytes(10), bytes(SIZE)):
        stage.receive(0, data, a.address)
    stage.receive(0, frame(random.Random(1)), ("198.51.100.66", 9))
    assert stage.engine.legs.by_id[1].rejected == 6
    assert len(b.sent()) == 1


FAX = {"codec": control.DATAGRAMS, "transparent": True, "event_type": -1}


def test_datagrams_of_a_fax_pass_as_they_are(stage):
    """UDPTL (ITU-T T.38 §9.1) is no RTP: any octets of any length, repeated or not, both ways, one by one or many."""
    a, b = bridge(stage, **FAX)
    dice = random.Random(8)
    both = [(n % 2, n.to_bytes(2, "big") + dice.randbytes(size)) for n, size in enumerate((0, 1, 5, 40, 1470) * 10)]
    both += both[:4]  # what is sent again comes again: redundancy is the far end's business
    for row, data in both:
        stage.receive(row, data, (a, b)[row].address)
    stage.receive_many([(row, data, (a, b)[row].address) for row, data in both])
    stage.run()
    for row in (0, 1):
        assert stage.raw[1 - row] == 2 * [data for at, data in both if at == row]
    stage.receive(0, b"\0\1 stranger", ("198.51.100.66", 9))
    assert stage.engine.legs.by_id[1].rejected == 1
    assert not stage.rtcp()
    stats = statistics(stage.engine.legs, stage.engine.legs.by_id[1])
    assert (stats.received, stats.sent) == (54, 54)


def test_a_fax_is_not_relayed_into_sound(stage):
    a, b = bridge(stage, FAX, {"codec": "PCMA", "payload_type": 8})
    stage.receive(0, b"\0\1\2\3", a.address)
    stage.run()
    assert all(packet[1].payload_type == 8 for packet in b.sent())
    assert b"\0\1\2\3" not in stage.raw.get(1, [])


def test_video_that_is_held_does_not_pass(stage):
    a, b = bridge(stage, **VIDEO)
    stage.command(control.UpdateLeg(2, control.LegSpec("video", remote=b.address, send=False, transparent=True)))
    stage.run()
    stage.receive(0, frame(random.Random(1)), a.address)
    assert not b.sent()
