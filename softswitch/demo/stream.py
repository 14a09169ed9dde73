"""One RTP stream of a simulated phone: it sends G.711 each 20 ms and keeps what it hears."""

import asyncio
import socket
from collections import deque
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.offer_answer import Negotiated
from softswitch.wire import dtmf, rtp
from softswitch_codecs import g711

Samples = npt.NDArray[np.int16]

FRAME: Final = 160  # samples in 20 ms
_TICK: Final = 0.02
_KEPT: Final = 30_000  # packets: ten minutes
_LAWS: Final = {"PCMU": g711.ULAW, "PCMA": g711.ALAW}
_SILENCE: Final = {"PCMU": bytes((g711.ULAW_SILENCE,)) * FRAME, "PCMA": bytes((g711.ALAW_SILENCE,)) * FRAME}
_KEY_MS: Final = 120


class Metronome:
    """Ticks all streams on one 20 ms grid; rests while there is none."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._streams: set[RtpStream] = set()
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: "RtpStream") -> None:
        """Tick it from now on."""
        self._streams.add(stream)
        if self._timer is None:
            self._next = self._loop.time()
            self._tick()

    def remove(self, stream: "RtpStream") -> None:
        """Tick it no more; harmless when it is not there."""
        self._streams.discard(stream)

    def _tick(self) -> None:
        if not self._streams:
            self._timer = None
            return
        for stream in tuple(self._streams):
            stream.tick()
        self._next = max(self._next + _TICK, self._loop.time() - 0.2)  # a long stall is not caught up in one burst
        self._timer = self._loop.call_at(self._next, self._tick)


class RtpStream:
    """A socket on `address`. RTCP of the peer comes to the same port (RFC 5761) and is passed over."""

    def __init__(self, metronome: Metronome, address: str, dice: Random) -> None:
        self._metronome = metronome
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._readable)
        self._ssrc = dice.getrandbits(32)
        self._sequence = dice.getrandbits(16)
        self._timestamp = dice.getrandbits(32)
        self._remote: tuple[str, int] | None = None
        self._codec = ""
        self._payload_type = self._event_type = -1
        self._frames: list[bytes] = []
        self._voice: Samples | None = None
        self._at = 0
        self._keys = dtmf.EventSender()
        self._ears = dtmf.EventReceiver()
        self._heard: deque[tuple[Instant, str, bytes]] = deque(maxlen=_KEPT)
        self._types: dict[int, str] = {}
        self.digits_heard = ""
        self.received = 0
        self.sent = 0

    def start(self, agreed: Negotiated) -> None:
        """Speak and listen as agreed; again when it was agreed anew."""
        self._remote = agreed.remote if agreed.direction_send else None
        self._event_type = agreed.event_type
        self._payload_type = agreed.payload_type
        self._types = {0: "PCMU", 8: "PCMA", agreed.payload_type: agreed.codec}
        if agreed.codec != self._codec:
            self._codec = agreed.codec
            self._encode()
        self._metronome.add(self)

    def say(self, voice: Samples | None) -> None:
        """Speak `voice` again and again; None is silence (packets still go out)."""
        self._voice = voice
        self._encode()

    def press(self, digits: str) -> None:
        """Key digits by RFC 4733."""
        self._keys.queue(dtmf.normalise(digits), _KEY_MS)

    def heard(self, since: Instant = 0.0, until: Instant = float("inf")) -> Samples:
        """What came between two times of the loop's clock, packet after packet."""
        parts = [
            g711.decode(np.frombuffer(payload, np.uint8), _LAWS[codec])
            for at, codec, payload in self._heard
            if since <= at <= until
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def close(self) -> None:
        """Stop; what was heard stays."""
        self._metronome.remove(self)
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def tick(self) -> None:
        """Send the packet of this 20 ms."""
        self._timestamp += FRAME
        if self._remote is None:
            return
        event = self._keys.step() if self._event_type >= 0 and self._keys.busy else None
        if event is not None:
            stamp = self._timestamp - event.offset
            packet = rtp.build(self._event_type, event.marker, self._sequence, stamp, self._ssrc, event.payload)
        else:
            payload = self._frames[self._at]
            self._at = (self._at + 1) % len(self._frames)
            packet = rtp.build(self._payload_type, False, self._sequence, self._timestamp, self._ssrc, payload)
        self._sequence += 1
        try:
            self._socket.sendto(packet, self._remote)
            self.sent += 1
        except OSError:  # the peer closed its port a moment before its BYE: as on any network, the packet is lost
            return

    def _encode(self) -> None:
        self._at = 0
        if self._voice is None or self._codec not in _LAWS:
            self._frames = [_SILENCE.get(self._codec, b"")]
            return
        octets = g711.encode(self._voice, _LAWS[self._codec]).tobytes()
        self._frames = [octets[start : start + FRAME] for start in range(0, len(octets) - FRAME + 1, FRAME)]

    def _readable(self) -> None:
        while True:
            try:
                data = self._socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:  # ICMP of an earlier packet
                continue
            if not rtp.is_rtcp(data):
                self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            packet = rtp.parse(data)
            payload = data[packet.start : packet.end]
            if packet.payload_type == self._event_type:
                for key in self._ears.receive(dtmf.parse(payload), packet.timestamp, self._loop.time()):
                    self.digits_heard += key.digit
                return
        except PeerError:
            return
        codec = self._types.get(packet.payload_type)
        if codec is not None:
            self.received += 1
            self._heard.append((self._loop.time(), codec, payload))
