"""Call quality from what RTP shows: the E-model (ITU-T G.107) in its narrow-band form for all codecs, so that their
figures can be compared; a wide-band codec without loss counts as G.711 does."""

from typing import Final

_R0: Final = 93.2  # G.107 with all defaults
_WORST: Final = 95.0
_OTHER_DELAYS_MS: Final = 40.0  # packetisation and the phone's own buffer

# Ie and Bpl: impairment without loss, and robustness against loss. G.113 Appendix I gives those of G.711 with packet
# loss concealment, G.729, G.723.1 and the GSM codecs. It has none on this scale for G.722 and Opus: G.722 is taken as
# G.711. Opus in its speech mode conceals as well or better, so it is taken as G.711 too, which is on the safe side.
_IMPAIRMENT: Final[dict[str, tuple[float, float]]] = {
    "PCMU": (0.0, 25.1),
    "PCMA": (0.0, 25.1),
    "G722": (0.0, 25.1),
    "opus": (0.0, 25.1),
    "L16": (0.0, 25.1),
    "G729": (11.0, 19.0),
    "G723": (15.0, 16.1),
    "GSM": (20.0, 10.0),
    "GSM-EFR": (5.0, 10.0),
}
_UNKNOWN: Final = (11.0, 19.0)  # a codec that is only passed on: as G.729


def rating(loss: float, delay_ms: float, codec: str = "PCMA", burst_ratio: float = 1.0) -> float:
    """R of G.107 for a share of lost packets (0–1) and a one-way delay (mouth to ear). `burst_ratio` is 1 for random
    loss, more for bursts (§7.2). `codec` is the RTP name."""
    worst_without_loss, robustness = _IMPAIRMENT.get(codec, _UNKNOWN)
    percent = 100 * loss
    lossy = (_WORST - worst_without_loss) * percent / (percent / burst_ratio + robustness) if percent > 0 else 0.0
    delay = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)  # Cole & Rosenbluth 2001
    return _R0 - worst_without_loss - lossy - delay


def mos(r: float) -> float:
    """G.107 Annex B."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def burst_ratio(loss: float, lost: int, bursts: int) -> float:
    """How long losses last on average, relative to random loss of that share (G.107 §7.2)."""
    if bursts <= 0 or lost <= bursts or loss >= 1:
        return 1.0
    return max(lost / bursts * (1 - loss), 1.0)


def conversation(round_trip_ms: float, buffer_ms: float) -> float:
    """The one-way delay in ms from the mouth to the ear; `round_trip_ms` is negative when unknown."""
    return max(round_trip_ms, 0.0) / 2 + buffer_ms + _OTHER_DELAYS_MS
