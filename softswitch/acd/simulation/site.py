"""The part of a configuration that a simulation needs, and what may be changed in it to see what if."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from softswitch.acd.model import DEFAULT_ACD, AcdSettings, AgentName, AgentSettings, QueueName, QueueSettings
from softswitch.kernel.errors import LocalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Queues, agents and `[acd]`; `timezone` is an IANA name, `data_dir` where a user's own strategies are."""

    queues: Mapping[QueueName, QueueSettings]
    agents: Mapping[AgentName, AgentSettings]
    acd: AcdSettings = DEFAULT_ACD
    timezone: str = "UTC"
    data_dir: str = "var"
    names: Mapping[AgentName, AgentName] = field(default_factory=dict)  # clones and whom they were made of


def with_agents(site: Site, count: int) -> Site:
    """The site with `count` agents: the first of the configured ones, and when there are more, clones of them in turn,
    with the same skills in the same queues and rings. Raises `LocalError` without any."""
    if count < 1 or not site.agents:
        raise LocalError("there must be an agent: --agents 1 or more, and one in the configuration to take after")
    originals = list(site.agents)
    names: dict[AgentName, AgentName] = {}
    for number in range(count):
        original = originals[number % len(originals)]
        turn = number // len(originals)
        names[f"{original}~{turn + 1}" if turn else original] = original
    clones: dict[AgentName, list[AgentName]] = {}
    for name, original in names.items():
        clones.setdefault(original, []).append(name)

    def spread(agents: tuple[AgentName, ...]) -> tuple[AgentName, ...]:
        return tuple(name for name, original in names.items() if original in set(agents))

    def shares(values: Mapping[AgentName, float]) -> dict[AgentName, float]:
        return {name: value for original, value in values.items() for name in clones.get(original, ())}

    queues = {
        name: replace(
            queue,
            agents=spread(queue.agents),
            rings=tuple(
                ring if ring.agents is None else replace(ring, agents=spread(ring.agents)) for ring in queue.rings
            ),
            weights=shares(queue.weights),
            shares=shares(queue.shares),
        )
        for name, queue in site.queues.items()
    }
    agents = {name: site.agents[original] for name, original in names.items()}
    return replace(site, queues=queues, agents=agents, names=names)
