"""Chromium as a phone: a page of ours in a headless browser, driven over its DevTools protocol. What its microphone
hears is a file with a tone; what its speaker would play is measured in the page."""

import contextlib
import functools
import http.server
import itertools
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from websockets.sync.client import connect

from tests.interop.sipp import need
from tests.interop.switch_process import PATIENCE, wait_until

_RATE = 48000
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


class Chromium:
    """A browser whose microphone hears a tone of `hertz`, on a page of this folder. `scripts` are served beside it."""

    def __init__(
        self,
        hertz: float,
        directory: Path,
        page: str = "browser_phone.html",
        scripts: Mapping[str, bytes] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        need("chromium")
        self._directory = directory / "chromium"
        self._directory.mkdir(parents=True)
        tone = self._directory / "tone.wav"
        at = np.arange(10 * _RATE) / _RATE
        soundfile.write(tone, 0.3 * np.sin(2 * np.pi * hertz * at), _RATE, subtype="PCM_16")
        self._server = _Server(page, scripts or {})
        self._log = (self._directory / "log").open("wb")
        self._process = subprocess.Popen(
            [
                "chromium",
                *_FLAGS,
                *flags,
                f"--user-data-dir={self._directory / 'profile'}",
                f"--use-file-for-fake-audio-capture={tone}",
                self._server.url,
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._numbers = itertools.count(1)
        self._open = contextlib.ExitStack()
        try:
            port = wait_until("Chromium's DevTools", self._port, 30.0)
            target = wait_until("the page", lambda: self._page(port), 30.0)
            self._devtools = self._open.enter_context(connect(target, max_size=None, open_timeout=30))
            wait_until("the page's script", lambda: self.run("typeof facts") == "function", 30.0)
        except BaseException:
            self.close()
            raise

    def run(self, script: str, seconds: float = 30.0) -> Any:
        """The value of an expression in the page; promises are waited for. Raises what the page throws."""
        number = next(self._numbers)
        parameters = {"expression": script, "awaitPromise": True, "returnByValue": True}
        self._devtools.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": parameters}))
        end = time.monotonic() + seconds
        while True:
            reply = json.loads(self._devtools.recv(timeout=max(end - time.monotonic(), 0.01)))
            if reply.get("id") == number:
                break
        result = reply["result"]
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", "the page threw"))
        return result["result"].get("value")

    def offer(self, mime: str = "") -> bytes:
        """A description with this codec alone, e.g. `audio/PCMU`, or all."""
        return str(self.run(f"offer({json.dumps(mime)})")).encode()

    def answer(self, offer: bytes) -> bytes:
        """To an offer."""
        return str(self.run(f"answer({json.dumps(offer.decode())})")).encode()

    def take(self, answer: bytes) -> None:
        """The answer to `offer`."""
        self.run(f"take({json.dumps(answer.decode())})")

    def connected(self, seconds: float = PATIENCE) -> None:
        """Wait until ICE and DTLS are through."""
        wait_until(
            "Chromium's connection",
            lambda: (state := self.run("state()"))["connection"] == "connected" and state["listening"],
            seconds,
        )

    def hears(self, hertz: float, seconds: float = PATIENCE) -> None:
        """Wait until the tone is loud, and all else that is heard 20 dB below it."""

        def loud() -> bool:
            found = self.run(f"tones({hertz})")
            tone = found["tones"][0] / np.sqrt(2)
            rest = np.sqrt(max(found["rms"] ** 2 - tone**2, 0.0))
            return bool(tone > 0.05 and rest < tone / 10)

        try:
            wait_until(f"{hertz} Hz in Chromium", loud, seconds)
        except TimeoutError as error:
            raise AssertionError(f"{error}; heard {self.run(f'tones({hertz})')}, {self.facts()}") from None

    def facts(self) -> dict[str, Any]:
        """Cipher, packets received and lost, round-trip time."""
        return dict(self.run("facts()"))

    def close(self) -> None:
        if hasattr(self, "_devtools"):
            with contextlib.suppress(Exception):
                self._devtools.send(json.dumps({"id": 0, "method": "Browser.close"}))
        self._open.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        self._server.close()
        shutil.rmtree(self._directory / "profile", ignore_errors=True)

    def _port(self) -> int:
        if self._process.poll() is not None:
            raise RuntimeError((self._directory / "log").read_text(errors="replace")[-2000:])
        file = self._directory / "profile" / "DevToolsActivePort"
        return int(file.read_text().split()[0]) if file.exists() and file.read_text().strip() else 0

    def _page(self, port: int) -> str:
        for target in httpx.get(f"http://127.0.0.1:{port}/json", timeout=10.0).json():
            if target["type"] == "page" and target["url"] == self._server.url:
                return str(target["webSocketDebuggerUrl"])
        return ""


class _Server:
    """Pages from a server on loopback may use the microphone; files may not."""

    def __init__(self, page: str, scripts: Mapping[str, bytes]) -> None:
        handler = functools.partial(_Quiet, scripts, directory=str(Path(__file__).parent))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{page}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def __init__(self, scripts: Mapping[str, bytes], *arguments: Any, **options: Any) -> None:
        self._scripts = scripts
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        script = self._scripts.get(self.path)
        if script is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript; charset=utf-8")
        self.send_header("Content-Length", str(len(script)))
        self.end_headers()
        self.wfile.write(script)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing to standard error."""
