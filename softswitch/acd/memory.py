"""What outlives a restart: who is logged in, paused or in wrap-up, as plain JSON values."""

from collections.abc import Mapping

from softswitch.acd import wrapping
from softswitch.acd.agent import WrapUp
from softswitch.acd.model import AgentName
from softswitch.acd.state import State
from softswitch.kernel.clock import Instant


def snapshot(state: State) -> dict[AgentName, dict[str, object]]:
    """Every agent that is logged in. Conversations are the switch's to find again; phones tell of themselves."""
    return {
        agent.name: {
            "pause": agent.pause,
            "misses": agent.misses,
            "idle_since": agent.idle_since,
            "phone": agent.phone,
            "logged_in_since": agent.logged_in_since,
            "work": [agent.calls, agent.talked, agent.worked],
            "wrap_ups": [_wrap_up(wrap_up) for wrap_up in agent.wrap_ups.values()],
        }
        for agent in state.agents.values()
        if agent.logged_in
    }


def restore(state: State, memory: Mapping[AgentName, Mapping[str, object]], at: Instant) -> None:
    """Log the remembered agents in again, without a second `agent.login`; those no longer configured are left out.
    Values that do not fit are left out too: a damaged memory must not keep the switch from starting."""
    for name, remembered in memory.items():
        agent = state.agents.get(name)
        if agent is None or agent.logged_in:
            continue
        agent.logged_in = True
        for pool in agent.pools:
            pool.logged_in += 1
        pause, misses, idle_since = (remembered.get(key) for key in ("pause", "misses", "idle_since"))
        agent.pause = pause if isinstance(pause, str) else None
        agent.failures = {"no-answer": misses} if isinstance(misses, int) and misses > 0 else {}
        phone, since = remembered.get("phone"), remembered.get("logged_in_since")
        agent.phone = phone if isinstance(phone, str) else ""
        agent.logged_in_since = min(at, since) if isinstance(since, int | float) else at
        match remembered.get("work"):
            case [int() as calls, int() | float() as talked, int() | float() as worked]:
                agent.calls, agent.talked, agent.worked = calls, talked, worked
        state.idle_from(agent, min(at, idle_since) if isinstance(idle_since, int | float) else at)
        wrap_ups = remembered.get("wrap_ups")
        for wrap_up in wrap_ups if isinstance(wrap_ups, list | tuple) else ():
            match wrap_up:
                case [str(call), str(queue), int() | float() as since, int() | float() as until] if until > at:
                    agent.wrap_ups[call] = WrapUp(call, queue, since, until)
        wrapping.arm(state, agent)
        state.fact("agent.restored", at, agent=name, pause=agent.pause)
        state.publish(agent, at)


def _wrap_up(wrap_up: WrapUp) -> list[object]:
    return [wrap_up.call, wrap_up.queue, wrap_up.since, wrap_up.until]
