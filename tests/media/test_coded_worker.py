"""G.722, Opus and L16 through a real media process and real sockets, on each backend."""

import itertools

import numpy as np
import pytest
from harness import Phone, talk

from softswitch.wire import control
from softswitch.wire.control import Connect, Edge
from softswitch_codecs import g722, l16, opus

KINDS = {"G722": (9, 8000), "opus": (111, 48000), "L16": (98, 16000)}


class WidePhone(Phone):
    """Says a tone of `frequency` at 16 kHz, whatever it is told to say."""

    def __init__(self, codec, frequency):
        super().__init__()
        self.codec = codec
        self.kind, self.clock = KINDS[codec]
        self.encoder = {"G722": g722.Encoder, "opus": opus.Encoder}.get(codec, lambda: None)()
        tone = 8000 * np.sin(2 * np.pi * frequency * np.arange(16000) / 16000)
        self.frames = itertools.cycle(np.rint(tone).astype(np.int16).reshape(-1, 320))

    def spec(self, **changes):
        return super().spec(codec=self.codec, payload_type=self.kind, **changes)

    def say(self, samples, size=160):
        frame = next(self.frames)
        payload = l16.encode(frame).tobytes() if self.encoder is None else self.encoder.encode(frame)
        self.rtp.sendto(self.packet(payload), self.to)
        self.timestamp = (self.timestamp + self.clock // 50) & 0xFFFFFFFF

    def sound(self):
        payloads = [payload for _, packet, payload in self.heard if packet.payload_type == self.kind]
        if self.codec == "L16":
            return l16.decode(np.frombuffer(b"".join(payloads), np.uint8))
        decoder = g722.Decoder() if self.codec == "G722" else opus.Decoder()
        return np.concatenate([decoder.decode(payload) for payload in payloads])


def level_of(samples, frequency):
    """The median of looks of 50 ms (see `harness.heard_level`)."""
    window = np.hanning(800)
    turn = window * np.exp(-2j * np.pi * frequency * np.arange(800) / 16000)
    looks = [2 * abs(np.sum(samples[at : at + 800] * turn)) for at in range(0, len(samples) - 799, 800)]
    return float(np.median(looks) / window.sum())


@pytest.mark.parametrize(("first", "second"), [("G722", "opus"), ("L16", "G722")])
def test_each_side_hears_the_other_in_its_codec(media, first, second):
    running = media()
    assert {"PCMU", "PCMA", "G722", "opus", "L16"} <= set(running.ready.codecs)
    phones = [WidePhone(first, 1000), WidePhone(second, 3000)]
    try:
        for leg, phone in enumerate(phones, 1):
            slot, port = running.slot()
            phone.to = (phone.host, port)
            running.send(control.OpenLeg(leg, slot, phone.spec()))
        running.send(Connect((Edge(1, 2), Edge(2, 1))))
        talk(1.6, *((phone, np.zeros(160, np.int16)) for phone in phones))
        for phone, own, other in ((phones[0], 1000, 3000), (phones[1], 3000, 1000)):
            heard = phone.sound()[-16000:]
            assert level_of(heard, other) > 6000
            assert level_of(heard, own) < 400
        running.send(control.AskStats((1, 2)))
        for leg in (1, 2):
            stats = running.wait(lambda report, leg=leg: isinstance(report, control.LegStats) and report.leg == leg)
            assert (stats.lost, stats.rejected) == (0, 0)
            assert stats.mos > 3.0
    finally:
        for phone in phones:
            phone.close()
