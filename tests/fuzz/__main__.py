"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz --seconds 60 sip-message sdp`; `--list` names targets.

What is new in coverage goes into a working corpus, what fails into `found`; both lie below the folder given by --work.
Files worth keeping go to tests/fuzz/corpus/TARGET by hand.
"""

import argparse
import subprocess
import sys
from pathlib import Path

_SPARE = 120  # seconds beyond its time, until a fuzzer that hangs is ended


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
    names = options.targets or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.one",
        str(options.work),
        str(options.seconds),
        str(options.seed),
        *names,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=len(names) * options.seconds + _SPARE)
    said = set(done.stdout.splitlines())  # and tracebacks of what fails
    failed = [name for name in names if f"{name} 0" not in said]
    if failed:
        print(f"findings: {', '.join(failed)}; see {options.work}/found", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
