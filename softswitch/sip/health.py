"""Health of a trunk by OPTIONS (RFC 3261 §11), as a core.

Whoever answers lives: any final response counts as alive, a refusal too, but 408 and 503, which proxies send in the
place of one who does not answer (RFC 3261 §21.4.9, §21.5.4). Calls count as evidence as well (`observed`). One sign of
life makes a trunk up; it goes down after several failures in a row, probed faster from the first of them on.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.dice import token
from softswitch.wire.sip import Headers, NameAddr, Request, Uri

_DEAD = (408, 503)


class Health(StrEnum):
    """What we know of the other side."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """`target`: Request-URI and To; `source`: the address in From. `interval`: seconds between probes while up, 0
    switches probing off (then only calls tell); `fast`: while it is failing, down or unknown. `failures`: so many in
    a row mean down."""

    target: str
    source: str
    interval: Duration = 30.0
    fast: Duration = 5.0
    failures: int = 2
    route: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Effect: send this with `UserAgent.request(request, flow, now)`; then call `responded`, with 408 for a time-out
    and 503 for a failed flow."""

    request: Request


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """Event: up or down. `status`: the response that told; `since`: when the state before began, in its time."""

    health: Health
    status: int
    since: Instant


Output: TypeAlias = SendProbe | HealthChanged


class Probe:
    """The health of one trunk. `dice` spread the probes of many trunks (each pause is 90–110 % of its length)."""

    def __init__(self, settings: ProbeSettings, dice: Random) -> None:
        self._settings = settings
        self._dice = dice
        self._target = Uri.parse(settings.target)
        self._due: Instant | None = None
        self._asking = False
        self._failures = 0
        self.health = Health.UNKNOWN
        self.since: Instant = 0.0

    def start(self, now: Instant) -> list[Output]:
        """Probe at once."""
        self.since = now
        return self._probe() if self._settings.interval > 0 else []

    def stop(self) -> None:
        """No more probes."""
        self._due = None
        self._asking = False

    def deadline(self) -> Instant | None:
        """When to `wake` it; None while an answer is outstanding."""
        return self._due

    def wake(self, now: Instant) -> list[Output]:
        """A deadline passed."""
        return self._probe() if self._due is not None and now >= self._due else []

    def responded(self, status: int, now: Instant) -> list[Output]:
        """The final status of our last probe."""
        if not self._asking:
            return []
        self._asking = False
        outputs = self.observed(status, now)
        calm = self.health is Health.UP and self._failures == 0
        pause = self._settings.interval if calm else min(self._settings.fast, self._settings.interval)
        self._due = now + pause * self._dice.uniform(0.9, 1.1)
        return outputs

    def observed(self, status: int, now: Instant) -> list[Output]:
        """The final status of anything that we sent there: a call's counts as much as a probe's."""
        if status not in _DEAD:
            self._failures = 0
            return self._become(Health.UP, status, now)
        self._failures += 1
        if self._failures >= self._settings.failures:
            return self._become(Health.DOWN, status, now)
        if self._due is not None:  # doubt: look soon
            self._due = min(self._due, now + self._settings.fast)
        return []

    def _become(self, health: Health, status: int, now: Instant) -> list[Output]:
        if health is self.health:
            return []
        before, self.health, self.since = self.since, health, now
        return [HealthChanged(health, status, before)]

    def _probe(self) -> list[Output]:
        self._due = None
        self._asking = True
        settings = self._settings
        headers = Headers(
            [
                *(("Route", value) for value in settings.route),
                ("Max-Forwards", "70"),
                ("From", str(NameAddr.parse(f"<{settings.source}>").with_tag(token(self._dice, 48)))),
                ("To", f"<{settings.target}>"),
                ("Call-ID", token(self._dice, 96)),
                ("CSeq", "1 OPTIONS"),
                ("Accept", "application/sdp"),
            ]
        )
        return [SendProbe(Request("OPTIONS", self._target, headers))]
