"""Speech through a network with loss and jitter into the engine on virtual time, and what comes out of its mix."""

import shutil
import subprocess

import numpy as np
import soxr
from virtual import START, Stage, key_of

from softswitch.media.arena import SIZE, TICK, Batch
from softswitch.wire import control, rtp
from softswitch_codecs import g711

RECORDER = 1000
SENTENCES = (
    (
        "en-us",
        150,
        "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. The boy was there",
    ),
    (
        "en-gb+f2",
        150,
        "It is easy to tell the depth of a well. These days a chicken leg is a rare dish. The source was deep",
    ),
    (
        "en-us+m3",
        150,
        "Rice is often served in round bowls. The juice of lemons makes fine punch. The box was thrown there",
    ),
    (
        "en-gb+f4",
        150,
        "Four hours of steady work faced us. A large size in stockings is hard to sell. The hogs were fed corn",
    ),
)


def speech(voice, speed, text):
    """8 kHz samples by espeak-ng, 26 dB below overload, with half a second of silence around each sentence."""
    program = shutil.which("espeak-ng")
    parts = []
    for sentence in text.split(". "):
        run = subprocess.run(
            [program, "-v", voice, "-s", str(speed), "--stdout", sentence], stdout=subprocess.PIPE, check=True
        )
        sound = np.frombuffer(run.stdout[44:], "<i2").astype(np.float64)
        parts += [soxr.resample(sound, 22050, 8000), np.zeros(4000)]
    sound = np.concatenate([np.zeros(4000), *parts])
    sound *= 1640 / np.sqrt(np.mean(np.square(sound[np.abs(sound) > 100])))
    return np.clip(np.pad(sound, (0, -len(sound) % 160)), -32000, 32000).astype(np.int16)


class Network:
    """Talkers whose packets take their time, all into one engine; each is heard by a recorder."""

    def __init__(self, talkers):
        self.stage = Stage(talkers)
        self.arrivals = []  # (instant, row, packet)
        self.end = START

    def talk(self, row, samples, dice, loss=0.0, jitter=0.0, law=0, ppm=0.0, packet=160, phase=0.004):
        """`jitter`: each packet takes up to so many seconds more, evenly spread; `ppm`: how much faster the talker's
        clock runs; `phase`: when after the first tick the first packet is sent."""
        self.stage.command(
            control.OpenLeg(row + 1, row, control.LegSpec("PCMU", 0, remote=("192.0.2.1", 4000 + 2 * row))),
            control.Record(RECORDER + row, f"{row}.wav"),
            control.Connect((control.Edge(row + 1, RECORDER + row),)),
        )
        for n in range(len(samples) // packet):
            if n and dice.random() < loss:
                continue
            payload = g711.encode(samples[n * packet : (n + 1) * packet], law).tobytes()
            data = rtp.build(0, n == 0, n + 7, (packet * n + 99) & 0xFFFFFFFF, 77 + row, payload)
            at = START * TICK + phase + n * packet / 8000 * (1 - ppm * 1e-6) + jitter * dice.random()
            self.arrivals.append((at, row, data))
            self.end = max(self.end, int(at / TICK) + 10)

    def run(self):
        """What each row's recorder heard."""
        stage, engine = self.stage, self.stage.engine
        self.arrivals.sort(key=lambda arrival: arrival[0])
        at = 0
        for tick in range(START + 1, self.end + 1):
            while at < len(self.arrivals) and self.arrivals[at][0] < tick * TICK:
                now, row, data = self.arrivals[at]
                stage.arena.memory[at % 512 * SIZE : at % 512 * SIZE + len(data)] = data
                source = ("192.0.2.1", 4000 + 2 * row)
                engine.receive(Batch([at % 512], [row], [len(data)], [key_of(source)], [source]), now)
                at += 1
            stage.run(wake=False)
        for row in range(len(stage.engine.legs.by_row)):
            stage.command(control.StopRecord(RECORDER + row))
        return [stage.recorded(RECORDER + row)[:, 0] for row in range(len(stage.engine.legs.by_row))]
