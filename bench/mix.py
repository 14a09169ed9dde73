"""What the mix costs without sockets: CPU of a tick's product, and of a plan while calls come and go; one thread.

    python -m bench.mix [--seconds 1]

`room of N`: N legs in one conference. `rooms of 6`: as many legs in rooms of six. `whole tick` adds the jitter buffers,
packing and headers, with every leg speaking. `plan`: two calls begin and two end in each tick (200 legs a second)
beside 1,000 relayed calls, each leg of which has two edges to recorders.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a media process; before numpy is loaded

import argparse
import time
from collections.abc import Callable
from random import Random

import numpy as np

from bench.machine import facts
from softswitch.media.arena import TICK, Arena
from softswitch.media.edges import ROOMS, Edges
from softswitch.media.engine import Engine
from softswitch.media.legs import Legs
from softswitch.media.limiter import Limiter
from softswitch.media.plan import Plan
from softswitch.media.relay import Relay
from softswitch.wire.control import JoinRoom, LegSpec, OpenLeg, OpenRoom, Slot

_CAPACITY = 4096
_STEADY = 1000  # calls that stay


def per_call(work: Callable[[], object], seconds: float) -> float:
    """CPU µs."""
    work()
    count, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        work()
        count += 1
    return spent / count * 1e6


def _fabric() -> tuple[Edges, Plan]:
    legs = Legs(_CAPACITY, Random(1))
    legs.plane[:] = 0
    legs.sendable[:] = True
    legs.packet_ms[:] = legs.longest_ms[:] = 20
    legs.kind[:] = 1
    legs.sent["codec"] = np.arange(_CAPACITY) % 2
    edges = Edges(_CAPACITY)
    return edges, Plan(legs, edges, Relay(legs, []))


def _settled(edges: Edges, plan: Plan) -> None:
    plan.make()
    edges.settle()
    plan.make()


def product(connect: Callable[[Edges], None], seconds: float) -> float:
    """µs of a tick's product with these edges."""
    edges, plan = _fabric()
    connect(edges)
    _settled(edges, plan)
    matrix, limiter = plan.matrices[0], Limiter()
    sound = np.random.default_rng(1).integers(-90, 90, (len(plan.rows[0]), 160)).astype(np.int16)
    return per_call(lambda: matrix(sound, limiter), seconds)


def _rooms(legs: int, size: int) -> Callable[[Edges], None]:
    def connect(edges: Edges) -> None:
        for leg in range(legs):
            edges.connect(leg, ROOMS + leg // size, 1.0)
            edges.connect(ROOMS + leg // size, leg, 1.0)

    return connect


def _recorded(edges: Edges) -> None:
    for leg in range(2 * _STEADY):
        _call(edges, leg)


def _turned_down(edges: Edges) -> None:
    for leg in range(2 * _STEADY):
        edges.connect(leg, leg ^ 1, 0.5)


def _call(edges: Edges, leg: int) -> None:
    edges.connect(leg, leg ^ 1, 1.0)
    edges.connect(leg, _CAPACITY + 2 * leg, 1.0)
    edges.connect(leg, _CAPACITY + 2 * leg + 1, 1.0)


def plan_of_churn(seconds: float) -> tuple[float, float]:
    """µs of a plan in a tick in which two calls begin and two end, and of the edges' own changes."""
    edges, plan = _fabric()
    _recorded(edges)
    _settled(edges, plan)
    first, spare = 2 * _STEADY, 200
    planned, count, begin, turn = 0.0, 0, time.process_time(), 0
    while time.process_time() - begin < seconds:
        for n in range(4):
            row = first + (turn + n) % spare
            edges.fade_source(row)
            for sink in (row, _CAPACITY + 2 * row, _CAPACITY + 2 * row + 1):
                edges.drop_sink(sink)
            _call(edges, first + (turn + spare // 2 + n) % spare)
        turn += 4
        since = time.process_time()
        plan.make()
        planned += time.process_time() - since
        edges.settle()
        count += 1
    whole = time.process_time() - begin
    return planned / count * 1e6, (whole - planned) / count * 1e6


def whole_tick(legs: int, seconds: float) -> float:
    """µs of an engine's tick with everybody of one room speaking."""
    engine = Engine(legs, Random(1), Arena(16), lambda address: hash(address) or 1, 1e6)
    engine.add_slots(Slot(row, 20000 + 2 * row) for row in range(legs))
    engine.command(OpenRoom(1), 1e6)
    for row in range(legs):
        spec = LegSpec(("PCMU", "PCMA")[row % 2], 8 * (row % 2), -1, ("127.0.0.1", 4000 + row))
        engine.command(OpenLeg(10 + row, row, spec), 1e6)
        engine.command(JoinRoom(1, 10 + row), 1e6)
    tick = int(1e6 / TICK) + 1
    rows = np.arange(legs)
    sound = np.random.default_rng(1).integers(-900, 900, (legs, 160)).astype(np.int16)
    stamp = 0
    spent, count = 0.0, 0
    for _ in range(3):
        engine.tick(tick)
        tick += 1
    while spent < seconds:
        engine.legs.jitter.put(rows, np.full(legs, stamp, np.uint32), sound, np.full(legs, 0.012, np.float32))
        begin = time.process_time()
        engine.tick(tick)
        spent += time.process_time() - begin
        engine.effects.clear()
        count, tick, stamp = count + 1, tick + 1, stamp + 160
    return spent / count * 1e6


def main() -> None:
    """Print µs of CPU."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds of a figure")
    seconds = parser.parse_args().seconds
    print(facts())
    for name, legs, connect in (
        ("room of 50", 50, _rooms(50, 50)),
        ("room of 300", 300, _rooms(300, 300)),
        ("room of 1,000", 1000, _rooms(1000, 1000)),
        ("rooms of 6", 996, _rooms(996, 6)),
        ("1,000 calls turned down", 2000, _turned_down),
        ("1,000 calls relayed and recorded twice", 2000, _recorded),
    ):
        cost = product(connect, seconds)
        print(f"{name:40} {cost:8.0f} µs a tick {cost / legs:8.3f} µs a leg")
    for legs in (50, 300):
        cost = whole_tick(legs, seconds)
        print(f"{f'room of {legs}, whole tick':40} {cost:8.0f} µs a tick {cost / legs:8.3f} µs a leg")
    planned, edges = plan_of_churn(seconds)
    print(f"{'plan, two calls come and two go':40} {planned:8.0f} µs a tick, and {edges:.0f} µs for their edges")


if __name__ == "__main__":
    main()
