"""Received sound of codecs with state (G.722, Opus): payloads on their way into the wide jitter buffer.

The buffer decides when a packet is played (`place`), as it does for any other; what differs is when it is decoded. A
packet that follows the last one is decoded as it comes. One that comes early, because others are late or lost, is kept
until they come or the gap must be played. Then Opus conceals the gap, with what the next packet tells of it (forward
error correction) when that one is here already; G.722 leaves it to the buffer. So decoding always goes in the order of
playing, and all that the buffer does with samples works as for other legs. What is later than that is decoded only if
the buffer went back to it.

After `LONGEST_GAP` the codec stops concealing and the buffer's own fading goes on. Once a packet came that would have
told of a lost one, the buffer holds packets for one packet time more, so that the next of its kind is in time.

One object a row, a few µs of Python beside the codec's own 8–12 µs a packet.
"""

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from softswitch.kernel.clock import Duration
from softswitch.media.arena import Floats, Ints, Samples
from softswitch.media.codecs import G722, OPUS
from softswitch.media.jitter import JitterBuffer
from softswitch.media.placing import BLOCKS
from softswitch_codecs import g722, opus
from softswitch_codecs.stateful import BLOCK, CodecError, Decoder, Mender

LONGEST_GAP: Final = 10
"""Blocks, 100 ms."""
_AHEAD: Final = 12  # blocks beyond what is due that a gap is closed at once, for the packet after it to help

_MAKE: Final[dict[int, Callable[[], Decoder]]] = {G722: g722.Decoder, OPUS: opus.Decoder}
_BLOCK: Final[Duration] = 0.01
_NOTHING: Final = -1 << 40


class _Stream:
    """`pending` are payloads and their lengths in blocks by the number of their first block; `solid` is the end of
    what was decoded rather than concealed; `gap` counts concealed blocks since. `mender` is the decoder when it can
    conceal."""

    __slots__ = ("decoder", "gap", "mender", "pending", "solid")

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.mender: Mender | None = decoder if isinstance(decoder, opus.Decoder) else None
        self.pending: dict[int, tuple[bytes, int]] = {}
        self.solid = _NOTHING
        self.gap = 0


