"""Opus through libopus: packet times, concealment, error correction, junk."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voices import chirping, frames, level_of, loudness, tone

from softswitch_codecs import opus
from softswitch_codecs.stateful import CodecError


@pytest.mark.parametrize("milliseconds", [10, 20, 30, 40, 50, 60])
def test_any_packet_time_is_encoded_and_heard(milliseconds):
    """RFC 7587 §6.1: packets hold one Opus frame or several; 30 and 50 ms are no frame's length."""
    encoder, decoder = opus.Encoder(), opus.Decoder()
    size = 16 * milliseconds
    heard = []
    for frame in frames(tone(1000, 16000), size):
        payload = encoder.encode(frame)
        assert decoder.duration(payload) == size
        heard.append(decoder.decode(payload))
        assert len(heard[-1]) == size
    assert level_of(np.concatenate(heard)[3200:], 1000) == pytest.approx(8000, rel=0.1)


def test_ffmpeg_hears_what_we_encode():
    """An independent decoder (FFmpeg's own, not libopus)."""
    encoder = opus.Encoder()
    theirs = av.CodecContext.create("opus", "r")
    theirs.sample_rate, theirs.layout = 48000, "mono"
    heard = [
        part.to_ndarray()[0]
        for frame in frames(tone(1000, 16000))
        for part in theirs.decode(av.Packet(encoder.encode(frame)))
    ]
    assert level_of(np.concatenate(heard)[9600:], 1000, 48000) == pytest.approx(8000 / 32768, rel=0.1)


def test_a_stereo_stream_is_heard_as_one():
    """RFC 7587 §7: a receiver takes stereo packets whatever it said about it."""
    theirs = av.CodecContext.create("libopus", "w")
    theirs.sample_rate, theirs.layout, theirs.format = 48000, "stereo", "s16"
    sound = np.repeat(tone(1000, 48000, 48000), 2)[None]
    frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="stereo")
    frame.sample_rate = 48000
    decoder = opus.Decoder()
    heard = np.concatenate([decoder.decode(bytes(packet)) for packet in theirs.encode(frame)])
    assert level_of(heard[3200:], 1000) == pytest.approx(8000, rel=0.1)


def test_a_lost_frame_is_taken_from_the_next_packet():
    """RFC 6716 §2.1.7: with loss expected, a packet holds a coarse copy of the frame before."""
    sound = chirping(16000 * 2)
    encoder = opus.Encoder()
    encoder.expect_loss(20)
    payloads = [encoder.encode(frame) for frame in frames(sound)]

    def error(mend):
        decoder, off = opus.Decoder(), []
        reference = opus.Decoder()
        for at, payload in enumerate(payloads):
            truth = reference.decode(payload)
            if at % 10 == 9 and at + 1 < len(payloads):
                off.append(loudness(mend(decoder, payloads[at + 1]).astype(int) - truth))
            else:
                decoder.decode(payload)
        return np.mean(off)

    recovered = error(lambda decoder, following: decoder.recover(following, 320))
    concealed = error(lambda decoder, following: decoder.conceal(320))
    silent = loudness(sound)
    assert recovered < 0.6 * concealed
    assert concealed < silent


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_packets_that_mend_are_known_by_their_flag(milliseconds):
    """RFC 6716 §4.2.3."""
    sound = frames(chirping(16000), 16 * milliseconds)
    plain, careful = opus.Encoder(), opus.Encoder()
    careful.expect_loss(20)
    decoder = opus.Decoder()
    assert not any(decoder.mends(plain.encode(frame)) for frame in sound)
    assert sum(decoder.mends(careful.encode(frame)) for frame in sound) > len(sound) // 2
    assert not decoder.mends(b"")
    assert not decoder.mends(b"\xfc\xff")


def test_concealment_fades():
    encoder, decoder = opus.Encoder(), opus.Decoder()
    for frame in frames(chirping(8000)):
        heard = decoder.decode(encoder.encode(frame))
    assert loudness(decoder.conceal(160)) > 0.2 * loudness(heard)
    assert len(decoder.conceal(4800)) == 4800
    assert loudness(decoder.conceal(320)) < 0.05 * loudness(heard)


def test_error_correction_costs_nothing_until_loss_is_expected():
    sound = frames(chirping(16000))
    plain, spoken_of = opus.Encoder(), opus.Encoder()
    spoken_of.expect_loss(0)
    assert [plain.encode(frame) for frame in sound] == [spoken_of.encode(frame) for frame in sound]


@given(st.binary(max_size=200))
def test_any_payload_gives_sound_or_a_codec_error(payload):
    """Junk is refused or heard, and the decoder goes on."""
    decoder = DECODER
    for way in (decoder.decode, decoder.duration, lambda data: decoder.recover(data, 320)):
        try:
            way(payload)
        except CodecError:
            continue
    assert len(decoder.conceal(320)) == 320
    assert len(decoder.decode(GOOD)) == 320


DECODER = opus.Decoder()
GOOD = opus.Encoder().encode(tone(1000, 320))


@pytest.mark.parametrize("count", [0, 1, 159, 321, 2080])
def test_half_blocks_are_not_encoded(count):
    with pytest.raises(ValueError):
        opus.Encoder().encode(np.zeros(count, np.int16))


def test_bad_settings_are_told():
    with pytest.raises(ValueError):
        opus.Encoder(complexity=11)
