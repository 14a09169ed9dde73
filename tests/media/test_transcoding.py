"""Legs of different codecs, packet times and clocks, bridged by the engine on virtual time and judged by listening."""

from itertools import pairwise

import numpy as np
import pytest
from virtual import Peer, Stage

from softswitch.media.codecs import CODECS
from softswitch.wire import control, dtmf, rtcp
from softswitch.wire.control import Connect, Edge
from softswitch_codecs import g711, g722, l16, opus

NAMES = ["PCMU", "PCMA", "L16", "G722", "opus"]
TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9, "L16": 98, "L16/8000": 99, "opus": 111}


class Phone(Peer):
    """A phone with any of the codecs, at its own rate."""

    def __init__(self, stage, leg, row, codec="PCMU", packet_ms=20, **spec):
        law = 1 if codec == "PCMA" else 0
        values = {"codec": codec, "payload_type": TYPES[codec], "packet_ms": packet_ms, **spec}
        super().__init__(stage, leg, row, law, **values)
        self.codec = codec
        self.rate = 16000 if CODECS[codec].plane else 8000
        self.clock = CODECS[codec].clock
        self.ms = packet_ms
        self.sequence, self.timestamp = 65530, 0xFFFFFF00
        self.encoder = {"G722": g722.Encoder, "opus": opus.Encoder}.get(codec, lambda: None)()
        self.waiting = np.zeros(0, np.int16)

    def encode(self, samples):
        if self.encoder is not None:
            return self.encoder.encode(samples)
        if self.codec.startswith("L16"):
            return l16.encode(samples).tobytes()
        return g711.encode(samples, self.law).tobytes()

    def packets(self, samples):
        """Of as many packets as `samples` complete."""
        self.waiting = np.concatenate((self.waiting, samples))
        size = self.ms * self.rate // 1000
        made = []
        while len(self.waiting) >= size:
            frame, self.waiting = self.waiting[:size], self.waiting[size:]
            made.append(self.packet(self.encode(np.ascontiguousarray(frame))))
            self.timestamp = (self.timestamp + self.ms * self.clock // 1000) & 0xFFFFFFFF
        return made

    def hears(self, skip=0):
        """Its ear at its own rate, by its own decoder."""
        payloads = [data for _, packet, data in self.sent() if packet.payload_type == TYPES[self.codec]][skip:]
        if self.codec in ("G722", "opus"):
            decoder = g722.Decoder() if self.codec == "G722" else opus.Decoder()
            return np.concatenate([decoder.decode(payload) for payload in payloads])
        octets = np.frombuffer(b"".join(payloads), np.uint8)
        return l16.decode(octets) if self.codec.startswith("L16") else g711.decode(octets, self.law)


def sine(frequency, seconds, rate, level=8000.0):
    return np.rint(level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def level_of(samples, frequency, rate):
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / rate)
    return float(2 * abs(np.sum(samples * window * turn)) / window.sum())


def pair(first="PCMU", second="PCMU", **more):
    stage = Stage()
    a = Phone(stage, 1, 0, first, **more.get("a", {}))
    b = Phone(stage, 2, 1, second, **more.get("b", {}))
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    return stage, a, b


def talk(stage, seconds, *voices, mangle=None):
    """Each (phone, frequency) says a tone, a packet whenever it is full. `mangle`: what becomes of its packets."""
    sounds = [(phone, sine(frequency, seconds, phone.rate)) for phone, frequency in voices]
    for tick in range(int(seconds * 50)):
        for phone, sound in sounds:
            frame = phone.rate // 50
            packets = phone.packets(sound[tick * frame : (tick + 1) * frame])
            for packet in packets if mangle is None else mangle(tick, packets):
                stage.receive(phone.row, packet, phone.address)
        stage.run()


def settled(phone, seconds=0.4):
    """What it hears at the end, after all has settled."""
    return phone.hears()[-int(seconds * phone.rate) :]


@pytest.mark.parametrize("second", NAMES)
@pytest.mark.parametrize("first", NAMES)
def test_any_two_codecs_talk_to_each_other(first, second):
    """Both ways at once, levels kept within half a dB; packets of the right clock, by ones, in one SSRC."""
    stage, a, b = pair(first, second)
    talk(stage, 1.0, (a, 1000), (b, 1500))
    for phone, own, other in ((a, 1000, 1500), (b, 1500, 1000)):
        heard = settled(phone)
        assert level_of(heard, other, phone.rate) == pytest.approx(8000, rel=0.06)
        assert level_of(heard, own, phone.rate) < 100
        packets = [packet for _, packet, _ in phone.sent()]
        assert {(y.sequence - x.sequence) & 0xFFFF for x, y in pairwise(packets)} == {1}
        assert {(y.timestamp - x.timestamp) & 0xFFFFFFFF for x, y in pairwise(packets[3:])} == {phone.clock // 50}
        assert len({packet.ssrc for packet in packets}) == 1
        assert [packet.marker for packet in packets[:1]] == [True]
        assert not any(packet.marker for packet in packets[3:])


@pytest.mark.parametrize(("first", "second"), [("G722", "opus"), ("L16", "G722"), ("opus", "L16")])
def test_wide_codecs_keep_the_wide_band(first, second):
    stage, a, b = pair(first, second)
    talk(stage, 1.0, (a, 6000))
    assert level_of(settled(b), 6000, 16000) > 6000


@pytest.mark.parametrize("name", NAMES)
def test_equal_codecs_pass_through_bit_by_bit(name):
    stage, a, b = pair(name, name)
    stage.run()
    payloads = [a.encode(sine(700, 0.02, a.rate)) for _ in range(20)]
    for payload in payloads:
        stage.receive(0, a.packet(payload), a.address)
        assert b.sent()[-1][2] == payload
        a.timestamp += a.clock // 50
        stage.run()
    assert [payload for *_, payload in b.sent()] == payloads


@pytest.mark.parametrize("ms", [10, 20, 30, 40, 50, 60])
@pytest.mark.parametrize("name", ["PCMA", "G722", "opus", "L16"])
def test_packets_of_any_time_come_and_go(name, ms):
    """10 to 60 ms each way (RFC 8866 §6.4, ptime)."""
    stage, a, b = pair(name, "PCMU" if name != "PCMU" else "PCMA", a={"packet_ms": ms})
    talk(stage, 1.2, (a, 1000), (b, 1500))
    assert level_of(settled(b), 1000, b.rate) == pytest.approx(8000, rel=0.06)
    assert level_of(settled(a), 1500, a.rate) == pytest.approx(8000, rel=0.06)
    stamps = [packet.timestamp for _, packet, _ in a.sent()]
    assert {(y - x) & 0xFFFFFFFF for x, y in pairwise(stamps[2:])} == {ms * a.clock // 1000}


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_may_change_its_packet_time_in_the_call(name):
    """RFC 3551 §4.2: a receiver takes any packet time."""
    stage, a, b = pair(name, "PCMA" if name != "PCMA" else "PCMU")
    for ms in (20, 40, 10, 60, 30):
        a.ms = ms
        talk(stage, 0.6, (a, 1000))
    heard = b.hears()
    for at in range(5):
        part = heard[int((0.6 * at + 0.2) * b.rate) : int((0.6 * at + 0.5) * b.rate)]
        assert level_of(part, 1000, b.rate) == pytest.approx(8000, rel=0.1)


@pytest.mark.parametrize("name", ["G722", "opus"])
def test_order_does_not_matter_and_loss_is_concealed(name):
    stage, a, b = pair(name, "PCMU")
    held = []

    def mangle(tick, packets):
        if tick % 10 == 4:
            return []  # lost
        if tick % 10 == 7:
            held.extend(packets)
            return []
        back, held[:] = list(held), []
        return packets + back  # the one held comes after its successor

    talk(stage, 2.0, (a, 1000), mangle=mangle)
    heard = settled(b, 1.0)
    assert level_of(heard, 1000, 8000) > 5000  # opus goes on in another phase
    frames = heard[: len(heard) // 160 * 160].reshape(-1, 160).astype(float)
    assert np.sqrt((frames**2).mean(axis=1)).min() > 800
    stage.command(control.AskStats((1,)))
    stats = stage.of(control.LegStats)[-1]
    assert stats.lost == 10
    assert stats.rejected == 0


@pytest.mark.parametrize("name", ["G722", "opus"])
def test_junk_in_a_good_header_is_counted_and_the_call_goes_on(name):
    stage, a, b = pair(name, "PCMU")
    junk = b"\xff\xff\xff" if name == "opus" else b"\x01" * 33
    sound = sine(1000, 1.0, 16000)
    for tick in range(50):
        payload = junk if tick % 10 == 5 else a.encode(sound[tick * 320 : (tick + 1) * 320])
        stage.receive(0, a.packet(payload), a.address)
        a.timestamp = (a.timestamp + a.clock // 50) & 0xFFFFFFFF
        stage.run()
    assert level_of(settled(b), 1000, 8000) > 5500
    stage.command(control.AskStats((1,)))
    assert stage.of(control.LegStats)[-1].rejected == 5


@pytest.mark.parametrize("name", ["G722", "opus", "L16"])
def test_keys_in_band_are_heard_through_the_codec(name):
    """Without telephone-event the pair of tones goes through the mix, as for G.711."""
    stage, a, b = pair(name, "PCMU", a={"event_type": -1})
    stage.command(control.SendDigits(1, "5", 400))
    talk(stage, 0.6, (b, 300))
    low, high = dtmf.FREQUENCIES["5"]
    heard = a.hears()[int(0.1 * a.rate) : int(0.35 * a.rate)]
    assert level_of(heard, low, a.rate) > 1000
    assert level_of(heard, high, a.rate) > 1000


@pytest.mark.parametrize(("name", "clock"), [("opus", 48000), ("L16", 16000), ("G722", 8000)])
def test_telephone_events_count_in_the_clock_of_the_sound(name, clock):
    """RFC 4733 §2.1: one timestamp base with the sound, whatever its clock."""
    stage, a, b = pair(name, "PCMU", a={"event_type": 103})
    talk(stage, 0.2, (a, 1000), (b, 1500))
    stage.command(control.SendDigits(1, "5", 100))
    talk(stage, 0.3, (a, 1000), (b, 1500))
    events = [(packet, dtmf.parse(data)) for _, packet, data in a.sent() if packet.payload_type == 103]
    assert max(event.duration for _, event in events) == clock // 10
    assert len({packet.timestamp for packet, _ in events}) == 1
    key = dtmf.EventSender(clock=clock)
    key.queue("9", 100)
    base = a.timestamp
    while key.busy:
        if (out := key.step()) is not None:
            data = a.packet(out.payload, kind=103)
            stage.receive(0, data[:4] + base.to_bytes(4, "big") + data[8:], a.address)
        stage.run()
    assert [(digit.digit, digit.duration_ms) for digit in stage.of(control.Digit)] == [("9", 100)]


def test_a_relayed_event_counts_in_the_clock_of_its_sink():
    """Some phones offer telephone-event/8000 beside opus; the sound is passed through all the same."""
    stage, a, b = pair("opus", "opus", a={"event_clock": 8000})
    stage.run()
    stage.receive(0, a.packet(a.encode(sine(700, 0.02, 16000))), a.address)
    stage.receive(0, a.packet(dtmf.build(dtmf.Event(5, False, 10, 160)), kind=101), a.address)
    assert dtmf.parse(b.sent()[-1][2]).duration == 960


@pytest.mark.parametrize(("fmtp", "grows"), [("useinbandfec=1", True), ("stereo=0", False)])
def test_reported_loss_turns_error_correction_on(fmtp, grows):
    """RFC 7587 §6.1: only for a receiver that said it uses it."""
    stage, a, b = pair("opus", "PCMU", a={"fmtp": fmtp})
    at = np.arange(8000) / 8000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 2 * at)) / 8000  # like a voice, or nothing is active
    sound = np.rint(3000 * sum(np.sin(n * phase) / n for n in range(1, 25))).astype(np.int16)

    def second():
        for at in range(0, 8000, 160):
            stage.receive(1, b.packet(b.encode(sound[at : at + 160])), b.address)
            b.timestamp = (b.timestamp + 160) & 0xFFFFFFFF
            stage.run()
        return [payload for *_, payload in a.sent()[-25:]]

    before = second()
    ssrc = a.sent()[0][1].ssrc
    block = rtcp.Block(ssrc, 26, 5, 70000, 10, 0, 0)
    report = rtcp.build(rtcp.ReceiverReport(9, (block,)), rtcp.Cname(9, "x"))
    stage.engine.receive_report(0, report, a.address, stage.now)
    after = second()
    assert _mended(before) == 0
    assert (_mended(after) > 10) == grows


def _mended(payloads):
    """How many of the packets tell of the one before: what is recovered from them is not what is concealed."""
    count = 0
    for one, other in pairwise(payloads):
        blind, helped = opus.Decoder(), opus.Decoder()
        blind.decode(one)
        helped.decode(one)
        count += (blind.conceal(320) != helped.recover(other, 320)).any()
    return count


def test_the_bit_rate_stays_below_what_the_receiver_wants():
    """RFC 7587 §6.1, maxaveragebitrate."""
    sizes = []
    absurd = "maxaveragebitrate=" + "9" * 5000
    for fmtp in ("", "maxaveragebitrate=12000", "maxaveragebitrate=12000; stereo=1", "maxaveragebitrate=x;=", absurd):
        stage, a, b = pair("opus", "PCMU", a={"fmtp": fmtp})
        talk(stage, 1.0, (b, 1000))
        sizes.append(np.mean([len(payload) for *_, payload in a.sent()]))
    assert sizes[1] == sizes[2] < 0.7 * sizes[0]
    assert sizes[3] == sizes[4] == sizes[0]


def test_wide_and_narrow_legs_meet_in_a_room_and_in_a_recording():
    stage = Stage()
    phones = [Phone(stage, n + 1, n, codec) for n, codec in enumerate(("PCMA", "G722", "opus"))]
    stage.command(control.OpenRoom(50), control.Record(60, "/x.wav", 2), Connect((Edge(2, 60, 0), Edge(3, 60, 1))))
    stage.command(*(control.JoinRoom(50, n) for n in (1, 2, 3)))
    tones = (600, 1000, 1700)
    talk(stage, 1.0, *zip(phones, tones, strict=True))
    stage.command(control.StopRecord(60))
    for phone, own in zip(phones, tones, strict=True):
        heard = settled(phone)
        for tone in tones:
            level = level_of(heard, tone, phone.rate)
            assert level < 200 if tone == own else level > 6500
    tape = stage.recorded(60)[-3200:]
    assert level_of(tape[:, 0], 1000, 8000) == pytest.approx(8000, rel=0.06)
    assert level_of(tape[:, 1], 1700, 8000) == pytest.approx(8000, rel=0.06)


def test_nothing_is_left_of_a_coded_leg():
    stage, a, b = pair("opus", "G722")
    talk(stage, 0.3, (a, 1000), (b, 1500))
    stage.command(control.CloseLeg(1), control.CloseLeg(2))
    assert not stage.engine.legs.coded._streams
    stage.run(3)
    assert not stage.engine.legs.received["decode"].any()
