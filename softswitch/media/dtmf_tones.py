"""Keys in the sound itself: in-band DTMF of all listened legs at once (ITU-T Q.23, Q.24).

Each tick is cut into two blocks of 10 ms. One matrix product gives every block's part at the eight frequencies (the
Goertzel algorithm for many blocks is a product with a fixed basis). Blocks are added up, each turned to the phase of
the first, to windows of 30 ms: long enough to tell 697 from 770 Hz, and one begins every 10 ms.

A window is a *hit* when one low and one high tone hold nearly all of its energy (`_PURE`), each at a telephone level
and near its nominal frequency, and neither much louder than the other (twist); it is *sure* when they hold it alone
(`_SURE`) and evenly. How far a tone is off comes from how its phase runs on between the window's halves; its level is
measured at the frequency that it really has. That nearly all energy must be in two true tones, twice in a row and once
for sure, or `_MANY` times in a row, is what keeps speech from being heard as keys (talk-off).

A tone of T ms fills three quarters of a window at T − 15 ms' worth of places, and all of it at T − 30 ms' worth. So
two hits in a row, one of them sure, come of every tone of 40 ms and of none below 25 ms; a gap of up to 20 ms (a lost
packet, too) costs at most four hits and is bridged; five hits missed end the key, and a pause of 40 ms costs at least
as many.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from softswitch.media.arena import BLOCK, FRAME, RATE, Floats, Ints, Samples
from softswitch.media.tones import amplitude
from softswitch.wire.dtmf import FREQUENCIES

_LOW: Final = tuple(sorted({low for low, _ in FREQUENCIES.values()}))
_HIGH: Final = tuple(sorted({high for _, high in FREQUENCIES.values()}))
_ALL: Final = np.array(_LOW + _HIGH)
_GROUP: Final = len(_LOW)
_KEYS: Final = {pair: key for key, pair in FREQUENCIES.items()}
_NAMES: Final = [_KEYS[low, high] for low in _LOW for high in _HIGH]

_HOP: Final = 0.010  # seconds
_WINDOW: Final = 3  # blocks
_PURE: Final = 0.75
_SURE: Final = 0.88  # 15 dB of noise leave 0.97
_EVEN: Final = 0.4  # least over greatest of a sure window's blocks; the two tones' beat leaves 0.75
_HINT: Final = 0.2  # of two blocks' energy: what is below need not be looked at
_FLOOR_DBM0: Final = -31.0  # of each tone; Q.24 wants −25 heard
_FORWARD: Final = float(10 ** (6.0 / 10))  # high over low: Q.24 wants 4 dB accepted
_REVERSE: Final = float(10 ** (10.0 / 10))  # low over high: 8 dB
_MANY: Final = 5  # hits in a row that need no sure one: speech over the key blurs it
_MISSES: Final = 5
_QUIET: Final = 3
_FAINT: Final = 1 / 8  # of the key's energy: a block below is a quiet one

_OFF: Final = (0.0225 * _ALL + 2.0).astype(np.float32)  # Hz; Q.24 wants 1.5 % + 2 Hz accepted, 3.5 % refused
_APART: Final = 0.0345  # one tone's deviation less the other's: both of Q.24's limits at once, and no more
_WEAKEST: Final = amplitude(_FLOOR_DBM0) ** 2 / 2  # mean square


def _basis() -> Floats:
    """[80, 16]: cosine and −sine of each frequency side by side, so that a product is a row of complex numbers."""
    turn = np.exp(-2j * np.pi * np.outer(np.arange(BLOCK), _ALL) / RATE).astype(np.complex64)
    return turn.view(np.float32)


_BASIS: Final = _basis()
_TURN: Final = np.exp(-2j * np.pi * np.outer(np.arange(4), _ALL) * _HOP).astype(np.complex64)
"""[4, 8]: turns block n's part to the phase of block 0."""

_STATE = np.dtype(
    [
        ("energy", "f4", 2),  # of the last two blocks
        ("power", "f4"),  # of the key's loudest window, a block's share
        ("began", "i8"),  # hop of the first hit
        ("last", "i8"),  # hop of the last hit
        ("key", "i1"),  # being pressed; −1 none
        ("seen", "i1"),  # of the last window; −1 none
        ("run", "i1"),  # windows in a row that showed `seen`, up to `_MANY`
        ("sure", "?"),  # one of them was wholly filled
        ("missed", "i1"),
        ("quiet", "i1"),
    ],
    align=True,
)
_FRESH = np.zeros((), _STATE)
_FRESH["key"] = _FRESH["seen"] = -1


@dataclass(frozen=True, slots=True)
class Keyed:
    """On `row` a key was pressed for about `duration_ms` (± 10)."""

    row: int
    digit: str
    duration_ms: int


