"""Agents in the order in which they became available: one append a change, read by those pools that need it."""

from softswitch.acd.agent import Agent

_KEEP = 4096


class Journal:
    """Entry `first` is the oldest kept, `end` the next one."""

    __slots__ = ("_agents", "end", "first")

    def __init__(self) -> None:
        self._agents: list[Agent] = []
        self.first = 0
        self.end = 0

    def add(self, agent: Agent) -> None:
        """The agent became available, or what strategies look at has changed while it was."""
        agent.ready_serial = self.end
        self.end += 1
        self._agents.append(agent)
        if len(self._agents) >= 2 * _KEEP:
            del self._agents[:_KEEP]
            self.first += _KEEP

    def since(self, entry: int) -> list[Agent]:
        """The agents from `entry` (not before `first`) on."""
        return self._agents[entry - self.first :]
