"""One run: a fresh subject, a fresh generator, a window of time in which both are read."""

import multiprocessing
import socket
import tempfile
import time
from contextlib import ExitStack
from typing import Any, Final

from bench.media.bursts import TYPES
from bench.media.churn import Churn
from bench.media.generator import WARM, Board, generate
from bench.media.scenes import Scene, scene
from bench.media.sealed import SUITE
from bench.media.subjects import Media, Yardstick, cpu_seconds, resident_mb, split_cores, waited_seconds
from softswitch.wire import control

_SERVED: Final = 3_000_000  # legs to a recording server
_SETTLE: Final = 0.3  # after the warm-up, and before the end
_BUSY_MS: Final = 5.0
"""A generator that was later than this says that the machine was too busy to tell delays …"""
_BUSY_SHARE: Final = 0.02
"""… and so does a subject that waited longer than this share of the time for its core."""


class Unfit(Exception):
    """This mode cannot be measured so; says why."""


def measure(mode: str, calls: int, seconds: float, backend: str) -> dict[str, Any]:
    """Figures of one run; see the table in `report`. Raises `Unfit`."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        mine, generators = split_cores()
        plan = scene("relay" if mode == "uvloop" else mode, calls)
        if not plan.codecs:
            raise Unfit("too few for such rooms")
        churn = Churn(plan, calls) if mode == "churn" else None
        length = WARM + _SETTLE + seconds + _SETTLE
        load = plan.load(length, generators) if churn is None else churn.load(plan.load(length, generators))
        board = Board(len(load.codecs))
        here, there = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        generator = spawn.Process(target=generate, args=(load, board, there), daemon=True)
        generator.start()
        stack.callback(generator.join)
        there.close()
        stack.callback(here.close)  # a generator that waits for us ends then
        phones = here.recv()
        subject: Media | Yardstick
        if mode == "uvloop":
            subject = Yardstick(phones, [(call, call + calls) for call in range(calls)], mine)
            stack.callback(subject.close)
            here.send(subject.ports)
        else:
            subject = Media(folder, len(load.codecs) + 2 * len(plan.served), backend, mine)
            stack.callback(subject.close)
            if missing := set(plan.codecs) - set(subject.codecs):
                raise Unfit(f"media has no {', '.join(sorted(missing))}")
            here.send([slot.port for slot in subject.free[: len(load.codecs)]])
        here.recv()
        if isinstance(subject, Media):
            open_calls(subject, plan, phones, folder)
            deaf = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            deaf.bind(("127.0.0.1", 0))
            serve(subject, plan, deaf.getsockname())
            if churn is not None:
                churn.begin(subject, phones, board)
            before = subject.statistics()
        here.send("go")
        (churn.wait if churn else time.sleep)(WARM + _SETTLE)
        first = _read(subject, board)
        (churn.wait if churn else time.sleep)(seconds)
        second = _read(subject, board)
        while not here.poll(0.05):
            if churn is not None:
                churn.wait(0.0)
        heard = here.recv()
        ticks = late = 0
        if isinstance(subject, Media):
            last = subject.statistics()
            ticks, late = last.ticks - before.ticks, last.late_ticks - before.late_ticks
    return {
        "mode": mode,
        "calls": calls,
        "backend": subject.name,
        **_cost(first, second, calls),
        **heard,
        "ticks": ticks,
        "late_ticks": late,
        "busy": heard["generator_max_ms"] > _BUSY_MS or second["waited"] - first["waited"] > _BUSY_SHARE * seconds,
        **(churn.results() if churn else {}),
    }


def open_calls(media: Media, plan: Scene, phones: list[tuple[str, int]], folder: str) -> None:
    """Legs, edges and recorders, as control would."""
    for n, codec in enumerate(plan.codecs):
        keys = plan.keys[n] if plan.keys else None
        media.send(control.OpenLeg(n + 1, media.free[n].slot, spec(codec, phones[n], keys)))
    media.connect(plan.edges)
    for command in plan.commands(folder):
        media.send(command)


def serve(media: Media, plan: Scene, server: tuple[str, int]) -> None:
    """The voices of calls on their way to a recording server, which listens to none."""
    legs = [leg for pair in plan.served for leg in pair]
    for slot, leg in zip(media.free[len(plan.codecs) :], legs, strict=False):
        sent = control.LegSpec(plan.codecs[leg - 1], TYPES[plan.codecs[leg - 1]], -1, server, receive=False, keys=False)
        media.send(control.OpenLeg(_SERVED + leg, slot.slot, sent))
        media.connect([control.Edge(leg, _SERVED + leg)])


def spec(codec: str, phone: tuple[str, int], keys: tuple[bytes, bytes] | None) -> control.LegSpec:
    """A phone as a SIP phone's SDP would describe it; `keys` are its own and the one that we seal with."""
    security = control.Sdes(SUITE, keys[1], keys[0]) if keys else None
    rtcp = phone[0], phone[1] + 1
    return control.LegSpec(codec, TYPES[codec], 101, phone, rtcp, security=security)


def _read(subject: Media | Yardstick, board: Board) -> dict[str, float]:
    now = time.perf_counter()
    cpu = cpu_seconds(subject.pid)
    received = board.sent
    if isinstance(subject, Media):
        received = subject.statistics().received
    return {
        "at": now,
        "cpu": cpu,
        "received": received,
        "rss": resident_mb(subject.pid),
        "waited": waited_seconds(subject.pid),
    }


def _cost(first: dict[str, float], second: dict[str, float], calls: int) -> dict[str, float]:
    spent = second["cpu"] - first["cpu"]
    time_passed = second["at"] - first["at"]
    packets = second["received"] - first["received"]
    return {
        "cpu_percent": 100 * spent / time_passed,
        "percent_per_100_calls": 1e4 * spent / time_passed / calls,
        "us_per_packet": 1e6 * spent / max(packets, 1),
        "packets_per_second": packets / time_passed,
        "waited_percent": 100 * (second["waited"] - first["waited"]) / time_passed,
        "rss_mb": second["rss"],
        "rss_growth_mb": second["rss"] - first["rss"],
    }
