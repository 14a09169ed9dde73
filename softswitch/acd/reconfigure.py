"""New settings under load: waiting calls, agents' states and running offers stay; only what is gone goes."""

from softswitch.acd import callback, desk, limits, offering
from softswitch.acd.agent import Agent
from softswitch.acd.model import Reconfigured
from softswitch.acd.outcomes import overflow
from softswitch.acd.queue import STICKY
from softswitch.acd.state import State, settings_of
from softswitch.kernel.clock import Instant


def reconfigure(state: State, event: Reconfigured, at: Instant) -> None:
    """Callers of removed queues overflow (`removed`); removed agents are logged out, at the end of their conversation
    forgotten. Ranks never change, so a new `priority` holds for calls to come. New agents are logged out and
    unreachable until told otherwise; those that stay may have other skills and another capacity. Of phones that ring
    for one call, those beyond what its queue now allows are silenced. Raises `LocalError` for an unknown strategy;
    nothing has changed then."""
    state.find_strategies(event.queues)
    state.settings = event.settings
    agents = settings_of(event.agents)
    callback.queues_removed(state, event.queues, at)
    for call in [call for call in state.calls.values() if call.queue.name not in event.queues]:
        overflow(state, call, "removed", at)
    for agent in list(state.agents.values()):
        if agent.name not in agents:
            _remove(state, agent, at)
    for name in sorted(agents):
        agent = state.agents.setdefault(name, Agent(name, idle_since=at, since=at))
        agent.leaving = False
        agent.settings = agents[name]
    state.set_queues(event.queues)
    for agent in state.agents.values():
        state.publish(agent, at)
    for call in state.calls.values():
        kept_for = state.agents.get(call.sticky) if call.ring == STICKY else None
        if kept_for is None or not kept_for.logged_in or kept_for not in call.queue.pool.agents:
            call.sticky_until = min(call.sticky_until, at)
        limits.rearm(state, call)
        for ringing in call.offers[call.phones :]:
            offering.withdraw(state, ringing, "reconfigured", at)
        offering.arm_more(state, call, at)
    state.emptied.extend(dict.fromkeys(call.pool for call in state.calls.values() if not call.pool.logged_in))
    state.fact("acd.reconfigured", at, queues=len(event.queues), agents=len(agents))


def _remove(state: State, agent: Agent, at: Instant) -> None:
    if agent.logged_in:
        desk.log_out(state, agent, "removed", at)
    if not agent.talks:
        del state.agents[agent.name]
    else:
        agent.leaving = True
