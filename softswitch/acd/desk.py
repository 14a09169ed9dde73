"""Agents: what they say (log in, log out, pause, ready), what their phones do, and the ends of talk, wrap-up, rest."""

from softswitch.acd import offering
from softswitch.acd.agent import Agent, Ringing, Talking, WrapUp
from softswitch.acd.model import (
    AgentLogin,
    AgentLogout,
    AgentName,
    AgentPause,
    AgentReady,
    DeviceBusy,
    DeviceReachable,
    TalkEnded,
    Withdraw,
)
from softswitch.acd.state import REST, WRAP_UP, State
from softswitch.kernel.clock import Instant


def login(state: State, event: AgentLogin, at: Instant) -> None:
    """A log-in starts afresh: no pause, no rest, at the end of the line of the idle. A second one changes nothing."""
    agent = state.agents.get(event.agent)
    if agent is None or agent.leaving:
        state.ignored(event, "no such agent", at)
        return
    if agent.logged_in:
        state.ignored(event, "logged in already", at)
        return
    agent.logged_in = True
    agent.pause = None
    agent.misses = 0
    state.idle_from(agent, at)
    for pool in agent.pools:
        pool.logged_in += 1
    state.fact("agent.login", at, agent=agent.name, by=event.by)
    state.publish(agent, at)


def logout(state: State, event: AgentLogout, at: Instant) -> None:
    """A conversation goes on until its end; an offer, a wrap-up and a rest end here."""
    agent = state.agents.get(event.agent)
    if agent is None:
        state.ignored(event, "no such agent", at)
    elif not agent.logged_in:
        state.ignored(event, "not logged in", at)
    else:
        log_out(state, agent, event.by, at)


def log_out(state: State, agent: Agent, by: str, at: Instant) -> None:
    """The log-out itself, whoever wants it."""
    agent.logged_in = False
    agent.pause = None
    for pool in agent.pools:
        pool.logged_in -= 1
        if not pool.logged_in:
            state.emptied.append(pool)
    state.fact("agent.logout", at, agent=agent.name, by=by)
    _end_rest(state, agent)
    _end_wrap_up(state, agent, "logout", at)
    if isinstance(agent.activity, Ringing):
        offering.withdraw(state, agent.activity, "logged-out", at)
    state.publish(agent, at)


def pause(state: State, event: AgentPause, at: Instant) -> None:
    """No more offers; one that rings is withdrawn so that the caller need not wait for it."""
    agent = _logged_in(state, event, at)
    if agent is None:
        return
    if agent.pause == event.reason:
        state.ignored(event, "paused already", at)
        return
    agent.pause = event.reason
    state.fact("agent.pause", at, agent=agent.name, reason=event.reason, by=event.by)
    if isinstance(agent.activity, Ringing):
        offering.withdraw(state, agent.activity, "paused", at)
    state.publish(agent, at)


def ready(state: State, event: AgentReady, at: Instant) -> None:
    """Ends a pause, a wrap-up and the rest after a failed offer."""
    agent = _logged_in(state, event, at)
    if agent is None:
        return
    if agent.pause is None and agent.rest is None and not isinstance(agent.activity, WrapUp):
        state.ignored(event, "ready already", at)
        return
    if agent.pause is not None:
        state.idle_from(agent, at)
    agent.pause = None
    agent.misses = 0
    state.fact("agent.ready", at, agent=agent.name, by=event.by)
    _end_rest(state, agent)
    _end_wrap_up(state, agent, "ready", at)
    state.publish(agent, at)


def reachable(state: State, event: DeviceReachable, at: Instant) -> None:
    """The registration gates readiness. A phone that vanishes fails the offer that rings on it; one that comes back
    ends the rest that its absence caused. Repeated news (a refresh) changes nothing."""
    agent = state.agents.get(event.agent)
    if agent is None:
        state.ignored(event, "no such agent", at)
        return
    agent.reachable = event.reachable
    if event.reachable:
        if agent.rest is not None and agent.rest.cause == offering.UNREACHABLE:
            _end_rest(state, agent)
    elif isinstance(agent.activity, Ringing):
        state.out.append(Withdraw(agent.activity.offer, agent.name, offering.UNREACHABLE))
        offering.fail(state, agent.activity, offering.UNREACHABLE, at)
    state.publish(agent, at)


def busy(state: State, event: DeviceBusy, at: Instant) -> None:
    """Calls of the agent's own keep offers away."""
    agent = state.agents.get(event.agent)
    if agent is None:
        state.ignored(event, "no such agent", at)
        return
    agent.own_calls = max(0, event.calls)
    state.publish(agent, at)


def talk_ended(state: State, event: TalkEnded, at: Instant) -> None:
    """Wrap-up of the queue's seconds follows, unless the agent logged out meanwhile."""
    agent = state.agents.get(event.agent)
    if agent is None or not isinstance(agent.activity, Talking) or agent.activity.call != event.call:
        state.ignored(event, "no such conversation", at)
    else:
        end_talk(state, agent, agent.activity, at)


def end_talk(state: State, agent: Agent, talk: Talking, at: Instant) -> None:
    """The conversation is over."""
    state.fact("talk.ended", at, talk.call, talk.queue, agent.name, talk=at - talk.since)
    state.idle_from(agent, at)
    agent.activity = None
    queue = state.queues.get(talk.queue)
    seconds = 0.0 if queue is None or not agent.logged_in else queue.settings.wrap_up
    if seconds > 0:
        agent.activity = WrapUp(talk.call, talk.queue, at, at + seconds)
        state.deadlines.set((WRAP_UP, agent.name), at + seconds)
        state.fact("wrapup.started", at, talk.call, talk.queue, agent.name, seconds=seconds)
    state.publish(agent, at)
    if agent.leaving:
        del state.agents[agent.name]


def wrap_up_over(state: State, name: AgentName, at: Instant) -> None:
    """The wrap-up's seconds passed."""
    agent = state.agents.get(name)
    if agent is not None:
        _end_wrap_up(state, agent, "time", at)
        state.publish(agent, at)


def rest_over(state: State, name: AgentName, at: Instant) -> None:
    """The agent may be offered calls again."""
    agent = state.agents.get(name)
    if agent is not None:
        agent.rest = None
        state.publish(agent, at)


def _logged_in(state: State, event: AgentPause | AgentReady, at: Instant) -> Agent | None:
    agent = state.agents.get(event.agent)
    if agent is not None and agent.logged_in:
        return agent
    state.ignored(event, "no such agent" if agent is None else "not logged in", at)
    return None


def _end_rest(state: State, agent: Agent) -> None:
    if agent.rest is not None:
        agent.rest = None
        state.deadlines.cancel((REST, agent.name))


def _end_wrap_up(state: State, agent: Agent, cause: str, at: Instant) -> None:
    wrap_up = agent.activity
    if isinstance(wrap_up, WrapUp):
        agent.activity = None
        state.idle_from(agent, at)
        state.deadlines.cancel((WRAP_UP, agent.name))
        lasted = at - wrap_up.since
        state.fact("wrapup.ended", at, wrap_up.call, wrap_up.queue, agent.name, lasted=lasted, cause=cause)
