"""`ring-progressively`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class RingProgressively(Strategy):
    """The first free agent of the configured list, and one more every `ring_step` seconds while the others ring on,
    up to `ring_at_most`. The first answer gets the call."""

    ordered = True
    phones = "more"

    def key(self, agent: "Agent") -> float:
        return self.crew.places[agent.name]
