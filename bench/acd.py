"""What the ACD engine costs: CPU time a call, a match, and memory a waiting call. Run: `python bench/acd.py`.

A cycle is queued → offered → answered → talk ended → ready again, with the fold over its facts; the cost must be flat
in agents, waiting calls and queues. Figures are the best of several rounds of CPU time of this process.
"""

import argparse
import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from random import Random

from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AgentLogin,
    AgentSettings,
    Bridge,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Fact,
    Needs,
    Offer,
    OfferAnswered,
    QueueSettings,
    Ring,
    TalkEnded,
)
from softswitch.acd.stats import Totals
from softswitch.acd.strategies import STRATEGIES

SKILLS = tuple(f"skill{number}" for number in range(10))


def centre(agents: int, queues: int = 1, members: int = 0, announce: float = 0.0, seed: int = 1) -> Engine:
    """An engine with everybody ready; `members` agents a queue drawn at random, 0: all of them."""
    dice = Random(seed)
    names = [f"agent{number}" for number in range(agents)]
    settings = {
        f"queue{number}": QueueSettings(
            agents=tuple(dice.sample(names, members) if members else names),
            announce_position=announce,
            max_wait=3600.0,
        )
        for number in range(queues)
    }
    engine = Engine(settings, names, 0.0, Random(seed))
    for number, name in enumerate(names):
        engine.receive(DeviceReachable(name, True), float(number) / 1000)
        engine.receive(AgentLogin(name), float(number) / 1000)
    return engine


def cycle(engine: Engine, totals: Totals | None, calls: int, queues: int, start: float) -> None:
    """Whole calls one after another, each by an idle agent."""
    now = start
    for number in range(calls):
        now += 0.01
        call = f"c{start}-{number}"
        effects = engine.receive(CallQueued(call, f"queue{number % queues}"), now)
        offer = next(effect for effect in effects if isinstance(effect, Offer))
        effects += engine.receive(OfferAnswered(offer.offer), now + 0.001)
        effects += engine.receive(TalkEnded(call, offer.agent), now + 0.002)
        for effect in effects if totals is not None else ():
            if totals is not None and isinstance(effect, Fact):
                totals.add(effect)


def skilled(agents: int, strategy: str = "longest-idle", seed: int = 1) -> Engine:
    """An engine with everybody ready in one queue of three rings; ten skills, each agent with some of them."""
    dice = Random(seed)
    people = {
        f"agent{number}": AgentSettings(skills={skill: dice.randrange(1, 101) for skill in dice.sample(SKILLS, 5)})
        for number in range(agents)
    }
    rings = (Ring(), Ring(after=30.0, skills=dict.fromkeys(SKILLS[:5], 10)), Ring(after=90.0, agents=tuple(people)))
    queue = QueueSettings(agents=tuple(people), rings=rings, strategy=strategy, max_wait=3600.0)
    engine = Engine({"queue0": queue}, people, 0.0, Random(seed))
    for number, name in enumerate(people):
        engine.receive(DeviceReachable(name, True), float(number) / 1000)
        engine.receive(AgentLogin(name), float(number) / 1000)
    return engine


def needs_of(dice: Random) -> Needs:
    """One of forty classes: nothing, or one or two skills at a level."""
    kind = dice.randrange(40)
    if kind < 4:
        return ()
    skills = sorted({SKILLS[kind % 10], SKILLS[(kind * 7) % 10]})
    return tuple((skill, 20 + kind) for skill in skills)


