"""Agents: what they say (log in, log out, pause, ready), what their phones do, and the ends of talk and rest.
Wrap-up is in `wrapping.py`."""

from softswitch.acd import offering, wrapping
from softswitch.acd.agent import Agent, Talking, WrapUp
from softswitch.acd.model import (
    AgentLogin,
    AgentLogout,
    AgentName,
    AgentOutcome,
    AgentPause,
    AgentReady,
    AgentWrapUp,
    DeviceBusy,
    DeviceReachable,
    TalkEnded,
    TalkMoved,
    TalkResumed,
    TalkStarted,
    Withdraw,
)
from softswitch.acd.state import REST, State
from softswitch.kernel.clock import Instant


def login(state: State, event: AgentLogin, at: Instant) -> None:
    """A log-in starts afresh: no pause, no rest, at the end of the line of the idle. A second one changes nothing but
    where the agent sits."""
    agent = state.agents.get(event.agent)
    if agent is None or agent.leaving:
        state.ignored(event, "no such agent", at)
        return
    if agent.logged_in:
        if event.phone and event.phone != agent.phone:
            agent.phone = event.phone
            state.fact("agent.moved", at, agent=agent.name, phone=event.phone, by=event.by)
        else:
            state.ignored(event, "logged in already", at)
        return
    agent.logged_in = True
    agent.pause = None
    agent.failures.clear()
    agent.phone = event.phone
    agent.logged_in_since = at
    agent.calls, agent.talked, agent.worked = 0, 0.0, 0.0
    state.idle_from(agent, at)
    for pool in agent.pools:
        pool.logged_in += 1
    seat = {"phone": event.phone} if event.phone else {}
    state.fact("agent.login", at, agent=agent.name, by=event.by, **seat)
    state.publish(agent, at)


def logout(state: State, event: AgentLogout, at: Instant) -> None:
    """A conversation goes on until its end; an offer, a wrap-up and a rest end here."""
    agent = state.agents.get(event.agent)
    if agent is None:
        state.ignored(event, "no such agent", at)
    elif not agent.logged_in:
        state.ignored(event, "not logged in", at)
    else:
        log_out(state, agent, event.by, at, event.reason)


def log_out(state: State, agent: Agent, by: str, at: Instant, reason: str = "") -> None:
    """The log-out itself, whoever wants it."""
    agent.logged_in = False
    agent.pause = None
    agent.phone = ""
    for pool in agent.pools:
        pool.logged_in -= 1
        if not pool.logged_in:
            state.emptied.append(pool)
    why = {"reason": reason} if reason else {}
    state.fact("agent.logout", at, agent=agent.name, by=by, **why)
    _end_rest(state, agent)
    wrapping.end(state, agent, "logout", at)
    if agent.offer is not None:
        offering.withdraw(state, agent.offer, "logged-out", at)
    state.publish(agent, at)


def pause(state: State, event: AgentPause, at: Instant) -> None:
    """No more offers; one that rings is withdrawn so that the caller need not wait for it."""
    agent = _logged_in(state, event, at)
    if agent is None:
        return
    reason = _reason(state, event.reason)
    if reason is None:
        state.ignored(event, f"no such pause reason: {event.reason}", at)
        return
    if agent.pause == reason:
        state.ignored(event, "paused already", at)
        return
    agent.pause = reason
    state.fact("agent.pause", at, agent=agent.name, reason=reason, by=event.by)
    if agent.offer is not None:
        offering.withdraw(state, agent.offer, "paused", at)
    state.publish(agent, at)


def pause_refusal(state: State, said: str) -> str:
    """Why nobody can pause for that reason; empty when one can."""
    listed = ", ".join(state.settings.pause_reasons)
    return "" if _reason(state, said) is not None else f'no pause reason "{said}"; there are {listed}'


def ready(state: State, event: AgentReady, at: Instant) -> None:
    """Ends a pause, a wrap-up and the rest after a failed offer."""
    agent = _logged_in(state, event, at)
    if agent is None:
        return
    if agent.pause is None and agent.rest is None and not agent.wrap_ups:
        state.ignored(event, "ready already", at)
        return
    if agent.pause is not None:
        state.idle_from(agent, at)
    agent.pause = None
    agent.failures.clear()
    state.fact("agent.ready", at, agent=agent.name, by=event.by)
    _end_rest(state, agent)
    wrapping.end(state, agent, "ready", at)
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
    elif agent.offer is not None:
        state.out.append(Withdraw(agent.offer.offer, agent.name, offering.UNREACHABLE))
        offering.fail(state, agent.offer, offering.UNREACHABLE, at)
    state.publish(agent, at)


def busy(state: State, event: DeviceBusy, at: Instant) -> None:
    """Calls of the agent's own keep offers away, as far as they fill the capacity."""
    agent = state.agents.get(event.agent)
    if agent is None:
        state.ignored(event, "no such agent", at)
        return
    agent.own_calls = max(0, event.calls)
    state.publish(agent, at)


def talk_started(state: State, event: TalkStarted, at: Instant) -> None:
    """A call that was transferred counts like one that was offered: talk, wrap-up, capacity. What rings for the agent
    is withdrawn, and a wrap-up ends when there is no room for both."""
    agent = _takes_up(state, event, at, at, "transferred")
    if agent is not None:
        state.fact("talk.started", at, event.call, event.queue, agent.name, by=event.by)
        state.publish(agent, at)


