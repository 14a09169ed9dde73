"""The engine on virtual time: no sockets, no clock; packets are bytes in lists."""

from random import Random

import numpy as np

from softswitch.media.arena import SIZE, TICK, Arena, Batch
from softswitch.media.effects import AppendFile, SendOne, SendReport
from softswitch.media.engine import Engine
from softswitch.wire import control, rtp
from softswitch_codecs import g711

START = 50_000_000  # the first tick


def key_of(address):
    return hash(address) or 1


class Stage:
    """Time stands at the middle of a frame; `run` goes on by whole ticks."""

    def __init__(self, slots=16):
        self.arena = Arena(512)
        self.tick = START
        self.engine = Engine(slots, Random(7), self.arena, key_of, self.now)
        self.engine.add_slots(control.Slot(i, 20000 + 2 * i) for i in range(slots))
        self.engine.skip(self.tick + 1)
        self.sent = {}  # row → [(now, packet, payload)]
        self.raw = {}  # row → [datagram]
        self.reports = []
        self.effects = []
        self.slot = 0

    @property
    def now(self):
        return (self.tick + 0.4) * TICK

    def command(self, *commands):
        for command in commands:
            self.engine.command(command, self.now)
        self._gather()

    def receive(self, row, data, source):
        """One datagram at the RTP port of `row`."""
        base = self.slot * SIZE
        self.arena.memory[base : base + len(data)] = data
        batch = Batch([self.slot], [row], [len(data)], [key_of(source)], [source])
        self.slot += 1
        if (packets := self.engine.receive(batch, self.now)) is not None:
            self._send(packets)
        self._gather()

    def receive_many(self, datagrams):
        """A batch of (row, data, source)."""
        slots = list(range(self.slot, self.slot + len(datagrams)))
        self.slot += len(datagrams)
        for slot, (_, data, _) in zip(slots, datagrams, strict=True):
            base = slot * SIZE + self.arena.offset
            self.arena.memory[base : base + len(data)] = data
        rows, packets, sources = zip(*datagrams, strict=True)
        keys = [key_of(source) for source in sources]
        batch = Batch(slots, list(rows), [len(data) for data in packets], keys, list(sources))
        if (relayed := self.engine.receive(batch, self.now)) is not None:
            self._send(relayed)
        self._gather()

    def run(self, ticks=1, wake=False):
        for _ in range(ticks):
            self.tick += 1
            if (packets := self.engine.tick(self.tick)) is not None:
                self._send(packets)
            self.slot = 0
            if wake or self.tick % 50 == 0:
                self.engine.wake(self.now)
            self._gather()

    def of(self, kind):
        return [report for report in self.reports if isinstance(report, kind)]

    def recorded(self, recorder, channels=2):
        data = b"".join(e.data for e in self.effects if isinstance(e, AppendFile) and e.recorder == recorder)
        return np.frombuffer(data, "<i2").reshape(-1, channels)

    def heard(self, row, law=0):
        """What the row's peer hears, in the order of sending."""
        payloads = [payload for _, packet, payload in self.sent.get(row, []) if packet.payload_type in (0, 8)]
        return g711.decode(np.frombuffer(b"".join(payloads), np.uint8), law)

    def _send(self, packets):
        for start, end, row in zip(packets.starts, packets.ends, packets.rows, strict=True):
            self._note(row, packets.memory[start:end].tobytes())

    def _gather(self):
        for effect in self.engine.effects:
            if isinstance(effect, SendOne):
                self._note(effect.row, effect.data)
            self.effects.append(effect)
        self.engine.effects.clear()
        self.reports += self.engine.reports
        self.engine.reports.clear()

    def _note(self, row, data):
        self.raw.setdefault(row, []).append(data)
        leg = self.engine.legs.by_row[row]
        if leg is not None and leg.spec.codec == control.DATAGRAMS:
            return
        packet = rtp.parse(data)
        self.sent.setdefault(row, []).append((self.now, packet, data[packet.start : packet.end]))

    def rtcp(self):
        return [effect for effect in self.effects if isinstance(effect, SendReport)]


class Peer:
    """A phone on the stage."""

    def __init__(self, stage, leg, row, law=0, port=4000, connect=True, **spec):
        self.stage, self.leg, self.row, self.law = stage, leg, row, law
        self.address = ("192.0.2.1", port + 2 * row)
        self.ssrc, self.sequence, self.timestamp = 1000 + row, 100, 5000
        values = {"codec": ("PCMU", "PCMA")[law], "payload_type": (0, 8)[law], "event_type": 101, **spec}
        self.spec = control.LegSpec(**{"remote": self.address, **values})
        if connect:
            stage.command(control.OpenLeg(leg, row, self.spec))

    def packet(self, payload, kind=None, marker=False):
        kind = self.spec.payload_type if kind is None else kind
        data = rtp.build(kind, marker, self.sequence, self.timestamp, self.ssrc, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        return data

    def say(self, samples, source=None):
        payload = g711.encode(np.asarray(samples, np.int16), self.law).tobytes()
        self.stage.receive(self.row, self.packet(payload), source or self.address)
        self.timestamp = (self.timestamp + len(samples)) & 0xFFFFFFFF

    def lose(self, packets=1):
        self.sequence = (self.sequence + packets) & 0xFFFF
        self.timestamp = (self.timestamp + 160 * packets) & 0xFFFFFFFF

    def sent(self):
        return self.stage.sent.get(self.row, [])


def talk(stage, frames, *speakers):
    """Each (peer, samples) says its samples frame by frame, one tick each."""
    for n in range(frames):
        for peer, samples in speakers:
            at = n * 160 % len(samples)
            peer.say(samples[at : at + 160])
        stage.run()
