"""A real media process, phones of our own that speak RTP to it, and ears that measure tones."""

import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from softswitch.wire import control, rtcp, rtp
from softswitch_codecs import g711

ROOT = Path(__file__).parents[2]
PATIENCE = 45.0  # seconds; only a failure is waited for so long


def tone(frequency, seconds, level=8000.0):
    at = np.arange(int(seconds * 8000)) / 8000
    return np.rint(level * np.sin(2 * np.pi * frequency * at)).astype(np.int16)


def level_of(samples, frequency):
    """Amplitude of `frequency` in `samples` (Goertzel by its definition)."""
    if not len(samples):
        return 0.0
    at = np.arange(len(samples)) / 8000
    return float(2 * abs(np.mean(samples * np.exp(-2j * np.pi * frequency * at))))


def heard_level(samples, frequency):
    """The same in what was heard in real time: the median of looks of 50 ms, for a packet that a busy machine had no
    time for costs some of them, and what follows may be out of phase. `frequency`: a multiple of 20 Hz."""
    looks = [level_of(samples[at : at + 400], frequency) for at in range(0, len(samples) - 399, 400)]
    return float(np.median(looks)) if looks else 0.0


def free_ports(count, address="127.0.0.1"):
    """The first of `count` UDP ports in a row, from an even one on, that nobody holds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for first in random.sample(range(20000, 32000, 200), 60):
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.socket(family, socket.SOCK_DGRAM))
                held[-1].bind((address, port))
        except OSError:
            continue
        else:
            return first
        finally:
            for one in held:
                one.close()
    raise AssertionError("no free ports")


class Media:
    """`python -m softswitch.media` and a control connection to it."""

    def __init__(self, folder, ports, slots=16, address="127.0.0.1", file_limit=None, backend="auto"):
        self.path = str(folder / "media.sock")
        environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}")
        before = None
        if file_limit is not None:

            def before():
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        command = [sys.executable, "-m", "softswitch.media", "--socket", self.path, "--address", address]
        command += ["--ports", f"{ports[0]}-{ports[1]}", "--slots", str(slots), "--backend", backend]
        self.process = subprocess.Popen(
            command,
            env=environment,
            preexec_fn=before,
            stderr=subprocess.PIPE,
        )
        self.reports = []
        self.link = None
        self.connect()

    def connect(self):
        if self.link is not None:
            self.link.close()
        deadline = time.monotonic() + PATIENCE
        while True:
            self.link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.link.connect(self.path)
                break
            except OSError:
                self.link.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.frames = control.Frames()
        self.send(control.Hello())
        self.ready = self.wait(lambda report: isinstance(report, control.Ready))
        self.free = [(slot.slot, slot.port) for slot in self.ready.free]

    def send(self, *commands):
        """Legs are open when this returns: what a phone says then belongs to them, however busy the machine is."""
        opening = any(isinstance(command, control.OpenLeg) for command in commands)
        self.link.sendall(control.encode((*commands, control.AskStats(process_only=True)) if opening else commands))
        if opening:
            self.of(control.WorkerStats)

    def poll(self, timeout=0.0):
        self.link.settimeout(max(timeout, 0.001))
        try:
            data = self.link.recv(1 << 20)
        except TimeoutError:
            return
        finally:
            self.link.settimeout(None)
        for body in self.frames.feed(data):
            self.reports += control.decode_reports(body)

    def wait(self, wanted: Callable[[object], bool], timeout=PATIENCE):
        """The first report that is `wanted`, taken out of the reports."""
        deadline = time.monotonic() + timeout
        while True:
            for report in self.reports:
                if wanted(report):
                    self.reports.remove(report)
                    return report
            if (left := deadline - time.monotonic()) <= 0:
                raise AssertionError(f"not reported; there are {self.reports}")
            self.poll(left)

    def of(self, kind, timeout=PATIENCE):
        return self.wait(lambda report: isinstance(report, kind), timeout)

    def all(self, kind):
        self.poll()
        return [report for report in self.reports if isinstance(report, kind)]

    def figures(self, leg, wanted=lambda figures: True):
        """Of a leg, once they are as `wanted`, or the latest."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.send(control.AskStats((leg,)))
            self.of(control.WorkerStats)
            found = self.of(control.LegStats)
            if wanted(found) or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def slot(self):
        return self.free.pop(0)

    def stop(self):
        if self.link is not None:
            self.link.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            error = self.process.stderr.read()
            self.process.stderr.close()
        return error


