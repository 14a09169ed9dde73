"""What can be said of the speech on a leg: when it talks and when it is silent, whether both sides of a bridge talk or
neither does, how loud it is, how often it is clipped. All listened legs at once, a few numbers a row.

A frame is *active* when it is `_ABOVE` dB louder than the noise, which is the quietest frame of the last 1.5 to 3 s
(minimum statistics, after R. Martin, IEEE Trans. SAP 9(5), 2001), and not below `_LEAST`. Two active frames begin
talk; `HANGOVER` ticks without one end it (200 ms as in ITU-T P.56). A steady tone becomes noise after 3 s.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import FRAME, TICK, Ints, Samples
from softswitch.media.tones import amplitude
from softswitch.wire.control import SpeechFacts

HANGOVER: Final = 10
NOBODY: Final = -1

_ABOVE: Final = 9.0
_LEAST: Final = -48.0  # dBm0
_FIRST_NOISE: Final = -45.0  # dBm0, until it is known better
_WINDOW: Final = 75  # ticks of one minimum
_CLIP: Final = 32000  # the greatest values of G.711 are 32124 (µ-law) and 32256 (A-law)
_ZERO_DBM0: Final = 10 * float(np.log10(amplitude(0.0) ** 2 / 2))  # of a mean square
_DAY: Final = 86_400.0
_TINY: Final = np.float32(0.01)

_STATE = np.dtype(
    [
        ("noise", "f4"),  # quietest frame of this window, dBm0
        ("noise_before", "f4"),  # of the window before
        ("power", "f8"),  # sum of mean squares while active
        ("active", "i4"),  # frames
        ("ticks", "i4"),
        ("talk", "i4"),
        ("overtalk", "i4"),
        ("shared", "i4"),  # ticks with somebody else
        ("dead", "i4"),  # ticks of silence on both sides after the limit
        ("still", "i4"),  # ticks of silence on both sides in a row
        ("limit", "i4"),  # ticks of them that are dead air; 0 never
        ("spurts", "i4"),
        ("clipped", "i4"),  # samples
        ("peak", "i4"),
        ("other", "i4"),  # row of the other side, or NOBODY
        ("run", "i1"),  # active frames in a row, up to 2
        ("hang", "i1"),  # ticks of talk left without an active frame
    ],
    align=True,
)
_FRESH = np.zeros((), _STATE)
_FRESH["noise"] = _FRESH["noise_before"] = _FIRST_NOISE
_FRESH["other"] = NOBODY


class SpeechMeter:
    """State of `capacity` rows. `active` and `talking` hold the last frame's decisions by row."""

    __slots__ = ("_state", "active", "talking")

    def __init__(self, capacity: int) -> None:
        self._state = np.full(capacity, _FRESH)
        self.active: NDArray[np.bool_] = np.zeros(capacity, bool)
        self.talking: NDArray[np.bool_] = np.zeros(capacity, bool)

    def reset(self, row: int, dead_air: float = 0.0) -> None:
        """Forget what was heard. `dead_air`: see `limit`."""
        self._state[row] = _FRESH
        self.limit(row, dead_air)
        self.active[row] = self.talking[row] = False

    def limit(self, row: int, dead_air: float) -> None:
        """Seconds of silence on both sides after which it is dead air; 0 never."""
        self._state["limit"][row] = round(min(max(0.0, dead_air), _DAY) / TICK)

    def pair(self, row: int, other: int) -> None:
        """`other` is whom `row` talks with; `NOBODY` when there is no such one."""
        if self._state["other"][row] != other:
            self._state["other"][row] = other
            self._state["still"][row] = 0

    def other(self, row: int) -> int:
        """As `pair` was told."""
        return int(self._state["other"][row])

    def hear(self, rows: Ints, frames: Samples, tick: int) -> list[int]:
        """The frames [n, 160] of `rows`; the rows whose silence became dead air with this one."""
        if not len(rows):
            return []
        state = self._state.take(rows)
        sound = frames.astype(np.float32)
        power = np.einsum("ij,ij->i", sound, sound) / np.float32(FRAME)
        level = 10 * np.log10(power + _TINY) - np.float32(_ZERO_DBM0)
        state["noise"] = np.minimum(state["noise"], level)
        active = level > np.maximum(np.minimum(state["noise"], state["noise_before"]) + _ABOVE, _LEAST)
        if tick % _WINDOW == 0:
            state["noise_before"], state["noise"] = state["noise"], level
        run = np.where(active, np.minimum(state["run"] + 1, 2), 0)
        before = state["hang"] > 0
        state["hang"] = np.where(active & (before | (run == 2)), HANGOVER, np.maximum(state["hang"] - 1, 0))
        state["run"] = run
        talking = state["hang"] > 0
        self.active[rows], self.talking[rows] = active, talking
        state["ticks"] += 1
        state["talk"] += talking
        state["spurts"] += talking & ~before
        state["active"] += active
        state["power"] += np.where(active, power, 0.0)
        _extremes(state, frames)
        self._together(state, talking)
        self._state[rows] = state
        dead: list[int] = rows[(state["limit"] > 0) & (state["still"] == state["limit"])].tolist()
        return dead

    def _together(self, state: NDArray[np.void], talking: NDArray[np.bool_]) -> None:
        """What takes two. The other side's talk is that of the last `hear` it was part of: this one, or the same."""
        shared = state["other"] >= 0
        other = self.talking.take(np.maximum(state["other"], 0))
        state["shared"] += shared
        state["overtalk"] += shared & talking & other
        still = shared & ~talking & ~other
        state["still"] = np.where(still, state["still"] + 1, 0)
        state["dead"] += (state["limit"] > 0) & (state["still"] >= state["limit"])

    def facts(self, row: int) -> SpeechFacts:
        """The sum so far."""
        state = self._state[row]
        active = int(state["active"])
        return SpeechFacts(
            heard=int(state["ticks"]) * TICK,
            talk=int(state["talk"]) * TICK,
            overtalk=int(state["overtalk"]) * TICK,
            dead_air=int(state["dead"]) * TICK,
            shared=int(state["shared"]) * TICK,
            spurts=int(state["spurts"]),
            clipped=int(state["clipped"]),
            level=_dbm0(float(state["power"]) / active) if active else -99.0,
            peak=_dbm0(int(state["peak"]) ** 2 / 2),
            noise=max(float(min(state["noise"], state["noise_before"])), -99.0),
        )


def _extremes(state: NDArray[np.void], frames: Samples) -> None:
    high, low = frames.max(axis=1).astype(np.int32), frames.min(axis=1).astype(np.int32)
    peak = np.maximum(high, -low)
    state["peak"] = np.maximum(state["peak"], peak)
    if len(loud := np.flatnonzero(peak >= _CLIP)):
        some = frames[loud]
        state["clipped"][loud] += ((some >= _CLIP) | (some <= -_CLIP)).sum(axis=1)


def _dbm0(power: float) -> float:
    """Of a mean square."""
    return 10 * float(np.log10(power)) - _ZERO_DBM0 if power > 0 else -99.0
