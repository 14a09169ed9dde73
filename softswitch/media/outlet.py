"""Frames of a leg's sound to the payloads of its packets, for all legs that are not packed in bulk: other codecs than
G.711, other packet times than 20 ms."""

from collections.abc import Callable
from typing import Final

import numpy as np

from softswitch.kernel.clock import Duration, Instant
from softswitch.media.arena import RATE, TICK, Samples
from softswitch.media.codecs import CODECS, G722, L16_NARROW, L16_WIDE, OPUS, WIDE
from softswitch_codecs import g711, g722, l16, opus

SHORTEST: Final = 10
LONGEST: Final = 60
"""Packet times in ms; others become the nearest below."""

_DIGITS: Final = 10  # of a number in SDP that is believed
_STALE: Final[Duration] = 1.5 * TICK
_QUIET: Samples = np.zeros(0, np.int16)


class Outlet:
    """Frames in, payloads out. `units`: RTP clock units a packet; the rest is forgotten when frames stop for a
    while, because something else is sent then."""

    __slots__ = ("_at", "_encode", "_rest", "_size", "expect_loss", "units")

    def __init__(self, codec: str, packet_ms: int, fmtp: str = "") -> None:
        """`codec` is one of `CODECS`; `fmtp` is what its receiver said in SDP."""
        row = CODECS[codec]
        ms = min(max(packet_ms // 10 * 10, SHORTEST), LONGEST)
        self._size = ms * RATE // 1000 * (2 if row.plane == WIDE else 1)
        self.units = ms * row.clock // 1000
        self._rest = _QUIET
        self._at: Instant = 0.0
        self.expect_loss: Callable[[int], None] | None = None  # in percent, of the codec that can do something about it
        self._encode: Callable[[Samples], bytes]
        if row.number == OPUS:
            encoder, mends = _opus(fmtp)
            self._encode, self.expect_loss = encoder.encode, encoder.expect_loss if mends else None
        elif row.number == G722:
            self._encode = g722.Encoder().encode
        elif row.number in (L16_NARROW, L16_WIDE):
            self._encode = _linear
        else:
            law = row.number
            self._encode = lambda samples: g711.encode(samples, law).tobytes()

    def feed(self, frame: Samples, now: Instant) -> list[bytes]:
        """The payloads of as many packets as the frame of `now` fills."""
        if now - self._at > _STALE:
            self._rest = _QUIET
        self._at = now
        size = self._size
        if len(frame) == size and not len(self._rest):
            return [self._encode(frame)]
        sound = np.concatenate((self._rest, frame))
        whole = len(sound) // size * size
        self._rest = sound[whole:]
        return [self._encode(sound[at : at + size]) for at in range(0, whole, size)]


def _opus(fmtp: str) -> tuple[opus.Encoder, bool]:
    """An encoder within what the receiver wants, and whether it uses error correction (RFC 7587 §6.1)."""
    wishes = dict(part.strip().partition("=")[::2] for part in fmtp.split(";"))
    bitrate = wishes.get("maxaveragebitrate", "")
    mends = wishes.get("useinbandfec") == "1"
    most = int(bitrate) if bitrate.isdecimal() and len(bitrate) < _DIGITS else opus.BITRATE
    return opus.Encoder(min(max(most, opus.LEAST_BITRATE), opus.BITRATE), fec=mends), mends


def _linear(samples: Samples) -> bytes:
    return l16.encode(samples).tobytes()
