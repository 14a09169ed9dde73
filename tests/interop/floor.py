"""People with a tone each at a running switch, and who hears whom."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import soundfile

from softswitch.wire.sdp import parse_sdp
from tests.interop import listen
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import sdp
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import PATIENCE, SwitchProcess, free_port, wait_until

MUSIC_HZ = 300.0
WINDOW = 0.4
SETTLED = 20.0  # seconds; a moment, where the machine has one


class Person:
    """A SIP user agent with a tone at a host of its own. `beside`: another line of that person's phone."""

    def __init__(
        self, name: str, host: str, hertz: float, switch: tuple[str, int], port: int = 0, beside: "Person | None" = None
    ) -> None:
        self.name, self.host, self.hertz = name, host, hertz
        self.sip = beside.sip.another() if beside else SipUser(name, host, port, switch)
        self.rtp = RtpPeer(hertz, free_port(host=host), host)
        self._switch = switch
        self._first = beside is None
        self.took = 0.0  # when it last answered

    def another_line(self, hertz: float | None = None) -> "Person":
        """With the same tone, or as somebody else at that phone."""
        return Person(self.name, self.host, hertz or self.hertz, self._switch, beside=self)

    def body(self, version: int = 1, direction: str = "sendrecv") -> bytes:
        text = sdp(direction, version, self.rtp.port).replace("IP[local_ip_type] [local_ip]", f"IP4 {self.host}")
        return text.replace("IP[media_ip_type] [media_ip]", f"IP4 {self.host}").replace("\n", "\r\n").encode() + b"\r\n"

    def take(self) -> None:
        """Answer the call that comes, and speak to where it says."""
        self._speak(self.sip.wait())
        self.sip.answer(self.body())
        self.took = time.time()

    def call(self, number: str, *headers: str) -> None:
        """Until it is answered."""
        self._speak(self.sip.call(number, self.body(), headers=headers))

    def dial(self, number: str) -> None:
        """And no waiting."""
        self.sip.dial(number, self.body())

    def answered(self) -> None:
        """The answer to `dial`."""
        response = self.sip.answered()
        assert response.status == 200, f"{response.status} {response.reason}"
        self._speak(response.body)

    def move(self) -> None:
        """Agree to a re-INVITE, and send where it says."""
        self._speak(self.sip.wait())
        self.sip.answer(self.body(2))

    def _speak(self, description: bytes) -> None:
        if description:
            media = parse_sdp(description).media[0]
            self.rtp.redirect((media.connection or "127.0.0.1", media.port))

    def keys(self, digits: str) -> None:
        for digit in digits:
            self.rtp.press(digit)
        wait_until("the keys", lambda: not self.rtp.pressing)

    def close(self) -> None:
        if self._first:
            self.sip.close()
        self.rtp.close()


def steady_music(directory: Path, *names: str) -> None:
    """A tone as the music of these names, for the switch whose directory it is."""
    music = directory / "var" / "prompts" / "music"
    music.mkdir(parents=True)
    for name in names:
        soundfile.write(music / f"{name}.wav", listen.tone(MUSIC_HZ, 10.0), listen.RATE)


def command(switch: SwitchProcess, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command line, as who runs the switch uses it."""
    line = [sys.executable, "-m", "softswitch.cli", *words, "--config", str(switch.directory / "config.toml")]
    return subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)


def found(heard: listen.Samples, tones: dict[str, float]) -> str:
    """The first letters of those whose tones are there, in order."""
    if listen.rms(heard) < 0.005:
        return ""
    near = {name: listen.power_of(heard, hertz)[0] for name, hertz in tones.items()}
    whole = sum(listen.power_of(heard, 1000.0))
    return "".join(sorted(name[0] for name, power in near.items() if power > 0.03 * whole))


def hear(voices: Mapping[str, RtpPeer], tones: dict[str, float], **expected: str) -> tuple[float, float]:
    """Soon, and for a moment at once, each person hears exactly these, by their first letters. Returns the heart of the
    moment: what a recording has then is the same, be it a little ahead or behind."""
    end = time.monotonic() + SETTLED
    while True:
        begin = time.time() + 0.25  # what was under way
        wait_until("a moment of sound", lambda begin=begin: time.time() > begin + WINDOW)
        heard = {name: found(voices[name].heard(begin, begin + WINDOW), tones) for name in expected}
        if all(heard[name] == "".join(sorted(others)) for name, others in expected.items()):
            return begin + WINDOW / 4, begin + WINDOW * 3 / 4
        assert time.monotonic() < end, f"heard {heard}, not {expected}"
