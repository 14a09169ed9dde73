"""The agent's record, and the state that is derived from it.

What the agent does is a small set: at most one offer, and conversations and wrap-ups up to the agent's capacity. The
state that supervisors see is never stored by an event: `derive` computes it from the record, and `may_take` whether
the agent may be offered one call more.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softswitch.acd.model import DEFAULT_AGENT, AgentName, AgentSettings, AgentState, CallId, OfferId, QueueName
from softswitch.acd.offers import Tried
from softswitch.acd.queue import WaitingCall
from softswitch.kernel.clock import Duration, Instant

if TYPE_CHECKING:
    from softswitch.acd.pool import Pool

PAST = 64  # states of an agent that `why` can look back on
OFFERS = 20  # and offers


@dataclass(slots=True, eq=False)
class Ringing:
    """The agent's phone rings for `call` since `made`."""

    offer: OfferId
    call: WaitingCall
    agent: "Agent"
    made: Instant
    tried: Tried


@dataclass(frozen=True, slots=True)
class Talking:
    """The agent speaks with `call`, which came from `queue`; `place` is what it had there."""

    call: CallId
    queue: QueueName
    since: Instant
    place: WaitingCall | None = None


@dataclass(frozen=True, slots=True)
class WrapUp:
    """Work after `call`; it belongs to the agent, whatever other queues it serves."""

    call: CallId
    queue: QueueName
    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class Rest:
    """Left alone after an offer that failed for `cause`."""

    cause: str
    until: Instant


@dataclass(slots=True, eq=False)
class Agent:
    """`pause` is the reason, None when not paused. `failures` are the offers in a row that failed, by cause.
    `idle_since` orders agents by longest idle. `state`, `reason`, `since` are what was published last, `available`
    what `may_take` said then; `touched`: what strategies look at has changed since. `calls`, `talked` and `worked`
    (talk and wrap-up, seconds) count since `logged_in_since`; `occupancy` is a share (0-1) as of when the agent last
    became available. `leaving`: no longer configured, kept until the conversation ends. `past`: states left lately,
    with when they began; `tried`: the last offers."""

    name: AgentName
    idle_since: Instant
    since: Instant
    settings: AgentSettings = DEFAULT_AGENT
    logged_in: bool = False
    pause: str | None = None
    offer: Ringing | None = None
    talks: dict[CallId, Talking] = field(default_factory=dict)
    wrap_ups: dict[CallId, WrapUp] = field(default_factory=dict)
    rest: Rest | None = None
    reachable: bool = False
    own_calls: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    leaving: bool = False
    phone: str = ""
    state: AgentState = AgentState.LOGGED_OUT
    reason: str = ""
    available: bool = False
    touched: bool = False
    ready_serial: int = -1
    tie: float = 0.0
    logged_in_since: Instant = 0.0
    calls: int = 0
    talked: Duration = 0.0
    worked: Duration = 0.0
    occupancy: float = 0.0
    pools: "dict[Pool, None]" = field(default_factory=dict)
    queues: list[QueueName] = field(default_factory=list)
    past: deque[tuple[Instant, AgentState, str]] = field(default_factory=lambda: deque(maxlen=PAST))
    tried: deque[Tried] = field(default_factory=lambda: deque(maxlen=OFFERS))

    @property
    def misses(self) -> int:
        """Offers in a row that rang out."""
        return self.failures.get("no-answer", 0)

    @property
    def load(self) -> int:
        """Calls at once: conversations, wrap-ups, the offer, and the agent's own."""
        return len(self.talks) + len(self.wrap_ups) + self.own_calls + (self.offer is not None)

    @property
    def activity(self) -> Ringing | Talking | WrapUp | None:
        """What stands in the foreground."""
        for talk in self.talks.values():
            return talk
        if self.offer is not None:
            return self.offer
        for wrap_up in self.wrap_ups.values():
            return wrap_up
        return None


def derive(agent: Agent) -> AgentState:
    """The state as a supervisor sees it. A conversation outlives a log-out; everything else does not."""
    if agent.talks:
        return AgentState.TALKING
    if not agent.logged_in:
        return AgentState.LOGGED_OUT
    if agent.offer is not None:
        return AgentState.OFFERED
    if agent.wrap_ups:
        return AgentState.WRAP_UP
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


def may_take(agent: Agent, state: AgentState) -> bool:
    """Whether the agent, whose derived state is `state`, may be offered a call (one more, with `capacity` above 1).
    Nobody is rung for two calls at once."""
    if state is AgentState.READY:
        return True
    return (
        agent.settings.capacity > 1
        and agent.logged_in
        and agent.pause is None
        and agent.reachable
        and agent.rest is None
        and agent.offer is None
        and agent.load < agent.settings.capacity
    )
