"""One attempt to call a customer back. Agent first: the agent answers, hears that the customer is being called, and the
customer's phone rings. Customer first: the agent is reserved while the customer's phone rings, and rung once the
customer has answered; from then on the customer waits in the queue as any caller does."""

from typing import TYPE_CHECKING

from softswitch.acd.model import (
    AcdEffect,
    Bridge,
    CallbackEnded,
    CallbackFailed,
    CallbackReached,
    CallbackSettings,
    Offer,
    QueueSettings,
    Refuse,
    Withdraw,
)
from softswitch.call.causes import kind
from softswitch.call.dial import Dial, Fails, News, Wins
from softswitch.call.leg import Leg
from softswitch.call.tones import tone
from softswitch.kernel.clock import Instant, earliest, is_due
from softswitch.sip.counterpart import SWITCH
from softswitch.sip.events import Output
from softswitch.switch.records import Outcome
from softswitch.switch.stages.offered import OfferedPhones
from softswitch.switch.stages.queueing import QueueStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import parse_target
from softswitch.wire.control import PlayItem
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_OUTCOMES: dict[str, Outcome] = {"busy": "busy", "no-answer": "no-answer", "rejected": "rejected"}
_TOLD = {"busy": "busy", "no-answer": "no-answer"}


class CallbackStage(Stage):
    """`to` is the target by which the customer is called; the call's own leg is a stand-in until the customer has
    answered."""

    label = "callback"
    speaks = False

    def __init__(self, call: "Call", queue: str, settings: QueueSettings, to: str) -> None:
        super().__init__(call, queue)
        self._settings = settings
        self._rules = settings.callback or CallbackSettings()
        self._to = to
        self._phones = OfferedPhones(call)
        self._offers: dict[int, Offer] = {}  # customer first: made, and not rung yet
        self._dial: Dial | None = None
        self._agent: tuple[str, Leg] | None = None
        self._player = 0  # what the agent hears
        self._cause = ""  # the customer could not be reached: the agent is being told
        self._settled = False  # the ACD knows what became of the attempt

    def legs(self) -> tuple[Leg, ...]:
        dialled = () if self._dial is None else tuple(self._dial.legs)
        agent = () if self._agent is None else (self._agent[1],)
        return (*dialled, *agent, *self._phones.legs())

    def leave(self, now: Instant) -> None:
        call = self.call
        self._give_up_dial(now)
        self._phones.leave(now)
        self._silence()
        if self._agent is not None:
            _, leg = self._agent
            self._agent = None
            call.drive(leg.hang_up(now, headers=call.parting))
            call.closed(leg)
        if not self._settled:
            self._settled = True
            call.office.acd(CallbackFailed(call.id, self._cause or "failed"), now)

    # ----------------------------------------------------------------------------------------------------- from the ACD

    def on_acd(self, effect: AcdEffect, now: Instant) -> None:
        match effect:
            case Offer():
                self._offered(effect, now)
            case Withdraw(offer, reason=reason):
                self._offers.pop(offer, None)
                self._phones.withdraw(offer, now, reason)
            case Refuse(offer):
                self._phones.refuse(offer, now)
            case Bridge():
                self._joined(effect, now)
            case CallbackEnded(cause=cause):
                self._settled = True
                self.call.facts.outcome = self.call.facts.outcome or "failed"
                self.call.end(now, by="switch", reason=f"call-back {cause}")
                return
        self._arm()

    def _offered(self, offer: Offer, now: Instant) -> None:
        if self._rules.first == "agent":
            self._phones.ring(offer, now)
            return
        self._offers[offer.offer] = offer
        if self._dial is None:
            self._call_customer(None, now)

    def _joined(self, bridge: Bridge, now: Instant) -> None:
        """Agent first: the agent is on the line, now the customer is called."""
        leg = self._phones.take(bridge.offer)
        if leg is None:
            self._end("agent", now)
            return
        self._agent = (bridge.agent, leg)
        self.call.facts.agent = bridge.agent
        prompt = self._settings.agent_prompt or "connecting"
        self._tell(leg, self.call.office.prompts((prompt,), self.call.language), 1)
        self._call_customer(leg, now)

    # ----------------------------------------------------------------------------------------------------- the customer

    def _call_customer(self, agent: Leg | None, now: Instant) -> None:
        call, office = self.call, self.call.office
        target = parse_target(self._to)
        if target.kind == "trunk":
            ringing = office.directory.trunk(target.name, call, target.number, now)
        else:
            ringing = office.directory.phone(target.name, call, now)
        if ringing.refusal:
            self._unreached(ringing.refusal, now)
            return
        seconds = self._rules.ring_seconds
        waves = [
            type(wave)(wave.destinations, min(seconds, wave.ring_seconds), wave.fail_over_only, wave.patience)
            for wave in ringing.waves
        ]
        self._dial = Dial(
            call.id,
            waves,
            worker=call.leg.worker,
            far=SWITCH if agent is None else agent.counterpart(through=False),
            further={},
            max_forwards=call.max_forwards - 1,
            ua=office.ua,
            fabric=office.fabric,
            dice=office.dice,
        )
        self._step(self._dial.start(now), now)

    def _step(self, step: tuple[list[Output], News], now: Instant) -> None:
        outputs, news = step
        self.call.drive(outputs)
        if self._dial is not None:
            self.call.dialled(self._dial, now)
        match news:
            case Wins(leg):
                self._reached(leg, now)
            case Fails(status, timed_out):
                self._unreached(480 if timed_out else status, now, "no-answer" if timed_out else "")
        self._arm()

    def _reached(self, leg: Leg, now: Instant) -> None:
        """The customer answered and takes the place of the stand-in."""
        call = self.call
        self._dial = None
        self._settled = True
        call.leg.ended(now)
        call.leg = leg
        call.office.acd(CallbackReached(call.id), now)
        if self._agent is None:
            offers, self._offers = tuple(self._offers.values()), {}
            call.move(QueueStage(call, self.at, self._settings, offers), now)
            return
        agent, agent_leg = self._agent
        self._agent = None
        self._silence()
        talk = TalkStage(
            call,
            agent_leg,
            f"queue:{self.at}",
            record=call.wants_recording(self._settings.record),
            music=self._settings.music,
            agent=agent,
        )
        call.move(talk, now)

    def _unreached(self, status: int, now: Instant, how: str = "") -> None:
        how = how or kind(status)
        cause = how if how in _OUTCOMES else "failed"
        self._dial = None
        self.call.facts.outcome = _OUTCOMES.get(cause, "failed")
        self.call.facts.cause = status
        self._cause = cause
        if self._agent is None:
            self._end(cause, now)
            return
        leg = self._agent[1]
        self._tell(leg, self.call.office.prompts((_TOLD.get(cause, "unavailable"),), self.call.language), 1)

    def _end(self, cause: str, now: Instant, by: str = "switch") -> None:
        self._cause = cause
        self.call.facts.outcome = self.call.facts.outcome or "failed"
        self.call.end(now, by="callee" if by == "callee" else "switch", reason=f"call-back: {cause}")

    # ---------------------------------------------------------------------------------------------------- from the legs

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if player == self._player:
            self._player = 0
            if self._cause:
                self._end(self._cause, now)
            elif self._agent is not None:
                self._tell(self._agent[1], tone("ringback", self.call.office.settings.server.tones), 0)

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        if self._dial is not None and leg in self._dial.legs:
            self._dial.progressed(leg, response, body, now)
        else:
            self._phones.progressed(leg, response, body, now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        if self._dial is not None and leg in self._dial.legs:
            self._step(self._dial.accepted(leg, body, now), now)
        else:
            self._phones.accepted(leg, body, now)
            self._arm()

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        if self._dial is not None and leg in self._dial.legs:
            self._step(self._dial.rejected(leg, status, response, now), now)
        else:
            self._phones.rejected(leg, status, response, now)
            self._arm()

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        self._phones.gone(leg)
        if self._agent is not None and self._agent[1] is leg:
            self._agent = None
            self._silence()
            self.call.closed(leg)
            self._end(self._cause or "agent", now, "callee")

    def wake(self, now: Instant) -> None:
        self._phones.wake(now)
        if self._dial is not None and is_due(self._dial.deadline, now):
            self._step(self._dial.wake(now), now)
        self._arm()

    # ---------------------------------------------------------------------------------------------------------- within

    def _arm(self) -> None:
        dialled = None if self._dial is None else self._dial.deadline
        self.deadline = earliest(self._phones.deadline, dialled)

    def _give_up_dial(self, now: Instant) -> None:
        if self._dial is not None:
            dial, self._dial = self._dial, None
            self.call.drive(dial.give_up(now, self.call.parting))
            self.call.dialled(dial, now)

    def _tell(self, leg: Leg, items: tuple[PlayItem, ...], loops: int) -> None:
        self._silence()
        fabric = self.call.office.fabric
        self._player = fabric.play(leg.worker, items, loops, owner=self.call.id)
        leg.hear(self._player)

    def _silence(self) -> None:
        if self._player:
            self.call.office.fabric.stop_play(self.call.leg.worker, self._player)
            self._player = 0
