"""Logs: structlog to the console (coloured on a terminal) or as JSON lines; secrets never pass."""

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import structlog

from softswitch.kernel.errors import LocalError
from softswitch.shell.masking import masked
from softswitch.switch.settings import Log
from softswitch.wire.plain_text import encode_any

_SECRET = re.compile(r"password|secret|token|ha1|authorization|pin$", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(?im)^((?:proxy-)?authorization\s*:\s*\w+)[^\r\n]*")
_ORDERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # ECMA-48 §5.2 and §5.3
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@lru_cache(1000)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _redact(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in fields:
        if _is_secret(name):
            fields[name] = "***"
    return fields


def _named(process: str) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    def add(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields["process"] = process
        return fields

    return add


def _legible(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What strangers sent gives no orders to a terminal; structlog quotes what has line ends."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = _ORDERS.sub("\ufffd", value)
    return fields


def _render_json(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> str:
    return encode_any(dict(fields)).decode()


class _Forward(logging.Handler):
    """What libraries log with the standard module goes the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(source=record.name)
        text = record.getMessage()
        if record.exc_info:
            log.log(record.levelno, text, exc_info=record.exc_info)
        else:
            log.log(record.levelno, text)


_open_file: TextIO | None = None


def set_up(settings: Log, process: str) -> None:
    """Configure the process's logs; `process` names it on every line. `auto` writes for people on a terminal and
    JSON lines elsewhere (65 and 15 µs a line). Call it again after a reload or a rotation. Raises
    `LocalError` when the file cannot be opened."""
    global _open_file
    stream: TextIO = sys.stderr
    if settings.file is not None:
        path = Path(settings.file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise LocalError(f"log file {path}: {error.strerror}") from error
    terminal = stream.isatty()
    console = settings.format == "console" or (settings.format == "auto" and terminal)
    processors: list[Any] = [
        _named(process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not console),
        _redact,
    ]
    if console:
        plain = structlog.dev.plain_traceback  # the pretty one prints local variables, secrets among them
        processors += [_legible, structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)]
    else:
        processors += [structlog.processors.format_exc_info, _render_json]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    if _open_file is not None:
        _open_file.close()
    _open_file = stream if stream is not sys.stderr else None


def redacted(message: bytes, limit: int = 2000) -> str:
    """A SIP message for the log: at most `limit` characters, credentials taken out."""
    return _AUTHORIZATION.sub(r"\1 ***", masked(message)[:limit].decode("utf-8", "backslashreplace"))


class Repeated:
    """A line that may come thousands of times a second is written once a period, with the count."""

    def __init__(
        self, write: Callable[..., object], period: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._period = period
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def __call__(self, event: str, **fields: object) -> None:
        """Write `event`, or count it when it was written less than a period ago."""
        now = self._clock()
        last, count = self._seen.get(event, (-self._period, 0))
        if now - last < self._period:
            self._seen[event] = (last, count + 1)
            return
        self._seen[event] = (now, 0)
        if count:
            fields["more"] = count
        self._write(event, **fields)
