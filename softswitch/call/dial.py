"""Dialling: rings destinations for one caller, in waves; the first to answer wins and the others are cancelled.

A wave is rung at once. When all its branches have failed, or its time is up, the next wave rings: the members of a
ring group in order, or the backup of a trunk. RFC 3261 §16.7 says which failure is told on.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TypeAlias

import msgspec

from softswitch.call.causes import COMPLETED_ELSEWHERE, FAIL_OVER, best
from softswitch.call.fabric import Fabric, NoPort
from softswitch.call.leg import Leg
from softswitch.call.stream_policy import StreamPolicy
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.sip.counterpart import Counterpart
from softswitch.sip.digest import Credentials
from softswitch.sip.events import Invitation, Output
from softswitch.sip.flow import Flow
from softswitch.sip.session_terms import PLAIN, Terms
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sdp import Media
from softswitch.wire.sip import NameAddr, Response, Uri


class Destination(msgspec.Struct, frozen=True):
    """One place to ring. `otherwise`: other flows to the same phone, rung one after the other when this one is dead
    (RFC 5626 §5.3)."""

    peer: str
    uri: Uri
    flow: Flow
    from_: NameAddr
    to: NameAddr
    policy: StreamPolicy
    contact_user: str = ""
    route: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    terms: Terms = PLAIN
    otherwise: "tuple[Destination, ...]" = ()


_DEAD_FLOW = 430  # RFC 5626 §11.5: the flow to the phone has failed
_FLOW_PATIENCE = 4.0  # seconds for any response by a flow when the phone has another one


class Wave(msgspec.Struct, frozen=True):
    """Rung together for `ring_seconds`. `fail_over_only`: rung only when the wave before failed in a way that
    another way there may cure. `patience`: seconds for a first sign of life (any response); 0 leaves it to the
    transaction's own time-out, which is 32 s over UDP (RFC 3261 §17.1.1.2, Timer B)."""

    destinations: tuple[Destination, ...]
    ring_seconds: float
    fail_over_only: bool = False
    patience: float = 0.0


def by_phone(found: Iterable[tuple[str, Destination]]) -> tuple[Destination, ...]:
    """One destination a phone: those of the same instance are its flows, the freshest first (RFC 5626 §5.3: never more
    than one of them at a time). Those without an instance stand for themselves."""
    alone: list[Destination] = []
    flows: dict[str, list[Destination]] = {}
    for instance, destination in found:
        if instance:
            flows.setdefault(instance, []).append(destination)
        else:
            alone.append(destination)
    return (*alone, *(msgspec.structs.replace(first, otherwise=tuple(rest)) for first, *rest in flows.values()))


class Rings(msgspec.Struct, frozen=True):
    """A branch rings. `leg` is given when sound comes from it (early media)."""

    status: int
    leg: Leg | None


class Wins(msgspec.Struct, frozen=True):
    """This leg answered; the others are being cancelled."""

    leg: Leg


class Fails(msgspec.Struct, frozen=True):
    """Nobody answered. `status` is the one to tell on; `timed_out` when it was our patience that ended; `response` is
    what the branch said that decided."""

    status: int
    timed_out: bool = False
    response: Response | None = None

    @property
    def reason(self) -> str:
        """Its Reason header (RFC 6432)."""
        return "" if self.response is None else self.response.headers.get("Reason") or ""

    @property
    def retry_after(self) -> str:
        """When the callee may be tried again, in seconds (RFC 3261 §20.33); what is no number is left out."""
        value = "" if self.response is None else self.response.headers.get("Retry-After") or ""
        seconds = value.partition(";")[0].partition("(")[0].strip()
        return seconds if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else ""


News: TypeAlias = Rings | Wins | Fails | None


