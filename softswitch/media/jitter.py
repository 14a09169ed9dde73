"""The jitter buffer of all legs at once.

Each row owns a ring of 10 ms blocks of samples, addressed by RTP timestamp: a packet is written where it belongs, so
order and duplicates need no thought, and any packet time that is a multiple of 10 ms fits. A tag on each block says
which block of the stream it holds. Each tick plays two blocks of every row.

The delay is 10–20 ms when all is well: playing starts so that the first packet had at least `MARGIN` to spare. A
packet that comes too late moves the play point back to itself, which lengthens the delay; packets that always come
much too early shorten it by 10 ms now and then, cross-faded. Both also absorb the drift between the clocks. A missing
block is concealed by the one 20 ms before, fading (simplified from ITU-T G.711 Appendix I). After `GIVE_UP` ticks
without sound the row rests until the next packet, which starts afresh.

Codecs without state are decoded on arrival and `put`. A codec with state decodes in the order of playing: `place` at
arrival finds the number of the packet's first block, and before each pull what lies below `due` is decoded and
filled in with `fill`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.kernel.clock import Duration
from softswitch.media.arena import BLOCK, Floats, Ints, Samples
from softswitch.media.columns import Table, table

BLOCKS: Final = 64
_MASK = BLOCKS - 1
_AHEAD = BLOCKS - 16  # blocks that a packet may lie ahead of the play point
_BEHIND = 25  # blocks that the play point may move back for a late packet
_LATE_RUN = 4  # packets far too late in a row: the timestamps have jumped
MARGIN: Final[Duration] = 0.010
_ROOMY: Duration = 0.032  # the least time to spare in a window that lets the delay shrink
_WINDOW = 50  # ticks
_GENTLY = 6  # blocks too many from which on half of them are left out at once, else one
GIVE_UP: Final = 10
_FADE = 0.7

_TWO = np.arange(2, dtype=np.int64)

_STATE = np.dtype(
    [
        ("block", "i8"),  # number of the block to play next
        ("ts", "u4"),  # its RTP timestamp
        ("unit", "u4"),  # RTP clock units in 10 ms
        ("newest", "u4"),  # highest timestamp received
        ("spare", "f4"),  # least time in hand of any packet in this window, seconds
        ("missed", "i2"),  # ticks without sound
        ("late_run", "i2"),
        ("depth", "i2"),  # blocks of delay that lateness has taught, for the next start
        ("late", "i4"),
        ("concealed", "i4"),  # blocks
        ("on", "?"),
    ],
    align=True,
)


class JitterBuffer:
    """`block`: samples in 10 ms, 80 or 160. `state` is indexed by row; `late` and `concealed` count for the
    statistics."""

    __slots__ = ("_item", "_items", "_pulls", "_rise", "_samples", "_tags", "_touched", "block", "state")

    def __init__(self, rows: int, block: int = BLOCK) -> None:
        self.block = block
        self.state: Table = table(_STATE, rows)
        self.state["unit"] = block
        self._item = np.dtype(f"V{2 * block}")  # a block of int16 samples moved as one item
        self._items = np.zeros(rows * BLOCKS, self._item)
        self._samples: Samples = self._items.view(np.int16).reshape(rows, BLOCKS, block)
        self._rise: Floats = np.linspace(0.0, 1.0, block, endpoint=False, dtype=np.float32)
        self._tags: Ints = np.zeros(rows * BLOCKS, np.int64)
        self._touched = np.zeros(rows, bool)
        self._pulls = 0

    def reset(self, row: int) -> None:
        """Forget everything but the clock; the next packet starts the row. Block numbers run on, so that old tags stay
        old."""
        if not self._touched[row]:
            return
        self._touched[row] = False
        block, unit = int(self.state["block"][row]) + BLOCKS, self.state["unit"][row]
        self.state[row] = np.zeros((), _STATE)
        self.state["block"][row] = block
        self.state["unit"][row] = unit

    def tune(self, row: int, clock: int) -> None:
        """`clock`: the RTP clock of the row in Hz, where it is not the samples' rate (RFC 3551: G722 says 8000;
        RFC 7587: opus says 48000)."""
        self.state["unit"][row] = clock // 100

    def put(self, rows: Ints, timestamps: Ints, samples: Samples, spare: Floats) -> None:
        """Packets of one length: `samples` is [n, k·block], `rows` are distinct, `timestamps` are RTP's.
        `spare`: seconds from each packet's arrival to the next tick."""
        numbers = self.place(rows, timestamps, spare)
        if (numbers < 0).any():
            keep = np.flatnonzero(numbers >= 0)
            if not len(keep):
                return
            rows, samples, numbers = rows[keep], samples[keep], numbers[keep]
        self.fill(rows, numbers, samples)

    def place(self, rows: Ints, timestamps: Ints, spare: Floats) -> Ints:
        """Take note of packets that have come, as `put` does, without their sound. Returns the numbers of their first
        blocks, −1 for those that must be dropped."""
        self._touched[rows] = True
        state = self.state.take(rows)
        stamps = timestamps.astype(np.uint32)
        unit = state["unit"].astype(np.int32)
        ahead = (stamps - state["ts"]).view(np.int32) // unit
        good = state["on"] & (ahead >= 0) & (ahead < _AHEAD)
        if not good.all():
            good |= _place(state, ~good, stamps, ahead, spare)
            ahead = (stamps - state["ts"]).view(np.int32) // unit
        state["spare"] = np.where(good, np.minimum(state["spare"], ahead * np.float32(0.01) + spare), state["spare"])
        state["newest"] = np.where(good & ((stamps - state["newest"]).view(np.int32) > 0), stamps, state["newest"])
        state["late_run"] = np.where(good, 0, state["late_run"])
        self.state[rows] = state
        numbers: Ints = np.where(good, state["block"] + ahead, -1)
        return numbers

    def fill(self, rows: Ints, numbers: Ints, samples: Samples) -> None:
        """Sound for the blocks from `numbers` on: `samples` is [n, k·block], `rows` are distinct."""
        width = samples.shape[1] // self.block
        block = numbers[:, None] + (_TWO if width == 2 else np.arange(width))
        at = ((rows * BLOCKS)[:, None] + (block & _MASK)).reshape(-1)
        self._items[at] = np.ascontiguousarray(samples).view(self._item).reshape(-1)
        self._tags[at] = block.reshape(-1)

    def due(self, rows: Ints) -> Ints:
        """For each row the number of the first block that the next pull will not look at."""
        numbers: Ints = self.state["block"][rows] + 2
        return numbers

    def pull(self, rows: Ints) -> Samples:
        """The next 20 ms of each row: [n, 2·block], zeros where nothing is heard."""
        state = self.state.take(rows)
        block = state["block"][:, None] + _TWO
        at = (rows * BLOCKS)[:, None] + (block & _MASK)
        there = (self._tags.take(at) == block) & state["on"][:, None]
        frames = self._items.take(at).view(np.int16).reshape(len(rows), 2 * self.block)
        on = state["on"]
        any_there = there.any(axis=1)
        state["missed"] = np.where(any_there, 0, state["missed"] + 1)
        if not there.all():
            frames[~on] = 0
            for half in (0, 1):
                self._conceal(rows, state, np.flatnonzero(on & ~there[:, half]), half, frames)
            on &= state["missed"] < GIVE_UP
        step = on * np.int64(2)
        state["block"] += step
        state["ts"] += step.astype(np.uint32) * state["unit"]
        self._pulls += 1
        turn = rows % _WINDOW == self._pulls % _WINDOW  # each row once a window, not all in one tick
        if turn.any():
            for i in np.flatnonzero(turn & on & any_there & (state["spare"] > _ROOMY)).tolist():
                many = int((float(state["spare"][i]) - MARGIN) / 0.01) - 1
                self._shorten(int(rows[i]), state, i, frames[i], many // 2 if many > _GENTLY else 1)
            state["spare"] = np.where(turn, np.float32(1.0), state["spare"])
        self.state[rows] = state
        return frames

    def delay(self, row: int) -> Duration:
        """Seconds of sound in hand."""
        state = self.state[row]
        if not state["on"]:
            return 0.0
        ahead = (int(state["newest"]) - int(state["ts"])) & 0xFFFFFFFF
        return ahead / (100 * int(state["unit"])) if ahead < 0x80000000 else 0.0

    def _conceal(self, rows: Ints, state: Table, missing: Ints, half: int, frames: Samples) -> None:
        """Fill the missing halves of `frames` from the ring's blocks 20 ms before, and the ring with the outcome, so
        that a longer gap fades further."""
        if not len(missing):
            return
        base = rows[missing] * BLOCKS
        number = state["block"][missing] + half
        before = base + (number - 2 & _MASK)
        known = self._tags.take(before) == number - 2
        part = (self._items.take(before).view(np.int16).reshape(-1, self.block) * np.float32(_FADE)).astype(np.int16)
        part[~known] = 0
        frames[missing, half * self.block : (half + 1) * self.block] = part
        at = (base + (number & _MASK))[known]
        self._items[at] = np.ascontiguousarray(part[known]).view(self._item).reshape(-1)
        self._tags[at] = number[known]
        state["concealed"][missing] += known

    def _shorten(self, row: int, state: Table, i: int, frame: Samples, blocks: int) -> None:
        """Leave out `blocks`: the second half of `frame` fades into the last of them."""
        number = int(state["block"][i]) + blocks - 1
        if self._tags[row * BLOCKS + (number & _MASK)] != number:
            return
        later: Floats = self._samples[row, number & _MASK].astype(np.float32)
        half = frame[self.block :]
        half[:] = half * (1 - self._rise) + later * self._rise
        state["block"][i] += blocks
        state["ts"][i] += np.uint32(blocks) * state["unit"][i]
        state["depth"][i] = max(int(state["depth"][i]) - blocks, 0)


def _place(state: Table, odd: NDArray[np.bool_], stamps: Ints, ahead: Ints, spare: Floats) -> NDArray[np.bool_]:
    """Packets that are not where their rows expect them: make place in `state`. Which of them may be written now."""
    start = odd & (~state["on"] | (ahead >= _AHEAD))
    late = odd & ~start
    if late.any():
        state["late"] += late
        state["late_run"] += late
        newer = (stamps - state["newest"]).view(np.int32) > 0
        back = late & newer & (ahead >= -_BEHIND)
        blocks = np.where(back, ahead, 0).astype(np.int64)
        state["block"] += blocks
        state["ts"] += blocks.astype(np.uint32) * state["unit"]
        state["depth"] = np.minimum(state["depth"] - blocks, _BEHIND)
        start |= late & ~back & (state["late_run"] >= _LATE_RUN)
        late = back
    if start.any():
        lead = state["depth"].astype(np.int64) + (spare < MARGIN)
        state["block"] += start * np.int64(BLOCKS)
        state["ts"] = np.where(start, stamps - lead.astype(np.uint32) * state["unit"], state["ts"])
        state["newest"] = np.where(start, stamps, state["newest"])
        state["spare"] = np.where(start, np.float32(1.0), state["spare"])
        state["missed"] = np.where(start, 0, state["missed"])
        state["late_run"] = np.where(start, 0, state["late_run"])
        state["on"] |= start
    return start | late
