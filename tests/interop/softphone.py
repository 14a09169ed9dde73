"""What the tests ask of other people's softphones, whatever the program."""

from pathlib import Path
from typing import Protocol

import soundfile

from tests.interop import listen
from tests.interop.switch_process import PATIENCE


class Softphone(Protocol):
    """A phone that registers, plays a tone of its own into every call, and writes down what it hears. What it is told
    to do happens in its latest call; what is waited for raises `TimeoutError`."""

    def call(self, number: str) -> None: ...
    def answer(self) -> None: ...
    def refuse(self) -> None:
        """486 to the call that comes."""

    def hold(self) -> None: ...
    def resume(self) -> None: ...
    def press(self, digits: str) -> None: ...
    def refer(self, number: str) -> None:
        """Blind transfer."""

    def hang_up(self) -> None: ...
    def incoming(self, seconds: float = PATIENCE) -> None: ...
    def established(self, seconds: float = PATIENCE) -> None: ...
    def closed(self, seconds: float = PATIENCE) -> None: ...
    def heard(self) -> listen.Samples:
        """In the latest call, once it is over; 8 kHz."""

    def close(self) -> None: ...


class Consulting(Softphone, Protocol):
    """One with a second line."""

    def consult(self, number: str) -> None:
        """Holds the call, and calls somebody else."""

    def complete(self) -> None:
        """Attended transfer of the first call to the second."""


def tone_file(directory: Path, hertz: float, seconds: float = 60.0) -> Path:
    path = directory / "tone.wav"
    soundfile.write(path, listen.tone(hertz, seconds), listen.RATE, subtype="PCM_16")
    return path
