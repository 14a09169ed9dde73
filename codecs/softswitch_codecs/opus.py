"""Opus (RFC 6716) by libopus, mono at 16 kHz, one packet a call.

The library is driven through ctypes: its interface has been stable since 2012, and PyAV's decoder gives 48 kHz only,
with neither concealment nor error correction, at twice the time (docs/dependencies.md has figures). PyAV's wheels bring
a libopus of their own, which is taken first; else the system's.
"""

import ctypes
import importlib.util
from ctypes.util import find_library
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from softswitch_codecs.stateful import BLOCK, RATE, CodecError, Samples

CLOCK: Final = 48000
"""Of RTP timestamps, whatever the rate of the samples (RFC 7587 §4.1)."""

LONGEST: Final = 12 * BLOCK
"""Samples in the longest packet, 120 ms (RFC 6716 §3.2.5)."""

BITRATE: Final = 32000
LEAST_BITRATE: Final = 6000
COMPLEXITY: Final = 4
"""docs/performance.md has what higher ones bring and cost."""

_VOIP: Final = 2048
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS: Final = 4014
_FRAMES: Final = (6 * BLOCK, 4 * BLOCK, 2 * BLOCK, BLOCK)  # that one Opus frame can hold
_ROOM: Final = 1275 * 6 + 7  # octets of the largest packet that we make


@lru_cache(maxsize=1)
def _library() -> ctypes.PyDLL | None:
    """`PyDLL`: calls of 10–100 µs are too short to let another thread take the interpreter's lock."""
    for place in _places():
        try:
            library = ctypes.PyDLL(place)
            _declare(library)
        except (OSError, AttributeError):
            continue
        return library
    return None


def _places() -> list[str]:
    found: list[str] = []
    spec = importlib.util.find_spec("av")
    if spec is not None and spec.origin:
        package = Path(spec.origin).parent
        for folder in (package.parent / "av.libs", package / ".dylibs"):
            found += sorted(str(file) for file in folder.glob("libopus*") if not file.name.startswith("libopusfile"))
    found += ["libopus.so.0", "libopus.0.dylib"]
    if not found[:-2] and (system := find_library("opus")):
        found.append(system)
    return found


def _declare(library: ctypes.PyDLL) -> None:
    state, size = ctypes.c_void_p, ctypes.c_int32
    number, memory = ctypes.c_int, ctypes.c_void_p
    for name, arguments in {
        "opus_decoder_get_size": [number],
        "opus_decoder_init": [state, size, number],
        "opus_decode": [state, ctypes.c_char_p, size, memory, number, number],
        "opus_encoder_get_size": [number],
        "opus_encoder_init": [state, size, number, number],
        "opus_encode": [state, memory, number, memory, size],
        "opus_encoder_ctl": [state, number],  # variadic: what follows is given as c_int
        "opus_packet_get_nb_samples": [ctypes.c_char_p, size, size],
        "opus_repacketizer_get_size": [],
        "opus_repacketizer_init": [state],
        "opus_repacketizer_cat": [state, ctypes.c_char_p, size],
        "opus_repacketizer_out": [state, memory, size],
    }.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = ctypes.c_void_p if name == "opus_repacketizer_init" else number


def available() -> bool:
    """Whether a libopus was found."""
    return _library() is not None


def _need() -> ctypes.PyDLL:
    library = _library()
    if library is None:
        raise OSError("no libopus: install PyAV's wheel, or the system's libopus")
    return library


