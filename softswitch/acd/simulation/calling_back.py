"""Callers who would rather be called back: they ask when they have waited a while, where the queue offers it, and pick
up or not when the switch calls them, agent first or customer first as the queue's settings say."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEffect,
    AgentName,
    CallbackAsked,
    CallbackCancelled,
    CallbackFailed,
    CallbackId,
    CallbackReached,
    CallbackSettings,
    CallId,
    Offer,
    OfferId,
    QueueName,
    QueueSettings,
)
from softswitch.acd.simulation.arrivals import Arrival
from softswitch.kernel.clock import Instant

_ANY: Final = CallbackSettings()


@dataclass(slots=True)
class _Attempt:
    """One attempt to reach the customer. `offers`: agents who are reserved and not rung before the customer is there;
    `dialled`: the customer's phone rings; `agent`: who is on the line already."""

    callback: CallbackId
    arrival: Arrival
    offers: dict[OfferId, Offer]
    dialled: bool = False
    agent: AgentName = ""


class CallingBack:
    """The customers' side of call-backs. `later(at, what)` has `what(now)` done at that time; once the customer is
    there `talk` begins the conversation, or `wait` lets it wait as any caller while the phones of the offers ring."""

    def __init__(
        self,
        engine: Engine,
        queues: dict[QueueName, QueueSettings],
        dice: Random,
        take: Callable[[list[AcdEffect], Instant], None],
        later: Callable[[Instant, Callable[[Instant], None]], None],
        talk: Callable[[Arrival, AgentName, Instant], None],
        wait: Callable[[Arrival, list[Offer], Instant], None],
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._dice = dice
        self._take = take
        self._later = later
        self._talk = talk
        self._wait = wait
        self._wanted: dict[CallbackId, Arrival] = {}
        self._attempts: dict[CallId, _Attempt] = {}

    @property
    def busy(self) -> bool:
        """Whether a customer's phone rings."""
        return any(attempt.dialled for attempt in self._attempts.values())

    def offered(self, queue: QueueName) -> bool:
        """Whether callers of that queue may ask."""
        return self._queues[queue].callback is not None

    def ask(self, arrival: Arrival, now: Instant) -> None:
        """The waiting caller leaves and keeps its place."""
        id = f"{arrival.call}-back"
        self._wanted[id] = arrival
        event = CallbackAsked(id, arrival.queue, arrival.caller or arrival.call, "simulated", arrival.call)
        self._take(self._engine.receive(event, now), now)

    def attempt(self, offer: Offer, now: Instant) -> Arrival | None:
        """An agent is there for a call-back: the arrival whose agent's phone rings now; None when the customer's does
        first."""
        attempt = self._attempts.get(offer.call)
        if attempt is None:
            arrival = replace(self._wanted[offer.callback], call=offer.call)
            attempt = self._attempts[offer.call] = _Attempt(offer.callback, arrival, {})
        if self._rules(attempt).first == "agent":
            return attempt.arrival
        attempt.offers[offer.offer] = offer
        if not attempt.dialled:
            self._dial(attempt, now)
        return None

    def joined(self, call: CallId, agent: AgentName, now: Instant) -> bool:
        """The agent is on the line, and the customer is called; False: the call is no attempt."""
        attempt = self._attempts.get(call)
        if attempt is None:
            return False
        attempt.agent = agent
        self._dial(attempt, now)
        return True

    def withdrawn(self, call: CallId, offer: OfferId) -> None:
        """The agent is no longer reserved."""
        attempt = self._attempts.get(call)
        if attempt is not None:
            attempt.offers.pop(offer, None)

    def ended(self, call: CallId) -> None:
        """The engine gave the attempt up."""
        self._attempts.pop(call, None)

    def close(self, now: Instant) -> None:
        """Those who were not reached by the end of the run."""
        for id in list(self._wanted):
            if self._engine.callback(id) is not None:
                self._take(self._engine.receive(CallbackCancelled(id, "end"), now), now)

    def _rules(self, attempt: _Attempt) -> CallbackSettings:
        return self._queues[attempt.arrival.queue].callback or _ANY

    def _dial(self, attempt: _Attempt, now: Instant) -> None:
        attempt.dialled = True
        arrival = attempt.arrival
        seconds = self._rules(attempt).ring_seconds
        if self._dice.random() < arrival.reached and arrival.answers_after < seconds:
            self._later(now + arrival.answers_after, lambda at: self._reached(attempt, at))
        else:
            self._later(now + seconds, lambda at: self._missed(attempt, at))

    def _reached(self, attempt: _Attempt, now: Instant) -> None:
        call = attempt.arrival.call
        if self._attempts.pop(call, None) is None:
            return
        self._wanted.pop(attempt.callback, None)
        if attempt.agent:
            self._talk(attempt.arrival, attempt.agent, now)
        else:
            self._wait(attempt.arrival, list(attempt.offers.values()), now)
        self._take(self._engine.receive(CallbackReached(call), now), now)

    def _missed(self, attempt: _Attempt, now: Instant) -> None:
        call = attempt.arrival.call
        if self._attempts.pop(call, None) is not None:
            self._take(self._engine.receive(CallbackFailed(call, "no-answer"), now), now)
