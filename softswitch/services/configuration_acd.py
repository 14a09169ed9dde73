"""What the ACD's settings mean: strategies that there are, skills that somebody has, rings that open in order."""

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from softswitch.acd.model import QueueSettings, Ring
from softswitch.acd.strategies import STRATEGIES
from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.services.own_strategies import find_strategy
from softswitch.switch.settings import Agent, Settings, Survey

_MOST_WEIGHT: Final = 3600.0  # seconds; a weight is head start, and head start is bounded
_MOST_PHONES: Final = 100
_SHARES: Final = (0.01, 100.0)


def check_agent(name: str, agent: Agent) -> list[Finding]:
    """What is wrong with the engine's part of an agent."""
    path: KeyPath = ("agents", name)
    findings = [_range((*path, "skills", skill)) for skill, level in agent.skills.items() if level > 100]
    if not 1 <= agent.capacity <= 20:
        findings.append(Finding((*path, "capacity"), "must be 1 to 20"))
    return findings


def check_matching(settings: Settings, name: str, queue: QueueSettings, agents: Collection[str]) -> list[Finding]:
    """What is wrong with how a queue finds agents; `agents` are the names that the file has."""
    path: KeyPath = ("queues", name)
    return [
        *_strategy(path, settings, queue),
        *_rings(path, queue, agents),
        *_skills((*path, "needs"), queue.needs, settings),
        *_ring_skills((*path, "rings"), queue, settings),
        *_nobody_fits(path, queue, settings),
        *_same_again(path, queue),
        *_of_agents((*path, "weights"), queue.weights, agents),
        *_of_agents((*path, "shares"), queue.shares, agents),
        *_numbers(path, queue),
    ]


def _strategy(path: KeyPath, settings: Settings, queue: QueueSettings) -> Iterator[Finding]:
    try:
        kind = find_strategy(queue.strategy, Path(settings.server.data_dir))
    except LocalError as error:
        hint = closest(queue.strategy, STRATEGIES) if ":" not in queue.strategy else ""
        yield Finding((*path, "strategy"), str(error), hint)
        return
    answering = [name for name in queue.agents if (agent := settings.agents.get(name)) and agent.auto_answer]
    if kind.phones != "one" and len(answering) > 1:
        both = f"{answering[0]} and {answering[1]}"
        message = f"{queue.strategy} rings several phones, and those of {both} answer by themselves"
        yield Finding((*path, "strategy"), message, severity="warning")
    if queue.shares and not kind.draws:
        yield Finding((*path, "shares"), f"never used: {queue.strategy} does not draw", severity="warning")


def _rings(path: KeyPath, queue: QueueSettings, agents: Collection[str]) -> Iterator[Finding]:
    before = -1.0
    for number, ring in enumerate(queue.rings):
        here = (*path, "rings", number)
        if ring.after <= before:
            yield Finding((*here, "after"), "must be later than the ring before")
        before = ring.after
        for index, agent in enumerate(ring.agents or ()):
            if agent not in agents:
                yield Finding((*here, "agents", index), f'no agent "{agent}"', closest(agent, agents))
        if ring.agents is not None and not ring.agents:
            yield Finding(here, "has no agents: nobody is rung while it is open", severity="warning")


def _ring_skills(path: KeyPath, queue: QueueSettings, settings: Settings) -> Iterator[Finding]:
    for number, ring in enumerate(queue.rings):
        yield from _skills((*path, number, "skills"), ring.skills, settings)


def _nobody_fits(path: KeyPath, queue: QueueSettings, settings: Settings) -> Iterator[Finding]:
    """Rings whose minima none of their agents has, though each skill alone is somebody's."""
    known = {skill for agent in settings.agents.values() for skill in agent.skills}
    for number, ring in enumerate(queue.rings or (Ring(),)):
        least = {skill: level for skill, level in (queue.needs | ring.skills).items() if level}
        members = queue.agents if ring.agents is None else ring.agents
        crew = [settings.agents[name] for name in members if name in settings.agents]
        if not crew or not least or not least.keys() <= known:
            continue
        if not any(all(agent.skills.get(skill, 0) >= level for skill, level in least.items()) for agent in crew):
            asked = ", ".join(f"{skill} >= {level}" for skill, level in sorted(least.items()))
            here = (*path, "rings", number) if queue.rings else (*path, "needs")
            yield Finding(here, f"none of its agents has {asked}: nobody is rung", severity="warning")


def _same_again(path: KeyPath, queue: QueueSettings) -> Iterator[Finding]:
    """Rings that ask the same agents for the same skills as the one before: nothing happens when they open."""
    asked = [({**queue.needs, **ring.skills}, ring.agents, ring.to) for ring in queue.rings]
    for number, (before, ring) in enumerate(pairwise(asked), 1):
        if before == ring:
            yield Finding((*path, "rings", number), "asks the same as the ring before: no effect", severity="warning")


def _skills(path: KeyPath, skills: Mapping[str, int], settings: Settings) -> Iterator[Finding]:
    known = {skill for agent in settings.agents.values() for skill in agent.skills}
    for skill, level in skills.items():
        if level > 100:
            yield _range((*path, skill))
        elif level and skill not in known:
            yield Finding((*path, skill), f'no agent has the skill "{skill}"', closest(skill, known), "warning")


def _of_agents(path: KeyPath, table: Mapping[str, float], agents: Collection[str]) -> Iterator[Finding]:
    for agent, value in table.items():
        if agent not in agents:
            yield Finding((*path, agent), f'no agent "{agent}"', closest(agent, agents))
        elif path[-1] == "weights" and abs(value) > _MOST_WEIGHT:
            yield Finding((*path, agent), f"must be {-_MOST_WEIGHT:.0f} to {_MOST_WEIGHT:.0f} seconds")
        elif path[-1] == "shares" and not _SHARES[0] <= value <= _SHARES[1]:
            yield Finding((*path, agent), f"must be {_SHARES[0]} to {_SHARES[1]:.0f}")


def _numbers(path: KeyPath, queue: QueueSettings) -> Iterator[Finding]:
    if not 1 <= queue.ring_at_most <= _MOST_PHONES:
        yield Finding((*path, "ring_at_most"), f"must be 1 to {_MOST_PHONES}")
    if queue.order == "deadline" and queue.priority:
        yield Finding((*path, "priority"), 'never used: order is "deadline"', severity="warning")
    if queue.wrap_up_most and queue.wrap_up_most < queue.wrap_up:
        yield Finding((*path, "wrap_up_most"), "must not be less than wrap_up")


def _range(path: KeyPath) -> Finding:
    return Finding(path, "must be 0 to 100")


def check_survey(name: str, survey: Survey) -> list[Finding]:
    """What is wrong with a survey."""
    path: KeyPath = ("surveys", name)
    findings = []
    if not survey.questions:
        findings.append(Finding((*path, "questions"), "at least one is needed"))
    if survey.share > 100:
        findings.append(Finding((*path, "share"), "must be 0 to 100"))
    for index, question in enumerate(survey.questions):
        here = (*path, "questions", index)
        if question.kind == "digits" and question.prompt is None:
            findings.append(Finding((*here, "prompt"), "digits need a prompt that asks for them"))
        if not 1 <= question.max <= 20:
            findings.append(Finding((*here, "max"), "must be 1 to 20"))
        if question.kind == "voice" and not question.seconds:
            findings.append(Finding((*here, "seconds"), "must be more than 0"))
    names = [question.name or question.kind for question in survey.questions]
    for index, own in enumerate(names):
        if own in names[:index]:
            findings.append(Finding((*path, "questions", index, "name"), f'"{own}" is another question\'s name'))
    return findings
