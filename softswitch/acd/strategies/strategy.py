"""What a strategy is. A user's own one, named `module:Class` in the configuration, is a subclass of `Strategy`:

    class FewestFirst(Strategy):
        def key(self, agent):
            return agent.calls

It sees agents as `acd.agent.Agent`; what it may rely on: `name`, `settings.skills`, `idle_since`, `calls`, `talked`,
`occupancy`, `logged_in_since`. An exception in it does not cost a call: the agents go by longest idle from then on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent
    from softswitch.acd.model import AgentName


@dataclass(frozen=True, slots=True)
class Crew:
    """What a strategy is made for: agents with their places in the configured order, the skills that the calls ask
    for, and the queue's `shares`."""

    places: Mapping["AgentName", int]
    skills: tuple[str, ...]
    shares: Mapping["AgentName", float]


class Strategy:
    """Orders agents: the lowest key gets the call, equals go by longest idle. `ordered`: the configured order of the
    agents matters. `draws`: the agent is drawn by the dice, with chances as `share` says, and `key` does not matter.
    `phones`: how many ring for one call: one, all (up to `ring_at_most`), or one more every `ring_step`."""

    ordered: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    phones: ClassVar[Literal["one", "all", "more"]] = "one"

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def key(self, agent: "Agent") -> float:
        """The agent's sort key; must not change while the agent may get a call and gets none."""
        return agent.idle_since

    def share(self, agent: "Agent") -> float:
        """The agent's chance beside those of the others, from 0 up to 1, when the strategy draws."""
        return 1.0

    def offered(self, agent: "Agent", serial: int) -> None:
        """The agent is being rung; `serial` counts all offers."""
