"""Ten minutes of recorded calls: memory, late ticks and loss, sampled every ten seconds.

python -m bench.media.long_run [--calls 500] [--minutes 10] [--csv FILE]
"""

import argparse
import csv
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.machine import facts
from bench.media.generator import Board, generate
from bench.media.run import open_calls
from bench.media.scenes import scene
from bench.media.subjects import Media, cpu_seconds, resident_mb, split_cores, waited_seconds

_RESULTS: Final = Path(__file__).parents[1] / "results"
_EVERY: Final = 10.0
_FLAT_MB: Final = 5.0
"""Growth after the first minute up to which memory is called flat."""
_FIELDS: Final = (
    "seconds",
    "cpu_percent",
    "rss_mb",
    "ticks",
    "late_ticks",
    "received",
    "sent",
    "dropped",
    "waited_percent",
)
_OCTETS_A_CALL: Final = 32_000  # a second, two channels


def main() -> None:
    """Print a line a sample and the verdict; keep both in bench/results/."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--mode", default="record", help="any mode of bench.media but uvloop and churn")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--csv", type=Path, help="write the samples here too")
    options = parser.parse_args()
    machine = {**facts(), "numpy": np.__version__}
    with tempfile.TemporaryDirectory() as folder:
        needed = options.calls * options.minutes * 60 * _OCTETS_A_CALL
        if "record" in options.mode and shutil.disk_usage(folder).free < 1.2 * needed:
            raise SystemExit(f"{folder} has no room for {needed / 1e9:.1f} GB of recordings: set TMPDIR")
        samples, heard, backend = _run(folder, options)
    verdict = judge(samples, heard)
    _RESULTS.mkdir(exist_ok=True)
    stem = _RESULTS / time.strftime("media-long-%Y%m%d-%H%M%S")
    for path in (stem.with_suffix(".csv"), options.csv):
        if path is not None:
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, _FIELDS)
                writer.writeheader()
                writer.writerows(samples)
    machine["load_after"] = [round(value, 2) for value in os.getloadavg()]
    whole = {"machine": machine, "backend": backend, "calls": options.calls, "mode": options.mode}
    stem.with_suffix(".json").write_text(json.dumps({**whole, "verdict": verdict, "generator": heard}, indent=1))
    print(f"\n{options.calls} calls ({options.mode}, {backend}), {options.minutes:g} minutes:")
    for name, value in verdict.items():
        print(f"  {name}: {value}")


def _run(folder: str, options: argparse.Namespace) -> tuple[list[dict[str, float]], dict[str, float], str]:
    mine, generators = split_cores()
    plan = scene(options.mode, options.calls)
    load = plan.load(options.minutes * 60, generators)
    board = Board(len(load.codecs))
    here, there = multiprocessing.Pipe()
    generator = multiprocessing.get_context("spawn").Process(target=generate, args=(load, board, there), daemon=True)
    generator.start()
    there.close()
    phones = here.recv()
    media = Media(folder, len(load.codecs), options.backend, mine)
    try:
        here.send([slot.port for slot in media.free])
        here.recv()
        open_calls(media, plan, phones, folder)
        samples: list[dict[str, float]] = []
        last = _sample(media, 0.0, None)
        here.send("go")
        start = time.perf_counter()
        print("seconds  cpu%  rss MB  late/ticks  dropped  waited%")
        while not here.poll(max(start + (len(samples) + 1) * _EVERY - time.perf_counter(), 0.0)):
            last = _sample(media, time.perf_counter() - start, last)
            samples.append({name: last[name] for name in _FIELDS})
            print(
                f"{last['seconds']:7.0f} {last['cpu_percent']:5.1f} {last['rss_mb']:7.1f}  {last['late_ticks']:.0f}/"
                f"{last['ticks']:.0f} {last['dropped']:8.0f} {last['waited_percent']:7.1f}",
                flush=True,
            )
        return samples, here.recv(), media.name
    finally:
        here.close()
        media.close()
        generator.join()


def _sample(media: Media, seconds: float, last: dict[str, Any] | None) -> dict[str, float]:
    cpu, waited = cpu_seconds(media.pid), waited_seconds(media.pid)
    stats = media.statistics()
    now = {
        "seconds": round(seconds, 1),
        "cpu": cpu,
        "waited": waited,
        "rss_mb": round(resident_mb(media.pid), 2),
        "ticks": stats.ticks,
        "late_ticks": stats.late_ticks,
        "received": stats.received,
        "sent": stats.sent,
        "dropped": stats.dropped,
        "cpu_percent": 0.0,
        "waited_percent": 0.0,
    }
    if last is not None and seconds > last["seconds"]:
        passed = seconds - last["seconds"]
        now["cpu_percent"] = round(100 * (cpu - last["cpu"]) / passed, 2)
        now["waited_percent"] = round(100 * (waited - last["waited"]) / passed, 2)
    return now


def judge(samples: list[dict[str, float]], heard: dict[str, float]) -> dict[str, object]:
    """Flat memory after the first minute, late ticks, loss."""
    settled = [sample for sample in samples if sample["seconds"] >= 60] or samples[-1:]
    ticks = samples[-1]["ticks"] - samples[0]["ticks"]
    late = samples[-1]["late_ticks"] - samples[0]["late_ticks"]
    growth = settled[-1]["rss_mb"] - settled[0]["rss_mb"]
    slope = 0.0
    if len(settled) > 2:
        at = np.array([sample["seconds"] for sample in settled])
        slope = float(np.polyfit(at / 60, np.array([sample["rss_mb"] for sample in settled]), 1)[0])
    return {
        "memory flat": growth <= _FLAT_MB,
        "memory after the first minute, growth MB": round(growth, 2),
        "memory trend MB a minute": round(slope, 3),
        "late ticks %": round(100 * late / max(ticks, 1), 3),
        "late ticks below 0.1 %": late < 0.001 * ticks,
        "lost": f"{heard['lost']:g} of {heard['sent']:,}",
        "delay p50 / p99 / max ms": " / ".join(f"{heard[f'delay_{name}_ms']:.2f}" for name in ("p50", "p99", "max")),
        "jitter p99 ms": round(heard["jitter_p99_ms"], 2),
        "CPU % of a core": round(float(np.mean([sample["cpu_percent"] for sample in settled])), 1),
        "core waited for %": round(float(np.mean([sample["waited_percent"] for sample in settled])), 2),
        "generator late p99 / max ms": f"{heard['generator_p99_ms']:.1f} / {heard['generator_max_ms']:.1f}",
    }


if __name__ == "__main__":
    main()
