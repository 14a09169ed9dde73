"""Agents who were joined with a call and had nobody to talk with."""

from softswitch.acd import offering
from softswitch.acd.agent import Rest
from softswitch.acd.model import CallId
from softswitch.acd.state import REST, State
from softswitch.kernel.clock import Instant


def release(state: State, call: CallId, at: Instant, *, rest: bool = True) -> None:
    """Whoever was joined with the call is free again, after the rest that a rejected offer brings when it was the agent
    who left (`rest`)."""
    for agent in list(state.agents.values()):
        talk = agent.talks.pop(call, None)
        if talk is None:
            continue
        agent.calls -= 1
        state.idle_from(agent, at)
        queue = state.queues.get(talk.queue)
        if rest and queue is not None and agent.logged_in:
            agent.rest = Rest("rejected", at + offering.rest_time(queue.settings, agent, "rejected"))
            state.deadlines.set((REST, agent.name), agent.rest.until)
        state.publish(agent, at)
        if agent.leaving and not agent.talks:
            del state.agents[agent.name]
