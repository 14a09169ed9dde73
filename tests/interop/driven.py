"""Phones in processes of their own: what came of them is waited for, and they end."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.interop.switch_process import PATIENCE

Event = TypeVar("Event")
HERE = Path(__file__).parent


def awaited(
    events: "queue.Queue[Event]", wanted: Callable[[Event], bool], what: str, seconds: float, log: Callable[[], str]
) -> Event:
    """The next event that is `wanted`; others are dropped. Raises `TimeoutError` that names `what` was waited for and
    has the end of the phone's own `log`."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = events.get(timeout=max(0.01, end - time.monotonic()))
        except queue.Empty:
            raise TimeoutError(f"no {what} within {seconds} s\n{log()[-2000:]}") from None
        if wanted(found):
            return found


def ended(process: "subprocess.Popen[Any]", seconds: float = 5.0) -> None:
    """The process, which was told to go, is gone, by force if it must be; its pipes are closed."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


class Scripted:
    """A phone that a script beside this file plays with a library: orders and events are lines of JSON."""

    def __init__(self, script: str, words: list[str], log: Path) -> None:
        self._name = script.partition("_")[0]
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", str(HERE / script), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def do(self, order: str, **fields: Any) -> None:
        """One order of the script's."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": order, **fields}) + "\n")
        self._process.stdin.flush()

    def expect(self, event: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next such event; others are dropped. Raises `TimeoutError`, and `AssertionError` when the library
        fails."""
        found = awaited(
            self._events,
            lambda one: one["event"] in (event, "error"),
            f"{event} of {self._name}",
            seconds,
            self._log.read_text,
        )
        assert found["event"] != "error" or event == "error", found
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))