class Phone:
    """An RTP end: sends samples, keeps what it hears. The fixture `media` closes all that are open at its end."""

    opened: ClassVar[list["Phone"]] = []

    def __init__(self, law=0, address="127.0.0.1", ssrc=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        while True:
            self.rtp = socket.socket(family, socket.SOCK_DGRAM)
            self.rtp.bind((address, 0))
            self.address = self.rtp.getsockname()[:2]
            self.rtcp = socket.socket(family, socket.SOCK_DGRAM)
            try:
                self.rtcp.bind((address, self.address[1] + 1))
                break
            except OSError:
                self.rtp.close()
                self.rtcp.close()
        self.rtp.setblocking(False)
        self.rtcp.setblocking(False)
        self.law = law
        self.kind = (0, 8)[law]
        self.ssrc = ssrc if ssrc is not None else int.from_bytes(os.urandom(4), "big")
        self.sequence, self.timestamp = 65530, 2**32 - 800  # both wrap at once
        self.to = None
        self.host = address
        Phone.opened.append(self)
        self.heard = []  # (arrival, packet, payload)
        self.reports = []

    def spec(self, **changes):
        values = {
            "codec": ("PCMU", "PCMA")[self.law],
            "payload_type": self.kind,
            "event_type": 101,
            "remote": self.address,
            "remote_rtcp": (self.host, self.address[1] + 1),
        }
        return control.LegSpec(**{**values, **changes})

    def packet(self, payload, kind=None, marker=False):
        data = rtp.build(self.kind if kind is None else kind, marker, self.sequence, self.timestamp, self.ssrc, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        return data

    def say(self, samples, size=160):
        """One packet."""
        self.rtp.sendto(self.packet(g711.encode(samples, self.law).tobytes()), self.to)
        self.timestamp = (self.timestamp + size) & 0xFFFFFFFF

    def key(self, code, end, duration):
        self.rtp.sendto(self.packet(struct.pack("!BBH", code, 0x80 * end + 10, duration), kind=101), self.to)

    def listen(self):
        for waiting, into in ((self.rtp, self.heard), (self.rtcp, self.reports)):
            try:
                while True:
                    data = waiting.recv(2048)
                    if waiting is self.rtcp:
                        into.append(rtcp.parse(data))
                    else:
                        packet = rtp.parse(data)
                        into.append((time.monotonic(), packet, data[packet.start : packet.end]))
            except BlockingIOError:
                pass

    def until(self, wanted):
        """Listen until it is so, or has not become so."""
        deadline = time.monotonic() + PATIENCE
        while not wanted() and time.monotonic() < deadline:
            self.listen()
            time.sleep(0.01)

    def sound(self):
        """All that was heard, placed by timestamp."""
        packets = [(packet, payload) for _, packet, payload in self.heard if packet.payload_type == self.kind]
        if not packets:
            return np.zeros(0, np.int16)
        first = packets[0][0].timestamp
        places = [(packet.timestamp - first) & 0xFFFFFFFF for packet, _ in packets]
        out = np.zeros(max(places) + len(packets[-1][1]), np.int16)
        for place, (_, payload) in zip(places, packets, strict=True):
            out[place : place + len(payload)] = g711.decode(np.frombuffer(payload, np.uint8), self.law)
        return out

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def talk(seconds, *speakers, listeners=()):
    """For `seconds` of real time each (phone, samples or None) says its samples over and over in 20 ms packets."""
    start = time.monotonic()
    for n in range(int(seconds * 50)):
        for phone, samples in speakers:
            if samples is not None:
                at = n * 160 % (len(samples) // 160 * 160)
                phone.say(samples[at : at + 160])
        while (left := start + (n + 1) * 0.02 - time.monotonic()) > 0:
            time.sleep(left)
        for phone in (*(phone for phone, _ in speakers), *listeners):
            phone.listen()
