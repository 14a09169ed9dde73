"""`data_dir/run`: the lock, the sockets of the media processes, and how to reach the API of the running switch."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from softswitch.kernel.errors import LocalError

_SOCKET_PATH = 100  # sun_path holds 108 bytes with its end


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API listens (`http://HOST:PORT`) and the bearer token."""

    url: str
    token: str


def prepare(data_dir: Path) -> Path:
    """Make the data directory, for its user and group only, and its `run` folder; returns the latter. Raises
    `LocalError`. A directory that is there keeps its mode."""
    run = data_dir / "run"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)  # who called whom is nobody else's business
        run.mkdir(exist_ok=True)
        run.chmod(0o700)
    except (FileExistsError, NotADirectoryError):
        raise LocalError(f"data directory {data_dir}: there is a file of that name") from None
    except OSError as error:
        raise LocalError(f"data directory {data_dir}: {error.strerror}") from error
    return run


def lock(run: Path) -> IO[str]:
    """Take the lock that keeps two switches off one data directory; it holds until the file is closed.

    Raises `LocalError` that names the other one's process.
    """
    file = (run / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise LocalError(f"another softswitch (process {owner}) uses the data directory {run.parent}") from None
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def socket_dir(run: Path) -> tuple[Path, bool]:
    """Where the Unix sockets go: `run`, or a fresh temporary folder (True: remove it at the end) when its path is too
    long for a socket address."""
    if len(os.fsencode((run / "media-99.sock").absolute())) <= _SOCKET_PATH:
        return run, False
    return Path(tempfile.mkdtemp(prefix="softswitch-")), True


def media_socket(sockets: Path, worker: int) -> Path:
    """The control socket of media process `worker`."""
    return sockets / f"media-{worker}.sock"


def write_access(run: Path, access: ApiAccess) -> None:
    """Tell programs of the same user how to reach the API: `run/api-url` and `run/api-token`, mode 0600."""
    for name, text in (("api-token", access.token), ("api-url", access.url)):
        descriptor = os.open(run / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")


def read_access(data_dir: Path) -> ApiAccess | None:
    """How to reach the switch that runs on `data_dir`; None when there is none, or it belongs to another user."""
    run = data_dir / "run"
    try:
        url = (run / "api-url").read_text(encoding="utf-8").strip()
        token = (run / "api-token").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return ApiAccess(url, token)


def clean(run: Path, sockets: Path, temporary: bool) -> None:
    """Remove what a stopped switch leaves behind; the lock file stays, since another may wait for it."""
    for path in (*sockets.glob("media-*.sock"), run / "api-url", run / "api-token"):
        path.unlink(missing_ok=True)
    if temporary:
        shutil.rmtree(sockets, ignore_errors=True)
