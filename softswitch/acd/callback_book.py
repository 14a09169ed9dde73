"""Call-backs that are still to come: plain values, found by their id, by number and by the attempt under way."""

from dataclasses import dataclass

from softswitch.acd.model import CallbackId, CallId, Needs, QueueName
from softswitch.kernel.clock import Instant


@dataclass(slots=True, eq=False)
class Callback:
    """A customer on `number` (reached as `to` says) wants to be called back by an agent of `queue`. `rank` and
    `serial` are the place that it keeps. `attempts`: how often the customer was called in vain. `call` is the attempt
    that waits or is under way; empty: the next one begins at `due`."""

    callback: CallbackId
    queue: QueueName
    number: str
    to: str
    by: str
    rank: float
    asked: Instant
    expires: Instant
    needs: Needs = ()
    language: str = ""
    serial: int = 0
    attempts: int = 0
    call: CallId = ""
    due: Instant | None = None


class Callbacks:
    """All that are open."""

    __slots__ = ("_by_call", "_by_id", "_by_number")

    def __init__(self) -> None:
        self._by_id: dict[CallbackId, Callback] = {}
        self._by_number: dict[tuple[QueueName, str], Callback] = {}
        self._by_call: dict[CallId, Callback] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[Callback]:
        """In order of their places."""
        return sorted(self._by_id.values(), key=lambda callback: callback.rank)

    def get(self, callback: CallbackId) -> Callback | None:
        """By its id."""
        return self._by_id.get(callback)

    def of_number(self, queue: QueueName, number: str) -> Callback | None:
        """The one that this number has in that queue."""
        return self._by_number.get((queue, number))

    def of_call(self, call: CallId) -> Callback | None:
        """The one whose attempt `call` is."""
        return self._by_call.get(call)

    def add(self, callback: Callback) -> None:
        """A new one."""
        self._by_id[callback.callback] = callback
        self._by_number[callback.queue, callback.number] = callback

    def attempt(self, callback: Callback, call: CallId) -> None:
        """`call` is its attempt from now on; empty: none is."""
        self._by_call.pop(callback.call, None)
        callback.call = call
        if call:
            self._by_call[call] = callback

    def remove(self, callback: Callback) -> None:
        """It is over."""
        self.attempt(callback, "")
        del self._by_id[callback.callback]
        del self._by_number[callback.queue, callback.number]
