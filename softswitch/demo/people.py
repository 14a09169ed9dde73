"""The people of the demo: callers who call through the carrier, and agents at their telephones."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final, TypeAlias

from softswitch.demo import ears, site
from softswitch.demo.phone import CallState, Phone, PhoneCall

Say: TypeAlias = Callable[[str], None]

_LISTEN: Final = 0.4  # s of sound that a caller judges by
_ANSWER_SECONDS: Final = 15.0
_LONGEST_WAIT: Final = 90.0


class Outcome(StrEnum):
    """How a caller's call ended."""

    TALKED = "talked"
    GAVE_UP = "gave up"
    FAILED = "failed"


@dataclass(slots=True)
class Story:
    """What a caller lived through. `music` is dBFS in the queue, `heard` and `was_heard` whether the two sides heard
    each other, `id` the switch's call id."""

    number: int
    caller: str
    queue: str
    language: str
    patience: float
    outcome: Outcome = Outcome.FAILED
    id: str = ""
    agent: str = ""
    waited: float = 0.0
    talked: float = 0.0
    music: float = -100.0
    heard: bool = False
    was_heard: bool | None = None
    fault: str = ""


@dataclass(slots=True)
class Mood:
    """How people behave; seconds and shares. One caller of `impatient` has only `impatience` seconds."""

    talk: tuple[float, float] = (2.5, 5.5)
    patience: tuple[float, float] = (25.0, 60.0)
    impatient: int = 9
    impatience: tuple[float, float] = (1.5, 3.0)
    pick_up: tuple[float, float] = (0.5, 1.8)
    missed: float = 0.06
    busy: float = 0.03
    agent_ends: float = 0.3


@dataclass(slots=True)
class Town:
    """What all people share: their stories by the caller's number, who is at which pitch, where lines are told."""

    mood: Mood
    dice: Random
    say: Say
    pitches: dict[str, float]
    stories: dict[str, Story] = field(default_factory=dict)
    calling: int = 0


class Caller:
    """One caller with a plan; `live` plays it."""

    def __init__(self, town: Town, carrier: Phone, number: int) -> None:
        dice, mood = town.dice, town.mood
        key = dice.choice(tuple(site.QUEUES))
        self._keys = (dice.choice(tuple(site.LANGUAGES)), key)
        impatient = number % mood.impatient == mood.impatient // 2
        self._talk = dice.uniform(*mood.talk)
        self._pauses = (dice.uniform(0.6, 1.6), dice.uniform(0.5, 1.2))
        self._town = town
        self._carrier = carrier
        self._pitch = ears.caller_pitch(number)
        self.story = Story(
            number,
            f"+3706{number:07d}",
            site.QUEUES[key],
            site.LANGUAGES[self._keys[0]],
            dice.uniform(*(mood.impatience if impatient else mood.patience)),
        )
        town.stories[self.story.caller] = self.story

    async def live(self) -> Story:
        """From dialling to hanging up."""
        self._town.calling += 1
        call = self._carrier.dial(site.NUMBER, caller=self.story.caller)
        try:
            await self._call(call)
        except Exception as error:  # a broken caller must fail the demo, not end it
            self.story.fault = f"the caller stumbled: {error!r}"
        finally:
            call.hang_up()
            self._town.calling -= 1
        self._tell()
        return self.story

    async def _call(self, call: PhoneCall) -> None:
        story = self.story
        if not await call.answered(_ANSWER_SECONDS):
            story.fault = f"not answered (status {call.status})"
            return
        story.id = call.headers.get("X-Call-Id") or ""
        for key, pause in zip(self._keys, self._pauses, strict=True):
            if await call.ended(pause):
                story.fault = "hung up on in the menu"
                return
            call.stream.press(key)
        self._town.say(f"{story.caller} chose {story.language} and {story.queue}")
        call.stream.say(ears.voice(self._pitch))
        await self._wait(call)

    async def _wait(self, call: PhoneCall) -> None:
        story, loop = self.story, asyncio.get_running_loop()
        entered = loop.time()
        settle = 0.6  # the keys are on their way, the last prompt fades
        while True:
            if await call.ended(0.1):
                story.fault = f"hung up on in the queue after {loop.time() - entered:.1f} s"
                return
            now = loop.time()
            story.waited = now - entered
            recent = call.stream.heard(since=now - _LISTEN)
            agent = self._who(recent)
            if agent and story.waited > settle:
                story.agent = agent
                break
            if story.waited > settle:
                story.music = max(story.music, ears.loudness(recent))
            if story.waited > min(story.patience, _LONGEST_WAIT):
                story.outcome = Outcome.GAVE_UP
                return
        await self._talk_to_agent(call)

    async def _talk_to_agent(self, call: PhoneCall) -> None:
        story, loop = self.story, asyncio.get_running_loop()
        began = loop.time()
        self._town.say(f"{story.caller} talks with {story.agent} after {story.waited:.1f} s in {story.queue}")
        await call.ended(self._talk)
        call.hang_up()
        story.talked = loop.time() - began
        story.heard = ears.hears(call.stream.heard(since=began, until=call.ended_at), self._town.pitches[story.agent])
        story.outcome = Outcome.TALKED
        if not story.heard:
            story.fault = f"did not hear {story.agent} all the time"

    def _who(self, recent: ears.Samples) -> str:
        """The agent whose voice this is."""
        found = [(ears.amplitude(recent, pitch), agent) for agent, pitch in self._town.pitches.items()]
        loudest, agent = max(found)
        return agent if loudest > 0.0 and ears.hears(recent, self._town.pitches[agent]) else ""

    def _tell(self) -> None:
        story = self.story
        match story.outcome:
            case Outcome.TALKED:
                line = f"{story.caller} hung up after {story.talked:.1f} s of talk with {story.agent}"
            case Outcome.GAVE_UP:
                line = f"{story.caller} gave up after {story.waited:.1f} s in {story.queue}"
            case Outcome.FAILED:
                line = f"{story.caller} FAILED"
        self._town.say(line + (f": {story.fault}" if story.fault else ""))


