"""The same events at the same times with the same dice give the same effects, in the same order: a real day can be
replayed, and two policies compared."""

from random import Random

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AcdEffect,
    AgentLogin,
    AgentSettings,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Offer,
    OfferAnswered,
    OfferFailed,
    QueueSettings,
    Ring,
    TalkEnded,
)

CREW = tuple(f"a{number:02d}" for number in range(40))
AGENTS = {
    name: AgentSettings(skills={"x": 10 * (number % 10), "y": 7 * (number % 13)}, capacity=1 + number % 2)
    for number, name in enumerate(CREW)
}
QUEUES = {
    "one": QueueSettings(agents=CREW, strategy="random", rings=(Ring(skills={"x": 50}), Ring(after=20.0))),
    "two": QueueSettings(agents=CREW[:20], strategy="ring-all", ring_at_most=4, weights={"a03": 30.0}, priority=5.0),
    "three": QueueSettings(agents=CREW[10:], strategy="weighted-random", shares={"a11": 5.0}, sticky_seconds=9.0),
    "four": QueueSettings(agents=CREW[5:12], strategy="most-skilled", needs={"y": 20}, order="deadline"),
}


def a_day(seed: int) -> list[AcdEffect]:
    """A thousand steps of a busy shift; the world's choices depend on the effects and on dice of its own."""
    engine, world, now = Engine(QUEUES, AGENTS, 0.0, Random(1)), Random(seed), 0.0
    told: list[AcdEffect] = []
    ringing: list[Offer] = []
    talks: list[Offer] = []
    for name in CREW:
        told += engine.receive(DeviceReachable(name, True), now)
        told += engine.receive(AgentLogin(name), now)
    for number in range(1000):
        now += world.random() * 2
        effects = engine.wake(now)
        match world.randrange(6):
            case 0 | 1:
                needs = (("x", 30),) if world.random() < 0.4 else ()
                queue, agent = world.choice(sorted(QUEUES)), world.choice(CREW)
                effects += engine.receive(CallQueued(f"c{number}", queue, needs=needs, sticky=agent), now)
            case 2 | 3 if ringing:
                offer = ringing.pop(world.randrange(len(ringing)))
                effects += engine.receive(OfferAnswered(offer.offer), now)
                talks.append(offer)
            case 4 if ringing:
                effects += engine.receive(OfferFailed(ringing.pop().offer, "rejected"), now)
            case 5 if talks:
                offer = talks.pop(0)
                effects += engine.receive(TalkEnded(offer.call, offer.agent), now)
            case _:
                effects += engine.receive(CallerLeft(f"c{world.randrange(number + 1)}"), now)
        ringing += [effect for effect in effects if isinstance(effect, Offer)]
        told += effects
    assert engine.check(now) == []
    return told


def test_a_day_replayed_is_the_same_day() -> None:
    for seed in range(5):
        first = a_day(seed)
        padding = [object() for _ in range(1000)]  # other addresses in memory must not matter
        assert a_day(seed) == first
        del padding
