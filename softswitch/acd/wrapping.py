"""Wrap-up: work after a call. It belongs to the agent and fills one place of the capacity until it ends: by itself,
or because the agent is ready or logs out. One deadline an agent stands for the wrap-up that ends first."""

from dataclasses import replace

from softswitch.acd.agent import Agent, Talking, WrapUp
from softswitch.acd.model import AgentName
from softswitch.acd.state import WRAP_UP, State
from softswitch.kernel.clock import Duration, Instant


def begin(state: State, agent: Agent, talk: Talking, seconds: Duration, at: Instant) -> None:
    """The conversation is over, its wrap-up begins."""
    agent.wrap_ups[talk.call] = WrapUp(talk.call, talk.queue, at, at + seconds)
    arm(state, agent)
    state.fact("wrapup.started", at, talk.call, talk.queue, agent.name, seconds=seconds)


def extend(state: State, agent: Agent, seconds: Duration, by: str, at: Instant) -> None:
    """All wrap-ups of the agent end `seconds` from now; none lasts longer than its queue's `wrap_up_most`."""
    for wrap_up in list(agent.wrap_ups.values()):
        queue = state.queues.get(wrap_up.queue)
        until = at + seconds
        if queue is not None and queue.settings.wrap_up_most:
            until = min(until, wrap_up.since + max(queue.settings.wrap_up_most, queue.settings.wrap_up))
        agent.wrap_ups[wrap_up.call] = replace(wrap_up, until=max(at, until))
        left = max(at, until) - at
        state.fact("wrapup.extended", at, wrap_up.call, wrap_up.queue, agent.name, left=left, by=by)
    over(state, agent.name, at)


def over(state: State, name: AgentName, at: Instant) -> None:
    """The seconds of a wrap-up passed."""
    agent = state.agents.get(name)
    if agent is not None:
        for wrap_up in [wrap_up for wrap_up in agent.wrap_ups.values() if wrap_up.until <= at]:
            _end(state, agent, wrap_up, "time", at)
        arm(state, agent)
        state.publish(agent, at)


def end(state: State, agent: Agent, cause: str, at: Instant) -> None:
    """Every wrap-up of the agent ends now."""
    if agent.wrap_ups:
        for wrap_up in list(agent.wrap_ups.values()):
            _end(state, agent, wrap_up, cause, at)
        arm(state, agent)


def arm(state: State, agent: Agent) -> None:
    """Set the deadline of the wrap-up that ends first, or none."""
    if agent.wrap_ups:
        state.deadlines.set((WRAP_UP, agent.name), min(wrap_up.until for wrap_up in agent.wrap_ups.values()))
    else:
        state.deadlines.cancel((WRAP_UP, agent.name))


def _end(state: State, agent: Agent, wrap_up: WrapUp, cause: str, at: Instant) -> None:
    del agent.wrap_ups[wrap_up.call]
    state.idle_from(agent, at)
    lasted = at - wrap_up.since
    agent.worked += lasted
    state.fact("wrapup.ended", at, wrap_up.call, wrap_up.queue, agent.name, lasted=lasted, cause=cause)