def talk_resumed(state: State, event: TalkResumed, at: Instant) -> None:
    """Nothing begins: offers made meanwhile are withdrawn, and the talk ends like any other."""
    agent = _takes_up(state, event, event.since, at, "talks on")
    if agent is not None:
        state.publish(agent, at)


def _takes_up(
    state: State, event: TalkStarted | TalkResumed, since: Instant, at: Instant, withdrawn: str
) -> Agent | None:
    """The agent, who talks `since` then; None: the event is ignored. `withdrawn`: why what rings is taken back."""
    agent = state.agents.get(event.agent)
    if agent is None or event.call in agent.talks or event.call in state.calls:
        state.ignored(event, "no such agent" if agent is None else "not to be talked with", at)
        return None
    if len(agent.talks) >= agent.settings.capacity:
        state.ignored(event, "no room for one more", at)
        return None
    if agent.offer is not None:
        offering.withdraw(state, agent.offer, withdrawn, at)
    if len(agent.talks) + len(agent.wrap_ups) >= agent.settings.capacity:
        wrapping.end(state, agent, "call", at)
    agent.talks[event.call] = Talking(event.call, event.queue, since)
    agent.calls += 1
    return agent


def talk_moved(state: State, event: TalkMoved, at: Instant) -> None:
    """One conversation, whatever call it is in: it has one length and one wrap-up."""
    agent = state.agents.get(event.agent)
    talk = None if agent is None else agent.talks.get(event.call)
    if agent is None or talk is None or event.to in agent.talks or event.to in state.calls:
        state.ignored(event, "no such conversation", at)
        return
    del agent.talks[event.call]
    agent.talks[event.to] = Talking(event.to, talk.queue, talk.since)
    state.fact("talk.moved", at, event.to, talk.queue, agent.name, before=event.call)


def talk_ended(state: State, event: TalkEnded, at: Instant) -> None:
    """Wrap-up of the queue's seconds follows, unless the agent logged out meanwhile."""
    agent = state.agents.get(event.agent)
    talk = None if agent is None else agent.talks.get(event.call)
    if agent is None or talk is None:
        state.ignored(event, "no such conversation", at)
    else:
        end_talk(state, agent, talk, at)


def end_talk(state: State, agent: Agent, talk: Talking, at: Instant) -> None:
    """The conversation is over."""
    state.fact("talk.ended", at, talk.call, talk.queue, agent.name, talk=at - talk.since)
    agent.talked += at - talk.since
    agent.worked += at - talk.since
    state.idle_from(agent, at)
    del agent.talks[talk.call]
    queue = state.queues.get(talk.queue)
    seconds = 0.0 if queue is None or not agent.logged_in else queue.settings.wrap_up
    if seconds > 0:
        wrapping.begin(state, agent, talk, seconds, at)
    state.publish(agent, at)
    if agent.leaving and not agent.talks:
        del state.agents[agent.name]


def wrap_up(state: State, event: AgentWrapUp, at: Instant) -> None:
    """The running wrap-ups end `seconds` from now, sooner or later than they would have; within the queue's limit."""
    agent = _logged_in(state, event, at)
    if agent is None:
        return
    if not agent.wrap_ups:
        state.ignored(event, "not in wrap-up", at)
        return
    wrapping.extend(state, agent, max(0.0, event.seconds), event.by, at)
    state.publish(agent, at)


def outcome(state: State, event: AgentOutcome, at: Instant) -> None:
    """Note what came of a call that the agent has, or wraps up."""
    found = outcome_of(state, event)
    if isinstance(found, str):
        state.ignored(event, found, at)
    else:
        state.fact("call.outcome", at, found.call, found.queue, event.agent, code=event.code, by=event.by)


def outcome_of(state: State, event: AgentOutcome) -> Talking | WrapUp | str:
    """The work that the outcome is of, or why it cannot be noted."""
    agent = state.agents.get(event.agent)
    if agent is None:
        return "no such agent"
    work: dict[str, Talking | WrapUp] = {**agent.talks, **agent.wrap_ups}
    found = work.get(event.call) if event.call else next(iter(work.values()), None)
    if found is None:
        return "the agent neither talks nor wraps up"
    queue = state.queues.get(found.queue)
    codes = () if queue is None else queue.settings.outcomes
    if codes and event.code not in codes:
        return f"no outcome {event.code} in queue {found.queue}: there are {', '.join(codes)}"
    return found


def rest_over(state: State, name: AgentName, at: Instant) -> None:
    """The agent may be offered calls again."""
    agent = state.agents.get(name)
    if agent is not None:
        agent.rest = None
        state.publish(agent, at)


def _logged_in(state: State, event: AgentPause | AgentReady | AgentWrapUp, at: Instant) -> Agent | None:
    agent = state.agents.get(event.agent)
    if agent is not None and agent.logged_in:
        return agent
    state.ignored(event, "no such agent" if agent is None else "not logged in", at)
    return None


def _reason(state: State, said: str) -> str | None:
    """The configured pause reason that was said, by name or by number; None when there is none such. Without a list
    any will do, and no reason always does."""
    reasons = state.settings.pause_reasons
    if not reasons or not said or said in reasons:
        return said
    if said.isdecimal() and 1 <= int(said) <= len(reasons):
        return reasons[int(said) - 1]
    return None


def _end_rest(state: State, agent: Agent) -> None:
    if agent.rest is not None:
        agent.rest = None
        state.deadlines.cancel((REST, agent.name))
