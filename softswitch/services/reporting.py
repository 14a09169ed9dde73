"""Reports out of a database: the ledger is read in pieces, folded, and forgotten; a million facts take seconds and the
memory of one piece.

`python -m softswitch.services.reporting` answers one order (JSON on standard input: the database, and a question) with
a report (JSON) or `{"error": …}` on standard output. A running switch asks for reports that way, so that no call waits
for one: folding holds the interpreter.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from softswitch.acd.fold import COUNT
from softswitch.acd.reports import Question, Report, fold_for, report, warm_up
from softswitch.kernel.errors import LocalError
from softswitch.services.ledger_reader import Progress, read

_REPEATS: Final = ("queue.entered", "queue.answered", "switch.started")  # what first-call resolution follows
_NICE: Final = 10


class Order(msgspec.Struct):
    """`database` as in the configuration: `sqlite` (in `data_dir`), `sqlite:///PATH`, `postgresql://…`."""

    database: str
    data_dir: str
    question: Question


def make_report(database: str, data_dir: Path, question: Question, progress: Progress | None = None) -> Report:
    """Fold the ledger into the answer; `progress` is told entries read and their number. Raises `LocalError` when the
    database cannot be read."""
    fold = fold_for(question)
    where, values = _where(question)
    read(database, data_dir, where, values, fold.add, progress)
    return report(question, fold)


def _where(question: Question) -> tuple[str, dict[str, object]]:
    """The lines that matter: everything that is counted within the time and a day before (a call may have entered, a
    state begun), and what first-call resolution follows further out."""
    values: dict[str, object] = {}

    def value(given: object) -> str:
        name = f"v{len(values)}"
        values[name] = given
        return f":{name}"

    day = 86400.0
    around = warm_up(question)
    kinds = ", ".join(value(kind) for kind in COUNT)
    near = f"(at >= {value(question.since - day)} AND at < {value(question.until + day)} AND (kind IN ({kinds})"
    near += f" OR kind LIKE {value('callback.%')}))"
    repeats = ", ".join(value(kind) for kind in _REPEATS)
    far = f"(at >= {value(question.since - around)} AND at < {value(question.until + around)} AND kind IN ({repeats}))"
    return f"({near} OR {far})", values


# ------------------------------------------------------------------------------------------------------- as a process


class Reporter:
    """Makes reports in processes of their own, one at a time. Raises `LocalError` when that fails."""

    def __init__(self, database: str, data_dir: Path) -> None:
        self._database = database
        self._data_dir = str(data_dir)
        self._lock = asyncio.Lock()

    async def make(self, question: Question) -> bytes:
        """The report as JSON."""
        order = msgspec.json.encode(Order(self._database, self._data_dir, question))
        async with self._lock:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "softswitch.services.reporting"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                answer, _ = await process.communicate(order)
            except asyncio.CancelledError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                raise
        if process.returncode:
            raise LocalError(f"the report could not be made: its process ended with {process.returncode}")
        if answer.startswith(b'{"error"'):
            raise LocalError(msgspec.json.decode(answer)["error"])
        return answer


def main() -> int:
    """One order, one answer."""
    os.nice(_NICE)
    try:
        order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
        answer = msgspec.json.encode(make_report(order.database, Path(order.data_dir), order.question))
    except LocalError as error:
        answer = msgspec.json.encode({"error": str(error)})
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
