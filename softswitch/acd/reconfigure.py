"""New settings under load: waiting calls, agents' states and running offers stay; only what is gone goes."""

from softswitch.acd import callers, desk
from softswitch.acd.agent import Agent
from softswitch.acd.model import Reconfigured
from softswitch.acd.state import State
from softswitch.kernel.clock import Instant


def reconfigure(state: State, event: Reconfigured, at: Instant) -> None:
    """Callers of removed queues overflow (`removed`); removed agents are logged out, at the end of their conversation
    forgotten. Ranks never change, so a new `priority` holds for calls to come. New agents are logged out and
    unreachable until told otherwise."""
    for call in [call for call in state.calls.values() if call.queue.name not in event.queues]:
        callers.overflow(state, call, "removed", at)
    for agent in list(state.agents.values()):
        if agent.name not in event.agents:
            _remove(state, agent, at)
    for name in sorted(event.agents):
        agent = state.agents.setdefault(name, Agent(name, idle_since=at, since=at))
        agent.leaving = False
    state.set_queues(event.queues)
    for call in state.calls.values():
        callers.rearm(state, call)
    state.emptied.extend(queue.pool for queue in state.queues.values() if not queue.pool.logged_in)
    state.fact("acd.reconfigured", at, queues=len(event.queues), agents=len(event.agents))


def _remove(state: State, agent: Agent, at: Instant) -> None:
    if agent.logged_in:
        desk.log_out(state, agent, "removed", at)
    if agent.activity is None:
        del state.agents[agent.name]
    else:
        agent.leaving = True
