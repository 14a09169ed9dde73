"""The security log: a line for each event, in a form that does not change, for fail2ban and its like.

    2026-11-26T22:49:24.118Z softswitch-security event=auth-failed source=203.0.113.9 account="1001" reason="…" …

What peers choose stands in quotes, with everything that is no plain sign escaped, so nobody writes a line or a field of
their own.
"""

import logging.handlers
import os
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.services.alarms import Alarms
from softswitch.switch.events import Security

_PLAIN = re.compile(r"[^A-Za-z0-9 _.,:;+*#@%/()=<>\-]")
_LONGEST = 200
_PER_SECOND = 100  # lines; an attack shall not fill the disk
_ALARM_SECONDS = 3600.0
_ALARMED = {
    "toll-refused": "calls out were refused",
    "toll-cut": "calls were cut, their money was used up",
    "pins-guessed": "PINs are being guessed",
}


class SecurityLog:
    """`place`: a file, `syslog`, or empty. A breach of the toll guards, and guessers of PINs,
    are an alarm for an hour."""

    def __init__(self, place: str, data_dir: Path, alarms: Alarms, clock: Callable[[], Instant]) -> None:
        self._alarms = alarms
        self._clock = clock
        self._data_dir = data_dir
        self._place = ""
        self._file: TextIO | None = None
        self._syslog: logging.handlers.SysLogHandler | None = None
        self._second = 0
        self._lines = 0
        self._raised: dict[str, Instant] = {}
        self.counts: dict[str, int] = {}
        self.left_out = 0
        self.configure(place)

    def configure(self, place: str) -> None:
        """Open it (again, after a rotation). Raises `LocalError` when that fails."""
        self.close()
        self._place = place
        try:
            if place == "syslog":
                facility = logging.handlers.SysLogHandler.LOG_AUTHPRIV
                where = "/dev/log" if os.path.exists("/dev/log") else ("localhost", 514)
                self._syslog = logging.handlers.SysLogHandler(where, facility, socket.SOCK_DGRAM)
            elif place:
                path = self._data_dir / place
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a", buffering=1, encoding="ascii", errors="backslashreplace")
        except OSError as error:
            raise LocalError(f"security log {place}: {error.strerror}") from error

    def write(self, event: Security) -> None:
        """One line; beyond a hundred a second they are counted only."""
        self.counts[event.event] = self.counts.get(event.event, 0) + 1
        alarmed = _ALARMED.get(event.event)
        if alarmed is not None:
            self._raised[event.event] = event.at
            self._alarms.set(event.event, f"{alarmed}, last of {event.account}: {event.reason}", event.at)
        second = int(event.at)
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > _PER_SECOND:
            self.left_out += 1
            return
        line = render(event)
        if self._file is not None:
            self._file.write(line + "\n")
        elif self._syslog is not None:
            self._syslog.emit(logging.LogRecord("softswitch", logging.WARNING, "", 0, line, (), None))

    def sweep(self) -> None:
        """Every few seconds: alarms that are an hour old are over."""
        now = self._clock()
        for name, at in tuple(self._raised.items()):
            if now - at > _ALARM_SECONDS:
                del self._raised[name]
                self._alarms.clear(name)

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._syslog is not None:
            self._syslog.close()
            self._syslog = None


def render(event: Security) -> str:
    """The line of an event."""
    time = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    who = f'source={event.source or "-"} account="{_plain(event.account)}"'
    what = f'reason="{_plain(event.reason)}" number="{_plain(event.number)}"'
    return f"{time}Z softswitch-security event={event.event} {who} {what}"


def _plain(text: str) -> str:
    return _PLAIN.sub(lambda sign: f"\\x{ord(sign[0]):02x}", text[:_LONGEST])
