"""`longest-idle`."""

from softswitch.acd.strategies.strategy import Strategy


class LongestIdle(Strategy):
    """Who has been without a conversation for the longest time. Log-in, the end of a conversation with its wrap-up,
    the end of a pause, and an offer not answered or rejected put an agent at the end of the line."""
