"""The codecs that the media plane decodes and encodes. All others can only be relayed.

The plane is the rate at which a leg's sound is mixed: narrow is 8 kHz, wide 16 kHz. Opus is decoded and encoded at
16 kHz whatever its stream holds: this is call audio.
"""

from dataclasses import dataclass
from typing import Final

from softswitch_codecs import g711, opus

NARROW: Final = 0
WIDE: Final = 1

LINEAR: Final = 2
"""From this number on a codec is not G.711."""
CODED: Final = 4
"""From this number on a codec has state: each stream is decoded and encoded for itself, in its order."""
FOREIGN: Final = 255
"""The number of what can only be relayed."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A row of the table. `number` stands for it in the legs' tables; `clock` is that of RTP timestamps in Hz."""

    number: int
    plane: int
    clock: int


CODECS: Final[dict[str, Codec]] = {
    "PCMU": Codec(g711.ULAW, NARROW, 8000),
    "PCMA": Codec(g711.ALAW, NARROW, 8000),
    "L16/8000": Codec(2, NARROW, 8000),
    "L16": Codec(3, WIDE, 16000),
    "G722": Codec(4, WIDE, 8000),
    "opus": Codec(5, WIDE, 48000),
}
"""By the name in `LegSpec.codec`."""

if not opus.available():
    del CODECS["opus"]

L16_NARROW: Final = 2
L16_WIDE: Final = 3
G722: Final = 4
OPUS: Final = 5
