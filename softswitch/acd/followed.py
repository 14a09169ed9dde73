"""What the fold follows from fact to fact: visits to queues, conversations, callers who may come back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from softswitch.acd.model import AgentName, CallId, QueueName
from softswitch.acd.tally import QueueTotals, Work
from softswitch.kernel.clock import Duration, Instant


class FactLike(Protocol):
    """A `Fact`, or a row of the ledger."""

    @property
    def kind(self) -> str: ...
    @property
    def at(self) -> Instant: ...
    @property
    def call(self) -> CallId: ...
    @property
    def queue(self) -> QueueName: ...
    @property
    def agent(self) -> AgentName: ...
    @property
    def data(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`fcr_days`: a caller served before who comes back within them was not helped at the first call. `fcr_scope`:
    comes back to the same queue, or to any."""

    fcr_days: float = 7.0
    fcr_scope: str = "queue"


DEFAULT_RULES: Final = Rules()


@dataclass(slots=True)
class Visit:
    """A call in a queue since `entered`, counted in `cells`."""

    queue: QueueName
    entered: Instant
    caller: str
    needs: tuple[str, ...]
    source: str
    cells: list[QueueTotals]
    known: bool = False


@dataclass(slots=True)
class Conversation:
    """A conversation. `holders` are those who hold now; `visit` the one that it ended; `opened`: as a new case."""

    queue: QueueName
    agent: AgentName
    needs: tuple[str, ...] = ()
    source: str = ""
    visit: Visit | None = None
    waited: Duration = 0.0
    rang: Duration = 0.0
    opened: bool = False
    holders: set[str] = field(default_factory=set)
    held_since: Instant = 0.0
    held: Duration = 0.0
    was_held: bool = False


@dataclass(slots=True)
class Case:
    """A caller who was served, last at `at`."""

    at: Instant
    call: CallId
    cells: list[Work]
    reopened: bool = False
