"""What outlives a restart: who is logged in, paused or in wrap-up, as plain JSON values."""

from collections.abc import Mapping

from softswitch.acd.agent import WrapUp
from softswitch.acd.model import AgentName
from softswitch.acd.state import WRAP_UP, State
from softswitch.kernel.clock import Instant


def snapshot(state: State) -> dict[AgentName, dict[str, object]]:
    """Every agent that is logged in. Conversations are the switch's to find again; phones tell of themselves."""
    return {
        agent.name: {
            "pause": agent.pause,
            "misses": agent.misses,
            "idle_since": agent.idle_since,
            "wrap_up": _wrap_up(agent.activity) if isinstance(agent.activity, WrapUp) else None,
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
        agent.misses = misses if isinstance(misses, int) else 0
        state.idle_from(agent, min(at, idle_since) if isinstance(idle_since, int | float) else at)
        match remembered.get("wrap_up"):
            case [str(call), str(queue), int() | float() as since, int() | float() as until] if until > at:
                agent.activity = WrapUp(call, queue, since, until)
                state.deadlines.set((WRAP_UP, name), until)
        state.fact("agent.restored", at, agent=name, pause=agent.pause)
        state.publish(agent, at)


def _wrap_up(wrap_up: WrapUp) -> list[object]:
    return [wrap_up.call, wrap_up.queue, wrap_up.since, wrap_up.until]
