"""Waiting in a queue: music, announcements, offers to agents, and the moment when one answers.

The ACD decides; this stage performs it for one caller. An offer is a dial to the agent's phone; what became of it goes
back to the ACD, and only its `Bridge` joins the two.
"""

from typing import TYPE_CHECKING

from softswitch.acd.model import (
    AcdEffect,
    Announce,
    Bridge,
    CallerLeft,
    CallQueued,
    Offer,
    OfferAnswered,
    OfferCause,
    OfferFailed,
    OfferId,
    Overflow,
    QueueSettings,
    Refuse,
    TalkEnded,
    Withdraw,
)
from softswitch.call.causes import kind
from softswitch.call.dial import Dial, Fails, News, Wins
from softswitch.call.leg import Leg
from softswitch.call.speech import say_position
from softswitch.kernel.clock import Instant, is_due
from softswitch.sip.events import Output
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.wishes import wished
from softswitch.wire.sip import Response

_CAUSES: dict[str, OfferCause] = {
    "busy": "busy",
    "rejected": "rejected",
    "no-answer": "no-answer",
    "unavailable": "unreachable",
}

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class QueueStage(Stage):
    """From the answer by our music to the bridge, the overflow or the caller's hang-up."""

    label = "queued"

    def __init__(self, call: "Call", queue: str, settings: QueueSettings) -> None:
        super().__init__(call, queue)
        self._settings = settings
        self._since: Instant = 0.0
        self._queued = False
        self._offers: dict[OfferId, tuple[str, Dial]] = {}
        self._answered: dict[OfferId, tuple[str, Leg]] = {}
        self._briefing: tuple[Leg, str, int] | None = None  # agent hears the agent prompt: leg, agent, player

    def legs(self) -> tuple[Leg, ...]:
        rung = tuple(leg for _, dial in self._offers.values() for leg in dial.legs)
        briefed = () if self._briefing is None else (self._briefing[0],)
        return rung + tuple(leg for _, leg in self._answered.values()) + briefed

    def enter(self, now: Instant) -> None:
        call = self.call
        self._since = now
        call.facts.queue = self.at
        call.facts.outcome = None
        call.facts.destination = f"queue:{self.at}"
        if self._settings.language and not call.language_chosen:
            call.language = self._settings.language
        self._queued = True
        arrived, without = call.place(now)
        event = CallQueued(call.id, self.at, arrived=arrived, caller=call.caller, without=without)
        call.office.acd(wished(event, call, self._settings, now), now)
        if any(isinstance(decision, Overflow) and decision.call == call.id for decision in call.office.decisions):
            return  # full or empty: whether the caller is answered at all is for the place that comes next
        if not call.answer(now):
            return
        if self._settings.welcome:
            call.play_prompts(self._settings.welcome)
        else:
            call.music(self._settings.music)

    def leave(self, now: Instant) -> None:
        call = self.call
        call.facts.wait_seconds += now - self._since
        if self._queued:
            self._queued = False
            gone = call.hung_up_by == "caller"
            call.office.acd(CallerLeft(call.id, "abandoned" if gone else call.facts.reason or "moved"), now)
        for offer in tuple(self._offers):
            self._drop(offer, now)
        for agent, leg in self._answered.values():
            call.drive(leg.hang_up(now))
            call.closed(leg)
            call.office.acd(TalkEnded(call.id, agent), now)  # the ACD has them joined already
        self._answered.clear()
        if self._briefing is not None:
            leg, agent, player = self._briefing
            self._briefing = None
            call.office.fabric.stop_play(leg.worker, player)
            call.drive(leg.hang_up(now))
            call.closed(leg)
            call.office.acd(TalkEnded(call.id, agent), now)
        call.leg.hear()

    def retuned(self, now: Instant) -> None:
        """Other music is heard at once, by those who hear music."""
        settings = self.call.office.settings.queues.get(self.at, self._settings)
        music, self._settings = self._settings.music, settings
        if settings.music != music and self._queued and not self.call.playing and self.call.leg.up:
            self.call.music(settings.music)

    # ----------------------------------------------------------------------------------------------------- from the ACD

    def on_acd(self, effect: AcdEffect, now: Instant) -> None:
        match effect:
            case Offer():
                self._offer(effect, now)
            case Withdraw(offer):
                self._drop(offer, now)
            case Refuse(offer):
                self._refuse(offer, now)
            case Bridge():
                self._bridge(effect, now)
            case Announce():
                self._announce(effect)
            case Overflow(cause=cause, target=target):
                self._overflow(cause, target, now)

    def _offer(self, offer: Offer, now: Instant) -> None:
        call, office = self.call, self.call.office
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
        self._offers[offer.offer] = (offer.agent, dial)
        self._step(offer.offer, dial.start(now), now)

    def wake(self, now: Instant) -> None:
        """A phone's part of the ring time is over; the next one of the agent rings."""
        for offer, (_, dial) in tuple(self._offers.items()):
            if is_due(dial.deadline, now):
                self._step(offer, dial.wake(now), now)
        self._arm()

    def _arm(self) -> None:
        self.deadline = min(
            (dial.deadline for _, dial in self._offers.values() if dial.deadline is not None), default=None
        )

    def _drop(self, offer: OfferId, now: Instant) -> None:
        _, dial = self._offers.pop(offer, ("", None))
        if dial is not None:
            self.call.drive(dial.give_up(now, self.call.parting))
            self.call.dialled(dial, now)
        self._arm()
        self._refuse(offer, now)

    def _refuse(self, offer: OfferId, now: Instant) -> None:
        _, leg = self._answered.pop(offer, ("", None))
        if leg is not None:
            self.call.drive(leg.hang_up(now))
            self.call.closed(leg)

    def _bridge(self, bridge: Bridge, now: Instant) -> None:
        agent, leg = self._answered.pop(bridge.offer, ("", None))
        if leg is None:
            # The agent hung up between answer and bridge.
            self._again(bridge.agent, now)
            return
        self._queued = False
        self.call.facts.agent = agent
        self.call.facts.outcome = None
        if self._settings.agent_prompt:
            office = self.call.office
            prompt = office.prompts((self._settings.agent_prompt,), self.call.language)
            player = office.fabric.play(leg.worker, prompt, owner=self.call.id)
            leg.hear(player)
            self._briefing = (leg, agent, player)
        else:
            self._join(leg, agent, now)

    def _join(self, leg: Leg, agent: str, now: Instant) -> None:
        call = self.call
        talk = TalkStage(
            call,
            leg,
            f"queue:{self.at}",
            record=call.wants_recording(self._settings.record),
            music=self._settings.music,
            agent=agent,
        )
        call.move(talk, now)

    def _announce(self, what: Announce) -> None:
        if what.kind == "position":
            self.call.play_prompts(*say_position(what.position, self.call.language))
        elif self._settings.announce_prompt:
            self.call.play_prompts(self._settings.announce_prompt)

    def _overflow(self, cause: str, target: str | None, now: Instant) -> None:
        self._queued = False
        self.call.facts.outcome = "overflow"
        if target is not None:
            self.call.go(target, now)
        else:
            self.call.play_and_end("all-agents-busy", now, reason=f"queue {cause}")

    # ---------------------------------------------------------------------------------------------------- from the legs

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if self._briefing is not None and player == self._briefing[2]:
            leg, agent, _ = self._briefing
            self._briefing = None
            self._join(leg, agent, now)
        else:
            self.call.music(self._settings.music)

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        for _, dial in self._offers.values():
            if leg in dial.legs:
                dial.progressed(leg, response, body, now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        for offer, (_, dial) in tuple(self._offers.items()):
            if leg in dial.legs:
                self._step(offer, dial.accepted(leg, body, now), now)

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        for offer, (_, dial) in tuple(self._offers.items()):
            if leg in dial.legs:
                self._step(offer, dial.rejected(leg, status, response, now), now)

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        for offer, (agent, answered) in tuple(self._answered.items()):
            if answered is leg:
                del self._answered[offer]
                self.call.closed(leg)
                self.call.office.log("info", "agent hung up before the bridge", call=self.call.id, agent=agent)
        if self._briefing is not None and self._briefing[0] is leg:
            _, agent, player = self._briefing
            self._briefing = None
            self.call.office.fabric.stop_play(leg.worker, player)
            self.call.closed(leg)
            self._again(agent, now)

    def _again(self, agent: str, now: Instant) -> None:
        """The agent left before a word was said: the caller waits on, at the old place."""
        call = self.call
        call.facts.agent = ""
        call.office.acd(TalkEnded(call.id, agent), now)
        self._queued = True
        again = CallQueued(call.id, self.at, arrived=self._since, caller=call.caller)
        call.office.acd(wished(again, call, self._settings, now), now)

    def _step(self, offer: OfferId, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self.call.drive(outputs)
        if offer in self._offers:
            self.call.dialled(self._offers[offer][1], now)
        match news:
            case Wins(leg):
                agent, _ = self._offers.pop(offer)
                self._answered[offer] = (agent, leg)
                self.call.office.acd(OfferAnswered(offer), now)
            case Fails(status):
                self._offers.pop(offer, None)
                cause = _CAUSES.get(kind(status), "error")
                self.call.office.acd(OfferFailed(offer, cause), now)
        self._arm()
