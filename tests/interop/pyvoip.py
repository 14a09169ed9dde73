"""Drives `pyvoip_phone.py`, pyVoIP in a process of its own."""

import importlib.metadata
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop import listen
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, media_ports

HERE = Path(__file__).parent


def need_pyvoip() -> None:
    """Skip when it is not installed; in CI that is a failure."""
    try:
        importlib.metadata.version("pyVoIP")
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI"):
            pytest.fail("pyVoIP is not installed; CI must have it (pip install --group interop)")
        pytest.skip("pyVoIP is not installed (pip install --group interop)")


class PyVoip:
    """One phone. `expect` waits for an event."""

    def __init__(self, switch: SwitchProcess, user: str, password: str, hertz: float, directory: Path) -> None:
        need_pyvoip()
        directory.mkdir(parents=True, exist_ok=True)
        self._heard = directory / f"pyvoip-{user}.u8"
        self._errors = directory / f"pyvoip-{user}.log"
        words = [switch.host, switch.port, user, password, free_port(), media_ports(40)[0], hertz, self._heard]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", str(HERE / "pyvoip_phone.py"), *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def do(self, order: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": order, **fields}) + "\n")
        self._process.stdin.flush()

    def expect(self, event: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next such event; others are dropped. Raises `TimeoutError` with pyVoIP's own complaints."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = self._events.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"pyVoIP: no {event} within {seconds} s\n{self._errors.read_text()}") from None
            if found["event"] == event:
                return found

    def heard(self) -> listen.Samples:
        return listen.from_u8(self._heard.read_bytes() if self._heard.exists() else b"")

    def close(self) -> None:
        if self._process.poll() is None:
            self.do("quit")
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))
