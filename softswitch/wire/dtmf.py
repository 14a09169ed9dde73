"""DTMF: telephone-events in RTP (RFC 4733) as values, the two state machines around them, and the tones' pairs."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError

DIGITS: Final = "0123456789*#ABCD"
"""Index is the event code (RFC 4733 §3.2)."""

FLASH: Final = "!"
"""The hook was pressed for a moment: code 16 (RFC 2833 §3.10). It has no tones."""
_CODES: Final = DIGITS + FLASH

FREQUENCIES: Final = {
    digit: (low, high)
    for low, row in zip((697.0, 770.0, 852.0, 941.0), ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, digit in zip((1209.0, 1336.0, 1477.0, 1633.0), row, strict=True)
}
"""Low and high group in Hz (ITU-T Q.23)."""

WAIT: Final = "w"
WAIT_MS: Final = 500
GAP_MS: Final = 60
LONGEST_UNITS: Final = 64000
"""What the 16-bit duration of one event segment may hold (§2.5.1.3): 8 s at 8 kHz, 1.3 s at 48 kHz."""
END_PACKETS: Final = 3
LOST_END: Final = 0.12
"""Seconds without a packet after which an event's end counts as lost."""
_TWICE: Final = 0.5  # seconds between two tellings of one key
_STRAY: Final = 1.0  # seconds that packets may be late
_SEGMENT: Final = 0xE000  # clock units that no segment but the last is shorter than
_REMEMBERED: Final = 8
_MASK: Final = 0xFFFFFFFF
CLOCK: Final = 8000
"""Hz. Events share the timestamps of the sound beside them (§2.1), so beside opus they count at 48000."""


@dataclass(frozen=True, slots=True)
class Event:
    """RFC 4733 §2.3; `duration` in clock units."""

    code: int
    end: bool
    volume: int
    duration: int


def parse(payload: bytes | memoryview) -> Event:
    """The payload's first event. Raises `PeerError` (status 0) when it is shorter than four octets."""
    if len(payload) < 4:
        raise PeerError("telephone-event: short payload", status=0)
    return Event(payload[0], bool(payload[1] & 0x80), payload[1] & 0x3F, payload[2] << 8 | payload[3])


def build(event: Event) -> bytes:
    """Four octets."""
    return bytes((event.code, (0x80 if event.end else 0) | event.volume)) + event.duration.to_bytes(2, "big")


