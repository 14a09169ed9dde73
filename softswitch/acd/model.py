"""The words of the ACD: settings, events that come in, effects that go out. All are frozen plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, Literal, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant

CallId: TypeAlias = str
AgentName: TypeAlias = str
QueueName: TypeAlias = str
CallbackId: TypeAlias = str
OfferId: TypeAlias = int
OfferCause: TypeAlias = Literal["busy", "rejected", "no-answer", "unreachable", "error"]
ServiceLevelDefinition: TypeAlias = Literal[
    "standard", "answered", "offered", "without-overflow", "abandoned-in-time", "late-abandons"
]
OverflowCause: TypeAlias = Literal["max-wait", "full", "no-agents", "estimate", "ring", "removed"]
Needs: TypeAlias = tuple[tuple[str, int], ...]  # (skill, least proficiency 0-100), sorted by skill


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """`percent` of calls answered within `seconds`. `definition`: which calls are judged (docs/statistics.md)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    seconds: float = 20.0
    percent: float = 80.0
    definition: ServiceLevelDefinition = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Who may get a call once it has waited `after` seconds: `agents` (those of the queue when not given) that have
    at least these `skills`. For the skills it names, a ring's minimum stands in place of the call's own and the
    queue's; 0 asks for it no longer. `to`: instead of a ring, the call goes there (overflow cause `ring`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    after: float = 0.0
    skills: dict[str, int] = field(default_factory=dict)
    agents: tuple[AgentName, ...] | None = None
    to: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings:
    """`[queues.NAME.callback]`: callers may ask to be called back at their place in the queue. `to`: the trunk
    (`trunk:NAME`) that outside numbers are called by; without it only phones of this switch are. `numbers`: patterns
    that a number must fit; without any only the caller's own number will do, and none may be typed. `first`: who is
    called first once an agent is there for it. `attempts`: how often the customer is called at most, `pause` seconds
    apart, each for `ring_seconds`. `expire`: seconds until it is given up. `hours`: an `[hours.NAME]` outside which
    nobody is called. `caller_id`: the number shown to the customer."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    to: str | None = None
    numbers: tuple[str, ...] = ()
    first: Literal["agent", "customer"] = "agent"
    attempts: int = 3
    pause: float = 300.0
    ring_seconds: float = 30.0
    expire: float = 14400.0
    hours: str | None = None
    caller_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """Seconds that an agent is left alone after an offer that failed, by cause; None: not said here."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    busy: float | None = None
    rejected: float | None = None
    no_answer: float | None = None
    unreachable: float | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoPause:
    """After how many offers in a row that failed for a cause the agent is paused, with the cause as the reason; 0:
    never. `no_answer` unless given is the queue's `max_no_answer`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    busy: int = 0
    rejected: int = 0
    no_answer: int | None = None
    unreachable: int = 0
    error: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What the engine must know of a person. `skills`: proficiency 0-100. `capacity`: calls at once, of all queues
    together and with own calls. `max_ring`: seconds that an offer rings here at most (0: as the queue says).
    `back_off` goes before the queue's. `auto_answer`: the phone is asked to answer by itself."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    skills: dict[str, int] = field(default_factory=dict)
    capacity: int = 1
    max_ring: float = 0.0
    back_off: BackOff = BackOff()
    auto_answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcdSettings:
    """`[acd]`: what holds for all queues and agents. `pause_reasons`: the only ones allowed, when there are any; a
    number stands for the reason in that place, from 1. `language_skills`: the skill that a language is, by its code; a
    language not named here is the skill of that very code. `remember_days`: how long the last agent of a number is
    remembered."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    pause_reasons: tuple[str, ...] = ()
    language_skills: dict[str, str] = field(default_factory=dict)
    remember_days: float = 30.0


