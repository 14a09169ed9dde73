"""Packets in bulk: memory cut into fixed slots, and batches of packets that lie in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softswitch.wire.rtp import HEADER, HEADER_DTYPE

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
    """`octets` is [slots, SIZE]; `headers` the same memory as RTP headers [slots]; `memory` the same, flat."""

    __slots__ = ("headers", "memory", "octets")

    def __init__(self, slots: int) -> None:
        self.octets: Octets = np.zeros((slots, SIZE), np.uint8)
        self.headers = self.octets[:, :HEADER].view(HEADER_DTYPE)[:, 0]
        self.memory = self.octets.reshape(-1).data


@dataclass(frozen=True, slots=True)
class Batch:
    """Received packets, at most one a row. `slots` says where in `arena`; `keys` name the sources' addresses, which
    `address(i)` spells out."""

    arena: Arena
    slots: Ints
    rows: Ints
    lengths: Ints
    keys: Ints
    address: Callable[[int], Address]


@dataclass(frozen=True, slots=True)
class Packets:
    """RTP packets to send: octets `starts`…`ends` of `memory` to the destination of `rows`."""

    memory: memoryview
    starts: Ints
    ends: Ints
    rows: Ints
