"""Which backend runs, and why that one."""

from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.media.backend import Backend
from softswitch.media.epoll import EpollBackend
from softswitch.media.ring import why_not
from softswitch.media.uring import UringBackend

NAMES: Final = ("auto", "epoll", "uring")


def make_backend(name: str, address: str, ports: tuple[int, int]) -> Backend:
    """The backend called `name`; `auto` takes io_uring where the kernel lets us. Raises `LocalError`."""
    if name not in NAMES:
        raise LocalError(f"no media backend {name!r}; there are {', '.join(NAMES)}")
    if name == "epoll":
        return EpollBackend(address, ports, why="as configured")
    if name == "uring":
        return UringBackend(address, ports, why="as configured")
    if reason := why_not():
        return EpollBackend(address, ports, why=f"io_uring cannot be used: {reason}")
    return UringBackend(address, ports, why="the best that runs here")
