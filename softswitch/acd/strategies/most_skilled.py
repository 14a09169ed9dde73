"""`most-skilled`."""

from typing import TYPE_CHECKING

from softswitch.acd.strategies.strategy import Strategy

if TYPE_CHECKING:
    from softswitch.acd.agent import Agent


class MostSkilled(Strategy):
    """Who is best at what the call asks for: the sum of the proficiencies in those skills. Calls that ask for nothing
    go by longest idle."""

    def key(self, agent: "Agent") -> float:
        skills = agent.settings.skills
        return -sum(skills.get(skill, 0) for skill in self.crew.skills)
