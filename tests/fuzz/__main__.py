"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz --seconds 60 sip-message sdp`; `--list` names targets.

Each target runs in a process of its own. What is new in coverage goes into a working corpus, what fails into `found`;
both lie below the folder given by --work. Files worth keeping go to tests/fuzz/corpus/TARGET by hand.
"""

import argparse
import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_SPARE = 60  # seconds beyond its time, until a fuzzer that hangs is ended


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="[all]")
    parser.add_argument("--seconds", type=int, default=60, help="for each target  [60]")
    parser.add_argument("--work", type=Path, default=Path("var/fuzz"), help="folder  [var/fuzz]")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--list", action="store_true", help="name the targets")
    options = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    if options.list:
        print("\n".join(TARGETS))
        return 0
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    failed = [
        name for name in options.targets or TARGETS if not fuzz(name, options.seconds, options.work, options.seed)
    ]
    if failed:
        print(f"findings: {', '.join(failed)}; see {options.work}/found", file=sys.stderr)
    return bool(failed)


def fuzz(name: str, seconds: int, work: Path, seed: int = 0) -> bool:
    """Whether the target held. The fuzzer's own words go to standard error."""
    corpus, found = work / "corpus" / name, work / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={found}/{name}-", f"-seed={seed}"]
    options += ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(corpus), *kept, *options]
    print(f"{name}: {seconds} s", file=sys.stderr, flush=True)
    try:
        return subprocess.run(command, timeout=seconds + _SPARE, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


if __name__ == "__main__":
    sys.exit(main())
