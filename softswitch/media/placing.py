"""Where packets go that are not where their row's play point expects them: first packets, late ones, jumps of the
timestamp. The state that the jitter buffer keeps of each row.

A packet is held from its arrival until it is played, but it must be there already at the tick whose frame it begins in:
from its arrival to that tick is its spare time. So a play point that moves back by less than what is left of that frame
(`offset` is what lies before the packet in it) buys delay but no spare time.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import Floats, Ints
from softswitch.media.columns import Table

BLOCKS: Final = 64  # of the ring
AHEAD: Final = 50
"""Blocks that a packet may lie ahead of the play point: 500 ms."""

TIGHT: Final = 0.004
"""Spare time below which the delay grows, seconds."""

EASY: Final = 0.009
"""Spare time that a stream begins with at least, seconds. A packet is read up to 3 ms after it has come, so a stream
that begins just above `TIGHT` would soon be found below it, and its play point be moved in the middle of a word."""

NEVER: Final = 9.0
"""Spare time where there was no packet."""

LEAD_IN: Final = 1000

_WINDOWS = 8
_LONGEST = 0.45  # delay beyond which late packets are dropped, seconds
_MISPLACED = 50  # blocks behind the play point from which on a packet is not late but of another time
_RUN = 4  # packets dropped in a row: the timestamps have jumped
_CLOSE = 12  # blocks between two packets that may belong together
_MOST_NEEDED = 0.2  # seconds of delay that a stream begins with because of what went before
FRAME: Final = 0.02

STATE: Final = np.dtype(
    [
        ("block", "i8"),  # number of the first block that has not begun to play
        ("ts", "u4"),  # its RTP timestamp
        ("unit", "u4"),  # RTP clock units in 10 ms
        ("newest", "u4"),  # highest timestamp received
        ("least", "f4"),  # lowest spare time of a packet in this window, seconds
        ("second", "f4"),  # and the second lowest
        ("held", "f4"),  # sum of what packets of this window are held, seconds
        ("placed", "i4"),  # packets in this window
        ("want", "i4"),  # samples by which the play point is to move: forward, or back if negative
        ("gap", "i2"),  # blocks missing up to here; −1: another stream begins; from LEAD_IN on: after silence
        ("offset", "i2"),  # lowest in this window, samples
        ("back", "i2"),  # samples of the block before that are still to be played
        ("late_run", "i2"),  # packets dropped in a row
        ("on", "?"),
    ],
    align=True,
)

LEARNED: Final = np.dtype(
    [
        ("low", "f4", (_WINDOWS,)),  # `second` of the last windows, the newest first
        ("held", "f8"),  # of all windows, as in STATE
        ("placed", "i8"),
        ("noise_from", "i8"),  # block
        ("usual", "f4"),  # how long packets are held lately, seconds
        ("offset", "i2"),  # lowest of the last window, samples
        ("need", "f4"),  # how much less than that the late ones of the last stream were held
        ("odd_ts", "u4"),  # timestamp of the last packet dropped
        ("late", "i4"),  # packets dropped because they came too late, or from nowhere
        ("concealed", "i4"),  # blocks
        ("windows", "i2"),  # since the start
        ("tries", "i2"),  # to move the play point without being heard
        ("started", "?"),
    ],
    align=True,
)


def place_odd(state: Table, learned: Table, stamps: Ints, ahead: Ints, spare: Floats, block: int) -> NDArray[np.bool_]:
    """Make place for packets; all arguments but `block` (samples) hold one entry each. `ahead` counts blocks from the
    play point. Returns which of them may be written now; the others are dropped."""
    on, unit = state["on"].copy(), state["unit"]
    held = ahead * np.float32(0.01) + spare
    resumes = ~on & learned["started"] & (ahead >= 0) & (held <= learned["usual"] + 0.03)
    late = on & (ahead < 0)
    newer = (stamps - state["newest"]).view(np.int32) > 0
    waits = late & newer & (learned["usual"] - 0.01 * ahead <= _LONGEST)
    since = (stamps - learned["odd_ts"]).view(np.int32)
    follows = (state["late_run"] > 0) & (since > 0) & (since <= _CLOSE * unit.astype(np.int32))
    jumped = on & (ahead >= AHEAD) & ((state["gap"] > 0) | follows)
    jumped |= late & ~waits & ((follows & (ahead < -_MISPLACED)) | (state["late_run"] >= _RUN - 1))
    starts = jumped | (~on & ~resumes)
    dropped = on & ~waits & ~jumped
    if dropped.any():
        learned["late"] += dropped
        learned["odd_ts"] = np.where(dropped, stamps, learned["odd_ts"])
        state["late_run"] += dropped
        missed = dropped & late & (ahead >= -_MISPLACED)
        _note(state, np.where(missed, (ahead >> 1) * np.float32(FRAME) + spare, np.float32(NEVER)))
        frames = np.ceil((TIGHT - state["second"]) / FRAME)
        short = missed & (state["second"] < 0)
        state["want"] = np.where(short, learned["offset"] - frames * (2 * block), state["want"])
    if waits.any():
        blocks = np.where(waits, -ahead, 0)
        move(state, learned, -blocks * block, block)
        state["ts"] -= blocks.astype(np.uint32) * unit
        state["want"] = np.where(waits, 0, state["want"])
    if starts.any():
        _start(state, learned, starts, stamps, spare)
    state["gap"] = np.where(resumes, LEAD_IN, state["gap"])
    state["on"] |= resumes
    placed: NDArray[np.bool_] = resumes | waits | starts
    return placed


def _note(state: Table, in_hand: Floats) -> None:
    state["second"] = np.minimum(state["second"], np.maximum(state["least"], in_hand))
    state["least"] = np.minimum(state["least"], in_hand)


def move(state: Table, learned: Table, by: Ints, block: int) -> None:
    """The play point moves forward by so many samples: every packet is held that much less, and the spare time
    changes by whole frames."""
    offset = learned["offset"] - by
    spare = (offset // (2 * block) * FRAME).astype(np.float32)
    learned["offset"] = offset % (2 * block)
    state["offset"] = 2 * block
    state["least"] += spare
    state["second"] += spare
    learned["low"] += spare[:, None]
    held = (by * (-0.01 / block)).astype(np.float32)
    state["held"] += held * state["placed"]
    learned["usual"] += held


def _start(state: Table, learned: Table, starts: NDArray[np.bool_], stamps: Ints, spare: Floats) -> None:
    """Play these packets so that others may be later by as much as the jitter is known to be."""
    spread = np.clip(learned["usual"] - learned["low"][:, 0], 0, _MOST_NEEDED)
    need = learned["need"] = np.where(starts & (learned["windows"] > 0), spread, learned["need"])
    lead = 2 * np.ceil(np.maximum(need + EASY - spare, 0) / FRAME).astype(np.int64)  # whole frames
    on = state["on"]
    state["block"] += starts * np.int64(BLOCKS)  # the same place in the ring, so that what was heard stays before it
    state["ts"] = np.where(starts, stamps - lead.astype(np.uint32) * state["unit"], state["ts"])
    state["newest"] = np.where(starts, stamps, state["newest"])
    state["gap"] = np.where(starts, np.where(on | (state["gap"] < 0), -1, LEAD_IN), state["gap"])
    state["back"] = np.where(starts & ~on, 0, state["back"])
    for name in ("want", "late_run", "held", "placed"):
        state[name] = np.where(starts, 0, state[name])
    for name in ("least", "second"):
        state[name] = np.where(starts, np.float32(NEVER), state[name])
    learned["low"] = np.where(starts[:, None], np.float32(NEVER), learned["low"])
    learned["usual"] = np.where(starts, lead * 0.01 + spare, learned["usual"])
    state["offset"] = np.where(starts, np.int16(999), state["offset"])
    for name in ("windows", "tries", "offset"):
        learned[name] = np.where(starts, 0, learned[name])
    learned["started"] |= starts
    state["on"] = on | starts
