"""`random`."""

from softswitch.acd.strategies.strategy import Strategy


class RandomAgent(Strategy):
    """Any free agent, all with the same chance, drawn anew for each call."""

    draws = True
