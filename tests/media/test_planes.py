"""The narrow and the wide plane: legs of 8 and of 16 kHz hear each other, players and rooms, each as well as it can."""

import numpy as np
import pytest
from harness import tone
from virtual import Peer, Stage

from softswitch.media import tones
from softswitch.media.codecs import CODECS
from softswitch.media.player import Clip
from softswitch.wire import control, rtp
from softswitch.wire.control import Connect, Edge, JoinRoom, OpenRoom
from softswitch_codecs import g722, l16, opus


class Linear:
    def encode(self, samples):
        return l16.encode(samples).tobytes()

    def decode(self, payload):
        return l16.decode(np.frombuffer(payload, np.uint8))


MAKE = {"G722": (g722.Encoder, g722.Decoder), "opus": (opus.Encoder, opus.Decoder), "L16": (Linear, Linear)}
KINDS = {"G722": 9, "opus": 96, "L16": 97}
WIDE = [name for name in MAKE if name in CODECS]


class WidePeer:
    """A phone of 16 kHz on the stage."""

    def __init__(self, stage, leg, row, codec, **spec):
        self.stage, self.leg, self.row = stage, leg, row
        self.address = ("192.0.2.1", 4000 + 2 * row)
        encoder, self.decoder = MAKE[codec]
        self.encoder = encoder()
        self.sequence, self.timestamp, self.step = 7, 999, CODECS[codec].clock // 50
        self.kind = KINDS[codec]
        stage.command(control.OpenLeg(leg, row, control.LegSpec(codec, self.kind, 101, self.address, **spec)))

    def say(self, samples):
        data = rtp.build(self.kind, False, self.sequence, self.timestamp, 77, self.encoder.encode(samples))
        self.sequence, self.timestamp = self.sequence + 1, self.timestamp + self.step
        self.stage.receive(self.row, data, self.address)

    def heard(self):
        decoder = self.decoder()
        payloads = [payload for _, packet, payload in self.stage.sent.get(self.row, ())]
        return np.concatenate([decoder.decode(payload) for payload in payloads]) if payloads else np.zeros(0)


def wide_tone(hertz, amplitude=8000.0):
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000)).astype(np.int16)


