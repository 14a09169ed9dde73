"""What a queue's callers and agents may expect."""

from dataclasses import dataclass

from softswitch.kernel.clock import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What comes: `rate` calls a second, `handling` seconds of an agent's time a call (ringing, talk, wrap-up),
    `patience`: mean seconds that a caller would wait (None: for ever). `short`: abandoned before so many seconds is not
    judged."""

    rate: float
    handling: Duration
    patience: Duration | None = None
    short: Duration = 0.0

    @property
    def load(self) -> float:
        """Erlangs."""
        return self.rate * self.handling


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What `agents` make of a demand. `service_level`: the share answered within the seconds asked about, of all calls
    but short abandons. `asa`: mean wait of the answered, `wait`: of all, `queue`: calls that wait on average, `waits`:
    share that has to wait at all, `abandoned`: share that hangs up. `occupancy`: share of the agents' time that is
    work. Without abandonment and with too few agents waits are infinite."""

    agents: int
    service_level: float
    asa: Duration
    wait: Duration
    waits: float
    abandoned: float
    occupancy: float
    queue: float
