"""The fuzzer's process: `python -m tests.fuzz.one WORK SECONDS SEED TARGET…`. Everything of ours is instrumented when
it is imported, which takes seconds; so it is imported once, and each target runs in a fork. Prints `TARGET STATUS`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import atheris

with atheris.instrument_imports(include=["softswitch", "tests.fuzz.targets"]):
    from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"


def main(work: Path, seconds: int, seed: int, names: Sequence[str]) -> None:
    for name in names:
        print(f"{name}: {seconds} s", file=sys.stderr, flush=True)
        child = os.fork()
        if not child:
            fuzz(TARGETS[name], work, seconds, seed)
        _, status = os.waitpid(child, 0)
        print(name, os.waitstatus_to_exitcode(status), flush=True)


def fuzz(target: Target, work: Path, seconds: int, seed: int) -> None:
    """Does not come back. The fuzzer's own words go to standard error."""
    corpus, found = work / "corpus" / target.name, work / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    kept = [str(CORPUS / target.name)] if (CORPUS / target.name).is_dir() else []
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={found}/{target.name}-", f"-seed={seed}"]
    options += ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", f"-max_len={target.longest}"]
    with NamedTemporaryFile("w", suffix=".dict") as words:
        words.write("".join(f'"{_escaped(word)}"\n' for word in target.words))
        words.flush()
        options += [f"-dict={words.name}"] if target.words else []
        atheris.Setup([sys.argv[0], str(corpus), *kept, *options], target.run)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