DEFAULT_AGENT: Final = AgentSettings()
DEFAULT_ACD: Final = AcdSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """One `[queues.NAME]`. Times are seconds, 0 switches a limit off. `priority` is the head start of this queue's
    calls in seconds. Targets (`kind:name`) are opaque here. `announce_position`: seconds between announcements.
    `max_no_answer`: an agent who lets that many offers in a row ring out is paused (reason `no-answer`).
    `retry_after`: how long an agent who did not answer, or was busy, is left alone; `back_off` says it by cause.
    `record_channels` and `keep_days`: for this queue in place of `[recording]`. `siprec`: the recording server that
    gets its calls.

    `strategy`: a name of `acd/strategies`, or `module:Class`. `needs`: skills that every call here asks for. `rings`:
    see `Ring`. `order` `deadline`: a call's rank is arrival + service level's seconds - its head start, `priority`
    is not in it. `sticky_seconds`: how long a call is kept for its sticky agent. `weights`: seconds of further head
    start that this queue's calls have with an agent of several queues. `shares`: chances of agents with
    `weighted-random` (1 unless given). `ring_at_most`: phones that ring for one call at once (ring-all,
    ring-progressively); `ring_step`: seconds until ring-progressively takes one more. `wrap_up_most`: seconds to
    which an agent may extend a wrap-up (0: no limit). `outcomes`: codes that agents may note for a call; empty: any.
    `survey`: what callers are asked when their agent has hung up.

    How calls come here is the switch's business: outside `hours` they go to `closed`, on the holidays of those hours to
    `on_holiday` if that is given, and to `closed` while `shut` says why. `hook` is asked first. `sticky`: whose call it
    is (of the customers table, or by who talked with the number last). `language_skill`: the caller's language is a
    skill that the call needs, at `language_level` at least; `call_needs`: skills named by variables, `{product}`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    strategy: str = "longest-idle"
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
    announce_first: float = 0.0
    announce_estimate: bool = False
    announce_prompt: str | tuple[str, ...] | None = None
    announce_every: float = 0.0
    announce_order: Literal["turn", "random"] = "turn"
    keys: dict[str, str] = field(default_factory=dict)
    keys_prompt: str | None = None
    max_estimate: float = 0.0
    on_max_estimate: str | None = None
    join_when: tuple[AgentState, ...] | None = None
    leave_when: tuple[AgentState, ...] | None = None
    keep_place: bool = True
    resume_seconds: float = 0.0
    callback: CallbackSettings | None = None
    welcome: str | None = None
    agent_prompt: str | None = None
    music: str = "hold"
    record: bool = True
    record_channels: Literal[1, 2] | None = None
    keep_days: float | None = None
    siprec: str | None = None
    language: str | None = None
    needs: dict[str, int] = field(default_factory=dict)
    rings: tuple[Ring, ...] = ()
    order: Literal["head-start", "deadline"] = "head-start"
    sticky_seconds: float = 0.0
    weights: dict[AgentName, float] = field(default_factory=dict)
    shares: dict[AgentName, float] = field(default_factory=dict)
    ring_at_most: int = 10
    ring_step: float = 10.0
    back_off: BackOff = BackOff()
    auto_pause: AutoPause = AutoPause()
    wrap_up_most: float = 0.0
    outcomes: tuple[str, ...] = ()
    survey: str | None = None
    hours: str | None = None
    closed: str | None = None
    on_holiday: str | None = None
    shut: str = ""
    hook: str | None = None
    sticky: Literal["none", "last-agent", "preferred", "preferred-or-last"] = "none"
    language_skill: bool = False
    language_level: int = 1
    call_needs: dict[str, int] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------------- events in


class CallQueued(msgspec.Struct, frozen=True):
    """A caller enters `queue`. `head_start` adds to the queue's own; `arrived` keeps an older place (transfer,
    call-back). `needs` go beside the queue's. `sticky`: kept for that agent of the queue for `sticky_seconds` (None:
    the queue's), unless the agent is not logged in. `without`: not to be offered to that agent, who has just passed it
    on. `known`: the caller's number is vouched for, so that a dropped caller, or one with a call-back to come, is known
    again by it."""

    call: CallId
    queue: QueueName
    head_start: float = 0.0
    arrived: Instant | None = None
    caller: str = ""
    needs: Needs = ()
    sticky: AgentName = ""
    sticky_seconds: float | None = None
    without: AgentName = ""
    known: bool = False


@dataclass(frozen=True, slots=True)
class CallReturned:
    """The agent was joined with `call` and has left before a word was said: the call has its old place back, and
    counts as never answered."""

    call: CallId
    agent: AgentName


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """Somebody wants to be called back. `call`: the waiting call whose place it takes; without one it begins now (or at
    `arrived`) with `head_start`. `to` says how the number is reached; opaque here. A second one for the same number
    and queue is merged with the first."""

    callback: CallbackId
    queue: QueueName
    number: str
    to: str
    call: CallId = ""
    by: str = "caller"
    arrived: Instant | None = None
    head_start: float = 0.0
    needs: Needs = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class CallbackCancelled:
    """It is not wanted any more. An attempt that is under way is given up."""

    callback: CallbackId
    by: str = "operator"


@dataclass(frozen=True, slots=True)
class CallbackReached:
    """The customer has answered. With an agent on the line the two talk; else the call waits for one as any other
    with a line."""

    call: CallId


@dataclass(frozen=True, slots=True)
class CallbackFailed:
    """The attempt `call` is over and the customer was not reached. `cause`: `busy`, `no-answer`, `rejected` and
    `failed` count as an attempt; `agent` (who left first), `closed` (called again at `again`) and `stopped` do not."""

    call: CallId
    cause: str
    again: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller hung up, or was taken out of the queue by other means (`reason`)."""

    call: CallId
    reason: str = "abandoned"


@dataclass(frozen=True, slots=True)
class CallPrioritised:
    """A waiting call gets `seconds` of head start more (below zero: less)."""

    call: CallId
    seconds: float
    by: str = "operator"


class OfferAnswered(msgspec.Struct, frozen=True, gc=False):
    """The agent's phone answered the offer."""

    offer: OfferId


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """The agent's phone did not take the call: `busy`, `rejected`, `no-answer`, `unreachable` or `error`."""

    offer: OfferId
    cause: OfferCause


