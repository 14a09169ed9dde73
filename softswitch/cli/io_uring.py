"""Whether the kernel lets us use io_uring."""

import ctypes
import errno
import os
import platform
from pathlib import Path
from typing import Final

_SETUP: Final = 425  # asm-generic/unistd.h: io_uring_setup, the same on every architecture since 5.1
_PARAMETERS: Final = 120  # sizeof(struct io_uring_params)
_DISABLED: Final = Path("/proc/sys/kernel/io_uring_disabled")


def why_not() -> str:
    """Why a ring cannot be made here; empty when it can."""
    if platform.system() != "Linux":
        return "not Linux"
    libc = ctypes.CDLL(None, use_errno=True)
    ring = libc.syscall(_SETUP, 2, ctypes.create_string_buffer(_PARAMETERS))
    if ring >= 0:
        os.close(ring)
        return ""
    code = ctypes.get_errno()
    if code == errno.ENOSYS:
        return "the kernel has none, or the container hides it"
    if code in (errno.EPERM, errno.EACCES):
        if _DISABLED.exists() and _DISABLED.read_text().strip() != "0":
            return f"switched off by sysctl kernel.io_uring_disabled = {_DISABLED.read_text().strip()}"
        return "forbidden, as containers' seccomp profiles do"
    return os.strerror(code)