class Dial:
    """`far` is what the caller can do, `further` what it offers beside the sound (video).
    `legs` are the branches that live; the owner routes their sessions' events here. `ended` are those that did not
    win, each with its status (487: cancelled by us, 408: not a word came back), until the owner takes them; `silent`
    are the peers of those that said nothing, and where the INVITE went."""

    __slots__ = (
        "_dice",
        "_fabric",
        "_failures",
        "_far",
        "_further",
        "_max_forwards",
        "_others",
        "_rings_until",
        "_ua",
        "_wave_began",
        "_waves",
        "_worker",
        "deadline",
        "ended",
        "legs",
        "owner",
        "silent",
    )

    def __init__(
        self,
        owner: str,
        waves: Sequence[Wave],
        *,
        worker: int,
        far: Counterpart,
        further: Mapping[str, Media],
        max_forwards: int,
        ua: UserAgent,
        fabric: Fabric,
        dice: Random,
    ) -> None:
        self.owner = owner
        self.legs: list[Leg] = []
        self.ended: list[tuple[Leg, int]] = []
        self.silent: list[tuple[str, Flow]] = []
        self.deadline: Instant | None = None
        self._waves = list(waves)
        self._worker = worker
        self._far = far
        self._further = further
        self._max_forwards = max_forwards
        self._ua = ua
        self._fabric = fabric
        self._dice = dice
        self._failures: list[tuple[int, Response | None]] = []
        self._others: dict[int, tuple[Destination, ...]] = {}  # by leg: further flows to its phone
        self._rings_until: Instant = 0.0
        self._wave_began = 0  # failures before the wave that `fail_over_only` waves stand in for

    def start(self, now: Instant) -> tuple[list[Output], News]:
        """Ring the first wave. Raises nothing: a branch that cannot be rung counts as failed (503)."""
        return self._next_wave([], now)

    def progressed(self, leg: Leg, response: Response, body: bytes, now: Instant) -> News:
        """18x on a branch. Sound is passed on only while the branch rings alone: two voices would mix."""
        heard = leg.progressed(response, body, now)
        return Rings(response.status, leg if heard and len(self.legs) == 1 else None)

    def accepted(self, leg: Leg, body: bytes, now: Instant) -> tuple[list[Output], News]:
        """200 on a branch."""
        try:
            leg.accepted(body, now)
        except (PeerError, NoPort) as error:
            outputs = leg.hang_up(now, 488)
            self.ended.append((leg, getattr(error, "status", 503)))
            return self._failed(leg, getattr(error, "status", 503), None, outputs, now)
        self.legs.remove(leg)
        outputs = self._cancel_all(now, (COMPLETED_ELSEWHERE,))
        return outputs, Wins(leg)

    def rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> tuple[list[Output], News]:
        """Final failure on a branch."""
        leg.ended(now)
        self.ended.append((leg, status))
        if response is None or status == _DEAD_FLOW:
            outputs = self._ring_otherwise(leg, now)
            if outputs is not None:
                return outputs, None
        return self._failed(leg, status, response, [], now)

    def _ring_otherwise(self, leg: Leg, now: Instant) -> list[Output] | None:
        """Ring the phone of a dead flow by the next one; None when there is none."""
        others = self._others.pop(leg.id, ())
        if not others:
            return None
        if leg in self.legs:
            self.legs.remove(leg)
        before = len(self.legs)
        outputs = self._ring(msgspec.structs.replace(others[0], otherwise=others[1:]), now)
        if len(self.legs) == before:
            return None
        self.deadline = min(self._rings_until, now + _FLOW_PATIENCE) if others[1:] else self._rings_until
        return outputs

    def wake(self, now: Instant) -> tuple[list[Output], News]:
        """The wave's time is up, or its patience for a first response."""
        if now < self._rings_until:
            self.deadline = self._rings_until
            silent = [leg for leg in self.legs if leg.id in self._others and self._ua.unheard(leg.session)]
            if silent:
                outputs: list[Output] = []
                for leg in silent:
                    outputs += leg.hang_up(now)
                    self.ended.append((leg, 408))
                    outputs += self._ring_otherwise(leg, now) or []
                if self.legs:
                    return outputs, None
                self._failures.append((408, None))
                return self._next_wave(outputs, now)
            if any(not self._ua.unheard(leg.session) for leg in self.legs):
                return [], None
            self._failures.extend((408, None) for _ in self.legs)
            self.silent.extend((leg.peer, flow) for leg in self.legs if (flow := self._ua.way(leg.session)) is not None)
            return self._next_wave(self._cancel_all(now, status=408), now)
        self._failures.extend((408, None) for _ in self.legs)
        outputs = self._cancel_all(now)
        while self._waves and self._waves[0].fail_over_only:
            self._waves.pop(0)  # it rang, so the way there is in order
        if self._waves:
            return self._next_wave(outputs, now)
        return outputs, Fails(480, timed_out=True)

    def give_up(self, now: Instant, headers: tuple[tuple[str, str], ...] = ()) -> list[Output]:
        """The caller is gone, or somebody else took the call; `headers` (Reason) go with the CANCELs."""
        self._waves.clear()
        return self._cancel_all(now, headers)

    # ---------------------------------------------------------------------------------------------------------- within

    def _next_wave(self, outputs: list[Output], now: Instant) -> tuple[list[Output], News]:
        while self._waves:
            wave = self._waves.pop(0)
            if not wave.fail_over_only:
                self._wave_began = len(self._failures)
            elif not all(status in FAIL_OVER for status, _ in self._failures[self._wave_began :]):
                continue
            for destination in wave.destinations:
                outputs += self._ring(destination, now)
            if self.legs:
                self._rings_until = now + wave.ring_seconds
                patience = wave.patience or (_FLOW_PATIENCE if self._others else wave.ring_seconds)
                self.deadline = now + min(patience, wave.ring_seconds)
                return outputs, None
        status = best(status for status, _ in self._failures)
        response = next((said for code, said in self._failures if code == status), None)
        self.deadline = None
        return outputs, Fails(status, response=response)

    def _ring(self, to: Destination, now: Instant) -> list[Output]:
        leg = Leg(self.owner, to.peer, self._worker, to.policy, self._ua, self._fabric)
        try:
            offer = leg.prepare_offer(self._far, self._further)
        except (PeerError, NoPort) as error:
            leg.ended(now)
            self._failures.append((getattr(error, "status", 503), None))
            return []
        invitation = Invitation(
            uri=to.uri,
            from_=to.from_,
            to=to.to,
            body=offer,
            content_type="application/sdp",
            contact_user=to.contact_user,
            headers=to.headers,
            route=to.route,
            credentials=to.credentials,
            max_forwards=self._max_forwards,
            call_id=token(self._dice, 96),
            terms=to.terms,
        )
        session, outputs = self._ua.invite(invitation, to.flow, now)
        leg.inviting(session, invitation.call_id or "")
        self.legs.append(leg)
        if to.otherwise:
            self._others[leg.id] = to.otherwise
        return outputs

    def _failed(
        self, leg: Leg, status: int, response: Response | None, outputs: list[Output], now: Instant
    ) -> tuple[list[Output], News]:
        if leg in self.legs:
            self.legs.remove(leg)
        self._failures.append((status, response))
        if status >= 600:
            # RFC 3261 §16.7 step 5: a 6xx ends the search.
            self._waves.clear()
            outputs += self._cancel_all(now)
        if self.legs:
            return outputs, None
        return self._next_wave(outputs, now)

    def _cancel_all(self, now: Instant, headers: tuple[tuple[str, str], ...] = (), status: int = 487) -> list[Output]:
        outputs: list[Output] = []
        for leg in self.legs:
            outputs += leg.hang_up(now, headers=headers)
            self.ended.append((leg, status))
        self.legs.clear()
        self.deadline = None
        return outputs
