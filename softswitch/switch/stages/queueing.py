"""Waiting in a queue: music, announcements, keys, offers to agents, and the moment when one answers.

The ACD decides; this stage performs it for one caller. An offer is a dial to the agent's phone; what became of it goes
back to the ACD, and only its `Bridge` joins the two. A caller who asks to be called back waits on, and may be
answered, until the number is confirmed.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from softswitch.acd.model import (
    AcdEffect,
    Announce,
    Bridge,
    CallerLeft,
    CallPickedUp,
    CallQueued,
    CallReturned,
    Offer,
    Overflow,
    QueueSettings,
    Refuse,
    TalkEnded,
    Withdraw,
)
from softswitch.call.callback_dialogue import CallbackDialogue, Confirmed, Declined, Say, Step
from softswitch.call.leg import Leg
from softswitch.call.speech import say_position, say_wait
from softswitch.kernel.clock import Instant, earliest, is_due
from softswitch.switch.stages.offered import OfferedPhones
from softswitch.switch.stages.sounds import PlayStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.stages.waiting_sounds import WaitingSounds
from softswitch.switch.targets import parse_target
from softswitch.switch.wishes import wished
from softswitch.wire.dtmf import FLASH
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class QueueStage(Stage):
    """From the answer by our music to the bridge, the overflow or the caller's hang-up. `given`: the ACD has the call
    waiting already, and these offers are made (a customer who was called back)."""

    label = "queued"

    def __init__(self, call: "Call", queue: str, settings: QueueSettings, given: Iterable[Offer] | None = None) -> None:
        super().__init__(call, queue)
        self._settings = settings
        self._since: Instant = 0.0
        self._arrived: Instant = 0.0
        self._queued = False
        self._given = given
        self._phones = OfferedPhones(call)
        self._sounds = WaitingSounds(call, settings.music)
        self._dialogue: CallbackDialogue | None = None
        self._asking = 0  # the dialogue's player
        self._why = ""  # the caller leaves by a key
        self._briefing: tuple[Leg, str, int] | None = None  # agent hears the agent prompt: leg, agent, player

    def legs(self) -> tuple[Leg, ...]:
        briefed = () if self._briefing is None else (self._briefing[0],)
        return self._phones.legs() + briefed

    @property
    def since(self) -> Instant:
        """When the caller came here."""
        return self._since

    def enter(self, now: Instant) -> None:
        call = self.call
        self._since = now
        self._arrived = now
        call.facts.queue = self.at
        call.facts.outcome = None
        call.facts.destination = f"queue:{self.at}"
        if self._settings.language and not call.language_chosen:
            call.language = self._settings.language
        self._queued = True
        if self._given is not None:
            self._sounds.begin()
            for offer in self._given:
                self._phones.ring(offer, now)
            self._arm()
            return
        arrived, without = call.place(now)
        if call.waited_since is not None:
            arrived = call.waited_since if arrived is None else min(arrived, call.waited_since)
            call.waited_since = None
        if arrived is not None:
            self._arrived = arrived
        event = CallQueued(call.id, self.at, arrived=arrived, caller=call.caller, without=without, known=call.vouched)
        call.office.acd(wished(event, call, self._settings, now), now)
        if any(isinstance(decision, Overflow) and decision.call == call.id for decision in call.office.decisions):
            return  # full or empty: whether the caller is answered at all is for the place that comes next
        if not call.answer(now):
            return
        if self._settings.welcome:
            self._sounds.say("welcome", self._settings.welcome)
        if self._settings.keys_prompt:
            self._sounds.say("keys", self._settings.keys_prompt)
        self._sounds.begin()

    def ringing(self) -> tuple[Leg, ...]:
        """The phones that ring for the caller."""
        return self._phones.ringing() if self._queued and self._dialogue is None else ()

    def taken(self, leg: Leg, agent: str, now: Instant) -> None:
        """The agent, whose party is in the call already, picked it up; the ACD's bridge joins them."""
        office = self.call.office
        office.acd(CallPickedUp(self.call.id, agent), now)
        for decision in office.decisions:
            if isinstance(decision, Bridge) and decision.call == self.call.id:
                self._phones.picked_up(decision.offer, agent, leg)
                return
        self.call.drive(leg.hang_up(now))  # not reached: who may not was refused before
        self.call.closed(leg)

    def leave(self, now: Instant) -> None:
        call = self.call
        call.facts.wait_seconds += now - self._since
        if self._queued:
            self._queued = False
            gone = call.hung_up_by == "caller"
            call.office.acd(
                CallerLeft(call.id, "abandoned" if gone else self._why or call.facts.reason or "moved"), now
            )
        self._phones.leave(now)
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
        self._sounds.music = settings.music
        if settings.music != music and self._queued and not self.call.playing and self.call.leg.up:
            self.call.music(settings.music)

    def wake(self, now: Instant) -> None:
        self._phones.wake(now)
        if self._dialogue is not None and is_due(self._dialogue.deadline, now):
            self._said(self._dialogue.wake(now), now)
        self._arm()

    # ----------------------------------------------------------------------------------------------------- from the ACD

    def on_acd(self, effect: AcdEffect, now: Instant) -> None:
        match effect:
            case Offer():
                self._phones.ring(effect, now)
            case Withdraw(offer, reason=reason):
                self._phones.withdraw(offer, now, reason)
            case Refuse(offer):
                self._phones.refuse(offer, now)
            case Bridge():
                self._bridge(effect, now)
            case Announce():
                self._announce(effect)
            case Overflow(cause=cause, target=target):
                self._overflow(cause, target, now)
        self._arm()

    def _arm(self) -> None:
        dialogue = None if self._dialogue is None else self._dialogue.deadline
        self.deadline = earliest(self._phones.deadline, dialogue)

    def _bridge(self, bridge: Bridge, now: Instant) -> None:
        leg = self._phones.take(bridge.offer)
        if leg is None:
            # The agent hung up between answer and bridge.
            self._again(bridge.agent, now)
            return
        self._queued = False
        self._hush()
        self.call.facts.agent = bridge.agent
        self.call.facts.outcome = None
        if self._settings.agent_prompt:
            office = self.call.office
            prompt = office.prompts((self._settings.agent_prompt,), self.call.language)
            player = office.fabric.play(leg.worker, prompt, owner=self.call.id)
            leg.hear(player)
            self._briefing = (leg, bridge.agent, player)
        else:
            self._join(leg, bridge.agent, now)

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
        if what.kind == "periodic":
            self._sounds.say("periodic", what.prompt)
            return
        language = self.call.language
        wait = () if what.estimate is None else say_wait(what.estimate, language)
        keys = (self._settings.keys_prompt,) if self._settings.keys_prompt else ()
        self._sounds.say("position", *say_position(what.position, language), *wait, *keys)

    def _overflow(self, cause: str, target: str | None, now: Instant) -> None:
        call = self.call
        self._queued = False
        self._hush()
        call.facts.outcome = "overflow"
        if self._settings.keep_place:
            call.waited_since = self._arrived
        if target is not None:
            call.go(target, now)
        else:
            call.play_and_end("all-agents-busy", now, reason=f"queue {cause}")

    # ---------------------------------------------------------------------------------------------------- from the legs

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if self._briefing is not None and player == self._briefing[2]:
            leg, agent, _ = self._briefing
            self._briefing = None
            self._join(leg, agent, now)
        elif self._dialogue is not None:
            if player == self._asking:
                self.call.music(self._settings.music)
                self._said(self._dialogue.said(now), now)
        else:
            self._sounds.played(player)
        self._arm()

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is not self.call.leg or not self._queued or digit == FLASH:
            return
        if self._dialogue is not None:
            self._said(self._dialogue.key(digit, now), now)
        elif (target := self._settings.keys.get(digit)) is not None:
            self._key(digit, target, now)
        self._arm()

    def on_progress(self, leg: Leg, response: Response, body: bytes, now: Instant) -> None:
        self._phones.progressed(leg, response, body, now)

    def on_accepted(self, leg: Leg, body: bytes, now: Instant) -> None:
        self._phones.accepted(leg, body, now)
        self._arm()

    def on_rejected(self, leg: Leg, status: int, response: Response | None, now: Instant) -> None:
        self._phones.rejected(leg, status, response, now)
        self._arm()

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        self._phones.gone(leg)
        if self._briefing is not None and self._briefing[0] is leg:
            _, agent, player = self._briefing
            self._briefing = None
            self.call.office.fabric.stop_play(leg.worker, player)
            self.call.closed(leg)
            self._again(agent, now)

    def _again(self, agent: str, now: Instant) -> None:
        """The agent left before a word was said: the caller waits on, at the old place."""
        self.call.facts.agent = ""
        self._queued = True
        self.call.office.acd(CallReturned(self.call.id, agent), now)

    # ------------------------------------------------------------------------------------------------ what keys lead to

    def _key(self, digit: str, text: str, now: Instant) -> None:
        call = self.call
        call.office.fact("queue.key", now, call.id, queue=self.at, key=digit, target=text)
        target = parse_target(text)
        if target.kind == "callback" and target.name in ("", self.at):
            self._ask_for_callback(now)
        else:
            self._why = "key"
            call.go(text, now)

    def _ask_for_callback(self, now: Instant) -> None:
        call, callbacks = self.call, self.call.office.callbacks
        own = call.caller if call.vouched and callbacks.way(self.at, call.caller, own=True) else ""
        self._sounds.hold()
        self._dialogue = CallbackDialogue(
            own,
            call.language,
            may_type=callbacks.may_type(self.at),
            allowed=lambda number: callbacks.way(self.at, number) is not None,
        )
        self._said(self._dialogue.start(), now)

    def _said(self, step: Step, now: Instant) -> None:
        """What the dialogue wants."""
        call = self.call
        match step:
            case Say(prompts):
                self._asking = call.play_prompts(*prompts)
            case Confirmed(number):
                self._dialogue = None
                call.office.callbacks.ask(self.at, number, now, call=call, own=number == call.caller)
                self._queued = False
                call.facts.outcome = "overflow"
                call.facts.reason = "call-back asked for"
                call.move(PlayStage(call, "callback-confirmed"), now)
            case Declined(reason):
                self._dialogue = None
                call.office.fact("queue.key", now, call.id, queue=self.at, key="", target="", reason=reason)
                call.silence()
                self._sounds.release()

    def _hush(self) -> None:
        """Nothing more is said: the agent is there, or the caller goes."""
        if self._dialogue is not None:
            self._dialogue = None
            self.call.silence()
            self._sounds.release()
