"""baresip as a phone: a configuration of its own, orders over its control socket, what it heard as WAV files."""

import contextlib
import json
import queue
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from tests.interop import listen
from tests.interop.driven import awaited, ended
from tests.interop.sipp import need
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, media_ports, wait_until

_MODULES = next((path for path in Path("/usr/lib").glob("**/baresip/modules") if path.is_dir()), Path("/nowhere"))


_ENCRYPTION = {
    "srtp": ("srtp",),
    "srtp-mand": ("srtp",),
    "dtls_srtp": ("srtp", "dtls_srtp"),
    "dtls_srtpf": ("srtp", "dtls_srtp"),
    "srtp-mandf": ("srtp",),
}


class Baresip:
    """One phone that registers at `switch`; it plays a tone into every call and writes down what it hears."""

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
        answer: str = "auto",
        mediaenc: str = "",
        port: int = 0,
        authority: str = "",
        account: str = "",
        modules: tuple[str, ...] = (),
        parameters: str = "",
    ) -> None:
        """`port` of the switch, when it is not the usual one; `authority`: file of whom it believes over TLS;
        `account`: the line of its accounts that somebody else has written. `modules`: further applications of it;
        `parameters` of its account."""
        need("baresip")
        self.name = user
        self._directory = directory / f"baresip-{user}"
        self._directory.mkdir(parents=True)
        tone = self._directory / "tone.wav"
        soundfile.write(tone, listen.tone(hertz, 60.0), listen.RATE, subtype="PCM_16")
        control = free_port()
        wanted = codecs.replace("G722", "G722/16000/1")
        further = (*_ENCRYPTION.get(mediaenc, ()), *(name.lower() for name in ("opus", "G722") if name in codecs))
        applications = "".join(f"module_app {name}.so\n" for name in modules)
        encoders = "".join(f"module {name}.so\n" for name in further)
        encryption = f";mediaenc={mediaenc}" if mediaenc else ""
        trust = f"sip_cafile {authority}\nsip_verify_server yes\n" if authority else ""
        low, high = media_ports(40)
        (self._directory / "config").write_text(
            f"""poll_method epoll
sip_listen 127.0.0.1:{free_port()}
audio_player aufile,none
audio_source aufile,{tone}
audio_alert aufile,none
ausrc_srate 8000
ausrc_channels 1
auplay_srate 8000
auplay_channels 1
rtp_ports {low}-{high}
rtcp_mux {"yes" if "dtls" in mediaenc else "no"}
{trust}module_path {_MODULES}
module g711.so
{encoders}module sndfile.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
{applications}ctrl_tcp_listen 127.0.0.1:{control}
snd_path {self._directory}
net_interface 127.0.0.1
"""
        )
        (self._directory / "accounts").write_text(
            (account and account.rstrip() + f";answermode={answer}\n")
            or f"<sip:{user}@pbx.test>;auth_pass={password};"
            f'outbound="sip:{switch.host}:{port or switch.port};transport={transport}";'
            f"answermode={answer};regint=60;audio_codecs={wanted}{encryption}{parameters}\n"
        )
        (self._directory / "contacts").write_text("")
        self._log = self._directory / "log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                ["stdbuf", "-oL", "baresip", "-4", "-f", str(self._directory)]
                if shutil.which("stdbuf")
                else ["baresip", "-4", "-f", str(self._directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        try:
            self._socket = wait_until("baresip's control socket", lambda: _connect(control))
        except TimeoutError:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(self._log.read_text(errors="replace")[-2000:]) from None
        threading.Thread(target=self._read, daemon=True).start()

    def do(self, command: str, parameters: str = "") -> None:
        """One of baresip's commands: dial, hangup, accept, hold, resume …"""
        body = json.dumps({"command": command, "params": parameters, "token": "t"}).encode()
        self._socket.sendall(b"%d:%s," % (len(body), body))

    def expect(self, kind: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next event of a type (`REGISTER_OK`, `CALL_ESTABLISHED` …); others are dropped."""
        wanted = lambda event: event.get("type") == kind  # noqa: E731
        return awaited(self._events, wanted, f"{kind} of baresip", seconds, self._said)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")

    def call(self, number: str) -> None:
        self.do("dial", f"sip:{number}@pbx.test")

    def answer(self) -> None:
        self.do("accept")

    def refuse(self) -> None:
        self.do("hangup")

    def hold(self) -> None:
        self.do("hold")

    def resume(self) -> None:
        self.do("resume")

    def press(self, digits: str) -> None:
        for digit in digits:
            self.do("sndcode", digit)

    def refer(self, number: str) -> None:
        self.do("transfer", f"sip:{number}@pbx.test")

    def hang_up(self) -> None:
        self.do("hangup")

    def incoming(self, seconds: float = PATIENCE) -> None:
        self.expect("CALL_INCOMING", seconds)

    def established(self, seconds: float = PATIENCE) -> None:
        self.expect("CALL_ESTABLISHED", seconds)

    def closed(self, seconds: float = PATIENCE) -> None:
        self.expect("CALL_CLOSED", seconds)

    def heard(self) -> listen.Samples:
        """What came out of the decoder in the latest call, at 8 kHz."""
        path = max(self._directory.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)
        data, rate = soundfile.read(path, always_2d=True)
        return np.asarray(soxr.resample(data[:, 0], rate, listen.RATE), dtype=np.float64)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.do("quit")
        ended(self._process)
        self._socket.close()

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            while chunk := self._socket.recv(65536):
                data += chunk
                while b":" in data:
                    size, _, rest = data.partition(b":")
                    if len(rest) <= int(size):
                        break
                    body, data = rest[: int(size)], rest[int(size) + 1 :]
                    event = json.loads(body)
                    if event.get("event"):
                        self._events.put(event | {"at": time.time()})


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port))
    except OSError:
        return None
