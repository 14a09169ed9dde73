"""The words between the supervisor and the control process: JSON lines over a socket pair.

Control says `plan` (what to start), then `bound` (everything is checked, sockets are open), then `ready`. The
supervisor says `go` after `plan`. End of file means that the other side is gone.
"""

import socket
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from softswitch.kernel.errors import LocalError


class Plan(msgspec.Struct, frozen=True, tag="plan"):
    """The media processes of a configuration. `ports` is inclusive."""

    data_dir: str
    workers: int
    address: str
    ports: tuple[int, int]
    backend: str


class Bound(msgspec.Struct, frozen=True, tag="bound"):
    """Configuration, database and ports are good; media may start."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Calls are taken."""


class Go(msgspec.Struct, frozen=True, tag="go"):
    """The data directory is ours; media sockets are in `sockets`."""

    sockets: str


Word: TypeAlias = Plan | Bound | Ready | Go

_decoder = msgspec.json.Decoder(Plan | Bound | Ready | Go)
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Channel:
    """One end. `read` returns what is complete; `closed` is True once the other side is gone."""

    sock: socket.socket
    closed: bool = False
    _buffer: bytes = b""

    def say(self, word: Word) -> None:
        """A side that is gone is noticed by reading."""
        try:
            self.sock.sendall(_encoder.encode(word) + b"\n")
        except OSError:
            self.closed = True

    def read(self) -> list[Word]:
        """Read once; blocks when the socket does."""
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return []
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [_decoder.decode(line) for line in lines]

    def wait_go(self) -> Go:
        """Block until the supervisor says `go`. Raises `LocalError` when it is gone instead."""
        while not self.closed:
            for word in self.read():
                if isinstance(word, Go):
                    return word
        raise LocalError("the supervisor is gone")
