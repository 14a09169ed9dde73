"""Frames of a leg's sound to the payloads of its packets, for all legs that are not packed in bulk: other codecs than
G.711, other packet times than 20 ms."""

from collections.abc import Callable
from typing import Final

import numpy as np

from softswitch.media.arena import RATE, Samples
from softswitch.media.codecs import CODECS, G722, L16_NARROW, L16_WIDE, OPUS, WIDE
from softswitch_codecs import g711, g722, l16, opus

SHORTEST: Final = 10
LONGEST: Final = 60
"""Packet times in ms; others become the nearest below."""

_QUIET: Samples = np.zeros(0, np.int16)


class Outlet:
    """Frames in, payloads out. `units`: RTP clock units a packet; `fresh`: the next packet begins a spurt."""

    __slots__ = ("_encode", "_rest", "_size", "expect_loss", "fresh", "units")

    def __init__(self, codec: str, packet_ms: int) -> None:
        """`codec` is one of `CODECS`."""
        row = CODECS[codec]
        ms = min(max(packet_ms // 10 * 10, SHORTEST), LONGEST)
        self._size = ms * RATE // 1000 * (2 if row.plane == WIDE else 1)
        self.units = ms * row.clock // 1000
        self._rest = _QUIET
        self.fresh = True
        self.expect_loss: Callable[[int], None] | None = None
        self._encode: Callable[[Samples], bytes]
        if row.number == OPUS:
            encoder = opus.Encoder()
            self._encode, self.expect_loss = encoder.encode, encoder.expect_loss
        elif row.number == G722:
            self._encode = g722.Encoder().encode
        elif row.number in (L16_NARROW, L16_WIDE):
            self._encode = _linear
        else:
            law = row.number
            self._encode = lambda samples: g711.encode(samples, law).tobytes()

    def restart(self) -> None:
        """What does not fill a packet yet is forgotten: something else was sent meanwhile."""
        self._rest = _QUIET
        self.fresh = True

    def feed(self, frame: Samples) -> list[bytes]:
        """The payloads of as many packets as `frame` fills."""
        size = self._size
        if len(frame) == size and not len(self._rest):
            return [self._encode(frame)]
        sound = np.concatenate((self._rest, frame))
        whole = len(sound) // size * size
        self._rest = sound[whole:]
        return [self._encode(sound[at : at + size]) for at in range(0, whole, size)]


def _linear(samples: Samples) -> bytes:
    return l16.encode(samples).tobytes()
