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
    Bridge,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Fact,
    Offer,
    OfferAnswered,
    QueueSettings,
    TalkEnded,
)
from softswitch.acd.stats import Totals


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


def cycle(engine: Engine, totals: Totals, calls: int, queues: int, start: float) -> None:
    """Whole calls one after another, each by an idle agent."""
    now = start
    for number in range(calls):
        now += 0.01
        call = f"c{start}-{number}"
        effects = engine.receive(CallQueued(call, f"queue{number % queues}"), now)
        offer = next(effect for effect in effects if isinstance(effect, Offer))
        effects += engine.receive(OfferAnswered(offer.offer), now + 0.001)
        effects += engine.receive(TalkEnded(call, offer.agent), now + 0.002)
        for effect in effects:
            if isinstance(effect, Fact):
                totals.add(effect)


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


def measure_cycle(agents: int, queues: int = 1, members: int = 0) -> float:
    engine, totals = centre(agents, queues, members), Totals()
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
    options = parser.parse_args()
    table = {
        "cycle, 20 agents (µs)": measure_cycle(20),
        "cycle, 200 agents (µs)": measure_cycle(200),
        "cycle, 2,000 agents (µs)": measure_cycle(2000),
        "cycle, 2,000 agents, 40,000 queues of 5 (µs)": measure_cycle(2000, 40_000, 5),
        "agent free → next call offered, 20 agents, 10,000 waiting (µs)": measure_match(20, 10_000),
        "agent free → next call offered, 2,000 agents, 10,000 waiting (µs)": measure_match(2000, 10_000),
        "the same, 40,000 queues of 5 agents (µs)": measure_match(2000, 10_000, 40_000, 5),
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
