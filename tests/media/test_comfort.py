"""Comfort noise (RFC 3389) and silence suppression."""

import numpy as np
import pytest
from virtual import Peer, Stage

from softswitch.kernel.errors import PeerError
from softswitch.media import comfort
from softswitch.media.jitter import NOISE, JitterBuffer
from softswitch.wire import control
from softswitch_codecs import g711

ROWS = np.array([0])


def rms(samples):
    return float(np.sqrt(np.mean(np.square(np.asarray(samples, float)))))


def dbov(samples):
    return 20 * np.log10(rms(samples) / 32768)


@pytest.mark.parametrize("level", [40, 55, 70])
def test_noise_has_the_level_that_was_announced(level):
    """RFC 3389 §3: −level dBov."""
    assert dbov(comfort.noise(bytes([level]), 48 * 80)) == pytest.approx(-level, abs=0.3)


def test_noise_that_is_too_loud_is_taken_down():
    assert dbov(comfort.noise(bytes([0]), 3840)) == pytest.approx(-30, abs=0.3)


def test_reflection_coefficients_shape_the_spectrum():
    """RFC 3389 §3.2: k = (octet − 127) / 128; a first coefficient near −1 makes the noise low."""
    low = np.abs(np.fft.rfft(comfort.noise(bytes([50, 127 - 115]), 3840)))
    high = np.abs(np.fft.rfft(comfort.noise(bytes([50, 127 + 115]), 3840)))
    assert low[:500].sum() > 3 * low[-500:].sum()
    assert high[-500:].sum() > 3 * high[:500].sum()


@pytest.mark.parametrize("payload", [bytes([60, *[255] * 12]), bytes([60, *[0] * 40]), bytes([255])])
def test_any_payload_gives_noise(payload):
    """The filter stays stable."""
    assert rms(comfort.noise(payload, 7680)) < 1200


def test_no_level_no_noise():
    with pytest.raises(PeerError):
        comfort.noise(b"", 3840)


def put(buffer, number, value):
    stamp = np.array([160 * number], np.uint32)
    buffer.put(ROWS, stamp, np.full((1, 2 * buffer.block), value, np.int16), np.array([0.012], np.float32))


@pytest.mark.parametrize("block", [80, 160])
def test_noise_fills_the_gap_until_sound_comes_again(block):
    buffer = JitterBuffer(1, block)
    buffer.tune(0, 8000)
    sound = comfort.noise(bytes([50]), NOISE * block)
    for n in range(3):
        put(buffer, n, 3000)
        buffer.pull(ROWS)
    buffer.comfort(0, 160 * 3, sound)
    heard = [buffer.pull(ROWS)[0] for _ in range(97)]
    assert -52 < dbov(np.concatenate(heard[1:])) < -48
    assert all(-56 < dbov(frame) < -44 for frame in heard[1:])
    put(buffer, 100, 3000)
    assert (buffer.pull(ROWS)[0][block:] == 3000).all()
    put(buffer, 102, 3000)
    buffer.pull(ROWS)  # a loss is concealed again, not filled with noise
    assert (buffer.pull(ROWS)[0][block:] == 3000).all()
    assert buffer.learned["concealed"][0] == 2


def test_a_sender_that_stops_without_a_word_is_followed_by_silence():
    buffer = JitterBuffer(1)
    put(buffer, 0, 3000)
    frames = [buffer.pull(ROWS)[0] for _ in range(50)]
    assert not np.any(frames[4:])


def test_comfort_noise_packets_reach_the_mix():
    """Payload type 13 on a leg that is mixed; what the other side hears is noise of that level."""
    stage = Stage()
    a, b = Peer(stage, 1, 0), Peer(stage, 2, 1, law=1)
    stage.command(control.Connect((control.Edge(1, 2),)))
    for _ in range(5):
        a.say(np.full(160, 2000))
        stage.run()
    stage.receive(0, a.packet(bytes([45]), kind=13), a.address)
    stage.run(40)
    heard = g711.decode(np.frombuffer(b"".join(payload for _, _, payload in b.sent()[-30:]), np.uint8), 1)
    assert dbov(heard) == pytest.approx(-45, abs=1)
