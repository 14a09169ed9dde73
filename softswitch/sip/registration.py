"""Our own registration with a carrier (RFC 3261 §10.2), as a core.

It says which REGISTER to send; the caller sends it with `UserAgent.request` (which answers challenges) and brings
back what came of it:

    Unregistered ──start──▶ Trying ──2xx──▶ Registered ──refresh due──▶ Refreshing ──2xx──▶ Registered
                              │ failed                                      │ failed
                              ▼                                             ▼
                           Waiting ◀──────────── (binding still alive: Retrying) ────────── retry due ▶ Trying

`stop` leaves through Leaving (REGISTER with Expires 0) to Unregistered. While a refresh fails the binding at the
carrier lives on until its time is up, so the trunk stays usable: `registered_until` tells.

Waiting grows exponentially with dice (RFC 5626 §4.5: half to all of min(most, base · 2ⁿ)); Retry-After is obeyed. What
an operator must mend (401, 403, 404 …) is retried slowly.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TypeAlias

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import Headers, NameAddr, Request, Response, Uri


class State(StrEnum):
    """Where a registration stands."""

    UNREGISTERED = "unregistered"
    TRYING = "trying"
    REGISTERED = "registered"
    REFRESHING = "refreshing"
    RETRYING = "retrying"
    WAITING = "waiting"
    LEAVING = "leaving"


class Input(StrEnum):
    """What can happen to one."""

    START = "start"
    STOP = "stop"
    ACCEPTED = "2xx"
    TOO_BRIEF = "423"
    REFUSED = "refused"
    FAILED = "failed"
    DUE = "due"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """`registrar` is the Request-URI, `aor` the address of record, `contact` the URI by which the carrier reaches us,
    `expires` the seconds that we ask for, `route` an outbound proxy. Retries: `retry_base` · 2ⁿ up to `retry_most`
    seconds; `refused_retry` seconds after a refusal that time alone does not heal."""

    registrar: str
    aor: str
    contact: str
    expires: int = 600
    route: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    retry_base: Duration = 5.0
    retry_most: Duration = 300.0
    refused_retry: Duration = 300.0


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Effect: send this with `UserAgent.request(request, flow, now, credentials)`; then call `responded` or
    `failed`."""

    request: Request


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """Event: the state as an operator sees it. `registered`: the carrier holds our binding now. `status`: the last
    final response, 408 for none, 503 when the flow failed; 0 when nothing was asked. `retry_at`: when we try next."""

    state: State
    registered: bool
    status: int
    reason: str
    retry_at: Instant | None


Output: TypeAlias = SendRegister | RegistrationChanged

# The user agent may have counted CSeq that far in answering challenges to a request whose end we did not see.
_CHALLENGES = 2

# Statuses that say "later" rather than "no": RFC 3261 §21.4, §21.5. All other refusals wait for the operator.
_PASSING = frozenset((408, 430, 439, 480, 486, 491, 500, 502, 503, 504, 580, 600))