class Agent:
    """Takes the calls of one telephone."""

    def __init__(self, town: Town, seat: site.Seat) -> None:
        self._town = town
        self.seat = seat
        self._missed_last = False

    async def log_in(self, phone: Phone, code: str = "*45") -> bool:
        """Dial the feature code and listen to the confirmation."""
        call = phone.dial(code)
        if not await call.answered(5.0):
            return False
        await call.ended(8.0)
        call.hang_up()
        return ears.loudness(call.stream.heard()) > ears.MUSIC

    async def take(self, call: PhoneCall) -> None:
        """One call that rings."""
        town, dice, mood = self._town, self._town.dice, self._town.mood
        chance = dice.random()
        story = town.stories.get(call.number)
        if chance < mood.busy and not self._missed_last:
            self._missed_last = True
            town.say(f"{self.seat.agent} is busy")
            call.reject(486)
            return
        call.ring()
        if chance < mood.busy + mood.missed and not self._missed_last:
            self._missed_last = True
            town.say(f"{self.seat.agent} lets it ring")
            await call.ended(3 * site.RING_SECONDS)
            return
        self._missed_last = False
        if await call.ended(dice.uniform(*mood.pick_up)):
            return
        call.stream.say(ears.voice(town.pitches[self.seat.agent]))
        call.answer()
        if call.state is not CallState.TALKING:
            return
        own_end = dice.uniform(*mood.talk) if dice.random() < mood.agent_ends else 600.0
        began = call.answered_at
        await call.ended(own_end)
        call.hang_up()
        if story is not None:
            # half a second until both hear each other: the caller judges by what came before
            spoken = call.stream.heard(since=began + 0.4, until=call.ended_at)
            story.was_heard = ears.hears(spoken, ears.caller_pitch(story.number))


async def answer_for_carrier(call: PhoneCall) -> None:
    """Somebody in the outside world takes a call, hums for a while and hangs up."""
    call.ring()
    if not await call.ended(1.0):
        call.stream.say(ears.voice(440.0))
        call.answer()
        await call.ended(20.0)
        call.hang_up()
