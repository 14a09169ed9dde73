"""Playing a little faster or slower without being heard: a few milliseconds are left out or said twice, where the sound
resembles itself, cross-faded (WSOLA: Verhelst and Roelands, ICASSP 1993). For many rows at once."""

from typing import Final

import numpy as np

from softswitch.media.arena import Floats, Ints

LONGEST: Final = 1.5
"""Blocks that one splice moves at most: 15 ms, the longest pitch period."""

_SHORTEST = 0.25
_FURTHER = 0.05  # likeness that the longest step may lack against the shortest
_SILENT: Final = 90.0  # root mean square of samples below which anything resembles anything: −51 dBov


def reach(block: int) -> int:
    """Samples to each side of the play point that `splice` looks at beyond the frame."""
    return int(LONGEST * block)


def splice(sound: Floats, block: int, limits: Ints, faster: bool) -> tuple[Ints, Floats, Floats]:
    """`sound` [n, 2·reach + block] around the play point at index `reach`. Finds for each row how many samples to move
    the play point, forward if `faster` or else back, no more than `limits` [n].

    Returns those numbers (0: none fits), their likeness (normalised cross-correlation, 1 where all is silent), and the
    10 ms that fade from the old play point into the new one, [n, block].
    """
    far, near = reach(block), int(_SHORTEST * block)
    thin = block // 40
    here = sound[:, far : far + block]
    lags = np.arange(near, far + 1, thin)
    starts = far + lags if faster else far - lags
    windows = np.lib.stride_tricks.sliding_window_view(sound, block, axis=1)[:, starts, ::thin]
    template = here[:, ::thin]
    there_power = np.einsum("nlk,nlk->nl", windows, windows)
    here_power = np.einsum("nk,nk->n", template, template)
    likeness = np.einsum("nlk,nk->nl", windows, template) / np.sqrt(here_power[:, None] * there_power + 1.0)
    allowed = lags <= limits[:, None]
    quiet = _SILENT**2 * template.shape[1]
    silent = (here_power < quiet) & (np.where(allowed, there_power, 0).max(axis=1) < quiet)
    likeness = np.where(silent[:, None], 1.0, likeness)
    best = np.argmax(np.where(allowed, likeness + _FURTHER * lags / far, -2.0), axis=1)
    rows = np.arange(len(sound))
    found = likeness[rows, best].astype(np.float32)
    moves: Ints = np.where(allowed[rows, best], lags[best], 0)
    start = far + moves if faster else far - moves
    other = np.take_along_axis(sound, start[:, None] + np.arange(block), axis=1)
    rise = np.linspace(0, 1, block, endpoint=False, dtype=np.float32)
    return moves, found, here * (1 - rise) + other * rise
