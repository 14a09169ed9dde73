"""An RTP endpoint beside SIPp: sends a tone and RFC 4733 digits, keeps what it hears with arrival times.

It reads and writes the packets by itself (struct and a G.711 formula), so that it can contradict the switch.
"""

import contextlib
import socket
import struct
import threading
import time

import numpy as np

from tests.interop import listen
from tests.interop.switch_process import wait_until

_PCMA = 8
_EVENTS = 101
_STEP = 160


def _alaw_table() -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """ITU-T G.711, A-law, code to −1 … 1."""
    table = np.zeros(256)
    for code in range(256):
        value = code ^ 0x55
        exponent, mantissa = (value >> 4) & 7, value & 15
        magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
        table[code] = (magnitude if value & 0x80 else -magnitude) / 32768.0
    return table


_DECODE = _alaw_table()
_ORDER = np.argsort(_DECODE)
_LEVELS = _DECODE[_ORDER]
_MIDDLES = (_LEVELS[1:] + _LEVELS[:-1]) / 2


class RtpPeer:
    """Bound at `port`. It speaks from the first packet that it hears, to where that came from, unless `to` is given."""

    def __init__(self, hertz: float, port: int, host: str = "127.0.0.1", to: tuple[str, int] | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(0.01)
        self._remote = to
        self.port = port
        wave = listen.tone(hertz, 1.0).astype(np.float64) / 32768.0
        self._second = _ORDER[np.searchsorted(_MIDDLES, wave)].astype(np.uint8).tobytes()
        self._digits: list[str] = []
        self._sounds: list[bytes] = []
        self._pending: list[tuple[int, bool, bytes]] = []  # packets of the key that is pressed
        self._arrivals: list[tuple[float, int, bytes]] = []
        self._stop = threading.Event()
        self.silent = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def press(self, digit: str) -> None:
        """RFC 4733 §2.5.1: start, updates, three ends; 80 ms."""
        self._digits.append(digit)

    @property
    def pressing(self) -> bool:
        """Whether a key is still on its way."""
        return bool(self._digits or self._pending)

    def dial(self, digits: str) -> None:
        """The keys as tones in its speech (ITU-T Q.23): 100 ms each at -8 dBm0, as long a pause."""
        at = np.arange(800) / 8000
        for digit in digits:
            row, column = divmod("123A456B789C*0#D".index(digit), 4)
            pair = (697, 770, 852, 941)[row], (1209, 1336, 1477, 1633)[column]
            wave = sum(0.277 * np.sin(2 * np.pi * hertz * at) for hertz in pair)
            codes = _ORDER[np.searchsorted(_MIDDLES, np.concatenate([wave, np.zeros(800)]))].astype(np.uint8).tobytes()
            self._sounds += [codes[start : start + _STEP] for start in range(0, 1600, _STEP)]

    def redirect(self, to: tuple[str, int]) -> None:
        """The other side has moved."""
        self._remote = to

    def packets(self) -> int:
        return len(self._arrivals)

    def first_heard(self) -> float:
        """Wall clock of the first packet."""
        return self._arrivals[0][0]

    def heard(self, since: float = 0.0, until: float = float("inf")) -> listen.Samples:
        """What arrived between two moments of the wall clock, by sequence of arrival."""
        parts = [payload for at, kind, payload in list(self._arrivals) if since <= at <= until and kind == _PCMA]
        codes = np.frombuffer(b"".join(parts), dtype=np.uint8)
        return np.asarray(_DECODE[codes])

    def hears(self, hertz: float) -> None:
        """Wait until a second of that tone has come, 20 dB above all else."""

        def there() -> bool:
            heard = self.heard(time.time() - 1.0)
            return len(heard) > 6000 and listen.snr(heard, hertz) > 20.0

        wait_until(f"{hertz} Hz", there)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        sequence, stamp, position = 1000, 5000, 0
        due = time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                data, source = self._socket.recvfrom(2048)
                self._arrivals.append((time.time(), data[1] & 0x7F, data[12:]))
                if self._remote is None:
                    self._remote, due = source[:2], time.monotonic()
            if self._remote is None:
                continue
            while due <= time.monotonic():
                due += 0.02
                if self._digits and not self._pending:
                    self._pending = _event(self._digits.pop(0), stamp)
                if self._pending:
                    when, marker, payload = self._pending.pop(0)
                    self._send(_EVENTS | (0x80 if marker else 0), sequence, when, payload)
                elif self._sounds:
                    self._send(_PCMA, sequence, stamp, self._sounds.pop(0))
                elif not self.silent:
                    self._send(_PCMA, sequence, stamp, self._second[position : position + _STEP])
                sequence = (sequence + 1) & 0xFFFF
                stamp += _STEP
                position = (position + _STEP) % len(self._second)

    def _send(self, kind: int, sequence: int, stamp: int, payload: bytes) -> None:
        header = struct.pack("!BBHII", 0x80, kind, sequence, stamp & 0xFFFFFFFF, 0x5EED0001)
        with contextlib.suppress(OSError):
            assert self._remote is not None
            self._socket.sendto(header + payload, self._remote)


def _event(digit: str, stamp: int) -> list[tuple[int, bool, bytes]]:
    code = "0123456789*#ABCD".index(digit)
    packets = [(stamp, number == 0, struct.pack("!BBH", code, 10, _STEP * (number + 1))) for number in range(4)]
    end = (stamp, False, struct.pack("!BBH", code, 0x80 | 10, _STEP * 4))
    return [*packets, end, end, end]
