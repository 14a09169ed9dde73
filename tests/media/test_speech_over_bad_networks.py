"""Speech through a lossy network, the engine and its mix, judged by PESQ (ITU-T P.862, narrow band)."""

import os
import shutil
from random import Random

import numpy as np
import pytest
from network import SENTENCES, Network, speech
from pesq import pesq

pytestmark = pytest.mark.skipif(
    shutil.which("espeak-ng") is None and "CI" not in os.environ, reason="espeak-ng is not installed"
)
SEEDS = range(5)
PATHS = {  # loss, jitter, milliseconds a packet
    "3 % loss": (0.03, 0.0, 20),
    "5 % loss, 40 ms jitter": (0.05, 0.04, 20),
    "40 ms jitter": (0.0, 0.04, 20),
    "3 % loss of 60 ms": (0.03, 0.0, 60),
}


@pytest.fixture(scope="module")
def scores():
    """Mean PESQ of all talkers and seeds by path."""
    talkers = [speech(*sentence) for sentence in SENTENCES]
    runs = [(n, "no loss", 0) for n in range(len(talkers))]
    runs += [(n, path, seed) for n in range(len(talkers)) for path in PATHS for seed in SEEDS]
    network = Network(len(runs))
    for row, (n, path, seed) in enumerate(runs):
        loss, jitter, milliseconds = PATHS.get(path, (0.0, 0.0, 20))
        network.talk(row, talkers[n], Random(100 * n + seed), loss, jitter, packet=8 * milliseconds)
    found = {}
    for (n, path, _), heard in zip(runs, network.run(), strict=True):
        found.setdefault(path, []).append(pesq(8000, talkers[n], heard, "nb"))
    for path, each in found.items():
        print(f"PESQ {path}: {np.mean(each):.2f} ({min(each):.2f}–{max(each):.2f}, {len(each)} runs)")
    return {path: float(np.mean(each)) for path, each in found.items()}


@pytest.mark.parametrize(
    ("path", "most"),
    [("3 % loss", 0.6), ("5 % loss, 40 ms jitter", 1.0), ("40 ms jitter", 0.15), ("3 % loss of 60 ms", 1.0)],
)
def test_speech_survives_the_network(scores, path, most):
    """Concealment in the class of G.711 Appendix I; plain silence for lost packets costs 1.3 at 3 %."""
    assert scores[path] >= scores["no loss"] - most


def test_speech_without_loss_is_as_good_as_its_codec(scores):
    """A G.711 pass alone reaches the same."""
    assert scores["no loss"] >= 3.9
