"""The agent's record, and the state that is derived from it.

What the agent does (`activity`) is one value: ringing, talking or wrapping up, so an agent with two calls cannot be
written down. The state that supervisors see is never stored by an event: `derive` computes it from the record.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from softswitch.acd.model import AgentName, AgentState, CallId, OfferId, QueueName
from softswitch.acd.queue import WaitingCall
from softswitch.kernel.clock import Instant

if TYPE_CHECKING:
    from softswitch.acd.pool import Pool


@dataclass(slots=True, eq=False)
class Ringing:
    """The agent's phone rings for `call` since `made`."""

    offer: OfferId
    call: WaitingCall
    agent: "Agent"
    made: Instant


@dataclass(frozen=True, slots=True)
class Talking:
    """The agent speaks with `call`, which came from `queue`."""

    call: CallId
    queue: QueueName
    since: Instant


@dataclass(frozen=True, slots=True)
class WrapUp:
    """Work after `call`; it belongs to the agent, whatever other queues it serves."""

    call: CallId
    queue: QueueName
    since: Instant
    until: Instant


Activity: TypeAlias = Ringing | Talking | WrapUp | None


@dataclass(frozen=True, slots=True)
class Rest:
    """Left alone after an offer that failed for `cause`."""

    cause: str
    until: Instant


@dataclass(slots=True, eq=False)
class Agent:
    """`pause` is the reason, None when not paused. `misses` are the offers in a row that rang out. `idle_since`
    orders agents by longest idle. `state`, `reason`, `since` are what was published last. `leaving`: no longer
    configured, kept until the conversation ends."""

    name: AgentName
    idle_since: Instant
    since: Instant
    logged_in: bool = False
    pause: str | None = None
    activity: Activity = None
    rest: Rest | None = None
    reachable: bool = False
    own_calls: int = 0
    misses: int = 0
    leaving: bool = False
    state: AgentState = AgentState.LOGGED_OUT
    reason: str = ""
    ready_serial: int = 0
    tie: float = 0.0
    pools: "list[Pool]" = field(default_factory=list)
    indexed: "list[Pool]" = field(default_factory=list)
    queues: list[QueueName] = field(default_factory=list)


def derive(agent: Agent) -> AgentState:
    """The state as a supervisor sees it. A conversation outlives a log-out; everything else does not."""
    activity = agent.activity
    if isinstance(activity, Talking):
        return AgentState.TALKING
    if not agent.logged_in:
        return AgentState.LOGGED_OUT
    if activity is not None:
        return AgentState.OFFERED if isinstance(activity, Ringing) else AgentState.WRAP_UP
    if agent.pause is not None:
        return AgentState.PAUSED
    if not agent.reachable:
        return AgentState.UNREACHABLE
    if agent.own_calls:
        return AgentState.BUSY
    if agent.rest is not None:
        return AgentState.UNREACHABLE if agent.rest.cause == "unreachable" else AgentState.RESTING
    return AgentState.READY


def derive_reason(agent: Agent, state: AgentState) -> str:
    """Why the agent is in `state`: the pause reason, or the cause of the failed offer."""
    if state is AgentState.PAUSED:
        return agent.pause or ""
    if agent.rest is not None and state in (AgentState.RESTING, AgentState.UNREACHABLE):
        return agent.rest.cause
    return ""