@dataclass(frozen=True, slots=True)
class TalkStarted:
    """The agent takes over `call`, which came from `queue`, without an offer of the ACD: it was transferred, by
    `by`."""

    call: CallId
    agent: AgentName
    queue: QueueName
    by: str = ""


@dataclass(frozen=True, slots=True)
class TalkResumed:
    """The agent has been talking with `call` since `since`, in a control process that died: the talk goes on."""

    call: CallId
    agent: AgentName
    queue: QueueName
    since: Instant


@dataclass(frozen=True, slots=True)
class TalkMoved:
    """The agent's conversation of `call` goes on in the call `to`: whoever consulted the agent has left its own caller
    there."""

    call: CallId
    agent: AgentName
    to: CallId


@dataclass(frozen=True, slots=True)
class CallPickedUp:
    """The agent takes `call`, which rings for another agent."""

    call: CallId
    agent: AgentName


class TalkEnded(msgspec.Struct, frozen=True, gc=False):
    """The conversation of `call` with `agent` is over (whoever hung up)."""

    call: CallId
    agent: AgentName


@dataclass(frozen=True, slots=True)
class AgentLogin:
    """`phone`: where the agent sits today (hot-desking); empty: at the configured one."""

    agent: AgentName
    by: str = "agent"
    phone: str = ""


@dataclass(frozen=True, slots=True)
class AgentLogout:
    agent: AgentName
    by: str = "agent"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AgentPause:
    """No more offers. A reason that is not in `AcdSettings.pause_reasons` is refused, when there are any."""

    agent: AgentName
    reason: str = ""
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class AgentReady:
    """Ends a pause and a wrap-up."""

    agent: AgentName
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class AgentWrapUp:
    """The wrap-up that runs ends `seconds` from now."""

    agent: AgentName
    seconds: float
    by: str = "agent"


@dataclass(frozen=True, slots=True)
class AgentOutcome:
    """What came of `call` (empty: the one talked with or wrapped up), as a code of the queue's list."""

    agent: AgentName
    call: CallId
    code: str
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
    """New settings; waiting calls, agents' states and running offers stay. `agents` without settings get the default
    ones."""

    queues: Mapping[QueueName, QueueSettings]
    agents: Mapping[AgentName, AgentSettings] | frozenset[AgentName]
    settings: AcdSettings = DEFAULT_ACD


AcdEvent: TypeAlias = (
    CallQueued
    | CallerLeft
    | CallPrioritised
    | CallReturned
    | CallbackAsked
    | CallbackCancelled
    | CallbackReached
    | CallbackFailed
    | OfferAnswered
    | OfferFailed
    | CallPickedUp
    | TalkStarted
    | TalkResumed
    | TalkMoved
    | TalkEnded
    | AgentLogin
    | AgentLogout
    | AgentPause
    | AgentReady
    | AgentWrapUp
    | AgentOutcome
    | DeviceReachable
    | DeviceBusy
    | Reconfigured
)


# ------------------------------------------------------------------------------------------------------ effects out


class Offer(msgspec.Struct, frozen=True, gc=False):
    """Ring the agent's phone for `call`; answer with `OfferAnswered` or `OfferFailed` within `ring_seconds`
    (the engine withdraws the offer by itself when they pass). `callback`: the call has no line yet, it is an attempt of
    that call-back."""

    offer: OfferId
    call: CallId
    queue: QueueName
    agent: AgentName
    ring_seconds: float
    auto_answer: bool = False
    callback: CallbackId = ""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop ringing: the caller left, another agent answered, the time passed, the agent logged out. No answer
    is expected; a late `OfferAnswered` gets `Refuse`."""

    offer: OfferId
    agent: AgentName
    reason: str


class Bridge(msgspec.Struct, frozen=True, gc=False):
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


class Announce(msgspec.Struct, frozen=True, gc=False):
    """Tell the waiting caller: `position` (1 = next) and, unless None, the `estimate` in seconds when kind is
    `position`, or one of the queue's prompts (`periodic`)."""

    call: CallId
    kind: Literal["position", "periodic"]
    position: int = 0
    estimate: float | None = None
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Overflow:
    """The caller leaves the queue for `target` (None: a polite refusal)."""

    call: CallId
    queue: QueueName
    cause: OverflowCause
    target: str | None


@dataclass(frozen=True, slots=True)
class CallbackEnded:
    """Attempt `call` has no place any more (cancelled, expired, its queue removed): end what it has begun."""

    call: CallId
    cause: str


class AgentChanged(msgspec.Struct, frozen=True, gc=False):
    """An agent's derived state changed."""

    agent: AgentName
    state: AgentState
    reason: str = ""


class Fact(msgspec.Struct, frozen=True):
    """One line of the ledger: `kind` is the event's name (`queue.entered`, `offer.made`, `queue.answered`,
    `queue.abandoned`, `agent.state` …); `data` holds plain JSON values."""

    kind: str
    at: Instant
    call: CallId = ""
    queue: QueueName = ""
    agent: AgentName = ""
    data: dict[str, object] = {}


AcdEffect: TypeAlias = Offer | Withdraw | Bridge | Refuse | Announce | Overflow | CallbackEnded | AgentChanged | Fact
