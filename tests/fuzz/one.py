"""The fuzzer's process: `python -m tests.fuzz.one TARGET CORPUS… -libfuzzer_option=…`. Everything of ours is
instrumented when it is imported, so nothing of it may be imported before."""

import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import atheris

with atheris.instrument_imports(include=["softswitch", "tests.fuzz.targets"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    target = TARGETS[sys.argv[1]]
    arguments = [sys.argv[0], *sys.argv[2:], f"-max_len={target.longest}"]
    working = Path(sys.argv[2])
    for number, seed in enumerate(target.seeds):
        (working / f"seed-{number}").write_bytes(seed)
    with NamedTemporaryFile("w", suffix=".dict") as words:
        words.write("".join(f'"{_escaped(word)}"\n' for word in target.words))
        words.flush()
        arguments += [f"-dict={words.name}"] if target.words else []
        atheris.Setup(arguments, target.run)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


if __name__ == "__main__":
    main()
