"""A limiter for sums that are louder than 16 bits hold.

Each sink has a gain of its own. A frame whose peak would exceed full scale takes the gain down to just fit within the
first 2.5 ms, and it comes back to within a tenth in a fifth of a second; what overshoots in those 2.5 ms is clipped.
Sums that fit are not touched: at rest a limiter is exactly 1.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import Floats, Ints

FULL: Final = np.float32(32767.0)
_ATTACK: Final = 0.125  # of a frame
_RELEASE: Final = np.float32(0.2)  # of the way back to 1, a frame
_AT_REST: Final = np.float32(0.999)


class Limiter:
    """Gains by number of sink, for the sinks of one matrix."""

    __slots__ = ("_gain", "_held")

    def __init__(self) -> None:
        self._gain: Floats = np.ones(256, np.float32)
        self._held: set[int] = set()  # sinks whose gain is not 1

    def __call__(self, sinks: Ints, sums: Floats) -> None:
        """`sums` [n, samples] of `sinks`, made to fit in place. Costs one look at the peaks while nothing is loud."""
        if not len(sums):
            return
        peak = np.maximum(sums.max(axis=1), -sums.min(axis=1))
        busy = peak > FULL
        if self._held:
            busy |= np.isin(sinks, list(self._held))
        if not busy.any():
            self._held.clear()
            return
        at = np.flatnonzero(busy)
        some = sinks[at]
        self._make_room(int(some.max()))
        now = np.where(np.isin(some, list(self._held)), self._gain[some], np.float32(1.0))
        fits = FULL / np.maximum(peak[at], FULL)
        then: Floats = np.minimum(now + (1 - now) * _RELEASE, fits)
        then[then > _AT_REST] = 1.0
        sums[at] *= _ramps(now, then, sums.shape[1])
        self._gain[some] = then
        self._held = set(some[then < 1.0].tolist())

    def _make_room(self, sink: int) -> None:
        if sink >= len(self._gain):
            more = np.ones(max(sink + 1, 2 * len(self._gain)), np.float32)
            more[: len(self._gain)] = self._gain
            self._gain = more


def _ramps(now: Floats, then: Floats, samples: int) -> Floats:
    """Down fast, up over the whole frame: [n, samples]."""
    along = np.arange(1, samples + 1, dtype=np.float32) / np.float32(samples)
    quick = np.minimum(along / np.float32(_ATTACK), np.float32(1.0))
    rising = (then > now)[:, None]
    ramps: Floats = now[:, None] + (then - now)[:, None] * np.where(rising, along, quick)
    return ramps


def fit(sums: Floats) -> NDArray[np.int16]:
    """To 16 bits, rounded to the nearest; what still does not fit is clipped."""
    np.rint(sums, out=sums)
    np.clip(sums, -32768.0, 32767.0, out=sums)
    return sums.astype(np.int16)