def busy_match(engine: Engine, offers: list[Offer], matches: int, now: float) -> float:
    """With everybody talking and a crowd waiting: an agent becomes free and gets the next call. Microseconds of CPU
    for that event; the answers that claim the calls are not in it."""
    spent = 0.0
    batch = min(matches, len(offers) // 2)
    for _ in range(matches // batch):
        now += 0.001
        leaving, offers[:] = offers[:batch], offers[batch:]
        begin = time.process_time()
        effects = [engine.receive(TalkEnded(offer.call, offer.agent), now) for offer in leaving]
        spent += time.process_time() - begin
        for made in [effect for step in effects for effect in step if isinstance(effect, Offer)]:
            answered = engine.receive(OfferAnswered(made.offer), now)
            assert any(isinstance(effect, Bridge) for effect in answered)
            offers.append(made)
    return spent / (matches // batch * batch) * 1e6


def best(rounds: int, count: int, work: Callable[[int], None]) -> float:
    """Microseconds of CPU for one of `count`, best of `rounds`."""
    figures = []
    for round_number in range(rounds):
        begin = time.process_time()
        work(round_number)
        figures.append((time.process_time() - begin) / count * 1e6)
    return min(figures)


def measure_cycle(agents: int, queues: int = 1, members: int = 0, fold: bool = True) -> float:
    engine, totals = centre(agents, queues, members), Totals() if fold else None
    return best(5, 2000, lambda turn: cycle(engine, totals, 2000, queues, 1000.0 * (turn + 1)))


def measure_match(agents: int, waiting: int, queues: int = 1, members: int = 0) -> float:
    """An event that frees an agent, with the match and its facts."""
    engine = centre(agents, queues, members)
    offers: list[Offer] = []
    dice = Random(2)
    number = 0
    while len(offers) < agents or number < agents + waiting:
        queue = f"queue{dice.randrange(queues)}"
        effects = engine.receive(CallQueued(f"w{number}", queue, head_start=dice.random() * 60), 10.0)
        number += 1
        for effect in effects:
            if isinstance(effect, Offer):
                offers.append(effect)
                engine.receive(OfferAnswered(effect.offer), 10.0)
        if number > 20 * (agents + waiting):
            break
    count = min(1000, waiting // 6)
    return min(busy_match(engine, offers, count, 20.0 + turn) for turn in range(5))


def measure_skilled_match(agents: int, waiting: int) -> float:
    """As `measure_match`, with forty classes of needs and three rings, a part of the calls in each."""
    engine = skilled(agents)
    offers: list[Offer] = []
    dice = Random(2)
    for number in range(agents + waiting):
        now = 10.0 + 120.0 * number / (agents + waiting)
        for effect in engine.receive(CallQueued(f"w{number}", "queue0", dice.random() * 60, needs=needs_of(dice)), now):
            if isinstance(effect, Offer):
                offers.append(effect)
                engine.receive(OfferAnswered(effect.offer), now)
    engine.wake(130.0)
    count = min(1000, waiting // 6, 5 * len(offers))
    return min(busy_match(engine, offers, count, 130.0 + turn) for turn in range(5))


def measure_skilled_cycle(agents: int, strategy: str = "longest-idle") -> float:
    """As `measure_cycle`, each call with one of forty classes of needs; whole calls, some with several phones."""
    engine, totals, dice = skilled(agents, strategy), Totals(), Random(4)

    def calls(turn: int) -> None:
        now = 1000.0 * (turn + 1)
        for number in range(1000):
            now += 0.01
            call = f"c{turn}-{number}"
            effects = engine.receive(CallQueued(call, "queue0", needs=needs_of(dice)), now)
            offer = next(effect for effect in effects if isinstance(effect, Offer))
            effects += engine.receive(OfferAnswered(offer.offer), now + 0.001)
            effects += engine.receive(TalkEnded(call, offer.agent), now + 0.002)
            for effect in effects:
                if isinstance(effect, Fact):
                    totals.add(effect)

    calls(-1)  # the first ones make the pools
    return best(4, 1000, calls)


def measure_why(agents: int, waiting: int) -> float:
    """The question why a call waits, with the answer for every agent."""
    engine = skilled(agents)
    for number in range(waiting + agents):
        for effect in engine.receive(CallQueued(f"w{number}", "queue0", needs=needs_of(Random(number))), 10.0):
            if isinstance(effect, Offer):
                engine.receive(OfferAnswered(effect.offer), 10.0)
    last = f"w{waiting + agents - 1}"

    def ask(_: int) -> None:
        for _ in range(10):
            assert engine.why_call(last, 11.0)

    return best(3, 10, ask)


def measure_leave(waiting: int) -> float:
    """A caller somewhere in a crowd hangs up."""
    engine = centre(0)
    dice = Random(3)
    names = [f"w{number}" for number in range(waiting)]
    for number, name in enumerate(names):
        engine.receive(CallQueued(name, "queue0"), 10.0 + number / 1000)
    dice.shuffle(names)

    def leave(_: int) -> None:
        for _ in range(500):
            engine.receive(CallerLeft(names.pop()), 100.0)

    return best(4, 500, leave)


def measure_announcements(waiting: int) -> float:
    """One position announcement with everybody waiting."""
    engine = centre(0, announce=30.0)
    for number in range(waiting):
        engine.receive(CallQueued(f"w{number}", "queue0"), 10.0)
    return best(4, waiting, lambda turn: _wake(engine, 50.0 + 30.0 * turn))


def _wake(engine: Engine, now: float) -> None:
    engine.wake(now)


def measure_memory(waiting: int, announce: float) -> float:
    """Bytes a waiting call, its id included."""
    engine = centre(0, announce=announce)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(waiting):
        engine.receive(CallQueued(f"call-{number:08d}", "queue0", caller="+15550100"), 10.0 + number / 1000)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / waiting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--strategies", action="store_true", help="also a cycle with each strategy")
    options = parser.parse_args()
    table = {
        "cycle, 20 agents (µs)": measure_cycle(20),
        "cycle, 200 agents (µs)": measure_cycle(200),
        "cycle, 2,000 agents (µs)": measure_cycle(2000),
        "cycle, 2,000 agents, without the statistics' fold (µs)": measure_cycle(2000, fold=False),
        "cycle, 2,000 agents, 40,000 queues of 5 (µs)": measure_cycle(2000, 40_000, 5),
        "agent free → next call offered, 20 agents, 10,000 waiting (µs)": measure_match(20, 10_000),
        "agent free → next call offered, 2,000 agents, 10,000 waiting (µs)": measure_match(2000, 10_000),
        "the same, 40,000 queues of 5 agents (µs)": measure_match(2000, 10_000, 40_000, 5),
        "the same, 20 agents, 40 classes of needs, 3 rings (µs)": measure_skilled_match(20, 10_000),
        "the same, 200 agents, 40 classes of needs, 3 rings (µs)": measure_skilled_match(200, 10_000),
        "the same, 2,000 agents, 40 classes of needs, 3 rings (µs)": measure_skilled_match(2000, 10_000),
        "cycle, 20 agents, 40 classes of needs (µs)": measure_skilled_cycle(20),
        "cycle, 2,000 agents, 40 classes of needs (µs)": measure_skilled_cycle(2000),
        **{
            f"cycle, 2,000 agents, 40 classes of needs, {name} (µs)": measure_skilled_cycle(2000, name)
            for name in STRATEGIES
            if options.strategies
        },
        "why a call waits, 200 agents, 10,000 waiting (µs)": measure_why(200, 10_000),
        "caller leaves, 3,000 waiting (µs)": measure_leave(3000),
        "caller leaves, 10,000 waiting (µs)": measure_leave(10_000),
        "position announcement, 10,000 waiting (µs)": measure_announcements(10_000),
        "memory a waiting call (bytes)": measure_memory(10_000, 0.0),
        "memory a waiting call with announcements (bytes)": measure_memory(10_000, 30.0),
    }
    if options.json:
        print(json.dumps(table, ensure_ascii=False, indent=2))
        return
    for what, figure in table.items():
        print(f"{what:70} {figure:9.1f}")


if __name__ == "__main__":
    main()
