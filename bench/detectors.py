"""What the detectors cost: CPU microseconds per leg and tick, on speech-like sound, one thread.

    python -m bench.detectors [--legs 100,1000] [--seconds 2]

`tones` runs the transform on one row in five, which holds a busy tone; the others talk.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a media process; before numpy is loaded

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.machine import facts
from softswitch.media.ears import Ears
from softswitch.wire.control import LISTEN_ANSWER, LISTEN_DTMF, LISTEN_PROGRESS, LISTEN_SPEECH

_TICKS = 200
_KINDS = {
    "nothing": 0,
    "dtmf": LISTEN_DTMF,
    "speech": LISTEN_SPEECH,
    "tones": LISTEN_PROGRESS,
    "answer": LISTEN_ANSWER,
    "dtmf + speech": LISTEN_DTMF | LISTEN_SPEECH,
}


def babble(legs: int, dice: np.random.Generator) -> np.ndarray[Any, Any]:
    """[ticks, legs, 160]: harmonics of a voice, in syllables, at −20 dBm0; every fifth leg a busy tone."""
    at = np.arange(_TICKS * 160) / 8000
    rows = np.empty((legs, _TICKS * 160), np.int16)
    voices = []
    for _ in range(20):
        pitch = dice.uniform(90, 250) * (1 + 0.05 * np.sin(2 * np.pi * dice.uniform(0.5, 2) * at))
        phase = 2 * np.pi * np.cumsum(pitch) / 8000
        wave = sum(np.sin(k * phase + dice.uniform(0, 6)) * dice.uniform(0.2, 1) / k for k in range(1, 14))
        syllables = np.clip(np.sin(2 * np.pi * dice.uniform(2, 4) * at + dice.uniform(0, 6)) + 0.3, 0, 1)
        voices.append(2500 * wave * syllables + dice.normal(0, 10, len(at)))
    busy = 5000 * np.sin(2 * np.pi * 425 * at) * (at % 1.0 < 0.5)
    for row in range(legs):
        rows[row] = np.roll(busy if row % 5 == 0 else voices[row % 20], int(dice.integers(0, 16000)))
    return np.ascontiguousarray(rows.reshape(legs, _TICKS, 160).swapaxes(0, 1))


def cost(legs: int, bits: int, seconds: float, sound: np.ndarray[Any, Any]) -> float:
    """CPU µs a leg and tick."""
    ears = Ears(2 * legs)
    rows = 2 * np.arange(legs)
    for row in rows.tolist():
        ears.listen(row, bits, 5.0, 0)
        ears.pair(row, row ^ 2 if row ^ 2 < 2 * legs else -1)
    tick = 0

    def run(ticks: int) -> float:
        nonlocal tick
        begin = time.process_time()
        for _ in range(ticks):
            ears.hear(rows, sound[tick % _TICKS], tick)
            ears.take(tick)
            tick += 1
        return time.process_time() - begin

    run(20)
    ticks = 0
    spent = 0.0
    while spent < seconds:
        spent += run(20)
        ticks += 20
        if not bits and ticks > 2000:
            break
    return spent / ticks / legs * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", default="100,1000")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    say: Callable[[str], None] = print
    say(str(facts()))
    for legs in map(int, options.legs.split(",")):
        sound = babble(legs, np.random.default_rng(1))
        for name, bits in _KINDS.items():
            say(f"{legs:5d} legs  {name:14s} {cost(legs, bits, options.seconds, sound):6.2f} µs a leg and tick")
    return 0


if __name__ == "__main__":
    sys.exit(main())