class DtmfDetector:
    """State of `capacity` rows; only those that are told to `hear` cost time."""

    __slots__ = ("_parts", "_state")

    def __init__(self, capacity: int) -> None:
        self._parts: NDArray[np.complex64] = np.zeros((capacity, 2, 2 * _GROUP), np.complex64)
        self._state = np.full(capacity, _FRESH)

    def reset(self, row: int) -> None:
        """Forget what was heard: call it when a row begins to be listened to."""
        self._parts[row] = 0.0
        self._state[row] = _FRESH

    def hear(self, rows: Ints, frames: Samples, tick: int) -> list[Keyed]:
        """The frames [n, 160] of `rows` at `tick`; keys that are known to have ended."""
        count = len(rows)
        if not count:
            return []
        sound = frames.astype(np.float32).reshape(2 * count, BLOCK)
        parts = np.empty((count, 4, 2 * _GROUP), np.complex64)
        parts[:, :2] = self._parts.take(rows, axis=0)
        parts[:, 2:] = (sound @ _BASIS).view(np.complex64).reshape(count, 2, 2 * _GROUP)
        self._parts[rows] = parts[:, 2:]
        state = self._state.take(rows)
        energy = np.empty((count, 4), np.float32)
        energy[:, :2] = state["energy"]
        energy[:, 2:] = np.einsum("ij,ij->i", sound, sound).reshape(count, 2)
        state["energy"] = energy[:, 2:]
        self._state["energy"][rows] = energy[:, 2:]
        some = np.flatnonzero(_hinted(parts, energy) | (state["key"] >= 0) | (state["run"] > 0))
        if not len(some):
            return []
        parts = parts[some] * _TURN
        energy, state = energy[some], state[some]
        keyed: list[Keyed] = []
        for half in (0, 1):
            span = energy[:, half : half + _WINDOW]
            seen, sure, power = _look(parts[:, half : half + _WINDOW], span)
            keyed += _step(state, rows[some], seen, sure, power, span[:, -1], 2 * tick + half)
        self._state[rows[some]] = state
        return keyed


def _hinted(parts: NDArray[np.complex64], energy: Floats) -> NDArray[np.bool_]:
    """Rows whose middle 20 ms, which both windows share, may hold a key: a cheap look at all of them."""
    middle = parts[:, 1] * _TURN[0] + parts[:, 2] * _TURN[1]
    power = middle.real**2 + middle.imag**2
    low, high = power[:, :_GROUP].max(axis=1), power[:, _GROUP:].max(axis=1)
    total = energy[:, 1] + energy[:, 2]
    hinted: NDArray[np.bool_] = ((low + high) * np.float32(2 / FRAME) > _HINT * total) & (total > FRAME * _WEAKEST)
    return hinted


def _look(parts: NDArray[np.complex64], span: Floats) -> tuple[NDArray[np.int8], NDArray[np.bool_], Floats]:
    """One window of each row, [n, 3, 8] and its blocks' energy [n, 3]: the key that it shows (−1 none), whether
    for sure, and that key's energy a block."""
    energy = span.sum(axis=1)
    early, late = parts[:, 0] + parts[:, 1], parts[:, 1] + parts[:, 2]
    loud = early.real**2 + early.imag**2 + late.real**2 + late.imag**2
    low, high = loud[:, :_GROUP].argmax(axis=1), loud[:, _GROUP:].argmax(axis=1)
    at = np.arange(len(parts))
    levels, off = [], []
    good = np.ones(len(parts), bool)
    for tone in (low, high + _GROUP):
        turn = np.angle(late[at, tone] * np.conj(early[at, tone]))  # over 10 ms
        good &= np.abs(turn) <= 2 * np.pi * _HOP * _OFF[tone]
        off.append(turn / (2 * np.pi * _HOP) / _ALL[tone])
        back = np.exp(-1j * turn).astype(np.complex64)
        whole = parts[at, 0, tone] * np.conj(back) + parts[at, 1, tone] + parts[at, 2, tone] * back
        whole /= np.sinc(turn / (2 * np.pi)).astype(np.float32)  # what a block of 10 ms loses so far off
        levels.append((whole.real**2 + whole.imag**2) * np.float32(2 / (_WINDOW * BLOCK)))
    first, second = levels
    together = first + second
    good &= np.abs(off[0] - off[1]) <= _APART
    good &= together >= _PURE * energy
    good &= np.minimum(first, second) >= _WINDOW * BLOCK * _WEAKEST
    good &= (second <= _FORWARD * first) & (first <= _REVERSE * second)
    sure = (together >= _SURE * energy) & (span.min(axis=1) >= _EVEN * span.max(axis=1))
    return np.where(good, low * _GROUP + high, -1).astype(np.int8), sure, together / np.float32(_WINDOW)


def _step(
    state: NDArray[np.void],
    rows: Ints,
    seen: NDArray[np.int8],
    sure: NDArray[np.bool_],
    power: Floats,
    newest: Floats,
    hop: int,
) -> list[Keyed]:
    """Take one window into `state`; keys that ended. `newest`: energy of the window's last block."""
    hit = seen >= 0
    same = hit & (seen == state["seen"])
    state["run"] = np.where(same, np.minimum(state["run"] + 1, _MANY), hit)
    state["sure"] = sure & hit | state["sure"] & same
    state["seen"] = seen
    key = state["key"]
    down = key >= 0
    again = hit & (seen == key)
    state["missed"] = np.where(again, 0, np.minimum(state["missed"] + 1, 100))
    state["quiet"] = np.where(~again & (newest < _FAINT * state["power"]), state["quiet"] + 1, 0)
    state["last"] = np.where(again, hop, state["last"])
    state["power"] = np.where(again, np.maximum(state["power"], power), state["power"])
    begins = ~again & (state["run"] >= 2) & (state["sure"] | (state["run"] == _MANY))
    ends = down & (begins | (state["missed"] >= _MISSES) | (state["quiet"] >= _QUIET))
    keyed = [
        Keyed(int(rows[i]), _NAMES[int(key[i])], int(state["last"][i] - state["began"][i] + 1) * 10 + 15)
        for i in np.flatnonzero(ends).tolist()
    ]
    state["key"] = np.where(begins, seen, np.where(ends, -1, key))
    first = hop + 1 - state["run"].astype(np.int64)
    for name, value in (("began", first), ("last", hop), ("power", power), ("missed", 0), ("quiet", 0)):
        state[name] = np.where(begins, value, state[name])
    return keyed
