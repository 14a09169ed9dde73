"""Packets in bulk: memory cut into fixed slots, and batches of packets that lie in it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.integer[Any]]
Octets: TypeAlias = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.int16]
Words: TypeAlias = NDArray[np.uint64]
Times: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]
Address: TypeAlias = tuple[str, int]

SIZE: Final = 2048
"""Octets a slot."""

SPARE: Final = 128
"""Slots behind those of the backend, for packets that are put off."""

FRAME: Final = 160
"""Samples a tick: 20 ms at 8 kHz."""

BLOCK: Final = 80
"""Samples in 10 ms, the grain of the jitter buffer."""

_HEAD: Final = 16  # octets of a packet that are read at once: the RTP header, and four more to make whole words
_OPAQUE = np.dtype(("V", _HEAD))

TICK: Final = 0.02
RATE: Final = 8000


class Arena:
    """`octets` is [slots, SIZE]; `flat` and `memory` the same in one row. A packet begins `offset` octets into its
    slot (a backend may keep notes of its own before it) and is at most `room` octets long; one that fills it was cut
    off and is refused. `spare` is the first of `SPARE` slots behind those that were asked for, which are no backend's.
    `heads` [slots] are the packets' first 16 octets as opaque items: `take` and structured access
    would copy or convert field by field over all slots."""

    __slots__ = ("flat", "heads", "memory", "octets", "offset", "room", "spare")

    def __init__(self, slots: int, offset: int = 0) -> None:
        self.octets: Octets = np.zeros((slots + SPARE, SIZE), np.uint8)
        self.spare = slots
        self.flat: Octets = self.octets.reshape(-1)
        self.memory = self.flat.data
        self.offset = offset
        self.room = SIZE - offset
        self.heads = self.octets[:, offset : offset + _HEAD].view(_OPAQUE)[:, 0]


class Batch(NamedTuple):
    """Received packets. `slots` says where in the arena they lie; `keys` name the sources' addresses, which
    `addresses` spells out. Lists or arrays, as the backend has them. `heads` [n, 2] are the packets' first 16 octets as
    words, if the backend has read them already."""

    slots: Sequence[int] | Ints
    rows: Sequence[int] | Ints
    lengths: Sequence[int] | Ints
    keys: Sequence[int] | Ints
    addresses: Sequence[Address]
    heads: Words | None = None


class Packets(NamedTuple):
    """RTP packets to send: octets `starts`…`ends` of `memory`, which is flat, to the destinations of `rows`. Lists or
    arrays, as whoever made them has them."""

    memory: Octets
    starts: Sequence[int] | Ints
    ends: Sequence[int] | Ints
    rows: Sequence[int] | Ints