class Coded:
    """`refused(row)` is called for each payload that is not the codec's."""

    __slots__ = ("_buffer", "_codec", "_done", "_next", "_refused", "_streams")

    def __init__(self, rows: int, buffer: JitterBuffer, refused: Callable[[int], None]) -> None:
        self._buffer = buffer
        self._refused = refused
        self._streams: dict[int, _Stream] = {}
        self._codec = np.zeros(rows, np.uint8)
        self._next = np.full(rows, _NOTHING, np.int64)  # the block that the row's decoder stands before
        self._done: list[tuple[int, int, Samples]] = []  # row, first block, sound

    def assign(self, row: int, codec: int) -> None:
        """Streams of the row are of `codec` (a number of the table) after the next `reset`."""
        self._codec[row] = codec

    def reset(self, row: int) -> None:
        """The stream ended, or starts anew."""
        if self._streams.pop(row, None) is not None:
            self._next[row] = _NOTHING
            self._buffer.hold(row, 0.0)

    def put(self, rows: Ints, payloads: Iterable[bytes], timestamps: Ints, spare: Floats) -> None:
        """See `JitterBuffer.put`, but for payloads of any length; `rows` are distinct."""
        sound: list[tuple[int, int, _Stream, bytes, int]] = []
        for i, (row, payload) in enumerate(zip(rows.tolist(), payloads, strict=True)):
            stream = self._streams.get(row)
            if stream is None:
                stream = self._streams[row] = _Stream(_MAKE[int(self._codec[row])]())
            try:
                length, rest = divmod(stream.decoder.duration(payload), BLOCK)
            except CodecError:
                rest = 1
            if rest:
                self._refused(row)
            else:
                sound.append((i, row, stream, payload, length))
        if not sound:
            return
        if len(sound) < len(rows):
            some = np.array([part[0] for part in sound])
            rows, timestamps, spare = rows[some], timestamps[some], spare[some]
        numbers = self._buffer.place(rows, timestamps, spare)
        for (_, row, stream, payload, length), number in zip(sound, numbers.tolist(), strict=True):
            if number >= 0:
                self._take(row, stream, number, payload, length)
        self._fill()

    def advance(self, rows: Ints) -> None:
        """Call before `JitterBuffer.pull` of `rows`: what it will look at is decoded or concealed."""
        due = self._buffer.due(rows)
        behind = (self._next[rows] < due) & self._buffer.state["on"][rows]
        if behind.any():
            for i in np.flatnonzero(behind).tolist():
                row = int(rows[i])
                if (stream := self._streams.get(row)) is not None:
                    self._catch_up(row, stream, int(due[i]))
            self._fill()

    def _take(self, row: int, stream: _Stream, number: int, payload: bytes, length: int) -> None:
        """A packet has its place."""
        following = int(self._next[row])
        if number != following:
            if not 0 <= number - following < BLOCKS:
                if following - BLOCKS < number < stream.solid:
                    return  # heard already
                if not following - BLOCKS < number < following:
                    stream.pending.clear()  # far from what was: begin here
                self._next[row] = number
            elif following < int(self._buffer.state["block"][row]):
                self._skip(row, stream, min(number, int(self._buffer.state["block"][row])))
            if number != int(self._next[row]):
                stream.pending[number] = (payload, length)
                return
        self._decode(row, stream, number, payload, length)
        self._go_on(row, stream)

    def _go_on(self, row: int, stream: _Stream) -> None:
        """Decode all that follows without a gap."""
        while stream.pending and (kept := stream.pending.pop(int(self._next[row]), None)) is not None:
            self._decode(row, stream, int(self._next[row]), *kept)
        for overlapped in [at for at in stream.pending if at < self._next[row]]:
            del stream.pending[overlapped]

    def _decode(self, row: int, stream: _Stream, number: int, payload: bytes, length: int) -> None:
        if stream.mender is not None and 0 < stream.gap <= length and stream.mender.mends(payload):
            self._buffer.hold(row, length * _BLOCK)  # had it been here earlier, nothing would have been lost
        self._next[row] = number + length
        try:
            samples = stream.decoder.decode(payload)
        except CodecError:
            self._refused(row)
            if stream.mender is not None:
                self._done.append((row, number, stream.mender.conceal(length * BLOCK)))
            stream.gap += length
            return
        stream.gap = 0
        self._done.append((row, number, samples))
        stream.solid = number + length

    def _catch_up(self, row: int, stream: _Stream, due: int) -> None:
        """Come to `due`, whatever is missing."""
        if self._next[row] < due - 2:
            self._skip(row, stream, due - 2)
        self._go_on(row, stream)
        while (number := int(self._next[row])) < due:
            later = min((at for at in stream.pending if at > number), default=due)  # what overlaps is heard already
            if stream.mender is None:
                self._next[row] = min(later, due)
            elif not self._conceal(row, stream, stream.mender, number, later if later - due < _AHEAD else due):
                return
            self._go_on(row, stream)

    def _conceal(self, row: int, stream: _Stream, mender: Mender, number: int, until: int) -> bool:
        """Blocks from `number` on are lost; whether they were made up."""
        count = until - number
        if stream.gap + count > LONGEST_GAP:
            return False
        if until in stream.pending:
            samples = mender.recover(stream.pending[until][0], count * BLOCK)
        else:
            samples = mender.conceal(count * BLOCK)
        stream.gap += count
        self._buffer.learned["concealed"][row] += count
        self._done.append((row, number, samples))
        self._next[row] = until
        return True

    def _skip(self, row: int, stream: _Stream, number: int) -> None:
        """The buffer plays from `number` on: what lies before it is not heard any more."""
        for passed in [at for at, (_, length) in stream.pending.items() if at + length <= number]:
            del stream.pending[passed]
        at = min(stream.pending, default=number)
        self._next[row] = min(at, number)

    def _fill(self) -> None:
        """Hand the sound over, packets of one length together."""
        done, self._done = self._done, []
        by_length: dict[int, list[tuple[int, int, Samples]]] = {}
        for part in done:
            by_length.setdefault(len(part[2]), []).append(part)
        for parts in by_length.values():
            rows, numbers = np.array([part[0] for part in parts]), np.array([part[1] for part in parts])
            self._buffer.fill(rows, numbers, np.array([part[2] for part in parts]))
