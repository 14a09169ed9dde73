"""Numbers in the sound: each 10 ms of a G.711 payload says who spoke it and which frame it is.

A number is written in signs of full-scale samples, which gains near one, the mix with quiet others and a change of the
companding law leave alone:

    bit 0        which half of the packet
    bits 1–10    frame number, modulo 1,024 (20 s)
    bits 11–23   phone

each bit as two equal octets; 32 octets of near silence fill the half.
"""

from typing import Final

import numpy as np

from bench.media.datagrams import Ints, Octets
from softswitch_codecs import g711

FRAMES: Final = 1024
PHONES: Final = 1 << 13
SIZE: Final = 160
HALF: Final = 80
FRAME_PART: Final = slice(0, 22)
"""Octets of a half that hold the frame number; the rest of it is the phone's for good."""
_BITS: Final = 24
_LOUD: Final = 8000

_QUIET: Final = (0xFF, 0xD5)
_PLUS: Final = (0x80, 0xAA)
_MINUS: Final = (0x00, 0x2A)


def payloads(phones: Ints, law: int) -> Octets:
    """[phones, 160]: payloads of frame 0."""
    sound = np.full((len(phones), 2, HALF), _QUIET[law], np.uint8)
    for half in (0, 1):
        bits = (phones[:, None] << 11 | half) >> np.arange(_BITS) & 1
        sound[:, half, : 2 * _BITS] = np.repeat(np.where(bits, _PLUS[law], _MINUS[law]), 2, axis=1)
    return sound.reshape(len(phones), SIZE)


def frame_parts(law: int) -> Octets:
    """[2, 1024, 22]: for each half and frame number what stands in `FRAME_PART`."""
    numbers = np.arange(FRAMES)
    parts = []
    for half in (0, 1):
        bits = (numbers[:, None] << 1 | half) >> np.arange(11) & 1
        parts.append(np.repeat(np.where(bits, _PLUS[law], _MINUS[law]), 2, axis=1))
    return np.array(parts, np.uint8)


def noise(law: int, dice: np.random.Generator, count: int) -> Octets:
    """[count, 160]: payloads of somebody who breathes; too quiet to blur a number."""
    samples = np.rint(dice.normal(0, 60, (count, SIZE))).astype(np.int16)
    return g711.encode(samples, law)


class Reader:
    """Reads halves of either law."""

    def __init__(self, law: int) -> None:
        samples = g711.DECODE[law].astype(np.int32)
        self._sign = (samples > 0).astype(np.uint8)
        self._loud = np.abs(samples) >= _LOUD

    def read(self, octets: Octets) -> tuple[Ints, Ints, Ints]:
        """For [n, 80] (or more) octets of a half: phone, frame, half; phone −1 where there is no number."""
        signs = octets[:, : 2 * _BITS : 2]
        packed = np.packbits(self._sign[signs], axis=1, bitorder="little").astype(np.int64)
        code = packed[:, 0] | packed[:, 1] << 8 | packed[:, 2] << 16
        phone = np.where(self._loud[signs].all(axis=1), code >> 11, -1)
        return phone, code >> 1 & (FRAMES - 1), code & 1
