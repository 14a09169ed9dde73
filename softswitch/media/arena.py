"""Packets in bulk: memory cut into fixed slots, and batches of packets that lie in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softswitch.wire.rtp import HEADER

Ints: TypeAlias = NDArray[np.integer[Any]]
Octets: TypeAlias = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.int16]
Floats: TypeAlias = NDArray[np.float32]
Address: TypeAlias = tuple[str, int]

SIZE: Final = 2048
"""Octets a slot."""

FRAME: Final = 160
"""Samples a tick: 20 ms at 8 kHz."""

BLOCK: Final = 80
"""Samples in 10 ms, the grain of the jitter buffer."""

_OPAQUE = np.dtype(("V", HEADER))

TICK: Final = 0.02
RATE: Final = 8000


class Arena:
    """`octets` is [slots, SIZE]; `flat` and `memory` the same in one row. A packet begins `offset` octets into its
    slot (a backend may keep notes of its own before it) and is at most `room` octets long; one that fills it was cut
    off and is refused. `headers` [slots] are the packets' RTP headers, as twelve octets: `take` and structured access
    would copy or convert field by field over all slots."""

    __slots__ = ("flat", "headers", "memory", "octets", "offset", "room")

    def __init__(self, slots: int, offset: int = 0) -> None:
        self.octets: Octets = np.zeros((slots, SIZE), np.uint8)
        self.flat: Octets = self.octets.reshape(-1)
        self.memory = self.flat.data
        self.offset = offset
        self.room = SIZE - offset
        self.headers = self.octets[:, offset : offset + HEADER].view(_OPAQUE)[:, 0]


@dataclass(frozen=True, slots=True)
class Batch:
    """Received packets. `slots` says where in the arena they lie; `keys` name the sources' addresses, which
    `addresses` spells out. Lists or arrays, as the backend has them."""

    slots: Sequence[int] | Ints
    rows: Sequence[int] | Ints
    lengths: Sequence[int] | Ints
    keys: Sequence[int] | Ints
    addresses: Sequence[Address]


@dataclass(frozen=True, slots=True)
class Packets:
    """RTP packets to send: octets `starts`…`ends` of `memory`, which is flat, to the destinations of `rows`. Lists or
    arrays, as whoever made them has them."""

    memory: Octets
    starts: Sequence[int] | Ints
    ends: Sequence[int] | Ints
    rows: Sequence[int] | Ints
