"""The agents' phones that ring for one waiting call, as the ACD offers it; what becomes of them goes back there."""

from typing import TYPE_CHECKING

from softswitch.acd.model import Offer, OfferAnswered, OfferCause, OfferFailed, OfferId, TalkEnded
from softswitch.call.causes import COMPLETED_ELSEWHERE, kind
from softswitch.call.dial import Dial, Fails, News, Wins
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant, is_due
from softswitch.sip.events import Output
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_CAUSES: dict[str, OfferCause] = {
    "busy": "busy",
    "rejected": "rejected",
    "no-answer": "no-answer",
    "unavailable": "unreachable",
}


class OfferedPhones:
    """A dial for each offer, and the legs that have answered until the ACD joins or refuses them."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._dials: dict[OfferId, tuple[str, Dial]] = {}
        self._answered: dict[OfferId, tuple[str, Leg]] = {}

    def legs(self) -> tuple[Leg, ...]:
        """All that ring or have answered."""
        rung = tuple(leg for _, dial in self._dials.values() for leg in dial.legs)
        return rung + tuple(leg for _, leg in self._answered.values())

    def ringing(self) -> tuple[Leg, ...]:
        """All that ring."""
        return tuple(leg for _, dial in self._dials.values() for leg in dial.legs)

    def picked_up(self, offer: OfferId, agent: str, leg: Leg) -> None:
        """A leg that has answered without being rung."""
        self._answered[offer] = (agent, leg)

    @property
    def deadline(self) -> Instant | None:
        """When a phone's part of the ring time is over."""
        return min((dial.deadline for _, dial in self._dials.values() if dial.deadline is not None), default=None)

    def ring(self, offer: Offer, now: Instant) -> None:
        """Ring the agent's phones."""
        call, office = self._call, self._call.office
        ringing = office.directory.agent(
            offer.agent,
            call,
            now,
            ring_seconds=offer.ring_seconds,
            queue=offer.queue,
            auto_answer=offer.auto_answer,
        )
        dial = Dial(
            call.id,
            ringing.waves,
            worker=call.leg.worker,
            far=call.leg.counterpart(through=False),
            further=call.leg.further_offered(),
            max_forwards=call.max_forwards - 1,
            ua=office.ua,
            fabric=office.fabric,
            dice=office.dice,
        )
        self._dials[offer.offer] = (offer.agent, dial)
        self._step(offer.offer, dial.start(now), now)

    def wake(self, now: Instant) -> None:
        """A phone's part of the ring time is over; the next one of the agent rings."""
        for offer, (_, dial) in tuple(self._dials.items()):
            if is_due(dial.deadline, now):
                self._step(offer, dial.wake(now), now)

    def withdraw(self, offer: OfferId, now: Instant, reason: str = "") -> None:
        """The ACD takes the offer back, whatever has become of it."""
        _, dial = self._dials.pop(offer, ("", None))
        if dial is not None:
            taken = (COMPLETED_ELSEWHERE,) if reason == "answered-elsewhere" else ()
            self._call.drive(dial.give_up(now, self._call.parting or taken))
            self._call.dialled(dial, now)
        self.refuse(offer, now)

    def refuse(self, offer: OfferId, now: Instant) -> None:
        """The answer is no longer good."""
        _, leg = self._answered.pop(offer, ("", None))
        if leg is not None:
            self._call.drive(leg.hang_up(now))
            self._call.closed(leg)

    def take(self, offer: OfferId) -> Leg | None:
        """The leg whose answer holds; None when the agent has hung up since."""
        return self._answered.pop(offer, ("", None))[1]

    def leave(self, now: Instant) -> None:
        """The call goes elsewhere: nobody rings for it any more."""
        call = self._call
        for offer in tuple(self._dials):
            self.withdraw(offer, now)
        answered, self._answered = self._answered, {}
        for agent, leg in answered.values():
            call.drive(leg.hang_up(now))
            call.closed(leg)
            call.office.acd(TalkEnded(call.id, agent), now)  # the ACD has them joined already

    def progressed(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        """18x."""
        for _, dial in self._dials.values():
            if leg in dial.legs:
                dial.progressed(leg, response, body, now)

    def accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        """200."""
        for offer, (_, dial) in tuple(self._dials.items()):
            if leg in dial.legs:
                self._step(offer, dial.accepted(leg, body, now), now)

    def rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        """A final failure."""
        for offer, (_, dial) in tuple(self._dials.items()):
            if leg in dial.legs:
                self._step(offer, dial.rejected(leg, status, response, now), now)

    def gone(self, leg: Leg) -> None:
        """A leg that had answered is over."""
        for offer, (agent, answered) in tuple(self._answered.items()):
            if answered is leg:
                del self._answered[offer]
                self._call.closed(leg)
                self._call.office.log("info", "agent hung up before the bridge", call=self._call.id, agent=agent)

    def _step(self, offer: OfferId, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self._call.drive(outputs)
        if offer in self._dials:
            self._call.dialled(self._dials[offer][1], now)
        match news:
            case Wins(leg):
                agent, _ = self._dials.pop(offer)
                self._answered[offer] = (agent, leg)
                self._call.office.acd(OfferAnswered(offer), now)
            case Fails(status):
                self._dials.pop(offer, None)
                cause = _CAUSES.get(kind(status), "error")
                self._call.office.acd(OfferFailed(offer, cause), now)
