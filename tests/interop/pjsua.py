"""Drives `pjsua_phone.py`, pjsua2 in a process of its own."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
import soundfile

from tests.interop import listen
from tests.interop.driven import Scripted, ended
from tests.interop.softphone import tone_file
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, media_ports, wait_until


def need_pjsua() -> None:
    """Skip when it is not installed; in CI that is a failure, but where nobody builds it for that Python."""
    if importlib.util.find_spec("pjsua2") is None:
        if os.environ.get("CI") and sys.version_info < (3, 13):
            pytest.fail("pjsua2 is not installed; CI must have it (pip install --group interop)")
        pytest.skip("pjsua2 is not installed (pip install --group interop)")


class Pjsua(Scripted):
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
        super().__init__("pjsua_phone.py", [json.dumps(options)], self._directory / "errors")

    def call(self, number: str) -> None:
        self.do("call", uri=f"sip:{number}@pbx.test")

    def answer(self) -> None:
        self.do("answer")

    def refuse(self) -> None:
        self.do("refuse", status=486)

    def hold(self) -> None:
        self.do("hold")

    def resume(self) -> None:
        self.do("resume")

    def press(self, digits: str) -> None:
        self.do("press", digits=digits)

    def refer(self, number: str) -> None:
        self.do("refer", uri=f"sip:{number}@pbx.test")

    def consult(self, number: str) -> None:
        self.hold()
        self.call(number)

    def complete(self) -> None:
        self.do("complete")

    def hang_up(self) -> None:
        self.do("hang up")

    def message(self, number: str, text: str) -> None:
        self.do("message", uri=f"sip:{number}@pbx.test", text=text)

    def incoming(self, seconds: float = PATIENCE) -> None:
        self.expect("incoming", seconds)

    def established(self, seconds: float = PATIENCE) -> None:
        self.expect("established", seconds)

    def closed(self, seconds: float = PATIENCE) -> None:
        self.expect("closed", seconds)

    def heard(self) -> listen.Samples:
        """What came out of the decoder in the latest call, once it is over."""
        path = max(self._directory.glob("heard-*.wav"), key=lambda path: path.stat().st_mtime)
        wait_until("the end of pjsua's file", lambda: soundfile.info(path).frames)
        return listen.read(path)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # which ends it
        ended(self._process)