class Decoder:
    """See `stateful.Mender`. Raises `OSError` when there is no libopus."""

    __slots__ = ("_decode", "_length", "_out", "_out_at", "_state")

    def __init__(self) -> None:
        library = _need()
        self._decode = library.opus_decode
        self._length = library.opus_packet_get_nb_samples
        self._state = ctypes.create_string_buffer(library.opus_decoder_get_size(1))
        if library.opus_decoder_init(self._state, RATE, 1):
            raise OSError("libopus refuses a decoder for 16 kHz")
        self._out = np.zeros(LONGEST, np.int16)
        self._out_at = self._out.ctypes.data

    def duration(self, payload: bytes) -> int:
        """See `stateful.Mender`."""
        count: int = self._length(payload, len(payload), RATE)
        if count <= 0:
            raise CodecError("opus: not a packet")
        return count

    def decode(self, payload: bytes) -> Samples:
        """See `stateful.Mender`."""
        if not payload:
            raise CodecError("opus: empty packet")  # libopus would take it for a lost one
        return self._run(payload, LONGEST, 0)

    def conceal(self, count: int) -> Samples:
        """See `stateful.Mender`; by libopus, which goes on from pitch and spectrum of what was heard last."""
        if count <= LONGEST:
            return self._run(None, count, 0)
        return np.concatenate([self._run(None, LONGEST, 0), self.conceal(count - LONGEST)])

    def mends(self, payload: bytes) -> bool:
        """See `stateful.Mender`: the LBRR flag of RFC 6716 §4.2.3, behind the VAD flags of its channel. Packets of
        frames of several lengths are not looked into; hardly anybody sends them."""
        if len(payload) < 2 or payload[0] & 0x80 or payload[0] & 2:
            return False  # CELT knows no LBRR
        config, channels = payload[0] >> 3, 1 + (payload[0] >> 2 & 1)
        frames = max(config & 3, 1) if config < 12 else 1  # SILK frames of 20 ms in one of Opus
        return any(payload[1] >> (7 - (n + 1) * frames - n) & 1 for n in range(channels))

    def recover(self, payload: bytes, count: int) -> Samples:
        """See `stateful.Mender`; RFC 6716 §2.1.7, RFC 7587 §3.3. libopus conceals what the packet does not hold."""
        try:
            if not payload or count > LONGEST:
                return self.conceal(count)
            return self._run(payload, count, 1)
        except CodecError:
            return self.conceal(count)

    def _run(self, payload: bytes | None, room: int, correct: int) -> Samples:
        size = 0 if payload is None else len(payload)
        count = self._decode(self._state, payload, size, self._out_at, room, correct)
        if count <= 0:
            raise CodecError(f"opus: libopus says {count}")
        return self._out[:count].copy()


class Encoder:
    """See `stateful.Encoder`. `fec`: put a coarse copy of each frame into the next packet once loss is expected
    (`expect_loss`). Raises `OSError` when there is no libopus."""

    __slots__ = ("_control", "_encode", "_library", "_out", "_state")

    def __init__(self, bitrate: int = BITRATE, complexity: int = COMPLEXITY, fec: bool = True) -> None:
        self._library = library = _need()
        self._encode = library.opus_encode
        self._state = ctypes.create_string_buffer(library.opus_encoder_get_size(1))
        if library.opus_encoder_init(self._state, RATE, 1, _VOIP):
            raise OSError("libopus refuses an encoder for 16 kHz")
        self._out = ctypes.create_string_buffer(_ROOM)
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_INBAND_FEC, int(fec))

    def expect_loss(self, percent: int) -> None:
        """What the peer loses; above 0 the encoder spends bits and time on error correction."""
        self._set(_SET_PACKET_LOSS, min(max(percent, 0), 100))

    def encode(self, samples: Samples) -> bytes:
        """See `stateful.Encoder`. Lengths that are no Opus frame's, 30 and 50 ms, become several frames."""
        count = len(samples)
        if count in _FRAMES:
            return self._one(samples)
        if not count or count % BLOCK or count > LONGEST:
            raise ValueError(f"opus: {count} samples are not whole blocks of 10 ms up to 120 ms")
        frame = next(frame for frame in _FRAMES if count % frame == 0)
        return self._together([self._one(samples[at : at + frame]) for at in range(0, count, frame)])

    def _one(self, samples: Samples) -> bytes:
        plain = np.ascontiguousarray(samples, np.int16)
        size = self._encode(self._state, plain.ctypes.data, len(plain), self._out, _ROOM)
        if size <= 0:
            raise ValueError(f"opus: libopus says {size}")
        return ctypes.string_at(self._out, size)

    def _together(self, packets: list[bytes]) -> bytes:
        """RFC 6716 §3.2: several frames of one configuration in one packet."""
        library = self._library
        state = ctypes.create_string_buffer(library.opus_repacketizer_get_size())
        library.opus_repacketizer_init(state)
        for packet in packets:
            if library.opus_repacketizer_cat(state, packet, len(packet)):
                raise ValueError("opus: frames that do not go into one packet")
        size = library.opus_repacketizer_out(state, self._out, _ROOM)
        if size <= 0:
            raise ValueError(f"opus: libopus says {size}")
        return ctypes.string_at(self._out, size)

    def _set(self, what: int, value: int) -> None:
        if self._library.opus_encoder_ctl(self._state, what, ctypes.c_int(value)):
            raise ValueError(f"opus: libopus refuses setting {what} to {value}")
