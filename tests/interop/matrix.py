"""The tables of docs/interop.md between their marker comments, made from test runs.

    python -m tests.interop.matrix          takes up the outcomes of the latest runs (pytest's cache), writes the tables
    python -m tests.interop.matrix --check  says whether the record is of today's tests, and the tables the record's

`matrix.json` beside this file is the record: for each test what it shows and how its latest run ended, and the versions
that the programs gave of themselves.
"""

import contextlib
import importlib.metadata
import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.interop.showing import CACHE, FLOWS_PEER, known, shown_by

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("matrix.json")
PAGE = ROOT / "docs" / "interop.md"
_CACHED = ROOT / ".pytest_cache" / "v" / CACHE

ASKED = {
    "SIPp": ("sipp", "-v"),
    "baresip": ("baresip", "-h"),
    "linphone": ("linphonec", "--version"),
    "Chromium": ("chromium", "--version"),
    "JsSIP": ("node", "-p", "try{require('./.peers/node_modules/jssip/package.json').version}catch{''}"),
}
PACKAGES = {"pjsua": "pjsua2-python", "pyVoIP": "pyVoIP"}
CANNOT = {
    ("baresip", "attended transfer"): "baresip 1.0 has no command for it",
    ("pyVoIP", "hold and resume"): "pyVoIP 1.6 does not know re-INVITE",
    ("pyVoIP", "blind transfer"): "pyVoIP 1.6 does not know REFER",
    ("pyVoIP", "attended transfer"): "likewise REFER",
}


