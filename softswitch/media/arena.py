"""Packets in bulk: memory cut into fixed slots, and batches of packets that lie in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.integer[Any]]
Octets: TypeAlias = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.int16]
Floats: TypeAlias = NDArray[np.float32]
Address: TypeAlias = tuple[str, int]

SIZE: Final = 2048
"""Octets a slot; a datagram that fills it was cut off and is refused."""

FRAME: Final = 160
"""Samples a tick: 20 ms at 8 kHz."""

BLOCK: Final = 80
"""Samples in 10 ms, the grain of the jitter buffer."""

TICK: Final = 0.02
RATE: Final = 8000


class Arena:
    """`octets` is [slots, SIZE]; `memory` the same, flat."""

    __slots__ = ("memory", "octets")

    def __init__(self, slots: int) -> None:
        self.octets: Octets = np.zeros((slots, SIZE), np.uint8)
        self.memory = self.octets.reshape(-1).data


@dataclass(frozen=True, slots=True)
class Batch:
    """Received packets. `slots` says where in the arena they lie; `keys` name the sources' addresses, which
    `addresses` spells out."""

    slots: Sequence[int]
    rows: list[int]
    lengths: list[int]
    keys: list[int]
    addresses: list[Address]


@dataclass(frozen=True, slots=True)
class Packets:
    """RTP packets to send: octets `starts`…`ends` of `memory` to the destinations of `rows`."""

    memory: memoryview
    starts: Sequence[int]
    ends: Sequence[int]
    rows: Sequence[int]
