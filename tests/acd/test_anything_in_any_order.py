"""Every event of the engine, with any names, at any time: the watchdog finds nothing, no agent has more calls than the
capacity allows, a call that entered has at most one outcome, and `why` has an answer for everything."""

from collections import Counter
from random import Random

import pytest

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEvent,
    AgentLogin,
    AgentLogout,
    AgentOutcome,
    AgentPause,
    AgentReady,
    AgentSettings,
    AgentWrapUp,
    AutoPause,
    Bridge,
    CallbackAsked,
    CallbackCancelled,
    CallbackFailed,
    CallbackReached,
    CallbackSettings,
    CallerLeft,
    CallPrioritised,
    CallQueued,
    CallReturned,
    DeviceBusy,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    OfferFailed,
    QueueSettings,
    Reconfigured,
    Ring,
    TalkEnded,
    TalkMoved,
    TalkStarted,
    Withdraw,
)

CREW = tuple(f"a{number:02d}" for number in range(20))
AGENTS = {
    name: AgentSettings(skills={"x": 10 * (number % 10)}, capacity=1 + number % 3, max_ring=9.0 * (number % 2))
    for number, name in enumerate(CREW)
}
RINGS = (Ring(skills={"x": 50}), Ring(after=15.0), Ring(after=60.0, agents=CREW[:12]))
A_DAY = {
    "all": QueueSettings(agents=CREW[:6], strategy="ring-all", ring_at_most=3, callback=CallbackSettings(attempts=2)),
    "more": QueueSettings(agents=CREW[3:9], strategy="ring-progressively", ring_step=3.0, wrap_up=8.0),
    "plain": QueueSettings(agents=CREW, rings=RINGS, sticky_seconds=10.0, max_wait=90.0, announce_position=20.0),
    "drawn": QueueSettings(agents=CREW[2:], strategy="random", weights={"a05": 30.0}, auto_pause=AutoPause(busy=2)),
    "back": QueueSettings(
        agents=CREW[:4], callback=CallbackSettings(first="customer", pause=20.0), order="deadline", max_length=5
    ),
}
ANOTHER = {
    "all": QueueSettings(agents=CREW[4:8], strategy="longest-idle", on_empty="play:closed"),
    "plain": QueueSettings(agents=CREW[:5], strategy="ring-all", ring_at_most=2, needs={"x": 20}),
    "back": QueueSettings(agents=CREW[:9], strategy="round-robin", callback=CallbackSettings()),
}
OUTCOMES = {"queue.answered", "queue.abandoned", "queue.overflowed", "queue.left"}


class World:
    """Dice that know the names of what there is, and of some that there is not."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.number = 0
        self.offers: list[int] = [999_999]
        self.talks: list[tuple[str, str]] = [("nobody", "a00")]
        self.calls: list[str] = ["nobody"]
        self.callbacks: list[str] = ["none"]

    def event(self) -> AcdEvent:
        """What happens next."""
        dice = self.dice
        agent, call = dice.choice(CREW[:10]), dice.choice(self.calls[-12:])
        queue = dice.choice((*A_DAY, "unknown")) if dice.random() < 0.05 else dice.choice(tuple(A_DAY))
        kind = dice.randrange(34)
        if kind < 9:
            self.number += 1
            self.calls.append(f"c{self.number}")
            needs = (("x", dice.randrange(60)),) if dice.random() < 0.3 else ()
            sticky = agent if dice.random() < 0.2 else ""
            without = dice.choice(CREW[:10]) if dice.random() < 0.1 else ""
            number, known = f"+370{dice.randrange(9)}", dice.random() < 0.5
            return CallQueued(
                self.calls[-1], queue, 30.0 * dice.randrange(3), None, number, needs, sticky, None, without, known
            )
        if kind < 15:
            return OfferAnswered(dice.choice(self.offers[-6:]))
        if kind < 17:
            return OfferFailed(dice.choice(self.offers[-6:]), dice.choice(("busy", "rejected", "unreachable", "error")))
        if kind < 21:
            talking = dice.choice(self.talks[-6:])
            return TalkEnded(*talking) if dice.random() < 0.9 else CallReturned(*talking)
        return self.rarely(kind, agent, call, queue)

    def rarely(self, kind: int, agent: str, call: str, queue: str) -> AcdEvent:
        dice = self.dice
        match kind:
            case 21 | 22:
                return CallerLeft(call, dice.choice(("abandoned", "moved")))
            case 23:
                return CallPrioritised(call, dice.choice((-50.0, 10.0, 300.0)))
            case 24 | 25:
                self.callbacks.append(f"b{len(self.callbacks)}")
                of = call if dice.random() < 0.7 else ""
                return CallbackAsked(self.callbacks[-1], queue, f"+370{dice.randrange(9)}", "trunk:t", of)
            case 26:
                return CallbackCancelled(dice.choice(self.callbacks[-4:]))
            case 27:
                return CallbackReached(call)
            case 28:
                return CallbackFailed(call, dice.choice(("busy", "no-answer", "agent", "stopped")))
            case 29:
                if dice.random() < 0.3:
                    return TalkMoved(call, agent, f"moved-{call}")
                return TalkStarted(call, agent, queue, "a00")
            case 30:
                return DeviceReachable(agent, dice.random() < 0.8)
            case 31:
                return DeviceBusy(agent, dice.randrange(3) // 2)
            case 32:
                return dice.choice((AgentWrapUp(agent, 30.0 * dice.random()), AgentOutcome(agent, "", "sold")))
        return dice.choice(
            (AgentLogin(agent), AgentLogin(agent), AgentLogout(agent), AgentPause(agent, "tea"), AgentReady(agent))
        )


@pytest.mark.parametrize("seed", [*range(6), 17, 22, 37, 50])  # the last ones broke a head of a heap
def test_nothing_breaks(seed: int) -> None:
    world, now = World(seed), 1000.0
    engine = Engine(A_DAY, AGENTS, now, Random(seed))
    outcomes: Counter[str] = Counter()
    entered: Counter[str] = Counter()
    live: set[int] = set()
    for name in CREW[:7]:
        engine.receive(DeviceReachable(name, True), now)
        engine.receive(AgentLogin(name), now)
    for step in range(1500):
        now += world.dice.choice((0.0, 0.3, 1.0, 4.0, 0.3, 1.0)) if step % 300 else 120.0
        event = world.event()
        if step % 150 == 149:
            event = Reconfigured(world.dice.choice((A_DAY, ANOTHER)), AGENTS)
        for effect in (*engine.wake(now), *engine.receive(event, now)):
            match effect:
                case Offer(offer, call, _, agent):
                    assert offer not in live
                    live.add(offer)
                    world.offers.append(offer)
                    world.calls.append(call)
                case Withdraw(offer):
                    live.discard(offer)
                case Bridge(_, call, _, agent):
                    world.talks.append((call, agent))
                case Fact(kind, _, call):
                    outcomes[call] += kind in OUTCOMES
                    entered[call] += kind == "queue.entered"
                    outcomes[call] -= kind == "queue.returned"  # taken back: it waits again, as never answered
        assert engine.check(now) == [], f"after {event}"
        for name in CREW[:10]:
            view = engine.agent_view(name, now)
            assert view is not None
            taken = len(view.calls) + view.own_calls
            assert taken <= view.capacity or not view.available
    assert all(outcomes[call] <= entered[call] for call in outcomes), outcomes - entered
    for call in world.calls[-200:]:
        engine.why_call(call, now)
    for name in CREW:
        assert engine.why_agent(name, now) is not None
