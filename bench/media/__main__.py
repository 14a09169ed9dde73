"""Calls through a real media process on loopback: what a call costs, how long a packet takes, what is lost.

    python -m bench.media [--calls 100 200] [--modes relay mix record] [--seconds 3] [--backend auto]

A generator process plays both sides of every call, 20 ms packets spread evenly over time. CPU is the media process's
own, so that the generator's does not count; its packets are those that it received. Added delay is from the sending of
a packet to the arrival of the same sound by the kernel's clock; where sound is mixed it holds the jitter buffer and the
wait for the tick. Jitter is how far the time between two packets of a phone is from 20 ms. A run in which the generator
was late, or media waited for its core, is marked: its delays say more about the machine than about the switch. `uvloop`
is a plain relay under the same load.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import facts
from bench.media import report
from bench.media.run import Unfit, measure
from bench.media.scenes import CALLS, MODES, USUAL

_RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Print a line a run, then a table for docs/performance.md; results are kept in bench/results/."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, nargs="+", help="numbers of calls (default: each mode's own)")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured seconds of a run")
    parser.add_argument("--backend", default="auto", help="auto, epoll or uring")
    parser.add_argument("--json", type=Path, help="write the results here too")
    parser.add_argument("--plot", type=Path, help="draw CPU a packet over calls into this PNG (needs matplotlib)")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    machine = {**facts(), "numpy": np.__version__}
    print(report.HEADING)
    for mode in options.modes:
        for calls in options.calls or CALLS.get(mode, USUAL):
            try:
                result = measure(mode, calls, options.seconds, options.backend)
            except Unfit as reason:
                print(f"{mode:14} {calls:5} left out: {reason}")
                continue
            results.append(result)
            print(report.line(result), flush=True)
    machine["load_after"] = [round(value, 2) for value in os.getloadavg()]
    whole = json.dumps({"machine": machine, "runs": results}, indent=1)
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / time.strftime("media-%Y%m%d-%H%M%S.json")).write_text(whole)
    if options.json:
        options.json.write_text(whole)
    print("\n" + report.table(machine, results))
    if options.plot:
        report.plot(results, options.plot)


if __name__ == "__main__":
    main()
