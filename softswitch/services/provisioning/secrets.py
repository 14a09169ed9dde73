"""The secrets of devices: by one its file is fetched, the other opens its web pages. A file in the data directory that
only the switch's user can read; the switch and the command line share it under a lock."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hmac import compare_digest
from pathlib import Path

from softswitch.kernel.errors import LocalError

_NAME = "provisioning.json"
_LINK_BYTES = 18
_ADMIN_BYTES = 9


@dataclass(frozen=True, slots=True)
class DeviceSecret:
    """`link` is part of the address of the device's file, `admin` the password of its own pages. `fetched`: when its
    file was fetched last (seconds since 1970, 0 never), from `source`, by `agent` (its User-Agent)."""

    link: str
    admin: str
    fetched: float = 0.0
    source: str = ""
    agent: str = ""


class DeviceSecrets:
    """Those of all phones, by name."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _NAME

    def of(self, phone: str) -> DeviceSecret:
        """The phone's, made when there is none. Raises `LocalError` when the file cannot be used."""
        known = self._read().get(phone)
        if known is not None:
            return known
        with self._changing() as rows:
            return rows.setdefault(phone, _fresh())

    def all(self) -> dict[str, DeviceSecret]:
        """What there is."""
        return self._read()

    def renew(self, phone: str) -> DeviceSecret:
        """Other secrets from now on: the old address leads nowhere."""
        with self._changing() as rows:
            rows[phone] = _fresh()
            return rows[phone]

    def owner(self, link: str) -> str | None:
        """Whose the link is; every one is compared, so that time tells nothing."""
        found = None
        for phone, row in self._read().items():
            if compare_digest(row.link.encode(), link.encode()):
                found = phone
        return found

    def fetched(self, phone: str, now: float, source: str, agent: str) -> None:
        """The phone's file went out."""
        with self._changing() as rows:
            row = rows.get(phone)
            if row is not None:
                rows[phone] = DeviceSecret(row.link, row.admin, now, source, agent[:200])

    def _read(self) -> dict[str, DeviceSecret]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(phone): DeviceSecret(**row) for phone, row in rows.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise LocalError(f"{self._path}: cannot be used: {error}") from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, DeviceSecret]]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path.with_suffix(".lock"), "a", opener=private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                rows = self._read()
                yield rows
                fresh = self._path.with_suffix(".new")
                with open(fresh, "w", encoding="utf-8", opener=private) as file:
                    json.dump({phone: asdict(row) for phone, row in rows.items()}, file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(fresh, self._path)
        except OSError as error:
            raise LocalError(f"{self._path}: cannot be written: {error.strerror}") from error


def _fresh() -> DeviceSecret:
    return DeviceSecret(secrets.token_urlsafe(_LINK_BYTES), secrets.token_urlsafe(_ADMIN_BYTES))


def private(path: str, flags: int) -> int:
    """An opener for files that nobody else may read."""
    return os.open(path, flags, 0o600)
