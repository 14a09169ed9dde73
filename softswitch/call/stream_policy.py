"""What the configuration says about a party's stream."""

from functools import lru_cache

import msgspec

from softswitch.sip.codec_table import CODECS, PACKET_TIMES
from softswitch.sip.relayed_media import KINDS
from softswitch.sip.secure_media import Srtp


class StreamPolicy(msgspec.Struct, frozen=True, gc=False):
    """`address` is ours as the party sees it. `dtmf` is how keys come and go: `rfc4733`, `inband`, `info`, or `auto`:
    RFC 4733 where it is negotiated, else in band. `detect`: what media listens for on each leg of the party
    (LISTEN_ANSWER: once it has answered us). `passthrough`: codecs that we do not decode may be agreed on between this
    party and another. `further`: the kinds of streams beside the sound that may be relayed to another party (`video`,
    `image`). `srtp` and `webrtc`: see `sip.secure_media.Means`."""

    codecs: tuple[str, ...]
    address: str
    dtmf: str = "auto"
    latch: str = "learn"
    silence: float = 0.0
    packet_ms: int = 20
    passthrough: bool = True
    further: tuple[str, ...] = KINDS
    dead_air: float = 0.0
    srtp: Srtp = "off"
    webrtc: bool = False
    detect: int = 0

    @property
    def mixed(self) -> tuple[str, ...]:
        """The codecs in which we can talk with the party ourselves."""
        return mixed_codecs(self.codecs)

    @property
    def packet_times(self) -> tuple[int, ...]:
        """ms of audio that we put into packets for the party, the usual ones first."""
        return packet_times_from(self.packet_ms)


@lru_cache(maxsize=64)
def mixed_codecs(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `names` that we decode."""
    return tuple(name for name in names if CODECS[name].mixed)


@lru_cache(maxsize=16)
def packet_times_from(usual: int) -> tuple[int, ...]:
    """All that we pack, `usual` first."""
    return (usual, *(ms for ms in PACKET_TIMES if ms != usual))
