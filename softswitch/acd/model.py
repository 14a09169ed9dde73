"""The words of the ACD: settings, events that come in, effects that go out. All are frozen plain values."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal, TypeAlias

from softswitch.kernel.clock import Instant

CallId: TypeAlias = str
AgentName: TypeAlias = str
QueueName: TypeAlias = str
OfferId: TypeAlias = int
OfferCause: TypeAlias = Literal["busy", "rejected", "no-answer", "unreachable", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """`percent` of calls answered within `seconds`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    seconds: float = 20.0
    percent: float = 80.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """One `[queues.NAME]`. Times are seconds, 0 switches a limit off. `priority` is the head start of this queue's
    calls in seconds. Targets (`kind:name`) are opaque here. `announce_position`: seconds between announcements.
    `max_no_answer`: an agent who lets that many offers in a row ring out is paused (reason `no-answer`).
    `retry_after`: how long an agent who did not answer, or was busy, is left alone. `record_channels` and `keep_days`:
    for this queue in place of `[recording]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    strategy: Literal["longest-idle"] = "longest-idle"
    agents: tuple[AgentName, ...] = ()
    priority: float = 0.0
    ring_seconds: float = 20.0
    retry_after: float = 5.0
    max_no_answer: int = 3
    wrap_up: float = 0.0
    max_wait: float = 0.0
    on_max_wait: str | None = None
    max_length: int = 0
    on_full: str | None = None
    on_empty: str | None = None
    service_level: ServiceLevel = ServiceLevel()
    short_abandon: float = 5.0
    announce_position: float = 0.0
    announce_prompt: str | None = None
    announce_every: float = 0.0
    welcome: str | None = None
    agent_prompt: str | None = None
    music: str = "hold"
    record: bool = True
    record_channels: Literal[1, 2] | None = None
    keep_days: float | None = None
    language: str | None = None


class AgentState(StrEnum):
    """What a supervisor sees; derived, in this order of precedence, from log-in, offers, dialogs, wrap-up, pause and
    registration."""

    LOGGED_OUT = "logged-out"
    OFFERED = "offered"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    RESTING = "resting"
    READY = "ready"


# ------------------------------------------------------------------------------------------------------- events in


@dataclass(frozen=True, slots=True)
class CallQueued:
    """A caller enters `queue`. `head_start` adds to the queue's own; `arrived` keeps an older place (transfer,
    call-back)."""

    call: CallId
    queue: QueueName
    head_start: float = 0.0
    arrived: Instant | None = None
    caller: str = ""


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller hung up, or was taken out of the queue by other means (`reason`)."""

    call: CallId
    reason: str = "abandoned"


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The agent's phone answered the offer."""

    offer: OfferId


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """The agent's phone did not take the call: `busy`, `rejected`, `no-answer`, `unreachable` or `error`."""

    offer: OfferId
    cause: OfferCause


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """The conversation of `call` with `agent` is over (whoever hung up)."""

    call: CallId
    agent: AgentName


@dataclass(frozen=True, slots=True)
class AgentLogin:
    agent: AgentName
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class AgentLogout:
    agent: AgentName
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class AgentPause:
    agent: AgentName
    reason: str = ""
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class AgentReady:
    """Ends a pause and a wrap-up."""

    agent: AgentName
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class DeviceReachable:
    """The agent's phone has a binding (or a fixed contact), or has lost it."""

    agent: AgentName
    reachable: bool


@dataclass(frozen=True, slots=True)
class DeviceBusy:
    """The agent's phone is in `calls` calls that did not come from the ACD."""

    agent: AgentName
    calls: int


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """New settings; waiting calls, agents' states and running offers stay."""

    queues: dict[QueueName, QueueSettings]
    agents: frozenset[AgentName]


AcdEvent: TypeAlias = (
    CallQueued
    | CallerLeft
    | OfferAnswered
    | OfferFailed
    | TalkEnded
    | AgentLogin
    | AgentLogout
    | AgentPause
    | AgentReady
    | DeviceReachable
    | DeviceBusy
    | Reconfigured
)


# ------------------------------------------------------------------------------------------------------ effects out


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring the agent's phone for `call`; answer with `OfferAnswered` or `OfferFailed` within `ring_seconds`
    (the engine withdraws the offer by itself when they pass)."""

    offer: OfferId
    call: CallId
    queue: QueueName
    agent: AgentName
    ring_seconds: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop ringing: the caller left, the time passed, the agent logged out. No answer is expected; a late
    `OfferAnswered` gets `Refuse`."""

    offer: OfferId
    agent: AgentName
    reason: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """The offer holds: join caller and agent."""

    offer: OfferId
    call: CallId
    queue: QueueName
    agent: AgentName
    waited: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """The phone answered an offer that is no longer good: hang it up."""

    offer: OfferId
    agent: AgentName


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the waiting caller: `position` (1 = next) when kind is `position`, or the queue's `announce_prompt`
    (`periodic`)."""

    call: CallId
    kind: Literal["position", "periodic"]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Overflow:
    """The caller leaves the queue for `target` (None: a polite refusal): `max-wait`, `full`, `no-agents` or
    `removed`."""

    call: CallId
    queue: QueueName
    cause: Literal["max-wait", "full", "no-agents", "removed"]
    target: str | None


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """An agent's derived state changed."""

    agent: AgentName
    state: AgentState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the ledger: `kind` is the event's name (`queue.entered`, `offer.made`, `queue.answered`,
    `queue.abandoned`, `agent.state` …); `data` holds plain JSON values."""

    kind: str
    at: Instant
    call: CallId = ""
    queue: QueueName = ""
    agent: AgentName = ""
    data: dict[str, object] = field(default_factory=dict)


AcdEffect: TypeAlias = Offer | Withdraw | Bridge | Refuse | Announce | Overflow | AgentChanged | Fact
