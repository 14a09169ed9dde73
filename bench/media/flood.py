"""Junk at one port of the media process, and what the calls beside it feel.

    python -m bench.media.flood [--rate 100000] [--calls 50] [--seconds 5] [--backend auto]

The junk is of five kinds in turn: a wrong version, shorter than a header, a payload type that nobody negotiated, a
stranger's source, longer than a packet may be.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawArray
from typing import Any, Final

import numpy as np

from bench.media.datagrams import Datagrams
from bench.media.generator import WARM, Board, generate
from bench.media.run import open_calls
from bench.media.scenes import scene
from bench.media.subjects import Media, cpu_seconds, split_cores
from softswitch.wire import control

KINDS: Final = ("version", "short", "type", "stranger", "oversize")
_ROUND: Final = 0.001
_OVERSIZE: Final = 2100


def junk(rate: int, seconds: float, link: Connection, sent: Any, cores: set[int]) -> None:
    """Tell the address that it speaks from, be told a port of 127.0.0.1, and send `rate` packets a second there, spread
    evenly; `sent[0]` counts them."""
    if cores:
        os.sched_setaffinity(0, cores)
    with suppress(OSError):
        os.nice(-15)
    datagrams = Datagrams(12 * len(KINDS), room=_OVERSIZE)
    packets = datagrams.packets
    packets[:] = np.random.default_rng(2).integers(0, 256, packets.shape, np.uint8)
    packets[:, 0], packets[:, 1] = 0x80, 0
    datagrams.lengths[:] = 172
    for n, kind in enumerate(KINDS):
        mine = slice(n, None, len(KINDS))
        match kind:
            case "version":
                packets[mine, 0] = 0x40
            case "short":
                datagrams.lengths[mine] = 7
            case "type":
                packets[mine, 1] = 77
            case "oversize":
                datagrams.lengths[mine] = _OVERSIZE
        if kind != "stranger":
            datagrams.speak_as(mine, 0)
    link.send(datagrams.addresses[0])
    datagrams.ports[:] = link.recv()
    start = time.perf_counter()
    n = at = 0
    while n < rate * seconds:
        due = int((time.perf_counter() - start) * rate)
        while n < due:
            last = min(at + due - n, datagrams.phones)
            datagrams.send(at, last)
            n += last - at
            at = last % datagrams.phones
        sent[0] = n
        time.sleep(_ROUND)
    datagrams.close()


def flood(calls: int, rate: int, seconds: float, backend: str) -> dict[str, Any]:
    """`calls` relayed calls, and a leg that is flooded."""
    mine, generators = split_cores()
    with tempfile.TemporaryDirectory() as folder:
        plan = scene("relay", calls)
        load = plan.load(WARM + seconds + 1.0, generators)
        board = Board(len(load.codecs))
        spawn = multiprocessing.get_context("spawn")
        here, there = multiprocessing.Pipe()
        generator = spawn.Process(target=generate, args=(load, board, there), daemon=True)
        generator.start()
        there.close()
        phones = here.recv()
        media = Media(folder, len(load.codecs) + 1, backend, mine)
        try:
            here.send([slot.port for slot in media.free[: len(phones)]])
            here.recv()
            open_calls(media, plan, phones, folder)
            target = media.free[len(phones)]
            leg = len(phones) + 1
            sent = RawArray("q", 1)
            ours, theirs = multiprocessing.Pipe()
            attacker = spawn.Process(target=junk, args=(rate, seconds, theirs, sent, generators), daemon=True)
            attacker.start()
            media.send(
                control.OpenLeg(leg, target.slot, control.LegSpec("PCMU", 0, 101, ours.recv(), latch="signalled"))
            )
            before = media.statistics()
            here.send("go")
            time.sleep(WARM + 0.3)
            ours.send(target.port)
            cpu, at = cpu_seconds(media.pid), time.perf_counter()
            attacker.join()
            cpu, at = cpu_seconds(media.pid) - cpu, time.perf_counter() - at
            heard = here.recv()
            media.send(control.AskStats((leg,)))
            stats: control.LegStats = media.wait(control.LegStats)
            after: control.WorkerStats = media.wait(control.WorkerStats)
            return {
                "backend": media.name,
                "junk": sent[0],
                "junk_per_second": sent[0] / at,
                "rejected": stats.rejected,
                "received": stats.received,
                "cpu_percent": 100 * cpu / at,
                "late_ticks": after.late_ticks - before.late_ticks,
                "ticks": after.ticks - before.ticks,
                **heard,
            }
        finally:
            here.close()
            media.close()
            generator.join()


def main() -> None:
    """Print what happened."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--backend", default="auto", help="auto, epoll or uring")
    options = parser.parse_args()
    r = flood(options.calls, options.rate, options.seconds, options.backend)
    print(
        f"{r['backend']}: {r['junk']:,} junk packets at {r['junk_per_second']:,.0f}/s; {r['rejected']:,} looked at and "
        f"rejected, the rest dropped by the kernel; media at {r['cpu_percent']:.0f} % of a core\n"
        f"{options.calls} calls beside it: lost {r['lost']:g} of {r['sent']:,}, delay p50 {r['delay_p50_ms']:.2f} p99 "
        f"{r['delay_p99_ms']:.2f} max {r['delay_max_ms']:.1f} ms, late ticks {r['late_ticks']} of {r['ticks']}, "
        f"generator late p99 {r['generator_p99_ms']:.1f} max {r['generator_max_ms']:.1f} ms"
    )


if __name__ == "__main__":
    main()