@dataclass(slots=True)
class Record:
    """`tests`: node id to (outcome, [[peer, feature]…]); an outcome "" is a test that has never been run."""

    versions: dict[str, str] = field(default_factory=dict)
    tests: dict[str, tuple[str, list[list[str]]]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Record":
        if not RECORD.exists():
            return cls()
        found = json.loads(RECORD.read_text(encoding="utf-8"))
        return cls(found["versions"], {name: (row[0], row[1]) for name, row in found["tests"].items()})

    def write(self) -> None:
        found = {"versions": self.versions, "tests": dict(sorted(self.tests.items()))}
        lines = json.dumps(found, ensure_ascii=False, indent=1)
        RECORD.write_text(re.sub(r"\[\s+(\"[^\[\]]*?)\s+\]", _one_line, lines) + "\n", encoding="utf-8")

    def cells(self) -> dict[tuple[str, str], list[str]]:
        """The outcomes behind each (peer, feature)."""
        found: dict[tuple[str, str], list[str]] = {}
        for outcome, pairs in self.tests.values():
            for peer, feature in pairs:
                found.setdefault((peer, feature), []).append(outcome)
        return found


def _one_line(match: "re.Match[str]") -> str:
    return "[" + re.sub(r"\s*\n\s*", " ", match[1]) + "]"


class _Collected:
    """A plugin that keeps what is collected."""

    def __init__(self) -> None:
        self.shown: dict[str, list[list[str]]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            if pairs := shown_by(item):
                self.shown[item.nodeid] = [list(pair) for pair in pairs]


def collect() -> dict[str, list[list[str]]]:
    """What every test in tests/ shows, by its node id."""
    found, said = _Collected(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", str(ROOT / "tests" / "interop")],
            plugins=[found],
        )
    if code:
        raise SystemExit(said.getvalue())
    return found.shown


def version_of(peer: str) -> str:
    """What the program says of itself; "" when it is not there."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if peer in PACKAGES:
            return importlib.metadata.version(PACKAGES[peer]).removesuffix(".post1")
    with contextlib.suppress(FileNotFoundError, KeyError):
        said = subprocess.run(ASKED[peer], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        if number := re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr):
            return number[0]
    return ""


def mark(outcomes: list[str]) -> str:
    """A tick only if the latest run of every test of the cell passed."""
    if all(outcome == "passed" for outcome in outcomes):
        return "✓"
    if any(outcome in ("failed", "xfailed") for outcome in outcomes):
        return "✗"
    return "not run"


def tables(record: Record) -> str:
    """Both tables, in Markdown."""
    cells = record.cells()
    phones = {key: value for key, value in cells.items() if not _flow(key)}
    names = sorted({peer for peer, _ in phones}, key=lambda peer: (-sum(key[0] == peer for key in phones), peer))
    features = sorted({feature for _, feature in phones} | {feature for _, feature in CANNOT})
    lines = [
        "| feature | " + " | ".join(f"{name} {record.versions.get(name, '')}".strip() for name in names) + " |",
        "|---|" + ":-:|" * len(names),
    ]
    notes: list[str] = []
    for feature in features:
        row = []
        for name in names:
            if why := CANNOT.get((name, feature)):
                notes.append(why)
                row.append(f"no ({len(notes)})")
            else:
                row.append(mark(phones[name, feature]) if (name, feature) in phones else "")
        lines.append(f"| {feature} | " + " | ".join(row) + " |")
    if notes:
        lines += ["", "; ".join(f"({number}) {why}" for number, why in enumerate(notes, 1)) + "."]
    lines += [
        "",
        f"Call flows, played by SIPp {record.versions.get(FLOWS_PEER, '')} and people of the tests':",
        "",
        "| flow | |",
        "|---|:-:|",
    ]
    flows = sorted((key for key in cells if _flow(key)), key=lambda key: _numbers(key[1]))
    lines += [f"| {feature} | {mark(cells[peer, feature])} |" for peer, feature in flows]
    return "\n".join(lines)


def _flow(key: tuple[str, str]) -> bool:
    return key[0] == FLOWS_PEER and key[1].startswith("RFC ") and "§" in key[1]


def _numbers(feature: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", feature.partition(":")[0])]


def placed(page: str, text: str) -> str:
    """The page with the tables between its comments."""
    head, _, rest = page.partition("<!-- matrix -->\n")
    _, end, tail = rest.partition("<!-- end of matrix -->")
    if not end:
        raise SystemExit(f"{PAGE.name} has no place for the tables: two comments, `matrix` and `end of matrix`")
    return f"{head}<!-- matrix -->\n{text}\n{end}{tail}"


def take_up(record: Record, shown: dict[str, list[list[str]]], outcomes: dict[str, str]) -> Record:
    """What the runs since the last time say; tests that are no more go."""
    before = {name: row[0] for name, row in record.tests.items()}
    tests = {name: (outcomes.get(name, before.get(name, "")), pairs) for name, pairs in shown.items()}
    names = {peer for pairs in shown.values() for peer, _ in pairs}
    versions = {name: version_of(name) or record.versions.get(name, "") for name in sorted(names)}
    return Record({name: version for name, version in versions.items() if version}, tests)


def complaints(record: Record, shown: dict[str, list[list[str]]], page: str) -> list[str]:
    """What is stale. Empty: nothing."""
    found = [f"{name} is not in the record" for name in sorted(shown.keys() - record.tests.keys())]
    found += [f"{name} is in the record, but no test" for name in sorted(record.tests.keys() - shown.keys())]
    both = shown.keys() & record.tests.keys()
    found += [f"{name} shows something else now" for name in sorted(both) if shown[name] != record.tests[name][1]]
    if placed(page, tables(record)) != page:
        found.append(f"the tables of {PAGE.name} are not those of {RECORD.name}")
    return found


def main(words: list[str]) -> int:
    shown, record = collect(), Record.read()
    if words == ["--check"]:
        found = complaints(record, shown, PAGE.read_text(encoding="utf-8"))
        print("\n".join(found) or "the tables are the tests'")
        return 1 if found else 0
    cached = json.loads(_CACHED.read_text(encoding="utf-8")) if _CACHED.exists() else {}
    record = take_up(record, shown, known(cached.items()))
    record.write()
    PAGE.write_text(placed(PAGE.read_text(encoding="utf-8"), tables(record)), encoding="utf-8")
    waiting = [name for name, (outcome, _) in record.tests.items() if outcome != "passed"]
    print(f"{len(record.tests)} tests, {len(record.tests) - len(waiting)} passed", *waiting, sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
