"""Complaint: the dispatcher thread dies unseen, and queues stand still (freeswitch#1641).

Ours: there is no such thread. A step that breaks is counted and told, and the next one is made; the timer goes on.
`test_supervisor` and `test_control` show that a process which dies is started anew, `test_api` that `/health` says so.
"""

import asyncio
import random

from softswitch.kernel.clock import Instant
from softswitch.shell.clock import start_clock
from softswitch.shell.driver import Driver
from softswitch.shell.trace import Trace
from softswitch.switch.events import Drain, Effect, SwitchEvent


class Restless:
    """Wakes every hundredth of a second, and breaks each time but the fifth."""

    def __init__(self, now: Instant) -> None:
        self.due = now
        self.wakes = 0
        self.served = asyncio.Event()
        self.received: list[SwitchEvent] = []

    def start(self, now: Instant) -> list[Effect]:
        return []

    def receive(self, event: SwitchEvent, now: Instant) -> list[Effect]:
        self.received.append(event)
        return []

    def wake(self, now: Instant) -> list[Effect]:
        self.wakes += 1
        self.due = now + 0.01
        if self.wakes < 5:
            raise RuntimeError("a step of the ACD broke")
        self.served.set()
        return []

    def deadline(self) -> Instant | None:
        return self.due


async def test_a_step_that_breaks_is_counted_and_the_next_ones_are_made() -> None:
    core = Restless(start_clock()())
    driver = Driver(core, asyncio.get_running_loop(), start_clock(), Trace(), lambda row: None, random.Random(1))
    try:
        driver.give(Drain())
        async with asyncio.timeout(45):
            await core.served.wait()
    finally:
        driver.stop()
    assert driver.faults == 4
    assert [type(event) for event in core.received] == [Drain]
