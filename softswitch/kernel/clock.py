"""Time is an argument.

An `Instant` is seconds since the Unix epoch on a clock that never steps back while the process lives: the shell adds
the monotonic clock's progress to the wall clock's reading at start. So one scale serves for timers and for records.
A `Duration` is seconds. Cores never read a clock; `now` is handed to them.
"""

from typing import TypeAlias

Instant: TypeAlias = float
Duration: TypeAlias = float


def is_due(deadline: Instant | None, now: Instant) -> bool:
    """Whether a core's deadline has come; None is never due."""
    return deadline is not None and deadline <= now


def earliest(one: Instant | None, other: Instant | None) -> Instant | None:
    """The earlier of two deadlines, None being never. Asked after every message, and a third of what `min` over a
    generator costs."""
    if one is None or (other is not None and other < one):
        return other
    return one
