"""Payloads of stateful codecs in the wide jitter buffer: order, loss, junk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.media.codecs import G722, OPUS
from softswitch.media.coded import LONGEST_GAP, Coded
from softswitch.media.jitter import JitterBuffer
from softswitch_codecs import g722, opus

ROW = np.array([3])
CLOCKS = {G722: 8000, OPUS: 48000}
KINDS = [G722, OPUS]
ENCODERS = {G722: g722.Encoder, OPUS: opus.Encoder}
DECODERS = {G722: g722.Decoder, OPUS: opus.Decoder}


def voice(count):
    at = np.arange(count) / 16000
    sound = sum(np.sin(2 * np.pi * 150 * n * at) / n for n in range(1, 20))
    return np.rint(4000 * sound * (0.7 + 0.3 * np.sin(2 * np.pi * 2 * at))).astype(np.int16)


class Row:
    """One row of a buffer, with an encoder before it."""

    def __init__(self, kind, ms=20, loss=0):
        self.kind, self.ms = kind, ms
        self.buffer = JitterBuffer(8, 160)
        self.refused = []
        self.coded = Coded(8, self.buffer, self.refused.append)
        self.coded.assign(3, kind)
        self.buffer.tune(3, CLOCKS[kind])
        self.encoder = ENCODERS[kind]()
        if loss:
            self.encoder.expect_loss(loss)
        self.stamp = 0xFFFFFFFF - 5000  # so that it soon wraps

    def packets(self, samples, ms=None):
        """(timestamp, payload) of the sound."""
        ms = self.ms if ms is None else ms
        made = []
        for at in range(0, len(samples), 16 * ms):
            made.append((self.stamp, self.encoder.encode(samples[at : at + 16 * ms])))
            self.stamp = (self.stamp + ms * CLOCKS[self.kind] // 1000) & 0xFFFFFFFF
        return made

    def put(self, packet, spare=0.012):
        stamp, payload = packet
        self.coded.put(ROW, [payload], np.array([stamp], np.uint32), np.array([spare], np.float32))

    def pull(self, ticks=1):
        frames = []
        for _ in range(ticks):
            self.coded.advance(ROW)
            frames.append(self.buffer.pull(ROW)[0])
        return np.concatenate(frames)


def reference(kind, packets):
    decoder = DECODERS[kind]()
    return np.concatenate([decoder.decode(payload) for _, payload in packets])


def likeness(heard, sound):
    """How far `heard` is `sound`, 1 for equal."""
    return 1 - np.linalg.norm(heard.astype(float) - sound) / np.linalg.norm(sound.astype(float))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
def test_sound_in_order_is_the_decoders_own(kind, ms):
    """Nothing is added: the samples are those of one decoder, across the wrap of the timestamp."""
    row = Row(kind, ms)
    packets = row.packets(voice(16 * 1200))
    heard, spoken = [], 0
    for tick in range(60):
        while spoken < len(packets) and spoken * ms < (tick + 1) * 20:
            row.put(packets[spoken])
            spoken += 1
        heard.append(row.pull())
    assert (np.concatenate(heard) == reference(kind, packets)).all()
    assert not row.refused


@pytest.mark.parametrize("kind", KINDS)
def test_packets_out_of_order_and_twice_are_the_same(kind):
    """RFC 3550: neither changes what is heard while the buffer still has time."""
    row = Row(kind)
    packets = row.packets(voice(16 * 400))
    heard = []
    for at in range(0, 20, 4):
        for n in (0, 3, 1, 1, 2):
            row.put(packets[at + n])
        heard.append(row.pull(4))
    assert (np.concatenate(heard) == reference(kind, packets)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_packet_time_may_change_in_the_call(kind):
    row = Row(kind)
    sound = voice(16 * 600)
    heard, sent = [], []
    for at, ms in enumerate((20, 60, 10, 30, 40)):
        packets = row.packets(sound[at * 1920 :][:1920], ms)
        for packet in packets:
            row.put(packet)
        heard.append(row.pull(6))
        sent += packets
    assert (np.concatenate(heard) == reference(kind, sent)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_packet_is_concealed_by_the_codec(kind):
    row = Row(kind)
    sound = voice(16 * 1000)
    packets = row.packets(sound)
    heard = []
    for at, packet in enumerate(packets):
        if at % 10 != 7:
            row.put(packet)
        heard.append(row.pull())
    heard = np.concatenate(heard)
    truth = reference(kind, packets)
    assert (heard[: 7 * 320] == truth[: 7 * 320]).all()
    gaps = np.concatenate([heard[at * 320 : (at + 1) * 320] for at in range(17, 50, 10)])
    assert np.sqrt(np.mean(gaps.astype(float) ** 2)) > 0.3 * np.sqrt(np.mean(truth.astype(float) ** 2))
    assert row.buffer.learned["concealed"][3] == 10
    assert likeness(heard, truth) > 0.4


def test_opus_mends_a_gap_with_what_the_next_packet_brings():
    """RFC 7587 §3.3: with the next packet at hand, the lost frame is not guessed but decoded."""
    sound = voice(16 * 1000)

    def heard(early):
        """`early`: packets in hand beside the one that is played."""
        row = Row(OPUS, loss=20)
        packets = row.packets(sound)
        put, frames = 0, []
        for tick in range(50):
            while put < min(tick + 1 + early, 50):
                if put % 10 != 7:
                    row.put(packets[put], 0.012)
                put += 1
            frames.append(row.pull())
        assert row.buffer.learned["concealed"][3] == 10
        return likeness(np.concatenate(frames), reference(OPUS, packets))

    assert heard(early=1) > heard(early=0) + 0.1


@pytest.mark.parametrize(("loss", "learns"), [(20, True), (0, False)])
def test_who_sends_twice_is_waited_for(loss, learns):
    """A peer that loses packets and repairs them is worth one packet of delay; others are not."""
    row = Row(OPUS, loss=loss)
    packets = row.packets(voice(16 * 6000))
    frames = []
    for at, packet in enumerate(packets):
        if at % 10 != 7:
            row.put(packet)
        frames.append(row.pull())
    in_hand = int(row.coded._next[3] - row.buffer.state["block"][3])
    assert in_hand == (2 if learns else 0)
    assert row.buffer.learned["late"][3] == 0
    sound = np.concatenate(frames)[-32000:]
    late = in_hand * 160
    assert (likeness(sound[late:], reference(OPUS, packets)[-32000:][: 32000 - late]) > 0.75) == learns
    row.coded.reset(3)
    assert not row.buffer._margins


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_long_gap_there_is_silence_and_then_sound_again(kind):
    row = Row(kind)
    packets = row.packets(voice(16 * 2000))
    for packet in packets[:20]:
        row.put(packet)
        row.pull()
    gap = row.pull(40)
    assert not gap[-3200:].any()
    assert kind == G722 or row.buffer.learned["concealed"][3] >= LONGEST_GAP
    heard = []
    for packet in packets[60:]:
        row.put(packet)
        heard.append(row.pull())
    assert likeness(np.concatenate(heard)[3200:], reference(kind, packets)[60 * 320 + 3200 :]) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_junk_is_counted_and_the_sound_goes_on(kind):
    row = Row(kind)
    packets = row.packets(voice(16 * 400))
    for at, packet in enumerate(packets):
        row.put((packet[0], b"" if kind == OPUS else b"\x00" * 77))
        row.put(packet)
        assert len(row.refused) == at + 1
        row.pull()
    assert row.buffer.learned["concealed"][3] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_starts_anew_has_a_decoder_of_its_own(kind):
    """RFC 3550 §8: another SSRC is another source."""
    row = Row(kind)
    for packet in row.packets(voice(16 * 200)):
        row.put(packet)
        row.pull()
    row.buffer.reset(3)
    row.coded.reset(3)
    row.encoder = ENCODERS[kind]()
    packets = row.packets(voice(16 * 200))
    heard = []
    for packet in packets:
        row.put(packet)
        heard.append(row.pull())
    assert (np.concatenate(heard) == reference(kind, packets)).all()


MOVES = st.lists(
    st.tuples(st.integers(-4000, 200_000) | st.integers(-20, 60).map(lambda n: n * 160), st.binary(max_size=100)),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), moves=MOVES, data=st.data())
def test_whatever_comes_in_whatever_order_frames_come_out(kind, moves, data):
    """Timestamps and payloads of a fuzzer: counted, dropped or heard, and the good stream after it is heard."""
    row = Row(kind)
    good = row.packets(voice(16 * 60))
    for shift, payload in moves:
        known = data.draw(st.booleans())
        row.put(((row.stamp + shift) & 0xFFFFFFFF, good[0][1] if known else payload))
        assert len(row.pull(data.draw(st.integers(1, 3)))) % 320 == 0
    heard = []
    for packet in row.packets(voice(16 * 600)):
        row.put(packet)
        heard.append(row.pull())
    assert np.abs(np.concatenate(heard[10:]).astype(int)).max() > 3000
    assert len(row.coded._streams[3].pending) < 64
