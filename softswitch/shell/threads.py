"""Threads for what blocks, above all names asked of the system: nobody can call such a thread back, and neither the end
of the loop nor that of the process waits for one longer than a moment."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_GRACE: Final = 3.0  # seconds at the end for what is about to be done, such as a file
_Job = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(ThreadPoolExecutor):
    """An executor for an event loop, which wants a `ThreadPoolExecutor`; that one's own threads are joined at exit."""

    def __init__(self, most: int = 64) -> None:
        super().__init__(1)
        self._most = most
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._running: list[threading.Thread] = []
        self._idle = 0
        self._over = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it in the next thread that is free."""
        future: Future[T] = Future()
        with self._lock:
            if self._over:
                raise RuntimeError("no more threads: the loop has ended")
            self._jobs.put((future, lambda: fn(*args, **kwargs)))
            if self._jobs.qsize() > self._idle and len(self._running) < self._most:
                thread = threading.Thread(target=self._work, name="blocking", daemon=True)
                self._running.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more. With `wait` there is a moment for what is to be done; what has not begun then is cancelled."""
        with self._lock:
            self._over = True
        if cancel_futures or not wait:
            self._cancel()
        self._dismiss()
        if wait:
            end = time.monotonic() + _GRACE
            for thread in self._running:
                thread.join(max(0.0, end - time.monotonic()))
            self._cancel()
            self._dismiss()

    def _cancel(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job[0].cancel()

    def _dismiss(self) -> None:
        for _ in self._running:
            self._jobs.put(None)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
            if job is None:
                return
            future, run = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = run()
            except BaseException as error:  # whatever it is, who waits is told
                future.set_exception(error)
            else:
                future.set_result(result)
