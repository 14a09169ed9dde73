"""G.722 against a second implementation of the recommendation, and its concealment."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voices import chirping, frames, level_of, tone

from softswitch_codecs import g722
from softswitch_codecs.stateful import CodecError

NOISE = np.random.default_rng(3).integers(-32768, 32768, 16000).astype(np.int16)


def ffmpeg(kind):
    codec = av.CodecContext.create("g722", kind)
    codec.sample_rate, codec.layout = 16000, "mono"
    return codec


@pytest.mark.parametrize(
    "sound", [NOISE, (NOISE / 16).astype(np.int16), chirping(16000)], ids=["full", "quiet", "voice"]
)
def test_encoder_and_decoder_agree_bit_by_bit_with_ffmpegs(sound):
    """The recommendation is bit-exact, so two independent implementations can only agree."""
    encoder, decoder = g722.Encoder(), g722.Decoder()
    payloads = [encoder.encode(frame) for frame in frames(sound)]
    theirs = ffmpeg("w")
    theirs.format, theirs.bit_rate = "s16", 64000
    frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = 16000
    expected = b"".join(bytes(packet) for packet in [*theirs.encode(frame), *theirs.encode(None)])
    assert b"".join(payloads) == expected
    heard = np.concatenate([decoder.decode(payload) for payload in payloads])
    reference = np.concatenate([part.to_ndarray()[0] for part in ffmpeg("r").decode(av.Packet(expected))])
    assert (heard == reference).all()


def test_any_octets_decode_as_ffmpeg_decodes_them():
    octets = np.random.default_rng(4).integers(0, 256, 16000).astype(np.uint8).tobytes()
    reference = np.concatenate([part.to_ndarray()[0] for part in ffmpeg("r").decode(av.Packet(octets))])
    decoder = g722.Decoder()
    heard = np.concatenate([decoder.decode(octets[at : at + 160]) for at in range(0, len(octets), 160)])
    assert (heard == reference).all()


@pytest.mark.parametrize("milliseconds", [10, 20, 30, 40, 50, 60])
def test_64_kbit_s_at_any_packet_time(milliseconds):
    """RFC 3551 §4.5.2: 8000 octets a second."""
    sound = tone(1000, 16 * milliseconds * 10)
    encoder, decoder = g722.Encoder(), g722.Decoder()
    payloads = [encoder.encode(frame) for frame in frames(sound, 16 * milliseconds)]
    assert {len(payload) for payload in payloads} == {8 * milliseconds}
    assert {decoder.duration(payload) for payload in payloads} == {16 * milliseconds}
    heard = np.concatenate([decoder.decode(payload) for payload in payloads])
    assert level_of(heard, 1000) == pytest.approx(8000, rel=0.02)


def test_the_wide_band_is_heard():
    sound = tone(6000, 8000)
    encoder, decoder = g722.Encoder(), g722.Decoder()
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames(sound)])
    assert level_of(heard[1600:], 6000) == pytest.approx(8000, rel=0.1)


@given(st.binary(max_size=1300))
def test_any_payload_gives_sound_or_a_codec_error(payload):
    decoder = g722.Decoder()
    try:
        assert len(decoder.decode(payload)) == 2 * len(payload)
    except CodecError:
        assert not payload or len(payload) > 960 or len(payload) % 80
    assert len(decoder.decode(bytes(160))) == 320


@pytest.mark.parametrize("count", [0, 1, 159, 321])
def test_half_blocks_are_not_encoded(count):
    with pytest.raises(ValueError):
        g722.Encoder().encode(np.zeros(count, np.int16))
