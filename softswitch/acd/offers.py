"""What is remembered of an offer, so that `why` can tell of it."""

from dataclasses import dataclass

from softswitch.acd.model import AgentName, CallId, OfferId, QueueName
from softswitch.kernel.clock import Instant


@dataclass(slots=True, eq=False)
class Tried:
    """`ring` was open for the call then; `outcome` and `ended` once it is over."""

    offer: OfferId
    call: CallId
    queue: QueueName
    agent: AgentName
    at: Instant
    ring: int
    ended: Instant | None = None
    outcome: str = "ringing"
