"""Drives `pyvoip_phone.py`, pyVoIP in a process of its own."""

import contextlib
import importlib.metadata
import os
from pathlib import Path

import pytest

from tests.interop import listen
from tests.interop.driven import Scripted, ended
from tests.interop.switch_process import SwitchProcess, free_port, media_ports


def need_pyvoip() -> None:
    """Skip when it is not installed; in CI that is a failure."""
    try:
        importlib.metadata.version("pyVoIP")
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI"):
            pytest.fail("pyVoIP is not installed; CI must have it (pip install --group interop)")
        pytest.skip("pyVoIP is not installed (pip install --group interop)")


class PyVoip(Scripted):
    """One phone. `do` takes the orders of `pyvoip_phone.py`, `expect` waits for its events."""

    def __init__(self, switch: SwitchProcess, user: str, password: str, hertz: float, directory: Path) -> None:
        need_pyvoip()
        directory.mkdir(parents=True, exist_ok=True)
        self._heard = directory / f"pyvoip-{user}.u8"
        words = [switch.host, switch.port, user, password, free_port(), media_ports(40)[0], hertz, self._heard]
        super().__init__("pyvoip_phone.py", [str(word) for word in words], directory / f"pyvoip-{user}.log")

    def heard(self) -> listen.Samples:
        return listen.from_u8(self._heard.read_bytes() if self._heard.exists() else b"")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.do("quit")
        ended(self._process)
