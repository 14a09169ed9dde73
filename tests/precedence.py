"""Ahead of others, for what must keep time."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def precedence() -> Iterator[None]:
    """In real time (sched(7)), ahead of whatever else the machine does, where that is allowed; processes that are
    started meanwhile inherit it."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)
