"""Random shifts over the night in which the clocks go back: every interval's numbers equal books that are kept beside
the engine, which know nothing of facts."""

from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.acd.engine import Engine
from softswitch.acd.fold import Fold
from softswitch.acd.intervals import Calendar
from softswitch.acd.model import (
    AcdEffect,
    AcdEvent,
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentReady,
    AgentState,
    Bridge,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    OfferFailed,
    Overflow,
    QueueSettings,
    TalkEnded,
    Withdraw,
)

START = 1_792_885_500.0  # 25 October 2026, 02:45 in Vilnius; at 04:00 the clocks go back to 03:00
CREW = ("ann", "bob", "cyd")
QUEUES = {
    "x": QueueSettings(agents=CREW, wrap_up=20.0, ring_seconds=15.0, max_wait=120.0, on_max_wait="play:sorry"),
    "y": QueueSettings(agents=CREW[1:], ring_seconds=10.0, short_abandon=4.0, max_length=2),
}


class World:
    """Whole seconds only; the truth is sampled and counted here."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.now = START
        self.engine = Engine(QUEUES, CREW, START, Random(seed + 1))
        self.calendar = Calendar("30m", "Europe/Vilnius")
        self.fold = Fold(self.calendar)
        self.offers: dict[int, Offer] = {}
        self.entered: dict[str, tuple[str, float]] = {}
        self.talks: dict[str, tuple[str, str, float]] = {}  # call -> queue, agent, since
        self.calls: dict[tuple[float, str], Counter[str]] = defaultdict(Counter)
        self.sums: dict[tuple[float, str], Counter[str]] = defaultdict(Counter)
        self.states: dict[tuple[float, str], Counter[str]] = defaultdict(Counter)
        self.number = 0
        for agent in CREW:
            self.do(DeviceReachable(agent, True))

    def do(self, event: AcdEvent) -> None:
        self.take(self.engine.receive(event, self.now))

    def slot(self, at: float) -> float:
        return self.calendar.around(at)[0]

    def take(self, effects: list[AcdEffect]) -> None:
        for effect in effects:
            match effect:
                case Fact():
                    self.fold.add(effect)
                case Offer():
                    self.offers[effect.offer] = effect
                case Withdraw():
                    self.offers.pop(effect.offer, None)
                case Bridge():
                    self.over(effect.call, "answered")
                    self.talks[effect.call] = (effect.queue, effect.agent, self.now)
                case Overflow():
                    self.over(effect.call, "overflow")

    def over(self, call: str, how: str) -> None:
        queue, since = self.entered.pop(call)
        self.calls[self.slot(since), queue][how] += 1
        if how in ("answered", "abandoned"):
            self.sums[self.slot(since), queue][f"{how}_wait"] += int(self.now - since)
        if how == "abandoned" and self.now - since < QUEUES[queue].short_abandon:
            self.calls[self.slot(since), queue]["short"] += 1
        if how == "answered" and self.now - since <= 20:
            self.calls[self.slot(since), queue]["within"] += 1

    def act(self) -> None:
        agent = self.dice.choice(CREW)
        match self.dice.randrange(10):
            case 0 | 1 | 2:
                self.number += 1
                call, queue = f"c{self.number}", self.dice.choice(tuple(QUEUES))
                self.entered[call] = (queue, self.now)
                self.calls[self.slot(self.now), queue]["entered"] += 1
                self.do(CallQueued(call, queue))
            case 3 if self.entered:
                call = self.dice.choice(sorted(self.entered))
                self.over(call, "abandoned")
                self.do(CallerLeft(call))
            case 4 | 5 if self.offers:
                offer = self.dice.choice(sorted(self.offers))
                del self.offers[offer]
                self.do(OfferAnswered(offer))
            case 6 if self.offers:
                offer = self.dice.choice(sorted(self.offers))
                del self.offers[offer]
                self.do(OfferFailed(offer, "busy"))
            case 7 if self.talks:
                call = self.dice.choice(sorted(self.talks))
                queue, agent, since = self.talks.pop(call)
                self.calls[self.slot(self.now), queue]["talks"] += 1
                self.sums[self.slot(self.now), queue]["talk"] += int(self.now - since)
                self.do(TalkEnded(call, agent))
            case 8:
                self.do(self.dice.choice((AgentLogin(agent), AgentReady(agent))))
            case 9:
                self.do(self.dice.choice((AgentLogin(agent), AgentPause(agent, "tea"), AgentLogout(agent))))

    def second(self) -> None:
        """Who does what, from this second to the next."""
        for agent in CREW:
            view = self.engine.agent_view(agent, self.now)
            assert view is not None
            if view.state is not AgentState.LOGGED_OUT:
                self.states[self.slot(self.now), agent][view.state.value] += 1
        self.now += 1.0
        while (due := self.engine.deadline()) is not None and due <= self.now:
            self.take(self.engine.wake(self.now))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([3, 20, 60]))
def test_each_interval_equals_the_truth(seed: int, pace: int) -> None:
    world = World(seed)
    for agent in CREW:
        world.do(AgentLogin(agent))
    while world.now < START + 3 * 3600:
        if world.dice.randrange(pace) == 0:
            world.act()
        world.second()
    world.fold.finish(world.now)
    assert len(world.fold.slots) in (7, 8), "three hours and a quarter, from 02:45 to 04:45 by the clock"
    slots = set(world.fold.slots) | {slot for slot, _ in (*world.calls, *world.states)}
    for slot in slots:
        totals = world.fold.slots[slot]
        for queue in QUEUES:
            cell, calls, sums = totals.queue(queue), world.calls[slot, queue], world.sums[slot, queue]
            found = (cell.entered, cell.answered, cell.abandoned, cell.short_abandoned, cell.overflows, cell.within)
            names = ("entered", "answered", "abandoned", "short", "overflow", "within")
            assert found == tuple(calls[name] for name in names)
            assert cell.waiting == sum(
                1 for name, at in world.entered.values() if name == queue and world.slot(at) == slot
            )
            assert cell.talks == calls["talks"]
            assert (cell.talk, cell.answered_wait, cell.abandoned_wait) == pytest.approx(
                tuple(sums[name] for name in ("talk", "answered_wait", "abandoned_wait"))
            )
            assert sum(cell.waits.counts) == cell.answered
        for agent in CREW:
            states = {
                name: seconds
                for name, seconds in totals.agent(agent).states.items()
                if name != "logged-out" and seconds
            }
            assert states == pytest.approx(dict(world.states[slot, agent]))