class Registration:
    """One registration. `dice` make its Call-ID and spread its retries; both stay the same through its life
    (RFC 3261 §10.2: one Call-ID, CSeq counted up)."""

    def __init__(self, settings: RegistrationSettings, dice: Random) -> None:
        self._settings = settings
        self._dice = dice
        self._call_id = token(dice, 96)
        self._tag = token(dice, 48)
        self._uri = Uri.parse(settings.registrar)
        self._cseq = 0
        self._expires = settings.expires
        self._failures = 0
        self._due: Instant | None = None
        self._state = State.UNREGISTERED
        self._status = 0
        self._reason = ""
        self._retry_after: Duration = 0.0
        self._raised = 0
        self._told: tuple[State, bool, int] = (State.UNREGISTERED, False, 0)
        self.registered_until: Instant = 0.0

    @property
    def state(self) -> State:
        """The row of the table that it stands in."""
        return self._state

    def registered(self, now: Instant) -> bool:
        """Whether the carrier holds a binding of ours."""
        return self.registered_until > now

    def deadline(self) -> Instant | None:
        """When to `wake` it; None while an answer is outstanding or nothing is wanted."""
        if self._state is State.RETRYING and self._due is not None:
            return min(self._due, self.registered_until)
        return self._due

    # ---------------------------------------------------------------------------------------------------- inputs

    def start(self, now: Instant) -> list[Output]:
        """Register; harmless when it is under way."""
        return self._step(Input.START, now)

    def stop(self, now: Instant) -> list[Output]:
        """Take the binding back (RFC 3261 §10.2.2) and stay away."""
        return self._step(Input.STOP, now)

    def responded(self, response: Response, now: Instant) -> list[Output]:
        """The final response to our last REGISTER, after challenges were answered."""
        self._status, self._reason = response.status, response.reason
        try:
            self._cseq = max(self._cseq, response.cseq.number)  # the user agent counts on when it answers a challenge
            self._retry_after = seconds(response.headers.get("Retry-After"))
            if 200 <= response.status < 300:
                granted = _granted(response, self._settings.contact, self._expires)
                if self._state is State.LEAVING or granted > 0:
                    self._failures = self._raised = 0
                    self.registered_until = now + granted if self._state is not State.LEAVING else 0.0
                    return self._step(Input.ACCEPTED, now)
                self._reason = "accepted without our contact"
                return self._step(Input.FAILED, now)
            if response.status == 423:
                wanted = int(seconds(response.headers.get("Min-Expires")))
                if wanted > self._expires and self._raised < 2:  # a carrier that raises for ever gets no further
                    self._expires = wanted
                    self._raised += 1
                    return self._step(Input.TOO_BRIEF, now)
        except PeerError as error:
            self._reason = str(error)
            return self._step(Input.FAILED, now)
        return self._step(Input.FAILED if response.status in _PASSING else Input.REFUSED, now)

    def failed(self, status: int, now: Instant) -> list[Output]:
        """No final response: 408 for a time-out, 503 when the flow failed."""
        self._status = status
        self._reason = "no answer" if status == 408 else "transport failed"
        self._retry_after = 0.0
        self._cseq += _CHALLENGES
        return self._step(Input.FAILED, now)

    def elsewhere(self, now: Instant) -> list[Output]:
        """The server did not answer and there is another one: ask that (RFC 3263 §4.3). Nothing when no answer is
        awaited."""
        if self._state not in _PASSED_THROUGH:
            return []
        self._cseq += _CHALLENGES
        return [self._register(0 if self._state is State.LEAVING else self._expires)]

    def moved(self, contact: str, now: Instant) -> list[Output]:
        """We are reached by another contact now: the carrier is told at once when it holds the former one."""
        if contact == self._settings.contact:
            return []
        self._settings = replace(self._settings, contact=contact)
        if self._state is not State.REGISTERED:
            return []
        self._due = now
        return self.wake(now)

    def flow_failed(self, now: Instant) -> list[Output]:
        """The connection that we registered over broke: the carrier cannot reach us, so register anew at once."""
        if self._state not in (State.REGISTERED, State.RETRYING):
            return []
        self.registered_until = 0.0
        self._due = now
        return self.wake(now)

    def wake(self, now: Instant) -> list[Output]:
        """A deadline passed."""
        if self._due is not None and now >= self._due:
            return self._step(Input.DUE, now)
        return [] if self.registered(now) else self._step(Input.LAPSED, now)

    # ------------------------------------------------------------------------------------------------- the table

    def _step(self, event: Input, now: Instant) -> list[Output]:
        row = _TABLE.get((self._state, event))
        if row is None:
            return []
        self._state, action = row
        outputs = action(self, now)
        told = (self._state, self.registered(now), self._status)
        if told != self._told and (told[1] != self._told[1] or self._state not in _PASSED_THROUGH):
            self._told = told
            outputs.append(RegistrationChanged(*told, self._reason, self._due))
        return outputs

    def _ask(self, now: Instant) -> list[Output]:
        self._due = None
        return [self._register(self._expires)]

    def _leave(self, now: Instant) -> list[Output]:
        self._due = None
        self._cseq += _CHALLENGES
        return [self._register(0)]

    def _rest(self, now: Instant) -> list[Output]:
        self._due = None
        self.registered_until = 0.0
        return []

    def _lapse(self, now: Instant) -> list[Output]:
        """The binding ran out between two retries; the next one stays where it is."""
        return []

    def _registered(self, now: Instant) -> list[Output]:
        # Some time before expiry for a lost refresh and its retry; dice keep many trunks apart.
        granted = self.registered_until - now
        self._due = now + granted * self._dice.uniform(0.75, 0.9) if granted > 20 else now + granted / 2
        return []

    def _back_off(self, now: Instant) -> list[Output]:
        most = min(self._settings.retry_most, self._settings.retry_base * 2 ** min(self._failures, 16))
        return self._wait(most, now)

    def _wait_for_operator(self, now: Instant) -> list[Output]:
        return self._wait(self._settings.refused_retry, now)

    def _wait(self, most: Duration, now: Instant) -> list[Output]:
        self._failures += 1
        self._due = now + max(self._retry_after, self._dice.uniform(0.5, 1.0) * most)
        if self._state is State.RETRYING and not self.registered(now):
            self._state = State.WAITING
        return []

    def _refused(self, now: Instant) -> list[Output]:
        self.registered_until = 0.0
        return self._wait_for_operator(now)

    def _register(self, expires: int) -> SendRegister:
        self._cseq += 1
        settings = self._settings
        headers = Headers(
            [
                *(("Route", value) for value in settings.route),
                ("Max-Forwards", "70"),
                ("From", str(NameAddr.parse(f"<{settings.aor}>").with_tag(self._tag))),
                ("To", f"<{settings.aor}>"),
                ("Call-ID", self._call_id),
                ("CSeq", f"{self._cseq} REGISTER"),
                ("Contact", f"<{settings.contact}>"),
                ("Expires", str(expires)),
                *settings.headers,
            ]
        )
        return SendRegister(Request("REGISTER", self._uri, headers))


