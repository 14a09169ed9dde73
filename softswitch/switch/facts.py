"""What is gathered of a call on the way, for its record."""

from dataclasses import dataclass, field

from softswitch.kernel.clock import Instant
from softswitch.switch.records import Outcome


@dataclass(slots=True)
class Facts:
    """What the record will say, gathered on the way. `broken`: a stream that was promised could not be had, and what
    was counted as talk until then was none."""

    destination: str = ""
    queue: str = ""
    agent: str = ""
    wait_seconds: float = 0.0
    ring_seconds: float = 0.0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    answered: Instant | None = None
    outcome: Outcome | None = None
    cause: int = 0
    reason: str = ""
    broken: bool = False
    collected: dict[str, str] = field(default_factory=dict)
