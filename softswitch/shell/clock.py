"""The one clock of a process: the wall at start plus the monotonic progress since (`kernel.clock`)."""

import time
from collections.abc import Callable

from softswitch.kernel.clock import Instant


def start_clock() -> Callable[[], Instant]:
    """A function that tells the time. It never steps back, and a wall clock that is set later does not move it."""
    monotonic = time.monotonic
    offset = time.time() - monotonic()

    def now() -> Instant:
        return monotonic() + offset

    return now
