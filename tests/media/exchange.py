"""Many calls at once through one media process in real time: everybody says their sentences, keeps what comes, and some
have a bad network."""

import gc
import random
import select
import socket
import time
import wave
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import speech

from softswitch.wire import control, rtp
from softswitch.wire.control import Connect, Edge

KINDS = {"PCMU": 0, "PCMA": 8, "G722": 9, "opus": 111}
_WAIT = 0.4  # seconds that the last sound may take
_RECORDERS = 1000


@dataclass
class Call:
    """`codecs` of the two; `gain` of both directions; `loss` (share of the packets, which ones
    by dice) and `jitter` (seconds at most) of both ways to the switch."""

    name: str
    codecs: tuple[str, str] = ("PCMU", "PCMU")
    gain: float = 1.0
    loss: float = 0.0
    jitter: float = 0.0
    record: bool = False
    parties: list["Party"] = field(default_factory=list)
    recording: np.ndarray | None = None

    def directions(self):
        """(speaker, listener) both ways."""
        a, b = self.parties
        return (a, b), (b, a)


class Party:
    """One phone: says sentences from number `first` on in its codec."""

    def __init__(self, codec, first, seed):
        self.codec = codec
        self.first = first
        self.dice = random.Random(seed)
        self.payloads = speech.spoken(codec, speech.voice(codec, first))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()
        self.ssrc = self.dice.getrandbits(32)
        self.heard = []  # (arrival, packet, payload)

    def spec(self):
        return control.LegSpec(self.codec, KINDS[self.codec], 101, self.address)

    def schedule(self, start, port, loss, jitter):
        """(when, phone, packet, to) of all that reaches the network; numbers wrap on the way."""
        step = speech.CLOCKS[self.codec] // 50
        count = len(self.payloads)
        lost = set(self.dice.sample(range(count), round(loss * count)))
        for n, payload in enumerate(self.payloads):
            late = self.dice.uniform(0.0, jitter)
            if n in lost:
                continue
            sequence, stamp = (65500 + n) & 0xFFFF, (2**32 - 30 * step + n * step) & 0xFFFFFFFF
            packet = rtp.build(KINDS[self.codec], n == 0, sequence, stamp, self.ssrc, payload)
            yield start + n * 0.02 + late, self, packet, ("127.0.0.1", port)

    def listen(self):
        try:
            while True:
                data = self.socket.recv(2048)
                packet = rtp.parse(data)
                self.heard.append((time.monotonic(), packet, data[packet.start : packet.end]))
        except BlockingIOError:
            pass

    def payloads_heard(self):
        """Of its codec, in order."""
        mine = [one for one in self.heard if one[1].payload_type == KINDS[self.codec]]
        return [payload for _, _, payload in mine]

    def steps(self):
        """Set of (sequence step, timestamp step) from packet to packet."""
        packets = [packet for _, packet, _ in self.heard]
        return {
            ((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF) for a, b in pairwise(packets)
        }

    def sound(self):
        """8 kHz."""
        return speech.heard(self.codec, self.payloads_heard())


def exchange(media, calls, folder):
    """Run `calls` to their ends. Returns the worst lateness of our own sending in seconds, and of media's ticks the
    share that began late: a machine that is too busy is told by both."""
    schedule = []
    parties = []
    try:
        for n, call in enumerate(calls):
            ends = [Party(codec, side, f"{call.name}-{side}") for side, codec in enumerate(call.codecs)]
            call.parties[:] = ends
            parties += ends
            ids = 2 * n + 1, 2 * n + 2
            for side, party in enumerate(ends):
                slot, port = media.slot()
                media.send(control.OpenLeg(ids[side], slot, party.spec()))
                offset = (2 * n + side) * 0.02 / (2 * len(calls))
                schedule += party.schedule(offset, port, call.loss, call.jitter)
            media.send(Connect((Edge(*ids, 0, call.gain), Edge(*ids[::-1], 0, call.gain))))
            if call.record:
                media.send(control.Record(_RECORDERS + n, str(folder / f"{call.name}.wav")))
                media.send(Connect((Edge(ids[0], _RECORDERS + n, 0), Edge(ids[1], _RECORDERS + n, 1))))
        schedule.sort(key=lambda one: one[0])
        media.send(control.AskInventory())
        assert len(media.of(control.Inventory).legs) == 2 * len(calls)
        assert not media.all(control.Failed)
        worst = _play(schedule, parties)
        for n, call in enumerate(calls):
            if call.record:
                media.send(control.StopRecord(_RECORDERS + n))
                media.wait(
                    lambda report, n=n: isinstance(report, control.RecordDone) and report.recorder == _RECORDERS + n
                )
                with wave.open(str(folder / f"{call.name}.wav")) as file:
                    call.recording = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        media.send(*(control.CloseLeg(leg) for leg in range(1, 2 * len(calls) + 1)))
        media.send(control.AskStats(process_only=True))
        stats = media.of(control.WorkerStats)
        return worst, stats.late_ticks / max(stats.ticks, 1)
    finally:
        for party in parties:
            party.socket.close()


def _play(schedule, parties):
    poll = select.epoll()
    by_fd = {party.socket.fileno(): party for party in parties}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = time.monotonic() + 0.1
        worst, n = 0.0, 0
        end = start + schedule[-1][0] + _WAIT
        while (now := time.monotonic()) < end:
            while n < len(schedule) and start + schedule[n][0] <= now:
                due, party, packet, to = schedule[n]
                party.socket.sendto(packet, to)
                worst = max(worst, time.monotonic() - start - due)
                n += 1
            next_due = start + schedule[n][0] if n < len(schedule) else end
            for fd, _ in poll.poll(max(min(next_due - time.monotonic(), 0.005), 0.0)):
                by_fd[fd].listen()
        return worst
    finally:
        poll.close()
        if collecting:
            gc.enable()
