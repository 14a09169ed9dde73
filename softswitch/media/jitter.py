"""The jitter buffer of all legs at once.

Each row owns a ring of 10 ms blocks of samples, addressed by RTP timestamp: a packet is written where it belongs, so
order and duplicates need no thought, and any packet time that is a multiple of 10 ms fits. A tag on each block says
which block of the stream it holds. Each tick plays two blocks of every row.

The delay is 10–20 ms when all is well: playing starts so that the first packet had at least `MARGIN` to spare. A
packet that comes too late moves the play point back to itself, which lengthens the delay; packets that always come
much too early shorten it by 10 ms now and then, cross-faded. Both also absorb the drift between the clocks. A missing
block is concealed by the one 20 ms before, fading (simplified from ITU-T G.711 Appendix I). After `GIVE_UP` ticks
without sound the row rests until the next packet, which starts afresh.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.kernel.clock import Duration
from softswitch.media.arena import BLOCK, RATE, Floats, Ints, Samples
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

_ITEM = np.dtype("V160")  # a block of int16 samples moved as one item
_TWO = np.arange(2, dtype=np.int64)
_RISE = np.linspace(0.0, 1.0, BLOCK, endpoint=False, dtype=np.float32)

_STATE = np.dtype(
    [
        ("block", "i8"),  # number of the block to play next
        ("ts", "u4"),  # its RTP timestamp
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
    """`state` is indexed by row; `late` and `concealed` count for the statistics."""

    __slots__ = ("_items", "_pulls", "_samples", "_tags", "_touched", "state")

    def __init__(self, rows: int) -> None:
        self.state: Table = table(_STATE, rows)
        self._items = np.zeros(rows * BLOCKS, _ITEM)
        self._samples: Samples = self._items.view(np.int16).reshape(rows, BLOCKS, BLOCK)
        self._tags: Ints = np.zeros(rows * BLOCKS, np.int64)
        self._touched = np.zeros(rows, bool)
        self._pulls = 0

    def reset(self, row: int) -> None:
        """Forget everything; the next packet starts the row. Block numbers run on, so that old tags stay old."""
        if not self._touched[row]:
            return
        self._touched[row] = False
        block = int(self.state["block"][row]) + BLOCKS
        self.state[row] = np.zeros((), _STATE)
        self.state["block"][row] = block

    def put(self, rows: Ints, timestamps: Ints, samples: Samples, spare: Floats) -> None:
        """Packets of one length: `samples` is [n, k·80], `rows` are distinct, `timestamps` are RTP's.
        `spare`: seconds from each packet's arrival to the next tick."""
        width = samples.shape[1] // BLOCK
        self._touched[rows] = True
        state = self.state.take(rows)
        stamps = timestamps.astype(np.uint32)
        ahead = (stamps - state["ts"]).view(np.int32) // BLOCK
        good = state["on"] & (ahead >= 0) & (ahead < _AHEAD)
        if not good.all():
            good |= _place(state, ~good, stamps, ahead, spare)
            if not good.all():
                self.state[rows] = state  # what was counted of those that are dropped
                keep = np.flatnonzero(good)
                if not len(keep):
                    return
                rows, stamps, samples, spare, state = rows[keep], stamps[keep], samples[keep], spare[keep], state[keep]
            ahead = (stamps - state["ts"]).view(np.int32) // BLOCK
        block = (state["block"] + ahead)[:, None] + (_TWO if width == 2 else np.arange(width))
        at = ((rows * BLOCKS)[:, None] + (block & _MASK)).reshape(-1)
        self._items[at] = np.ascontiguousarray(samples).view(_ITEM).reshape(-1)
        self._tags[at] = block.reshape(-1)
        state["spare"] = np.minimum(state["spare"], ahead * np.float32(0.01) + spare)
        state["newest"] = np.where((stamps - state["newest"]).view(np.int32) > 0, stamps, state["newest"])
        state["late_run"] = 0
        self.state[rows] = state

    def pull(self, rows: Ints) -> Samples:
        """The next 20 ms of each row: [n, 160], zeros where nothing is heard."""
        state = self.state.take(rows)
        block = state["block"][:, None] + _TWO
        at = (rows * BLOCKS)[:, None] + (block & _MASK)
        there = (self._tags.take(at) == block) & state["on"][:, None]
        frames = self._items.take(at).view(np.int16).reshape(len(rows), 2 * BLOCK)
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
        state["ts"] += (step * BLOCK).astype(np.uint32)
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
        return ahead / RATE if ahead < 0x80000000 else 0.0

    def _conceal(self, rows: Ints, state: Table, missing: Ints, half: int, frames: Samples) -> None:
        """Fill the missing halves of `frames` from the ring's blocks 20 ms before, and the ring with the outcome, so
        that a longer gap fades further."""
        if not len(missing):
            return
        base = rows[missing] * BLOCKS
        number = state["block"][missing] + half
        before = base + (number - 2 & _MASK)
        known = self._tags.take(before) == number - 2
        part = (self._items.take(before).view(np.int16).reshape(-1, BLOCK) * np.float32(_FADE)).astype(np.int16)
        part[~known] = 0
        frames[missing, half * BLOCK : half * BLOCK + BLOCK] = part
        at = (base + (number & _MASK))[known]
        self._items[at] = np.ascontiguousarray(part[known]).view(_ITEM).reshape(-1)
        self._tags[at] = number[known]
        state["concealed"][missing] += known

    def _shorten(self, row: int, state: Table, i: int, frame: Samples, blocks: int) -> None:
        """Leave out `blocks`: the second half of `frame` fades into the last of them."""
        number = int(state["block"][i]) + blocks - 1
        if self._tags[row * BLOCKS + (number & _MASK)] != number:
            return
        later: Floats = self._samples[row, number & _MASK].astype(np.float32)
        half = frame[BLOCK:]
        half[:] = half * (1 - _RISE) + later * _RISE
        state["block"][i] += blocks
        state["ts"][i] += blocks * BLOCK
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
        state["ts"] += (blocks * BLOCK).astype(np.uint32)
        state["depth"] = np.minimum(state["depth"] - blocks, _BEHIND)
        start |= late & ~back & (state["late_run"] >= _LATE_RUN)
        late = back
    if start.any():
        lead = state["depth"].astype(np.int64) + (spare < MARGIN)
        state["block"] += start * np.int64(BLOCKS)
        state["ts"] = np.where(start, stamps - (lead * BLOCK).astype(np.uint32), state["ts"])
        state["newest"] = np.where(start, stamps, state["newest"])
        state["spare"] = np.where(start, np.float32(1.0), state["spare"])
        state["missed"] = np.where(start, 0, state["missed"])
        state["late_run"] = np.where(start, 0, state["late_run"])
        state["on"] |= start
    return start | late