_Action: TypeAlias = Callable[[Registration, Instant], list[Output]]
_PASSED_THROUGH = (State.TRYING, State.REFRESHING, State.LEAVING)  # nothing is known there yet

_TABLE: dict[tuple[State, Input], tuple[State, _Action]] = {
    (State.UNREGISTERED, Input.START): (State.TRYING, Registration._ask),
    (State.TRYING, Input.ACCEPTED): (State.REGISTERED, Registration._registered),
    (State.TRYING, Input.TOO_BRIEF): (State.TRYING, Registration._ask),
    (State.TRYING, Input.REFUSED): (State.WAITING, Registration._refused),
    (State.TRYING, Input.FAILED): (State.WAITING, Registration._back_off),
    (State.TRYING, Input.STOP): (State.LEAVING, Registration._leave),
    (State.REGISTERED, Input.DUE): (State.REFRESHING, Registration._ask),
    (State.REGISTERED, Input.STOP): (State.LEAVING, Registration._leave),
    (State.REFRESHING, Input.ACCEPTED): (State.REGISTERED, Registration._registered),
    (State.REFRESHING, Input.TOO_BRIEF): (State.REFRESHING, Registration._ask),
    (State.REFRESHING, Input.REFUSED): (State.WAITING, Registration._refused),
    (State.REFRESHING, Input.FAILED): (State.RETRYING, Registration._back_off),
    (State.REFRESHING, Input.STOP): (State.LEAVING, Registration._leave),
    (State.RETRYING, Input.DUE): (State.REFRESHING, Registration._ask),
    (State.RETRYING, Input.LAPSED): (State.WAITING, Registration._lapse),
    (State.RETRYING, Input.STOP): (State.LEAVING, Registration._leave),
    (State.WAITING, Input.DUE): (State.TRYING, Registration._ask),
    (State.WAITING, Input.START): (State.TRYING, Registration._ask),
    (State.WAITING, Input.STOP): (State.UNREGISTERED, Registration._rest),
    (State.LEAVING, Input.ACCEPTED): (State.UNREGISTERED, Registration._rest),
    (State.LEAVING, Input.REFUSED): (State.UNREGISTERED, Registration._rest),
    (State.LEAVING, Input.FAILED): (State.UNREGISTERED, Registration._rest),
    (State.LEAVING, Input.TOO_BRIEF): (State.UNREGISTERED, Registration._rest),
}


def seconds(text: str | None) -> Duration:
    """delta-seconds at the start of Retry-After, Min-Expires or Expires (a comment may follow); 0 for none."""
    digits = (text or "").strip().partition(" ")[0].partition(";")[0].partition("(")[0]
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0.0


def _granted(response: Response, contact: str, asked: int) -> Duration:
    """Seconds that a 2xx grants (RFC 3261 §10.2.4): those of our contact. Carriers rewrite contacts behind NAT, so a
    single foreign one is ours as well; several without ours, and no Expires, count as no binding."""
    contacts = response.contacts
    ours = Uri.parse(contact)
    named = [entry for entry in contacts if entry.uri.equivalent(ours)] or list(
        contacts[:1] if len(contacts) == 1 else ()
    )
    common = response.headers.get("Expires")
    if named:
        own = named[0].params.get("expires")
        if own is not None:
            return seconds(own)
    elif contacts and common is None:
        return 0.0
    return float(asked) if common is None else seconds(common)
