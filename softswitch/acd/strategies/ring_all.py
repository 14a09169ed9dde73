"""`ring-all`."""

from softswitch.acd.strategies.strategy import Strategy


class RingAll(Strategy):
    """Every free agent's phone rings, up to `ring_at_most`, the longest idle first; who becomes free meanwhile joins
    in. The first answer gets the call."""

    phones = "all"
