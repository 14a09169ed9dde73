"""linphonec as a phone: a configuration of its own, orders on its standard input, sound from and to WAV files."""

import contextlib
import os
import queue
import re
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tests.interop import listen
from tests.interop.driven import awaited, ended
from tests.interop.sipp import need
from tests.interop.softphone import tone_file
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, media_ports

_SRTP = {"off": ("none", 0), "optional": ("srtp", 0), "required": ("srtp", 1)}
_RATES = {"PCMA": (8000, 1), "PCMU": (8000, 1), "G722": (8000, 1), "opus": (48000, 2), "speex": (8000, 1)}
_SAYS = {
    "registered": re.compile(r"Registration on .* successful"),
    "incoming": re.compile(r"Receiving new incoming call"),
    "ringing": re.compile(r"Call \d+ with .* ringing|Remote ringing|is ringing"),
    "established": re.compile(r"Call \d+ with .* connected"),
    "media": re.compile(r"Media streams established"),
    "closed": re.compile(r"Call \d+ with .* (ended|error)|Call \d+ .*terminated"),
    "paused": re.compile(r"is now paused|Call \d+ with .* paused"),
}


class Linphone:
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
    ) -> None:
        need("linphonec")
        self.user = user
        self._directory = directory / f"linphone-{user}"
        (self._directory / ".local/share/linphone").mkdir(parents=True)
        self._files: list[Path] = []
        encryption, mandatory = _SRTP[srtp]
        ports = dict.fromkeys(("udp", "tcp", "tls"), 0) | {transport: free_port()}
        wanted = codecs.split(",")
        lines = "".join(
            f"[audio_codec_{index}]\nmime={name}\nrate={_RATES[name][0]}\nchannels={_RATES[name][1]}\n"
            f"enabled={int(name in wanted)}\n"
            for index, name in enumerate([*wanted, *(name for name in _RATES if name not in wanted)])
        )
        where = f"{switch.host}:{port or switch.port};transport={transport}"
        configuration = self._directory / "rc"
        configuration.write_text(
            f"""[sip]
sip_port={ports["udp"]}
sip_tcp_port={ports["tcp"]}
sip_tls_port={ports["tls"]}
bind_address=127.0.0.1
media_encryption={encryption}
media_encryption_mandatory={mandatory}
verify_server_certs=0
verify_server_cn=0
[rtp]
audio_rtp_port={media_ports(40)[0]}
[sound]
echocancellation=0
[proxy_0]
reg_proxy=<sip:{where}>
reg_route=<sip:{where};lr>
reg_identity=sip:{user}@pbx.test
reg_expires=300
reg_sendregister=1
[auth_info_0]
username={user}
passwd={password}
realm=pbx.test
{lines}"""
        )
        self._log = self._directory / "log"
        tone = tone_file(self._directory, hertz)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                ["linphonec", "-c", str(configuration), *(["-a"] if answer else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env=os.environ | {"HOME": str(self._directory)},
            )
        self._events: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._do("soundcard use files")
        self._do(f"play {tone}")
        self._record()

    def call(self, number: str) -> None:
        self._record()
        self._do(f"call sip:{number}@pbx.test")

    def answer(self) -> None:
        self._do("answer")

    def refuse(self) -> None:
        self._do("terminate")

    def hold(self) -> None:
        self._do("pause")

    def resume(self) -> None:
        self._record(more=True)
        self._do("resume")

    def press(self, digits: str) -> None:
        self._do(digits)

    def refer(self, number: str) -> None:
        self._do(f"transfer sip:{number}@pbx.test")

    def consult(self, number: str) -> None:
        self.hold()
        self.expect("paused")
        self.call(number)

    def complete(self) -> None:
        self._do("transfer 1 --to-call 2")

    def hang_up(self) -> None:
        self._do("terminate")

    def incoming(self, seconds: float = PATIENCE) -> None:
        self.expect("incoming", seconds)

    def established(self, seconds: float = PATIENCE) -> None:
        self.expect("established", seconds)

    def closed(self, seconds: float = PATIENCE) -> None:
        self.expect("closed", seconds)

    def expect(self, event: str, seconds: float = PATIENCE) -> str:
        """The next line that says so; others are dropped."""
        says = _SAYS[event].search
        return awaited(self._events, lambda line: says(line) is not None, f"{event} of linphone", seconds, self._said)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")

    def heard(self) -> listen.Samples:
        """What came out of the decoder in the latest call, at 8 kHz."""
        parts = [_resampled(path) for path in self._files if path.exists() and path.stat().st_size > 44]
        return np.concatenate(parts) if parts else np.zeros(0)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._do("quit")
        ended(self._process)

    def _record(self, *, more: bool = False) -> None:
        """To a new file: a stream that begins anew would overwrite the old one."""
        path = self._directory / f"heard-{time.time_ns()}.wav"
        self._files = [*self._files, path] if more else [path]
        self._do(f"record {path}")

    def _do(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(line.rstrip())


def _resampled(path: Path) -> listen.Samples:
    data, rate = soundfile.read(path, always_2d=True)
    return np.asarray(soxr.resample(data[:, 0], rate, listen.RATE), dtype=np.float64)
