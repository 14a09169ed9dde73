"""Every kept input, and every seed, of every target of the fuzzer; what was once found stays found."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
_MOST = 1024 * 1024


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_kept_inputs(name: str) -> None:
    target = TARGETS[name]
    for data in target.seeds:
        target.run(data)
    for path in sorted((CORPUS / name).glob("*")):
        target.run(path.read_bytes())


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= TARGETS.keys()
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < _MOST
