"""A load: who calls when, how long they wait and talk, and when agents work. Frozen plain values, as a load file has
them; `services/load_file` reads it."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from softswitch.acd.model import AgentName, QueueName
from softswitch.acd.simulation.times import Times, TimesLike

PICK_UP: Final = Times(mean=3.0, distribution="lognormal", cv=0.5)
ASKED_AFTER: Final = Times(mean=60.0, distribution="constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of caller: a `share` of the queue's calls (shares need not add up to 1) with `needs` by skill, a
    `head_start`, and times of its own in place of the queue's."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    share: float = 1.0
    needs: dict[str, int] = field(default_factory=dict)
    head_start: float = 0.0
    talk: TimesLike | None = None
    patience: TimesLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackLoad:
    """Where the queue offers call-backs: a `share` of callers asks for one, `after` so many seconds of waiting; each
    attempt finds the customer with chance `reached`, who picks up `answers_after`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    share: float = 0.0
    after: TimesLike = ASKED_AFTER
    reached: float = 0.8
    answers_after: TimesLike = PICK_UP


NO_CALLBACKS: Final = CallbackLoad()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLoad:
    """`calls` an hour, or `profile`: calls an hour from that time of the day on (`"08:00" = 60`), times `days`: a
    factor by day of the week (1 unless given). Times are seconds: `patience` (not given: callers wait for ever),
    `talk`, `wrap_up` (what an agent takes of a queue that has wrap-up; not given: the queue's seconds). `redial`: the
    share of those who hung up that calls again, `redial_after`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    calls: float = 0.0
    profile: dict[str, float] = field(default_factory=dict)
    days: dict[str, float] = field(default_factory=dict)
    patience: TimesLike | None = None
    talk: TimesLike = 180.0
    wrap_up: TimesLike | None = None
    kinds: tuple[Kind, ...] = ()
    redial: float = 0.0
    redial_after: TimesLike = 600.0
    callback: CallbackLoad = NO_CALLBACKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """`reason` is the pause's; `at` the time of the day."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    at: str
    minutes: float = 15.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftLoad:
    """`agents` (not given: all) who are logged in from `begin` to `end` on `days` (`mon-fri`, `sat sun`, `daily`). An
    `end` that is not after `begin` is on the next day. Each is up to `spread` seconds late to come and to go; breaks
    are taken one after the other when `stagger` is the number of minutes between them."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    agents: tuple[AgentName, ...] = ()
    days: str = "daily"
    begin: str = "00:00"
    end: str = "24:00"
    breaks: tuple[Break, ...] = ()
    spread: float = 0.0
    stagger: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What agents do with an offer: they answer after `pick_up` seconds, but for a share `no_answer` that lets it
    ring out and a share `rejected` that presses it away after the same time."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    pick_up: TimesLike = PICK_UP
    no_answer: float = 0.0
    rejected: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The whole file. `start`: the first day, `YYYY-MM-DD`. Without `shifts` every agent works day and night."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    start: str = "2026-01-05"  # a Monday
    queues: dict[QueueName, QueueLoad] = field(default_factory=dict)
    shifts: dict[str, ShiftLoad] = field(default_factory=dict)
    agents: Behaviour = Behaviour()
