"""Drives `pjsua_phone.py`, pjsua2 in a process of its own."""

import importlib.util
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
import soundfile

from tests.interop import listen
from tests.interop.softphone import tone_file
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, media_ports, wait_until

HERE = Path(__file__).parent


def need_pjsua() -> None:
    """Skip when it is not installed; in CI that is a failure, but where nobody builds it for that Python."""
    if importlib.util.find_spec("pjsua2") is None:
        if os.environ.get("CI") and sys.version_info < (3, 13):
            pytest.fail("pjsua2 is not installed; CI must have it (pip install --group interop)")
        pytest.skip("pjsua2 is not installed (pip install --group interop)")


class Pjsua:
    """One phone that registers at `switch`; a `Softphone`."""

    def __init__(
        self,
        switch: SwitchProcess,
        user: str,
        password: str,
        hertz: float,
        directory: Path,
        *,
        transport: str = "udp",
        codecs: str = "PCMA",
        srtp: str = "off",
        answer: bool = True,
        port: int = 0,
        mwi: bool = False,
    ) -> None:
        need_pjsua()
        self.user = user
        self._directory = directory / f"pjsua-{user}"
        self._directory.mkdir(parents=True)
        options = {
            "registrar": f"{switch.host}:{port or switch.port}",
            "user": user,
            "password": password,
            "transport": transport,
            "codecs": codecs.split(","),
            "srtp": srtp,
            "answer": answer,
            "tone": str(tone_file(self._directory, hertz)),
            "directory": str(self._directory),
            "port": free_port(),
            "rtp": media_ports(40)[0],
            "mwi": mwi,
        }
        self._errors = self._directory / "errors"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", str(HERE / "pjsua_phone.py"), json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def call(self, number: str) -> None:
        self._do("call", uri=f"sip:{number}@pbx.test")

    def answer(self) -> None:
        self._do("answer")

    def refuse(self) -> None:
        self._do("refuse", status=486)

    def hold(self) -> None:
        self._do("hold")

    def resume(self) -> None:
        self._do("resume")

    def press(self, digits: str) -> None:
        self._do("press", digits=digits)

    def refer(self, number: str) -> None:
        self._do("refer", uri=f"sip:{number}@pbx.test")

    def consult(self, number: str) -> None:
        self.hold()
        self.call(number)

    def complete(self) -> None:
        self._do("complete")

    def hang_up(self) -> None:
        self._do("hang up")

    def message(self, number: str, text: str) -> None:
        self._do("message", uri=f"sip:{number}@pbx.test", text=text)

    def incoming(self, seconds: float = PATIENCE) -> None:
        self.expect("incoming", seconds)

    def established(self, seconds: float = PATIENCE) -> None:
        self.expect("established", seconds)

    def closed(self, seconds: float = PATIENCE) -> None:
        self.expect("closed", seconds)

    def expect(self, event: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next such event; others are dropped."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = self._events.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                said = self._errors.read_text()
                raise TimeoutError(f"pjsua: no {event} within {seconds} s\n{said}") from None
            assert found["event"] != "error", found
            if found["event"] == event:
                return found

    def heard(self) -> listen.Samples:
        """What came out of the decoder in the latest call, once it is over."""
        path = max(self._directory.glob("heard-*.wav"), key=lambda path: path.stat().st_mtime)
        wait_until("the end of pjsua's file", lambda: soundfile.info(path).frames)
        return listen.read(path)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _do(self, order: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": order, **fields}) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))
