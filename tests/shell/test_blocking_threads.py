"""What blocks a thread holds up neither the loop's end nor the process's."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from softswitch.shell.control import new_runner
from softswitch.shell.threads import DaemonThreads

HANGS = """
import asyncio, socket, sys, time
socket.getaddrinfo = lambda *args: time.sleep(3600)  # name servers that never answer
from softswitch.shell.control import new_runner
from softswitch.shell.dns_client import DnsClient
from softswitch.sip.locating import Question

async def life():
    client = DnsClient()
    question = asyncio.create_task(client.ask(Question("A", "carrier")))
    while not any(thread.name == "blocking" for thread in __import__("threading").enumerate()):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    await client.close()

with new_runner() as runner:
    runner.run(life())
print("over")
"""


def test_a_name_that_is_being_asked_for_does_not_hold_up_the_end() -> None:
    """The system's resolver gives up after its own time-outs only, a minute and more."""
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "over\n"), done.stderr


def test_what_is_about_to_be_done_is_done() -> None:
    said: list[str] = []

    async def life() -> None:
        asyncio.get_running_loop().run_in_executor(None, lambda: (time.sleep(0.3), said.append("written")))
        await asyncio.sleep(0)

    with new_runner() as runner:
        runner.run(life())
    assert said == ["written"]


def test_what_waits_for_a_thread_at_the_end_is_done_too() -> None:
    """Files that are to be written must not be lost because the threads are busy."""
    threads = DaemonThreads(most=1)
    said: list[int] = []
    jobs = [threads.submit(lambda number=number: (time.sleep(0.02), said.append(number))) for number in range(5)]  # type: ignore[misc]
    threads.shutdown()
    assert said == [0, 1, 2, 3, 4]
    assert all(job.done() for job in jobs)


def test_results_errors_and_many_at_once() -> None:
    threads = DaemonThreads(most=4)
    gate = threading.Event()
    waiting = [threads.submit(gate.wait, 30) for _ in range(4)]
    after = [threads.submit(lambda number=number: 100 // number) for number in range(20)]  # type: ignore[misc]
    assert not any(one.done() for one in after)
    gate.set()
    assert all(one.result(30) for one in waiting)
    assert [one.result(30) for one in after[1:]] == [100 // number for number in range(1, 20)]
    with pytest.raises(ZeroDivisionError):
        after[0].result(30)
    assert threading.active_count() < 20
    threads.shutdown()
    with pytest.raises(RuntimeError):
        threads.submit(print)


def test_what_had_not_begun_is_cancelled_at_the_end() -> None:
    threads = DaemonThreads(most=1)
    gate = threading.Event()
    running = threads.submit(gate.wait, 30)
    while not running.running():
        time.sleep(0.001)
    later = threads.submit(print)
    threads.shutdown(wait=False)
    assert later.cancelled()
    gate.set()
    assert running.result(30)