def rescaled(payload: bytes, clock: int, other: int) -> bytes:
    """The events of `payload` (four octets each) with durations that count in `other` Hz, not in `clock` Hz."""
    whole = len(payload) // 4 * 4
    events = (parse(payload[at : at + 4]) for at in range(0, whole, 4))
    return b"".join(build(replace(event, duration=min(event.duration * other // clock, 0xFFFF))) for event in events)


def normalise(digits: str) -> str:
    """Upper case but for `w`. Raises `PeerError` on what cannot be keyed."""
    text = "".join(WAIT if c in "wW" else c.upper() for c in digits)
    if bad := set(text) - set(_CODES) - {WAIT}:
        raise PeerError(f"not DTMF digits: {''.join(sorted(bad))!r}")
    return text


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key was pressed for `duration_ms`."""

    digit: str
    duration_ms: int


class EventReceiver:
    """Turns a stream's telephone-events into keys, each once: an event is known by its timestamp (§2.5.1.2). It is
    told at its first end packet; with all ends lost, when another event begins or nothing comes for `LOST_END`
    seconds, if at least three packets told of it. A key held for longer than the duration field holds comes in
    segments, each with a timestamp of its own (§2.5.1.3): it is one key. `clock` in Hz."""

    __slots__ = (
        "_before",
        "_code",
        "_done",
        "_duration",
        "_ended",
        "_heard",
        "_packets",
        "_timestamp",
        "_told",
        "clock",
    )

    def __init__(self, clock: int = CLOCK) -> None:
        self.clock = clock
        self._timestamp = -1
        self._code = 0
        self._duration = 0  # of this segment
        self._before = 0  # of the segments before
        self._packets = 0
        self._ended = False
        self._told = True
        self._done: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)  # (timestamp, code) of events before
        self._heard: Instant = 0.0

    def receive(self, event: Event, timestamp: int, now: Instant) -> list[Pressed]:
        """Keys that are now known to be complete, oldest first."""
        done: list[Pressed] = []
        if timestamp != self._timestamp or event.code != self._code:
            if self._strays(event, timestamp, now):
                return done
            if self._goes_on(event, timestamp, now):
                self._before += (timestamp - self._timestamp) & _MASK
            else:
                done += self._give_up()
                self._before, self._packets = 0, 0
                self._told = event.code >= len(_CODES)
            self._done.append((self._timestamp, self._code))
            self._timestamp, self._code, self._duration, self._ended = timestamp, event.code, 0, False
        self._packets += 1
        self._heard = now
        self._duration = max(self._duration, event.duration)
        self._ended |= event.end
        if event.end and not self._told:
            done += self._tell()
        return done

    def wake(self, now: Instant) -> list[Pressed]:
        """Reports an event whose end never came."""
        return self._give_up() if now >= self._heard + LOST_END else []

    def deadline(self) -> Instant | None:
        """When to `wake`; None when nothing is open."""
        return None if self._told or self._packets < END_PACKETS else self._heard + LOST_END

    def reset(self) -> None:
        """The stream starts anew (another SSRC): its timestamps say nothing about the old ones."""
        self._timestamp = -1
        self._told = True
        self._done.clear()

    def _strays(self, event: Event, timestamp: int, now: Instant) -> bool:
        """Whether the packet is a late one of an earlier event. Long after the last packet an older timestamp is no
        sign of that: then the sender's clock has jumped."""
        if self._timestamp < 0 or now - self._heard >= _STRAY:
            return False
        older = bool((timestamp - self._timestamp) & 0x80000000)
        return older or (timestamp, event.code) in self._done

    def _goes_on(self, event: Event, timestamp: int, now: Instant) -> bool:
        """Whether this is the next segment of the key that is down."""
        if self._timestamp < 0 or self._ended or event.code != self._code or now - self._heard >= _STRAY:
            return False
        return max(self._duration, _SEGMENT) <= (timestamp - self._timestamp) & _MASK <= 0xFFFF

    def _give_up(self) -> list[Pressed]:
        return [] if self._told or self._packets < END_PACKETS else self._tell()

    def _tell(self) -> list[Pressed]:
        self._told = True
        return [Pressed(_CODES[self._code], (self._before + self._duration) * 1000 // self.clock)]


class Once:
    """Phones may tell one key in two ways: in band beside RFC 4733, or INFO beside either. The second telling of the
    same key, by another way, at about the same time, is the same key."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: tuple[tuple[str, str, Instant], ...] = ()  # a deque takes 760 bytes, and most legs press no key

    def new(self, digit: str, method: str, now: Instant, duration_ms: int = 0) -> bool:
        """Whether the key that `method` tells `now`, at its end after `duration_ms`, has not been told yet."""
        earliest = now - duration_ms / 1000 - _TWICE
        for told in self._told:
            if told[0] == digit and told[1] != method and told[2] >= earliest:
                self._told = tuple(other for other in self._told if other is not told)
                return False
        self._told = (*self._told, (digit, method, now))[-_REMEMBERED:]
        return True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event packet to send: `offset` is the age of the event in clock units, so its RTP timestamp is now − offset
    (all packets of one event share a timestamp)."""

    payload: bytes
    marker: bool
    offset: int


class EventSender:
    """A queue of digits as telephone-events (§2.5.1): an update every `step_ms`, the end three times, then a gap.
    `clock` in Hz."""

    __slots__ = ("_count", "_ends", "_per_ms", "_queue", "_step", "_wait", "clock", "volume")

    def __init__(self, step_ms: int = 20, volume: int = 10, clock: int = CLOCK) -> None:
        self.clock = clock
        self._per_ms = clock // 1000
        self._queue: deque[tuple[str, int]] = deque()
        self._step = step_ms
        self._count = 0
        self._ends = 0
        self._wait = 0
        self.volume = volume

    def queue(self, digits: str, duration_ms: int) -> None:
        """Add normalised digits; each sounds for `duration_ms`, one step to `LONGEST_UNITS`."""
        length = min(max(duration_ms, self._step), LONGEST_UNITS // self._per_ms // self._step * self._step)
        self._queue.extend((digit, length) for digit in digits)

    @property
    def busy(self) -> bool:
        """Whether anything is left to send or to wait for."""
        return bool(self._queue) or self._wait > 0

    def step(self) -> Outgoing | None:
        """Call once every `step_ms` while busy; None is a gap."""
        if self._wait > 0:
            self._wait -= self._step
            return None
        if not self._queue:
            return None
        digit, length = self._queue[0]
        if digit == WAIT:
            self._queue.popleft()
            self._wait = WAIT_MS - self._step
            return None
        count = self._count
        offset = count * self._step * self._per_ms
        duration = min((count + 1) * self._step, length)
        if duration == length:
            self._ends += 1
        self._count += 1
        payload = build(Event(_CODES.index(digit), self._ends > 0, self.volume, duration * self._per_ms))
        if self._ends == END_PACKETS:
            self._queue.popleft()
            self._count = self._ends = 0
            self._wait = GAP_MS
        return Outgoing(payload, count == 0, offset)