def level(samples, hertz, rate):
    """Amplitude of the tone in the last half second."""
    samples = samples[-rate // 2 :]
    at = np.arange(len(samples)) / rate
    return float(2 * abs(np.mean(samples * np.exp(-2j * np.pi * hertz * at))))


def talk(stage, ticks, *speakers):
    for n in range(ticks):
        for peer, samples in speakers:
            size = 160 if isinstance(peer, Peer) else 320
            at = n * size % len(samples)
            peer.say(samples[at : at + size])
        stage.run()


@pytest.fixture
def stage():
    return Stage()


@pytest.mark.parametrize("codec", WIDE)
def test_a_narrow_and_a_wide_phone_hear_each_other(stage, codec):
    """Both ways at the level as said; what lies above 4 kHz is not folded into the narrow band."""
    wide, narrow = WidePeer(stage, 1, 0, codec), Peer(stage, 2, 1)
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    talk(stage, 80, (wide, wide_tone(997, 6000) + wide_tone(5103, 3000)), (narrow, tone(700, 1.0, 6000)))
    assert level(stage.heard(1), 997, 8000) == pytest.approx(6000, rel=0.06)
    assert level(stage.heard(1), 2897, 8000) < 60
    assert level(wide.heard(), 700, 16000) == pytest.approx(6000, rel=0.06)
    assert level(wide.heard(), 7300, 16000) < 60


@pytest.mark.parametrize("first", WIDE)
@pytest.mark.parametrize("second", WIDE)
def test_wide_phones_hear_each_other_wide(stage, first, second):
    """Transcoded at 16 kHz: 5 kHz comes through. Of one codec they are relayed untouched."""
    a, b = WidePeer(stage, 1, 0, first), WidePeer(stage, 2, 1, second)
    stage.command(Connect((Edge(1, 2), Edge(2, 1))))
    talk(stage, 80, (a, wide_tone(5000, 6000)))
    assert level(b.heard(), 5000, 16000) == pytest.approx(6000, rel=0.2)
    if first == second:
        assert not stage.engine.plan.rows[1].any()
        assert stage.engine.plan.idle


@pytest.mark.parametrize("codec", WIDE)
def test_a_wide_phone_hears_itself_by_an_echo_that_is_mixed(stage, codec):
    peer = WidePeer(stage, 1, 0, codec)
    stage.command(Connect((Edge(1, 1, 0, 0.5),)))
    talk(stage, 80, (peer, wide_tone(3000, 6000)))
    assert level(peer.heard(), 3000, 16000) == pytest.approx(3000, rel=0.15)


@pytest.mark.parametrize("codec", WIDE)
def test_tones_and_files_are_wide_for_wide_phones(stage, codec):
    """A file of 16 kHz keeps its upper half; the same player is heard by a narrow phone in time."""
    wide, _ = WidePeer(stage, 1, 0, codec), Peer(stage, 2, 1)
    stage.command(
        control.Play(8, (control.FileItem("/wide"),), 0),
        control.Play(9, (control.ToneItem((1250.5,), 5000),)),
        Connect((Edge(8, 1), Edge(9, 1), Edge(8, 2), Edge(9, 2))),
    )
    narrow_clip, wide_clip = tone(500, 1.0, 3000), wide_tone(500, 3000) + wide_tone(6000, 3000)
    stage.engine.loaded("/wide", Clip(narrow_clip, wide_clip))
    stage.run(80)
    loud = tones.amplitude(-13.0)
    assert level(wide.heard(), 500, 16000) == pytest.approx(3000, rel=0.06)
    assert level(wide.heard(), 6000, 16000) == pytest.approx(3000, rel=0.25)
    assert level(wide.heard(), 1250.5, 16000) == pytest.approx(loud, rel=0.06)
    assert level(stage.heard(1), 500, 8000) == pytest.approx(3000, rel=0.03)
    assert level(stage.heard(1), 1250.5, 8000) == pytest.approx(loud, rel=0.03)


def test_a_narrow_file_is_brought_to_the_wide_plane_once(stage):
    """Without images above 4 kHz."""
    wide = WidePeer(stage, 1, 0, "L16")
    stage.command(control.Play(8, (control.FileItem("/narrow"),), 0), Connect((Edge(8, 1),)))
    stage.engine.loaded("/narrow", Clip(tone(1000, 1.0, 3000)))
    stage.run(60)
    assert level(wide.heard(), 1000, 16000) == pytest.approx(3000, rel=0.01)
    assert level(wide.heard(), 7000, 16000) < 5


def test_a_room_of_both_planes(stage):
    """Each hears all others and not itself; wide members hear each other wide, and recorders hear all."""
    narrow = [Peer(stage, leg, leg - 1) for leg in (1, 2)]
    wide = [WidePeer(stage, leg, leg - 1, "L16") for leg in (3, 4)]
    stage.command(OpenRoom(500), control.Record(7, "/rec.wav", 1), JoinRoom(500, 7))
    stage.command(*(JoinRoom(500, peer.leg) for peer in (*narrow, *wide)))
    said = {1: 500, 2: 900, 3: 1300, 4: 2100}
    talk(
        stage,
        80,
        *((peer, tone(said[peer.leg], 1.0, 3000)) for peer in narrow),
        *((peer, wide_tone(said[peer.leg], 3000) + wide_tone(5000, 1000) * (peer.leg == 3)) for peer in wide),
    )
    stage.command(control.StopRecord(7))
    heard = {peer.leg: (stage.heard(peer.row), 8000) for peer in narrow}
    heard |= {peer.leg: (peer.heard(), 16000) for peer in wide}
    for leg, (sound, rate) in heard.items():
        for other, hertz in said.items():
            if other == leg:
                assert level(sound, hertz, rate) < 30
            else:
                assert level(sound, hertz, rate) == pytest.approx(3000, rel=0.03)
    assert level(heard[4][0], 5000, 16000) == pytest.approx(1000, rel=0.03)
    assert level(heard[3][0], 5000, 16000) < 10
    assert level(heard[1][0], 3000, 8000) < 10
    sound = stage.recorded(7, 1)[:, 0]
    for hertz in said.values():
        assert level(sound, hertz, 8000) == pytest.approx(3000, rel=0.03)


def test_a_phone_that_changes_its_codec_changes_the_plane(stage):
    """re-INVITE from G.711 to G.722 and back: the other goes on hearing it."""
    a, b = Peer(stage, 1, 0), Peer(stage, 2, 1)
    stage.command(Connect((Edge(1, 2, 0, 0.5), Edge(2, 1, 0, 0.5))))
    talk(stage, 20, (a, tone(700, 1.0, 6000)))
    stage.command(control.UpdateLeg(1, control.LegSpec("G722", 9, 101, a.address)))
    encoder = g722.Encoder()
    sound = wide_tone(700, 6000)
    for n in range(60):
        data = a.packet(encoder.encode(sound[n * 320 % 16000 :][:320]), kind=9)
        a.timestamp += 160
        stage.receive(0, data, a.address)
        stage.run()
    assert level(stage.heard(1), 700, 8000) == pytest.approx(3000, rel=0.05)
    stage.command(control.UpdateLeg(1, control.LegSpec("PCMU", 0, 101, a.address)))
    talk(stage, 60, (a, tone(900, 1.0, 6000)))
    assert level(stage.heard(1), 900, 8000) == pytest.approx(3000, rel=0.05)
    assert b.sent()
    assert not stage.of(control.Failed)
