"""One media line of a phone that sends numbered random packets and keeps every datagram that comes, RTP and RTCP.

It writes and reads the packets by itself (struct), so that it can contradict the switch.
"""

import contextlib
import random
import socket
import struct
import time
from dataclasses import dataclass

from tests.interop.switch_process import wait_until

KNOCK = b"knock, knock"
_PACE = 0.002  # seconds between two packets


@dataclass(frozen=True, slots=True)
class Seen:
    """An RTP packet as it came: `head` are its first two octets without the marker."""

    head: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    datagram: bytes


class NumberedPeer:
    """RTP at `port`, RTCP at the next."""

    def __init__(self, host: str, seed: int, ssrc: int) -> None:
        self.host = host
        self.ssrc = ssrc
        self._dice = random.Random(seed)
        self._sequence = self._dice.getrandbits(16)
        self._timestamp = self._dice.getrandbits(32)
        self.rtp, self.rtcp = _pair(host)
        self.port = int(self.rtp.getsockname()[1])
        self.sent: list[bytes] = []

    def send(
        self, to: tuple[str, int], count: int, kind: int, sizes: tuple[int, ...], step: int, first: int = 0x80
    ) -> None:
        """`count` packets of payload type `kind`; `step` clock units apart; `first` is their first octet (0x90: with a
        header extension)."""
        for number in range(count):
            marker = 0x80 if number % 7 == 0 else 0
            header = struct.pack("!BBHII", first, kind | marker, self._sequence, self._timestamp, self.ssrc)
            if first & 0x10:
                header += b"\xbe\xde\x00\x01" + self._dice.randbytes(4)
            data = header + number.to_bytes(4, "big") + self._dice.randbytes(sizes[number % len(sizes)] - 4)
            self.sent.append(data)
            self.rtp.sendto(data, to)
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._timestamp = (self._timestamp + step) & 0xFFFFFFFF
            time.sleep(_PACE)

    def say(self, to: tuple[str, int], kind: int, payload: bytes, step: int) -> None:
        """One packet of sound."""
        header = struct.pack("!BBHII", 0x80, kind, self._sequence, self._timestamp, self.ssrc)
        self.rtp.sendto(header + payload, to)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + step) & 0xFFFFFFFF

    def knock(self, to: tuple[str, int], other: "NumberedPeer", kind: int = 0) -> None:
        """Send until `other` hears it: media takes what comes once it has opened both legs, maybe after the answer.
        RTP of that type, or where there is none, datagrams. Nobody counts them."""
        header = struct.pack("!BBHII", 0x80, kind, self._sequence, self._timestamp, self.ssrc) if kind else b""

        def heard() -> bool:
            self.rtp.sendto(header + KNOCK, to)
            time.sleep(0.02)
            return bool(_drain(other.rtp))

        wait_until("a way from one to the other", heard)
        if kind:
            self._sequence = (self._sequence + 1) & 0xFFFF

    def datagrams(self, to: tuple[str, int], count: int, sizes: tuple[int, ...]) -> None:
        """`count` datagrams that are no RTP: two octets that count (UDPTL), and random ones; each fifth goes twice."""
        for number in range(count):
            data = number.to_bytes(2, "big") + self._dice.randbytes(sizes[number % len(sizes)] - 2)
            for _ in range(2 if number % 5 == 0 else 1):
                self.sent.append(data)
                self.rtp.sendto(data, to)
                time.sleep(_PACE)

    def datagrams_heard(self, count: int) -> list[bytes]:
        """Everything that comes to the port, whatever it is, once there are so many."""
        found: list[bytes] = []

        def enough() -> bool:
            found.extend(data for data in _drain(self.rtp) if not data.endswith(KNOCK))
            return len(found) >= count

        with contextlib.suppress(TimeoutError):
            wait_until("datagrams", enough)
        return found

    def heard(self, count: int) -> list[Seen]:
        """Everything that comes to the RTP port, once there are so many packets."""
        found = []
        for data in self.datagrams_heard(count):
            first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
            start = 12 if not first & 0x10 else 16 + 4 * int.from_bytes(data[14:16], "big")
            found.append(Seen(first << 8 | second & 0x7F, sequence, timestamp, ssrc, data[start:], data))
        return found

    def reports(self, count: int = 0) -> list[bytes]:
        """Everything that comes to the RTCP port, once there are so many."""
        found: list[bytes] = []
        with contextlib.suppress(TimeoutError):
            wait_until("reports", lambda: found.extend(_drain(self.rtcp)) or len(found) >= count)
        return found

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    """An even port and the next (RFC 3550 §11)."""
    for _ in range(200):
        rtp, rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.bind((host, 0))
        port = rtp.getsockname()[1]
        try:
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                return rtp, rtcp
        except OSError:
            pass
        rtp.close()
        rtcp.close()
    raise RuntimeError("no free pair of ports")


def _drain(waiting: socket.socket) -> list[bytes]:
    found = []
    waiting.setblocking(False)
    while True:
        try:
            found.append(waiting.recv(4096))
        except BlockingIOError:
            return found
