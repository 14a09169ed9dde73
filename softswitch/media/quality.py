"""Call quality from what RTP shows: the E-model of ITU-T G.107, for G.711 with packet loss concealment."""

from typing import Final

_R0: Final = 93.2  # G.107 with all defaults
_BPL: Final = 25.1  # G.113 Appendix I: G.711 with concealment, random loss


def rating(loss: float, delay_ms: float) -> float:
    """R of G.107 for a share of lost packets (0–1) and a one-way delay (mouth to ear)."""
    impairment = 95.0 * (100 * loss) / (100 * loss + _BPL) if loss > 0 else 0.0
    delay = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)  # Cole & Rosenbluth 2001
    return _R0 - impairment - delay


def mos(r: float) -> float:
    """G.107 Annex B."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
